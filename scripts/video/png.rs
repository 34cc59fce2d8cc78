//! A folder of numbered PNG pictures.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use phalanx_envs::Frame;

use super::Encode;

pub(super) struct Pictures {
    folder: PathBuf,
    frames: u64,
}

impl Pictures {
    pub(super) fn begin(folder: &Path) -> io::Result<Self> {
        fs::create_dir(folder)?;
        Ok(Self { folder: folder.to_owned(), frames: 0 })
    }
}

impl Encode for Pictures {
    fn push(&mut self, frame: &Frame) -> io::Result<()> {
        let file = File::create(self.folder.join(format!("{:06}.png", self.frames)))?;
        let mut writer = BufWriter::new(file);
        let mut encoder = png::Encoder::new(&mut writer, frame.width, frame.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_compression(png::Compression::Fast);
        let mut picture = encoder.write_header()?;
        picture.write_image_data(&frame.pixels)?;
        picture.finish()?;
        self.frames += 1;
        writer.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}
