//! Convolutions and pools over a picture.

use core::ops::Range;

use crate::format::{op, step};
use crate::kernels::transfer;
use crate::lanes::Lanes;
use crate::linear::linear;

/// The picture that a step reads, and its windows.
pub struct Windows {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
    /// Planes of the picture, and channels in each.
    planes: usize,
    beside: usize,
    /// Pieces of a line of the kernel: pixels across lie beside each other without dilation.
    runs: usize,
    /// Windows in a line of them, and all.
    across: usize,
    pub count: usize,
}

/// The numbers of a window that lie beside each other in the picture; what the padding has is left out.
pub struct Pieces<'a> {
    windows: &'a Windows,
    /// Where the window begins, in the padded picture.
    row: usize,
    column: usize,
    /// The next piece, and their number.
    next: usize,
    all: usize,
}

impl Windows {
    /// Those of a step; nothing where not even one fits.
    pub fn of(words: &[u32; step::WORDS]) -> Option<Self> {
        let low = |i: usize| (words[i] & 0xffff) as usize;
        let high = |i: usize| (words[i] >> 16) as usize;
        let (height, width) = (low(step::SIZE), high(step::SIZE));
        let (channels, kernel) = (low(step::KERNEL), high(step::KERNEL));
        let (stride, padding) = (low(step::STRIDE), high(step::STRIDE));
        let dilation = low(step::DILATION);
        let (planes, beside) = if high(step::DILATION) == 0 { (1, channels) } else { (channels, 1) };
        let more = dilation * kernel.checked_sub(1)?;
        let along = |pixels: usize| {
            (pixels + 2 * padding).checked_sub(more + 1)?.checked_div(stride).map(|more| more + 1)
        };
        let across = along(width)?;
        // Each has 18 bits at most.
        let count = u32::try_from(along(height)? as u64 * across as u64).ok()? as usize;
        Some(Self {
            height,
            width,
            channels,
            kernel,
            stride,
            padding,
            dilation,
            planes,
            beside,
            runs: if dilation == 1 { 1 } else { kernel },
            across,
            count,
        })
    }

    /// The pieces of a window.
    #[cfg_attr(feature = "simd", inline(always))]
    pub fn pieces(&self, window: usize) -> Pieces<'_> {
        Pieces {
            windows: self,
            row: window.checked_div(self.across).unwrap_or(0) * self.stride,
            column: window.checked_rem(self.across).unwrap_or(0) * self.stride,
            next: 0,
            all: self.planes * self.kernel * self.runs,
        }
    }

    /// Pixels of a window.
    pub fn pixels(&self) -> usize {
        self.kernel * self.kernel
    }
}

/// Each piece as the index of its first number among the weights of a filter, and its numbers in the picture.
impl Iterator for Pieces<'_> {
    type Item = (usize, Range<usize>);

    #[cfg_attr(feature = "simd", inline(always))]
    #[cfg_attr(not(feature = "simd"), inline(never))]
    fn next(&mut self) -> Option<Self::Item> {
        let Windows { height, width, kernel, dilation, padding, beside, runs, .. } = *self.windows;
        while self.next < self.all {
            // No remainder of zero can be reached, and no code for it is linked.
            let (line, j) = (self.next.checked_div(runs)?, self.next.checked_rem(runs)?);
            let (plane, i) = (line.checked_div(kernel)?, line.checked_rem(kernel)?);
            self.next += 1;
            // In the padded picture.
            let (row, first) = (self.row + i * dilation, self.column + j * dilation);
            let (start, end) = (first.max(padding), (first + kernel / runs).min(padding + width));
            if (padding..padding + height).contains(&row) && start < end {
                let line_start = (plane * height + row - padding) * width;
                let place = |column: usize| (line_start + column - padding) * beside;
                return Some(((line * kernel + j + start - first) * beside, place(start)..place(end)));
            }
        }
        None
    }
}

/// The convolution of a picture, `y [windows, filters]`, with weights `[filters, window]` in blocks, then biases; or the largest number of each channel in
/// every window, or the mean, in which the padding counts as zeros.
#[cfg_attr(feature = "simd", inline(always))]
#[cfg_attr(not(feature = "simd"), inline(never))]
pub fn compute<L: Lanes>(
    lanes: L,
    words: &[u32; step::WORDS],
    parameters: &[f32],
    x: &[f32],
    y: &mut [f32],
) -> Option<()> {
    let (of, windows) = (words[step::OP] & 0xff, Windows::of(words));
    let windows = windows.as_ref()?;
    // A pool has as many as channels.
    let filters = y.len().checked_div(windows.count)?;
    let columns = windows.pixels() * windows.channels;
    let weights = if of == op::CONV { filters.wrapping_mul(columns) } else { 0 };
    let (weight, bias) = parameters.split_at_checked(weights)?;
    let outside = if of == op::MAX_POOL { f32::NEG_INFINITY } else { 0.0 };
    for (window, y) in y.chunks_exact_mut(filters.max(1)).enumerate() {
        if of == op::CONV {
            transfer(bias, y, false);
        } else {
            y.fill(outside);
        }
        for (at, place) in windows.pieces(window) {
            let x = x.get(place)?;
            if of == op::CONV {
                linear(lanes, &[], weight, columns, at, x, y)?;
                continue;
            }
            // What lies beside each other belongs to one channel or, pixel by pixel, to all.
            let y = if windows.planes > 1 {
                y.get_mut(at.checked_div(windows.pixels())?..)?.get_mut(..1)?
            } else {
                &mut *y
            };
            for x in x.chunks_exact(y.len().max(1)) {
                for (y, &x) in y.iter_mut().zip(x) {
                    *y = if of == op::MAX_POOL { larger(*y, x) } else { *y + x };
                }
            }
        }
        if of == op::AVERAGE_POOL {
            let share = 1.0 / windows.pixels() as f32;
            for y in y {
                *y *= share;
            }
        }
    }
    Some(())
}

/// The larger number; NaN stays NaN.
fn larger(a: f32, b: f32) -> f32 {
    if a >= b || a.is_nan() { a } else { b }
}
