//! The windows of a picture that a convolution or a pool reads.

use alloc::vec::Vec;
use core::fmt;

use crate::Convolution;

/// A picture and the square windows of it that a convolution or a pool reads.
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
    /// Lines and columns around the picture.
    pub padding: usize,
    /// Pixels from one pixel of a window to the next.
    pub dilation: usize,
    /// Where each window begins in the padded picture, line by line.
    places: Vec<usize>,
    /// Where its pieces begin, from where the window does.
    pieces: Vec<usize>,
    /// Numbers of a piece.
    length: usize,
}

impl Window {
    /// The windows of `convolution` on pictures of this shape; `None` when not even one fits.
    pub fn new(picture: [usize; 3], channels_first: bool, convolution: Convolution) -> Option<Self> {
        let Convolution { kernel, stride, padding, dilation, .. } = convolution;
        let [height, width, channels] = picture;
        let [height, width] = [height, width].map(|pixels| pixels.saturating_add(padding.saturating_mul(2)));
        let span = span(kernel, dilation);
        let (down, across) = (count(height, span, stride)?, count(width, span, stride)?);
        // Numbers from a pixel to the one below and to the next; pieces of a window that lie in other planes.
        let (line, pixel, planes) =
            if channels_first { (width, 1, channels) } else { (width * channels, channels, 1) };
        let grid = |(rows, row): (usize, usize), (columns, column): (usize, usize)| -> Vec<usize> {
            (0..rows).flat_map(|i| (0..columns).map(move |j| i * row + j * column)).collect()
        };
        let lines = grid((planes, height * width), (kernel, dilation * line));
        // Pixels that are not neighbours are pieces of their own.
        let (pieces, length) = if dilation == 1 {
            (lines, kernel * pixel)
        } else {
            let columns = |at: usize| (0..kernel).map(move |j| at + j * dilation * pixel);
            (lines.into_iter().flat_map(columns).collect(), pixel)
        };
        Some(Self {
            picture,
            channels_first,
            kernel,
            stride,
            padding,
            dilation,
            places: grid((down, stride * line), (across, stride * pixel)),
            pieces,
            length,
        })
    }

    /// Height, width of what a convolution makes of the picture: its windows.
    pub fn result(&self) -> [usize; 2] {
        let [height, width, _] = self.picture;
        let span = span(self.kernel, self.dilation);
        [height, width].map(|pixels| (pixels + 2 * self.padding - span) / self.stride + 1)
    }

    /// Windows.
    pub fn count(&self) -> usize {
        self.places.len()
    }

    /// Numbers of a window.
    pub fn width(&self) -> usize {
        self.pieces.len() * self.length
    }

    /// Numbers of the padded picture, which [`Self::gather`] and [`Self::scatter`] need room for; 0 without padding.
    pub fn padded(&self) -> usize {
        let [height, width, channels] = self.picture;
        if self.padding == 0 {
            0
        } else {
            (height + 2 * self.padding) * (width + 2 * self.padding) * channels
        }
    }

    /// Writes the numbers of all windows, `[windows, numbers]`; those outside the picture are `outside`.
    pub fn gather(&self, picture: &[f32], into: &mut [f32], padded: &mut [f32], outside: f32) {
        let picture = if self.padding == 0 {
            picture
        } else {
            padded.fill(outside);
            self.lines(|from, to, len| padded[to..to + len].copy_from_slice(&picture[from..from + len]));
            padded
        };
        self.walk(into, |at, piece| piece.copy_from_slice(&picture[at..at + piece.len()]));
    }

    /// Adds the numbers of all windows, `[windows, numbers]`, to where [`Self::gather`] took them.
    pub fn scatter(&self, windows: &mut [f32], picture: &mut [f32], padded: &mut [f32]) {
        let add = |sums: &mut [f32], piece: &[f32]| {
            for (sum, x) in sums.iter_mut().zip(piece) {
                *sum += *x;
            }
        };
        if self.padding == 0 {
            return self.walk(windows, |at, piece| add(&mut picture[at..at + piece.len()], piece));
        }
        padded.fill(0.0);
        self.walk(windows, |at, piece| add(&mut padded[at..at + piece.len()], piece));
        self.lines(|to, from, len| add(&mut picture[to..to + len], &padded[from..from + len]));
    }

    /// Calls `each` with every line of the picture: where it begins there and in the padded picture, and its length.
    fn lines(&self, mut each: impl FnMut(usize, usize, usize)) {
        let [height, width, channels] = self.picture;
        let (planes, pixel) = if self.channels_first { (channels, 1) } else { (1, channels) };
        let (wide, high) = (width + 2 * self.padding, height + 2 * self.padding);
        for plane in 0..planes {
            for line in 0..height {
                let from = (plane * height + line) * width * pixel;
                let to = ((plane * high + line + self.padding) * wide + self.padding) * pixel;
                each(from, to, width * pixel);
            }
        }
    }

