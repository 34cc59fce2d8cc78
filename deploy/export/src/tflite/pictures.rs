//! Convolutions and pools.

use phalanx_graph::Window;

use super::build::{TfLite, fused};
use super::schema::{Builtin, Field, Options, TensorInfo, options};
use crate::lower::{Binary, Target as _, Tensor, Weights};

/// Windows lie within the picture; padding has been added.
const VALID: Field = Field::I8(1);

impl TfLite<'_> {
    /// A picture `[height, width, channels]` with its padding, in which all numbers are `outside`; zero where there is nothing else.
    pub(super) fn padded(&mut self, x: Tensor, window: &Window, outside: Option<f32>) -> Tensor {
        let [height, width, channels] = window.picture;
        let x = if window.channels_first {
            let x = self.reshaped(x, &[channels, height, width]);
            let like = self.info(x).clone();
            let order = self.whole(&[4], &[0, 2, 3, 1]);
            let shape = [height, width, channels];
            self.add_like(Builtin::Transpose, &[x, order], &like, &shape, Options(options::TRANSPOSE, vec![]))
        } else {
            self.reshaped(x, &[height, width, channels])
        };
        if window.padding == 0 {
            return x;
        }
        let (like, padding) = (self.info(x).clone(), window.padding as i32);
        let by = self.whole(&[4, 2], &[0, 0, padding, padding, padding, padding, 0, 0]);
        let shape = [height + 2 * window.padding, width + 2 * window.padding, channels];
        match outside {
            None => self.add_like(Builtin::Pad, &[x, by], &like, &shape, Options(options::PAD, vec![])),
            Some(outside) => {
                let outside = self.floats(&[1], &[outside]);
                self.add_like(
                    Builtin::PadV2,
                    &[x, by, outside],
                    &like,
                    &shape,
                    Options(options::PAD_V2, vec![]),
                )
            }
        }
    }

    /// A convolution of a padded picture, with a result like `like`.
    pub(super) fn windows(
        &mut self,
        reads: &[Tensor],
        window: &Window,
        like: &TensorInfo,
        filters: usize,
        is_relu: bool,
    ) -> Tensor {
        let [stride, dilation] = [window.stride, window.dilation].map(|size| Field::I32(size as i32));
        let fields =
            vec![(0, VALID), (1, stride), (2, stride), (3, fused(is_relu)), (4, dilation), (5, dilation)];
        let [height, width] = window.result();
        self.add_like(
            Builtin::Conv2d,
            reads,
            like,
            &[height, width, filters],
            Options(options::CONV_2D, fields),
        )
    }

    pub(super) fn convolution(&mut self, x: Tensor, window: &Window, weights: Weights<'_>) -> Tensor {
        let x = self.in_floats(x);
        let x = self.padded(x, window, None);
        let filters = weights.bias.len();
        let weight = channels_last(weights.weight, window);
        let weight = self.floats(&filter_shape(window, filters), &weight);
        let bias = self.floats(&[filters], weights.bias);
        let like = self.info(x).clone();
        self.windows(&[x, weight, bias], window, &like, filters, weights.is_relu)
    }

    pub(super) fn pooled(&mut self, x: Tensor, window: &Window, is_max: bool) -> Tensor {
        let x = self.in_floats(x);
        let x = self.padded(x, window, is_max.then_some(f32::NEG_INFINITY));
        let ([height, width], channels) = (window.result(), window.picture[2]);
        if window.dilation == 1 {
            let [stride, kernel] = [window.stride, window.kernel].map(|size| Field::I32(size as i32));
            let fields = vec![(0, VALID), (1, stride), (2, stride), (3, kernel), (4, kernel)];
            let builtin = if is_max { Builtin::MaxPool2d } else { Builtin::AveragePool2d };
            return self.add(builtin, &[x], &[height, width, channels], Options(options::POOL_2D, fields));
        }
        // There is no pool with dilation: one picture for each pixel of a window.
        let op = if is_max { Binary::Max } else { Binary::Add };
        let range = |pixel: usize, results: usize| {
            let start = pixel * window.dilation;
            (start, start + (results - 1) * window.stride + 1, window.stride)
        };
        let pixels = (0..window.kernel).flat_map(|i| (0..window.kernel).map(move |j| (i, j)));
        let mut sum: Option<Tensor> = None;
        for (i, j) in pixels {
            let picture = self.strided(x, &[range(i, height), range(j, width), (0, channels, 1)]);
            sum = Some(sum.map_or(picture, |sum| self.binary(op, sum, picture)));
        }
        let sum = sum.expect("a window has pixels");
        if is_max {
            return sum;
        }
        let factor = self.constant(&[1.0 / (window.kernel * window.kernel) as f32]);
        self.binary(Binary::Mul, sum, factor)
    }
}

pub(super) fn filter_shape(window: &Window, filters: usize) -> [usize; 4] {
    [filters, window.kernel, window.kernel, window.picture[2]]
}

/// The weights of filters in the order `[filters, height, width, channels]`.
pub(super) fn channels_last<T: Copy>(weight: &[T], window: &Window) -> Vec<T> {
    if !window.channels_first {
        return weight.to_vec();
    }
    let (pixels, channels) = (window.kernel * window.kernel, window.picture[2]);
    let turned = |filter| (0..pixels * channels).map(move |i| (filter, i));
    let all = weight.chunks_exact(pixels * channels).flat_map(turned);
    all.map(|(filter, i): (&[T], usize)| filter[i % channels * pixels + i / channels]).collect()
}
