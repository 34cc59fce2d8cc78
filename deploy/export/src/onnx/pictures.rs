//! Convolutions and pools, which ONNX has for pictures whose channels come first; those of a policy's results come last.

use phalanx_graph::{Activation, Window};

use super::build::Onnx;
use super::proto::Attribute;
use crate::lower::{Target as _, Tensor, Unary, Weights};

impl Onnx {
    /// A picture with its channels first.
    fn picture(&mut self, x: Tensor, window: &Window) -> Tensor {
        let [height, width, channels] = window.picture;
        if window.channels_first {
            return self.reshaped(x, &[channels, height, width]);
        }
        let x = self.reshaped(x, &[height, width, channels]);
        let order = Attribute::ints("perm", &[0, 3, 1, 2]);
        self.add("Transpose", &[x], &[channels, height, width], vec![order])
    }

    /// Adds a node whose windows give pictures of so many channels; the result has them last.
    fn windows(
        &mut self,
        op: &'static str,
        reads: &[Tensor],
        window: &Window,
        channels: usize,
        own: Vec<Attribute>,
    ) -> Tensor {
        let [height, width] = window.result();
        let mut attributes = attributes(window);
        attributes.extend(own);
        let y = self.add(op, reads, &[channels, height, width], attributes);
        let order = Attribute::ints("perm", &[0, 2, 3, 1]);
        self.add("Transpose", &[y], &[height, width, channels], vec![order])
    }

    pub(super) fn relu(&mut self, x: Tensor, is_relu: bool) -> Tensor {
        if is_relu { self.unary(Unary::Activation(Activation::Relu), x) } else { x }
    }

    pub(super) fn convolution(&mut self, x: Tensor, window: &Window, weights: Weights<'_>) -> Tensor {
        let x = self.picture(x, window);
        let (kernel, channels, filters) = (window.kernel, window.picture[2], weights.bias.len());
        let pixels = kernel * kernel;
        let weight = if window.channels_first {
            weights.weight.to_vec()
        } else {
            // From [filters, pixels, channels] to [filters, channels, pixels].
            let filters = weights.weight.chunks_exact(pixels * channels);
            let turned = |filter| (0..pixels * channels).map(move |i| (filter, i));
            let all = filters.flat_map(turned);
            all.map(|(filter, i): (&[f32], usize)| filter[i % pixels * channels + i / pixels]).collect()
        };
        let weight = self.floats(&[filters, channels, kernel, kernel], &weight);
        let bias = self.floats(&[filters], weights.bias);
        let y = self.windows("Conv", &[x, weight, bias], window, filters, vec![]);
        self.relu(y, weights.is_relu)
    }

    pub(super) fn max_pool(&mut self, x: Tensor, window: &Window) -> Tensor {
        let x = self.picture(x, window);
        self.windows("MaxPool", &[x], window, window.picture[2], vec![])
    }

    /// Operator set 17 has no dilation for it: a convolution of each channel.
    pub(super) fn average_pool(&mut self, x: Tensor, window: &Window) -> Tensor {
        let x = self.picture(x, window);
        let (kernel, channels) = (window.kernel, window.picture[2]);
        let pixels = kernel * kernel;
        let weight = vec![1.0 / pixels as f32; channels * pixels];
        let weight = self.floats(&[channels, 1, kernel, kernel], &weight);
        let group = Attribute::int("group", channels as i64);
        self.windows("Conv", &[x, weight], window, channels, vec![group])
    }
}

fn attributes(window: &Window) -> Vec<Attribute> {
    let ints = |name, size: usize, n: usize| Attribute::ints(name, &vec![size as i64; n]);
    vec![
        ints("kernel_shape", window.kernel, 2),
        ints("strides", window.stride, 2),
        ints("pads", window.padding, 4),
        ints("dilations", window.dilation, 2),
    ]
}