    /// Calls `each` with every piece of all windows and its place in the padded picture.
    #[inline]
    fn walk(&self, windows: &mut [f32], mut each: impl FnMut(usize, &mut [f32])) {
        for (place, window) in self.places.iter().zip(windows.chunks_exact_mut(self.width())) {
            for (piece, numbers) in self.pieces.iter().zip(window.chunks_exact_mut(self.length)) {
                each(place + piece, numbers);
            }
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel, stride, padding, dilation, .. } = self;
        write!(f, "{kernel} × {kernel}, stride {stride}")?;
        if *padding > 0 {
            write!(f, ", padding {padding}")?;
        }
        if *dilation > 1 {
            write!(f, ", dilation {dilation}")?;
        }
        Ok(())
    }
}

/// Pixels from the first to the last one of a window's line.
pub(crate) fn span(kernel: usize, dilation: usize) -> usize {
    kernel.saturating_sub(1).saturating_mul(dilation).saturating_add(1)
}

/// Windows on a line of pixels.
fn count(pixels: usize, span: usize, stride: usize) -> Option<usize> {
    Some(pixels.checked_sub(span)? / stride + 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    extern crate std;

    use super::*;

    const CONVOLUTION: Convolution = Convolution::new(1, 2, 1);

    #[test]
    fn windows_by_hand() {
        // 2 lines of 3 pixels of 2 channels: pixel (line, column) channel c is 100·line + 10·column + c.
        let picture = [0.0, 1.0, 10.0, 11.0, 20.0, 21.0, 100.0, 101.0, 110.0, 111.0, 120.0, 121.0];
        let window = Window::new([2, 3, 2], false, CONVOLUTION).unwrap();
        assert_eq!((window.result(), window.count(), window.width()), ([1, 2], 2, 8));
        let mut windows = [0.0; 16];
        window.gather(&picture, &mut windows, &mut [], 0.0);
        assert_eq!(windows[..8], [0.0, 1.0, 10.0, 11.0, 100.0, 101.0, 110.0, 111.0]);
        assert_eq!(windows[8..], [10.0, 11.0, 20.0, 21.0, 110.0, 111.0, 120.0, 121.0]);
        // The middle column is in both windows.
        let mut sums = [0.0; 12];
        window.scatter(&mut windows, &mut sums, &mut []);
        assert_eq!(sums, [0.0, 1.0, 20.0, 22.0, 20.0, 21.0, 100.0, 101.0, 220.0, 222.0, 120.0, 121.0]);
    }

    #[test]
    fn channels_may_come_first() {
        let picture = [0.0, 10.0, 20.0, 100.0, 110.0, 120.0, 1.0, 11.0, 21.0, 101.0, 111.0, 121.0];
        let window = Window::new([2, 3, 2], true, CONVOLUTION).unwrap();
        let mut windows = [0.0; 16];
        window.gather(&picture, &mut windows, &mut [], 0.0);
        assert_eq!(windows[8..], [10.0, 20.0, 110.0, 120.0, 11.0, 21.0, 111.0, 121.0]);
    }

    #[test]
    fn a_stride_leaves_pixels_out_at_the_end() {
        let nature = Convolution::new(32, 8, 4);
        assert_eq!(Window::new([84, 84, 4], false, nature).unwrap().result(), [20, 20]);
        assert_eq!(Window::new([85, 87, 4], false, nature).unwrap().result(), [20, 20]);
        assert!(Window::new([84, 7, 4], false, nature).is_none());
    }

    #[test]
    fn padding_and_dilation_by_hand() {
        // 1 2 / 3 4 with a border of one: windows of 2 × 2 with a gap of one pixel, so 3 × 3 of 4 × 4 pixels.
        let convolution = Convolution { padding: 1, dilation: 2, ..CONVOLUTION };
        let window = Window::new([2, 2, 1], false, convolution).unwrap();
        assert_eq!((window.result(), window.count(), window.width(), window.padded()), ([2, 2], 4, 4, 16));
        let (mut windows, mut padded) = ([0.0; 16], [0.0; 16]);
        window.gather(&[1.0, 2.0, 3.0, 4.0], &mut windows, &mut padded, -1.0);
        // The corners of each 3 × 3 part: one pixel of the picture, three of the border.
        let expected = [
            [-1.0, -1.0, -1.0, 4.0],
            [-1.0, -1.0, 3.0, -1.0],
            [-1.0, 2.0, -1.0, -1.0],
            [1.0, -1.0, -1.0, -1.0],
        ];
        assert_eq!(windows, expected.concat()[..]);
        let mut sums = [0.5; 4];
        window.scatter(&mut windows, &mut sums, &mut padded);
        assert_eq!(sums, [1.5, 2.5, 3.5, 4.5]);
        assert!(Window::new([2, 2, 1], false, Convolution { dilation: 2, ..CONVOLUTION }).is_none());
    }
}
