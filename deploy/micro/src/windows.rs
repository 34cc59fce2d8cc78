//! Convolutions and pools over a picture.

use crate::format::step;
use crate::kernels::activate;

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

    /// The number of a channel at a pixel of the padded picture; `outside` beyond the picture.
    fn at(self, x: &[f32], [row, column]: [usize; 2], channel: usize, outside: f32) -> f32 {
        let (Some(row), Some(column)) = (row.checked_sub(self.padding), column.checked_sub(self.padding))
        else {
            return outside;
        };
        if row >= self.height || column >= self.width {
            return outside;
        }
        let index = if self.channels_first {
            (channel * self.height + row) * self.width + column
        } else {
            (row * self.width + column) * self.channels + channel
        };
        x.get(index).copied().unwrap_or(outside)
    }

    /// Calls `with` for the pixels of each window, in the order of the windows.
    fn each(self, mut with: impl FnMut(usize, &dyn Fn(usize, usize) -> [usize; 2])) {
        let [down, across] = self.count().unwrap_or_default();
        for window in 0..down * across {
            let (row, column) = (window / across.max(1) * self.stride, window % across.max(1) * self.stride);
            with(window, &|i, j| [row + i * self.dilation, column + j * self.dilation]);
        }
    }

    /// `y [windows, filters] = f(W·window + b)`.
    pub fn conv(self, parameters: &[f32], x: &[f32], y: &mut [f32], activation: u32) {
        let [down, across] = self.count().unwrap_or_default();
        let filters = y.len().checked_div(down * across).unwrap_or(0);
        let numbers = self.kernel * self.kernel * self.channels;
        let (weight, bias) = parameters.split_at_checked(filters * numbers).unwrap_or_default();
        let order = |i: usize, j: usize, channel: usize| {
            if self.channels_first {
                (channel * self.kernel + i) * self.kernel + j
            } else {
                (i * self.kernel + j) * self.channels + channel
            }
        };
        self.each(|window, pixel| {
            let results = y.iter_mut().skip(window * filters).take(filters);
            for ((y, weight), bias) in results.zip(weight.chunks_exact(numbers.max(1))).zip(bias) {
                let mut sum = 0.0;
                for i in 0..self.kernel {
                    for j in 0..self.kernel {
                        for channel in 0..self.channels {
                            let w = weight.get(order(i, j, channel)).copied().unwrap_or(0.0);
                            sum += w * self.at(x, pixel(i, j), channel, 0.0);
                        }
                    }
                }
                *y = sum + bias;
            }
        });
        activate(y, activation);
    }

    /// The largest number of each channel in every window, or the mean, in which the padding counts as zeros.
    pub fn pool(self, x: &[f32], y: &mut [f32], is_max: bool) {
        let outside = if is_max { f32::NEG_INFINITY } else { 0.0 };
        let share = 1.0 / (self.kernel * self.kernel) as f32;
        self.each(|window, pixel| {
            let results = y.iter_mut().skip(window * self.channels).take(self.channels);
            for (channel, y) in results.enumerate() {
                let mut all = outside;
                for i in 0..self.kernel {
                    for j in 0..self.kernel {
                        let number = self.at(x, pixel(i, j), channel, outside);
                        all = if is_max { larger(all, number) } else { all + number };
                    }
                }
                *y = if is_max { all } else { all * share };
            }
        });
    }
}

/// The larger number; NaN stays NaN.
fn larger(a: f32, b: f32) -> f32 {
    if a >= b || a.is_nan() { a } else { b }
}
