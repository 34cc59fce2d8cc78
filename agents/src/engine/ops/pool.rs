//! Pools: each channel of every window is reduced to one number.

use phalanx_graph::Window;

use super::{Back, Scratch, Work};

/// How a window is reduced.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// To its largest number, the first one of several.
    Max,
    /// To its mean.
    Mean,
}

impl Kind {
    /// What stands for the pixels outside the picture.
    fn outside(self) -> f32 {
        match self {
            Self::Max => f32::NEG_INFINITY,
            Self::Mean => 0.0,
        }
    }
}

/// Where the pixels of a channel lie among the numbers of a window.
fn pixels(window: &Window, channel: usize) -> impl Iterator<Item = usize> + Clone {
    let (count, channels) = (window.kernel * window.kernel, window.picture[2]);
    let (start, step) = if window.channels_first { (channel * count, 1) } else { (channel, channels) };
    (0..count).map(move |i| start + i * step)
}

/// The largest one of the pixels, NaN where there is one.
fn largest(window: &[f32], pixels: impl Iterator<Item = usize>) -> Option<usize> {
    pixels.reduce(|best, i| if window[i] > window[best] || window[i].is_nan() { i } else { best })
}

/// `y [B, windows, channels]`.
pub fn forward(work: Work<'_>, window: &Window, kind: Kind, x: &[f32], y: &mut [f32], scratch: &mut Scratch) {
    let (len, area) = (work.step.len, (window.kernel * window.kernel) as f32);
    let rows = x.chunks_exact(work.inputs()).zip(y[..work.rows * len].chunks_exact_mut(len));
    for (x, y) in rows {
        let (windows, padded) = scratch.of(window);
        window.gather(x, windows, padded, kind.outside());
        let results = y.chunks_exact_mut(window.picture[2]);
        for (numbers, y) in windows.chunks_exact(window.width()).zip(results) {
            for (channel, y) in y.iter_mut().enumerate() {
                let pixels = pixels(window, channel);
                *y = match kind {
                    Kind::Max => largest(numbers, pixels).map_or(0.0, |i| numbers[i]),
                    Kind::Mean => pixels.map(|i| numbers[i]).sum::<f32>() / area,
                };
            }
        }
    }
}

/// The gradient of the pictures `x`.
pub fn backward(work: Work<'_>, window: &Window, kind: Kind, back: Back<'_>, scratch: &mut Scratch) {
    let Some(mut below) = back.below else { return };
    below.start();
    let area = (window.kernel * window.kernel) as f32;
    let pictures = back.x.chunks_exact(work.inputs()).zip(below.gradient.chunks_exact_mut(work.inputs()));
    for ((x, picture), gradient) in pictures.zip(back.gradient.chunks_exact(work.step.len)) {
        let (windows, padded) = scratch.of(window);
        window.gather(x, windows, padded, kind.outside());
        let results = gradient.chunks_exact(window.picture[2]);
        for (numbers, gradient) in windows.chunks_exact_mut(window.width()).zip(results) {
            for (channel, g) in gradient.iter().enumerate() {
                let pixels = pixels(window, channel);
                let best = largest(numbers, pixels.clone());
                for i in pixels {
                    numbers[i] = match kind {
                        Kind::Max if Some(i) == best => *g,
                        Kind::Max => 0.0,
                        Kind::Mean => g / area,
                    };
                }
            }
        }
        window.scatter(windows, picture, padded);
    }
}
