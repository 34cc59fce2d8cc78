//! The windows of a picture that a convolution reads.

use alloc::vec::Vec;

use crate::Convolution;

/// A picture and the square windows of it that a convolution reads.
///
/// A window's numbers are read as they lie: pieces of the picture without gaps, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Height, width and channels of the picture.
    pub picture: [usize; 3],
    /// Whether the channels are the picture's first axis instead of its last one.
    pub channels_first: bool,
    /// Height and width of a window.
    pub kernel: usize,
    /// Pixels from one window to the next.
    pub stride: usize,
    /// Where each window begins in the picture, line by line.
    places: Vec<usize>,
    /// Where its pieces begin, from where the window does.
    pieces: Vec<usize>,
    /// Numbers of a piece.
    length: usize,
}

impl Window {
    /// The windows of `convolution` on pictures of this shape; `None` when not even one fits.
    pub fn new(picture: [usize; 3], channels_first: bool, convolution: Convolution) -> Option<Self> {
        let Convolution { kernel, stride, .. } = convolution;
        let [height, width, channels] = picture;
        let (down, across) = (count(height, kernel, stride)?, count(width, kernel, stride)?);
        // Numbers from a pixel to the one below and to the next; pieces of a window that lie in other planes.
        let (line, pixel, planes) =
            if channels_first { (width, 1, channels) } else { (width * channels, channels, 1) };
        let grid = |(rows, row): (usize, usize), (columns, column): (usize, usize)| -> Vec<usize> {
            (0..rows).flat_map(|i| (0..columns).map(move |j| i * row + j * column)).collect()
        };
        Some(Self {
            picture,
            channels_first,
            kernel,
            stride,
            places: grid((down, stride * line), (across, stride * pixel)),
            pieces: grid((planes, height * width), (kernel, line)),
            length: kernel * pixel,
        })
    }

    /// Height, width of what a convolution makes of the picture: its windows.
    pub fn result(&self) -> [usize; 2] {
        let [height, width, _] = self.picture;
        [height, width].map(|pixels| (pixels - self.kernel) / self.stride + 1)
    }

    /// Windows.
    pub fn count(&self) -> usize {
        self.places.len()
    }

    /// Numbers of a window.
    pub fn width(&self) -> usize {
        self.pieces.len() * self.length
    }

    /// Writes the numbers of all windows, `[windows, numbers]`.
    pub fn gather(&self, picture: &[f32], into: &mut [f32]) {
        self.walk(into, |at, piece| piece.copy_from_slice(&picture[at..at + piece.len()]));
    }

    /// Adds the numbers of all windows, `[windows, numbers]`, to where [`Self::gather`] took them.
    pub fn scatter(&self, windows: &mut [f32], picture: &mut [f32]) {
        self.walk(windows, |at, piece| {
            let len = piece.len();
            for (sum, x) in picture[at..at + len].iter_mut().zip(piece) {
                *sum += *x;
            }
        });
    }

    /// Calls `each` with every piece of all windows and its place in the picture.
    #[inline]
    fn walk(&self, windows: &mut [f32], mut each: impl FnMut(usize, &mut [f32])) {
        for (place, window) in self.places.iter().zip(windows.chunks_exact_mut(self.width())) {
            for (piece, numbers) in self.pieces.iter().zip(window.chunks_exact_mut(self.length)) {
                each(place + piece, numbers);
            }
        }
    }
}

/// Windows on a line of pixels.
fn count(pixels: usize, kernel: usize, stride: usize) -> Option<usize> {
    Some(pixels.checked_sub(kernel)? / stride + 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    extern crate std;

    use super::*;

    const CONVOLUTION: Convolution = Convolution { filters: 1, kernel: 2, stride: 1 };

    #[test]
    fn windows_by_hand() {
        // 2 lines of 3 pixels of 2 channels: pixel (line, column) channel c is 100·line + 10·column + c.
        let picture = [0.0, 1.0, 10.0, 11.0, 20.0, 21.0, 100.0, 101.0, 110.0, 111.0, 120.0, 121.0];
        let window = Window::new([2, 3, 2], false, CONVOLUTION).unwrap();
        assert_eq!((window.result(), window.count(), window.width()), ([1, 2], 2, 8));
        let mut windows = [0.0; 16];
        window.gather(&picture, &mut windows);
        assert_eq!(windows[..8], [0.0, 1.0, 10.0, 11.0, 100.0, 101.0, 110.0, 111.0]);
        assert_eq!(windows[8..], [10.0, 11.0, 20.0, 21.0, 110.0, 111.0, 120.0, 121.0]);
        // The middle column is in both windows.
        let mut sums = [0.0; 12];
        window.scatter(&mut windows, &mut sums);
        assert_eq!(sums, [0.0, 1.0, 20.0, 22.0, 20.0, 21.0, 100.0, 101.0, 220.0, 222.0, 120.0, 121.0]);
    }

    #[test]
    fn channels_may_come_first() {
        let picture = [0.0, 10.0, 20.0, 100.0, 110.0, 120.0, 1.0, 11.0, 21.0, 101.0, 111.0, 121.0];
        let window = Window::new([2, 3, 2], true, CONVOLUTION).unwrap();
        let mut windows = [0.0; 16];
        window.gather(&picture, &mut windows);
        assert_eq!(windows[8..], [10.0, 20.0, 110.0, 120.0, 11.0, 21.0, 111.0, 121.0]);
    }

    #[test]
    fn a_stride_leaves_pixels_out_at_the_end() {
        let nature = Convolution { filters: 32, kernel: 8, stride: 4 };
        assert_eq!(Window::new([84, 84, 4], false, nature).unwrap().result(), [20, 20]);
        assert_eq!(Window::new([85, 87, 4], false, nature).unwrap().result(), [20, 20]);
        assert!(Window::new([84, 7, 4], false, nature).is_none());
    }
}
