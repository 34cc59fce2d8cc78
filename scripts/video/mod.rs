//! Videos of episodes, written frame by frame.
//!
//! A [`Video`] grows under a hidden name and gets its own when it is complete, so that no half a video is ever found;
//! memory stays flat however long the episode is. What each format does with the frames is in its own file. Nothing
//! here depends on environments but for [`Frame`], and nothing calls a program of the system.

mod gif;
#[cfg(feature = "mp4")]
mod mp4;
mod overlay;
mod palette;
mod png;

pub use overlay::{number, overlay};

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use phalanx_envs::Frame;

/// What keeps a video from being made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VideoError {
    /// The operating system or an encoder refused.
    #[error("{}: cannot write this video", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A frame has no pixels, not as many as its size requires, or another size than the first.
    #[error("{}: frame {number} has {bytes} bytes for {width} x {height} pixels; {wanted}", path.display())]
    Frame {
        /// The file or folder.
        path: PathBuf,
        /// Frame, counted from 0.
        number: u64,
        /// Bytes it has.
        bytes: usize,
        /// Pixels in its lines.
        width: u32,
        /// Lines.
        height: u32,
        /// What would be right.
        wanted: String,
    },
    /// The pace is no pace.
    #[error("{}: a video cannot play {fps} frames a second; use a number from 0.1 to 1000, with `--fps` or as metadata[\"render_fps\"] of \
         an environment of Gymnasium", path.display())]
    Pace {
        /// The file or folder.
        path: PathBuf,
        /// Frames a second.
        fps: f64,
    },
    /// No such format, or not in this build.
    #[error("{given:?} is no video format of this program: use {}", Format::names())]
    Format {
        /// As typed.
        given: String,
    },
}

/// How a video is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// H.264 in an MP4 file: small and smooth.
    #[cfg(feature = "mp4")]
    Mp4,
    /// An animation that plays wherever pictures are shown, over and over. Colours are rounded to 256.
    Gif,
    /// A folder with one numbered picture for each frame, `000000.png` and so on, without loss.
    Png,
}

impl Format {
    /// The formats of this build, the default first.
    pub const ALL: &'static [Self] = &[
        #[cfg(feature = "mp4")]
        Self::Mp4,
        Self::Gif,
        Self::Png,
    ];

    /// The name that users type.
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "mp4")]
            Self::Mp4 => "mp4",
            Self::Gif => "gif",
            Self::Png => "png",
        }
    }

    fn names() -> String {
        Self::ALL.iter().map(|format| format.name()).collect::<Vec<_>>().join(", ")
    }

    /// Name of the video called `stem`: with an extension if it is a file.
    fn file_name(self, stem: &str) -> String {
        if self == Self::Png { stem.to_owned() } else { format!("{stem}.{}", self.name()) }
    }
}

impl FromStr for Format {
    type Err = VideoError;

    fn from_str(given: &str) -> Result<Self, VideoError> {
        let found = Self::ALL.iter().find(|format| format.name() == given);
        found.copied().ok_or_else(|| VideoError::Format { given: given.to_owned() })
    }
}

/// One format's work. Every frame has the size of the first.
trait Encode {
    /// Adds a frame.
    fn push(&mut self, frame: &Frame) -> io::Result<()>;

    /// Writes what comes after the last frame, down to the operating system.
    fn finish(&mut self) -> io::Result<()>;
}

/// A video that is being written; it vanishes unless it is finished.
pub struct Video {
    folder: PathBuf,
    partial: PathBuf,
    format: Format,
    encoder: Box<dyn Encode>,
    width: u32,
    height: u32,
    frames: u64,
}

impl Video {
    /// Begins a video in `folder`, which is made when it is missing, with its first frame.
    ///
    /// `stem` makes the hidden name unique among videos of one folder that are being written.
    ///
    /// # Errors
    /// All of [`VideoError`] but [`VideoError::Format`].
    pub fn begin(
        folder: &Path,
        stem: &str,
        format: Format,
        fps: f64,
        first: &Frame,
    ) -> Result<Self, VideoError> {
        let partial = folder.join(format!(".{}.partial", format.file_name(stem)));
        if !(0.1..=1000.0).contains(&fps) {
            return Err(VideoError::Pace { path: partial, fps });
        }
        check(first, 0, (first.width, first.height), &partial)?;
        let refused = |source| VideoError::Write { path: partial.clone(), source };
        fs::create_dir_all(folder).map_err(|source| VideoError::Write { path: folder.to_owned(), source })?;
        remove(&partial).map_err(refused)?;
        let file = || File::create(&partial).map(BufWriter::new);
        let encoder = match format {
            #[cfg(feature = "mp4")]
            Format::Mp4 => file().and_then(|f| mp4::Mp4::begin(f, fps, first)).map(boxed),
            Format::Gif => file().and_then(|f| gif::Gif::begin(f, fps, first)).map(boxed),
            Format::Png => png::Pictures::begin(&partial).map(boxed),
        };
        let encoder = encoder.map_err(|source| {
            // What was begun has no frame: the reason to stop matters more than a failure to tidy up.
            let _ = remove(&partial);
            refused(source)
        })?;
        let (width, height) = (first.width, first.height);
        let mut video =
            Self { folder: folder.to_owned(), partial, format, encoder, width, height, frames: 0 };
        video.push(first)?;
        Ok(video)
    }

    /// Adds a frame.
    ///
    /// # Errors
    /// [`VideoError::Frame`] and [`VideoError::Write`].
    pub fn push(&mut self, frame: &Frame) -> Result<(), VideoError> {
        check(frame, self.frames, (self.width, self.height), &self.partial)?;
        self.frames += 1;
        self.encoder.push(frame).map_err(|source| self.refused(source))
    }

    /// Completes the video and gives it its name, in place of an older one of that name. Returns where it is.
    ///
    /// # Errors
    /// [`VideoError::Write`].
    pub fn finish(mut self, stem: &str) -> Result<PathBuf, VideoError> {
        self.encoder.finish().map_err(|source| self.refused(source))?;
        let path = self.folder.join(self.format.file_name(stem));
        let named = remove(&path).and_then(|()| fs::rename(&self.partial, &path));
        named.map_err(|source| VideoError::Write { path: path.clone(), source })?;
        Ok(path)
    }

    fn refused(&self, source: io::Error) -> VideoError {
        VideoError::Write { path: self.partial.clone(), source }
    }
}

impl Drop for Video {
    fn drop(&mut self) {
        // Finished videos have moved away. For others a leftover does no harm: it is hidden and gets overwritten.
        let _ = remove(&self.partial);
    }
}

fn boxed(encoder: impl Encode + 'static) -> Box<dyn Encode> {
    Box::new(encoder)
}

/// Removes a file, or a folder with its files, if there is one.
fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

fn check(frame: &Frame, number: u64, size: (u32, u32), path: &Path) -> Result<(), VideoError> {
    let Frame { width, height, ref pixels } = *frame;
    let bytes = pixels.len();
    let wanted = if (width, height) != size {
        format!("all frames of a video have one size, here {} x {}", size.0, size.1)
    } else if bytes == 0 || bytes as u128 != u128::from(width) * u128::from(height) * 3 {
        "a frame has at least one pixel, and 3 bytes for each".to_owned()
    } else {
        return Ok(());
    };
    Err(VideoError::Frame { path: path.to_owned(), number, bytes, width, height, wanted })
}

#[cfg(test)]
mod tests;
