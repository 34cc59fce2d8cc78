//! An animated GIF: one palette, and of every frame only the rectangle that changed.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use gif::{DisposalMethod, Encoder, EncodingError, Repeat};
use phalanx_envs::Frame;

use super::Encode;
use super::palette::Palette;

/// Browsers play frames shorter than this, in hundredths of a second, at a tenth of a second each.
const SHORTEST: u64 = 2;

pub(super) struct Gif {
    /// `None` once finished.
    encoder: Option<Encoder<BufWriter<File>>>,
    palette: Palette,
    /// The frame before; empty at first.
    shown: Vec<u8>,
    frames: u64,
    fps: f64,
}

impl Gif {
    pub(super) fn begin(file: BufWriter<File>, fps: f64, first: &Frame) -> io::Result<Self> {
        let side = |pixels| {
            u16::try_from(pixels).map_err(|_| {
                io::Error::other(format!(
                    "a GIF has at most 65535 pixels a side, not {pixels}; try --format png"
                ))
            })
        };
        let palette = Palette::new(first);
        let mut encoder =
            Encoder::new(file, side(first.width)?, side(first.height)?, palette.bytes()).map_err(refused)?;
        encoder.set_repeat(Repeat::Infinite).map_err(refused)?;
        Ok(Self { encoder: Some(encoder), palette, shown: Vec::new(), frames: 0, fps })
    }

    /// When frame `number` appears, in hundredths of a second: rounded from the beginning, so that errors don't add up.
    fn appears(&self, number: u64) -> u64 {
        (number as f64 * 100.0 / self.fps).round() as u64
    }
}

impl Encode for Gif {
    fn push(&mut self, frame: &Frame) -> io::Result<()> {
        let [left, top, right, bottom] = changed(&self.shown, frame);
        let line = frame.width as usize;
        let mut buffer = Vec::with_capacity((right - left) * (bottom - top));
        for y in top..bottom {
            let pixels = &frame.pixels.as_chunks::<3>().0[y * line + left..y * line + right];
            buffer.extend(pixels.iter().map(|&pixel| self.palette.index(pixel)));
        }
        let delay = (self.appears(self.frames + 1) - self.appears(self.frames)).max(SHORTEST);
        let encoder = self.encoder.as_mut().ok_or_else(|| io::Error::other("the animation is finished"))?;
        encoder
            .write_frame(&gif::Frame {
                delay: u16::try_from(delay).unwrap_or(u16::MAX),
                dispose: DisposalMethod::Keep,
                left: left as u16,
                top: top as u16,
                width: (right - left) as u16,
                height: (bottom - top) as u16,
                buffer: buffer.into(),
                ..gif::Frame::default()
            })
            .map_err(refused)?;
        self.frames += 1;
        self.shown.clone_from(&frame.pixels);
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        match self.encoder.take() {
            Some(encoder) => encoder.into_inner().map_err(refused)?.flush(),
            None => Ok(()),
        }
    }
}

fn refused(error: EncodingError) -> io::Error {
    match error {
        EncodingError::Io(error) => error,
        other => io::Error::other(other),
    }
}

/// Left, top, right and bottom (the last two excluded) of what differs from `before`; one pixel if nothing does, since a
/// frame of a GIF has at least one; everything when `before` is empty.
fn changed(before: &[u8], frame: &Frame) -> [usize; 4] {
    let (width, height) = (frame.width as usize, frame.height as usize);
    if before.is_empty() {
        return [0, 0, width, height];
    }
    let mut area: Option<[usize; 4]> = None;
    let lines = before.chunks_exact(width * 3).zip(frame.pixels.chunks_exact(width * 3));
    for (y, (old, new)) in lines.enumerate().filter(|(_, (old, new))| old != new) {
        let differs = |i: &usize| old[*i] != new[*i];
        let first = (0..width * 3).find(differs).unwrap_or(0) / 3;
        let last = (0..width * 3).rfind(differs).unwrap_or(0) / 3;
        let [left, top, right, _] = area.unwrap_or([first, y, last + 1, y + 1]);
        area = Some([left.min(first), top, right.max(last + 1), y + 1]);
    }
    area.unwrap_or([0, 0, 1, 1])
}
