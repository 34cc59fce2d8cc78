//! Shows pictures in another size: a convolution's work grows with their pixels.

use super::pictures::{Retouch, Retouched};
use super::pixels;
use crate::{Env, EnvError, SpaceError};

/// Shows bytes `[H, W]` or `[H, W, C]` with another height and width.
///
/// Each pixel shown is the mean over the area that it covers, as with `INTER_AREA` of `OpenCV` when it shrinks.
pub type Resize = Retouched<Areas>;

/// Means over areas.
pub struct Areas {
    vertical: Axis,
    horizontal: Axis,
    channels: usize,
    /// A line of the result's height and the picture's width.
    line: Vec<f32>,
}

impl Resize {
    /// `inner` with pictures of `height` lines of `width` pixels.
    ///
    /// # Errors
    /// [`EnvError::Space`] when observations are not bytes `[H, W]` or `[H, W, C]`; [`EnvError::Params`] when a size is 0.
    pub fn new(inner: Box<dyn Env>, height: usize, width: usize) -> Result<Self, EnvError> {
        if height == 0 || width == 0 {
            let message = "height and width must be at least 1".to_owned();
            return Err(EnvError::Params { name: "resize".to_owned(), message });
        }
        let space = inner.observation_space();
        let (lines, columns, rest) = match *pixels(space, "resize")? {
            [lines, columns] => (lines, columns, None),
            [lines, columns, channels] => (lines, columns, Some(channels)),
            _ => return Err(SpaceError::new("resize", space, "pixels [H, W] or [H, W, C] are needed").into()),
        };
        let channels = rest.unwrap_or(1);
        let shape = [height, width].into_iter().chain(rest).collect();
        let areas = Areas {
            vertical: Axis::new(lines, height),
            horizontal: Axis::new(columns, width),
            channels,
            line: vec![0.0; columns * channels],
        };
        Ok(Self::of(inner, shape, areas))
    }
}

impl Retouch for Areas {
    /// Means over lines first, whose pixels lie side by side, then over the pixels of the line that results.
    fn retouch(&mut self, picture: &[u8], shown: &mut [u8]) {
        let Self { vertical, horizontal, channels, line } = self;
        let (channels, len) = (*channels, line.len());
        let shown = shown.chunks_exact_mut(horizontal.first.len() * channels);
        for (shown, (first, weights)) in shown.zip(vertical.windows()) {
            line.fill(0.0);
            for (pixels, &weight) in picture[first * len..].chunks_exact(len).zip(weights) {
                line.iter_mut().zip(pixels).for_each(|(sum, &pixel)| *sum += weight * f32::from(pixel));
            }
            for (shown, (first, weights)) in shown.chunks_exact_mut(channels).zip(horizontal.windows()) {
                for (c, shown) in shown.iter_mut().enumerate() {
                    // A half more, so that the fraction's loss rounds. Indices are three times as fast as iterators here.
                    let mut mean = 0.5;
                    for (k, weight) in weights.iter().enumerate() {
                        mean += weight * line[(first + k) * channels + c];
                    }
                    *shown = mean as u8;
                }
            }
        }
    }
}

/// How the places of one axis are made of those of another: weighted sums over windows of one length.
struct Axis {
    /// Where the window of each place begins.
    first: Vec<usize>,
    /// Weights of all windows, one after the other.
    weights: Vec<f32>,
    window: usize,
}

impl Axis {
    fn new(from: usize, to: usize) -> Self {
        let scale = from as f64 / to as f64;
        // As many as an area touches that begins within one of them.
        let window = (scale.ceil() as usize + 1).min(from);
        let (mut first, mut weights) = (Vec::new(), Vec::new());
        for place in 0..to {
            let (start, end) = (place as f64 * scale, (place + 1) as f64 * scale);
            let begin = (start as usize).min(from - window);
            first.push(begin);
            weights.extend((begin..begin + window).map(|i| {
                let overlap = end.min((i + 1) as f64) - start.max(i as f64);
                (overlap.max(0.0) / scale) as f32
            }));
        }
        Self { first, weights, window }
    }

    fn windows(&self) -> impl Iterator<Item = (usize, &[f32])> {
        self.first.iter().copied().zip(self.weights.chunks_exact(self.window))
    }
}
