//! Convolutions and pools over a picture.

use crate::format::step;
use crate::linear::{Layer, linear};

/// The picture that a step reads, and its windows.
#[derive(Clone, Copy)]
pub struct Windows {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    pub dilation: usize,
    pub channels_first: bool,
}

impl Windows {
    /// Those of a step.
    pub fn of(words: &[u32; step::WORDS]) -> Self {
        let half = |i: usize, high: bool| (if high { words[i] >> 16 } else { words[i] & 0xffff }) as usize;
        Self {
            height: half(step::SIZE, false),
            width: half(step::SIZE, true),
            channels: half(step::KERNEL, false),
            kernel: half(step::KERNEL, true),
            stride: half(step::STRIDE, false),
            padding: half(step::STRIDE, true),
            dilation: half(step::DILATION, false),
            channels_first: half(step::DILATION, true) != 0,
        }
    }

    /// Windows down and across; nothing where not even one fits.
    pub fn count(self) -> Option<[usize; 2]> {
        let span = self.dilation.checked_mul(self.kernel.checked_sub(1)?)?.checked_add(1)?;
        let along = |pixels: usize| {
            pixels.checked_add(2 * self.padding)?.checked_sub(span)?.checked_div(self.stride)?.checked_add(1)
        };
        Some([along(self.height)?, along(self.width)?])
    }

    /// The numbers of a window that lie beside each other in the picture, each with the index of its first one among the weights of a
    /// filter; what the padding has is left out.
    #[cfg_attr(feature = "simd", inline(always))]
    fn pieces<T>(self, x: &[T], window: usize) -> impl Iterator<Item = (usize, &[T])> {
        let Self { height, width, kernel, dilation, padding, .. } = self;
        let [_, across] = self.count().unwrap_or_default();
        let (row, column) = (window / across.max(1) * self.stride, window % across.max(1) * self.stride);
        let (planes, numbers) = if self.channels_first { (self.channels, 1) } else { (1, self.channels) };
        // Pixels across lie beside each other without dilation.
        let (runs, pixels) = if dilation == 1 { (1, kernel) } else { (kernel, 1) };
        (0..planes * kernel * runs).filter_map(move |piece| {
            // No remainder of zero can be reached, and no code for it is linked.
            let (line, j) = (piece.checked_div(runs)?, piece.checked_rem(runs)?);
            let (plane, i) = (line.checked_div(kernel)?, line.checked_rem(kernel)?);
            let row = (row + i * dilation).checked_sub(padding)?;
            let first = column + j * dilation;
            let left = padding.saturating_sub(first);
            let start = (first + left).checked_sub(padding)?;
            let end = (first + pixels).saturating_sub(padding).min(width);
            if row >= height || start >= end {
                return None;
            }
            let line_start = (plane * height + row) * width;
            let x = x.get((line_start + start) * numbers..(line_start + end) * numbers)?;
            Some(((line * kernel + j + left) * numbers, x))
        })
    }

    /// Numbers of a window.
    pub fn numbers(self) -> usize {
        self.kernel * self.kernel * self.channels
    }

    /// Filters of a convolution that writes `len` numbers.
    pub fn filters(self, len: usize) -> usize {
        let [down, across] = self.count().unwrap_or_default();
        len.checked_div(down * across).unwrap_or(0)
    }

    /// `y [windows, filters] = W·window + b`, with the weights of [`linear`].
    #[cfg_attr(feature = "simd", inline(always))]
    pub fn conv<A: Layer>(self, layer: &A, weight: &[A::Number], x: &[A::Number], y: &mut [A::Number]) {
        let filters = self.filters(y.len()).max(1);
        for (window, y) in y.chunks_exact_mut(filters).enumerate() {
            linear(layer, weight, self.numbers(), || self.pieces(x, window), y);
        }
    }

    /// The largest number of each channel in every window, or the mean, in which the padding counts as zeros.
    #[cfg_attr(feature = "simd", inline(always))]
    pub fn pool(self, x: &[f32], y: &mut [f32], is_max: bool) {
        let outside = if is_max { f32::NEG_INFINITY } else { 0.0 };
        let pixels = (self.kernel * self.kernel).max(1);
        let with = |y: &mut f32, x: &f32| *y = if is_max { larger(*y, *x) } else { *y + *x };
        for (window, y) in y.chunks_exact_mut(self.channels.max(1)).enumerate() {
            y.fill(outside);
            for (at, x) in self.pieces(x, window) {
                if self.channels_first {
                    if let Some(y) = y.get_mut(at / pixels) {
                        for x in x {
                            with(y, x);
                        }
                    }
                } else {
                    let all = x.chunks_exact(self.channels.max(1));
                    all.for_each(|x| y.iter_mut().zip(x).for_each(|(y, x)| with(y, x)));
                }
            }
            if !is_max {
                for y in y {
                    *y *= 1.0 / pixels as f32;
                }
            }
        }
    }
}

/// The larger number; NaN stays NaN.
fn larger(a: f32, b: f32) -> f32 {
    if a >= b || a.is_nan() { a } else { b }
}
