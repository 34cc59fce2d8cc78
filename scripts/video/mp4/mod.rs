//! H.264 in an MP4 file: frames go through `OpenH264`, its output straight into the file, the index at the end.

mod boxes;

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};

use openh264::OpenH264API;
use openh264::encoder::{Encoder, EncoderConfig, QpRange, RateControlMode, VuiConfig};
use openh264::formats::{RgbSliceU8, YUVBuffer};
use phalanx_envs::Frame;

use super::Encode;
use boxes::Index;

/// Quantisation of every frame: sharp edges on flat colours stay sharp, and 500 frames of 600 x 400 take about 200 KB.
const QUANTISER: u8 = 22;

/// A whole picture at least this often, in seconds, for players that jump to and fro.
const SECONDS_TO_KEY_FRAME: f64 = 2.0;

pub(super) struct Mp4 {
    file: BufWriter<File>,
    encoder: Encoder,
    yuv: YUVBuffer,
    /// The frame with even sides.
    padded: Vec<u8>,
    index: Index,
}

impl Mp4 {
    pub(super) fn begin(mut file: BufWriter<File>, fps: f64, first: &Frame) -> io::Result<Self> {
        // The colour planes have half the resolution, so sides are even.
        let (width, height) = (first.width.next_multiple_of(2), first.height.next_multiple_of(2));
        if width.min(height) < 16 || width.max(height) > 3840 || width.min(height) > 2160 {
            return Err(io::Error::other(format!(
                "an MP4 has 16 to 3840 pixels a side, not {width} x {height}; try --format gif"
            )));
        }
        let config = EncoderConfig::new()
            .rate_control_mode(RateControlMode::Off)
            .qp(QpRange::new(QUANTISER, QUANTISER))
            .skip_frames(false)
            .max_frame_rate(openh264::encoder::FrameRate::from_hz(fps as f32))
            .intra_frame_period(openh264::encoder::IntraFramePeriod::from_num_frames(
                (fps * SECONDS_TO_KEY_FRAME).ceil() as u32,
            ))
            .background_detection(false)
            .adaptive_quantization(false)
            .num_threads(1)
            .vui(VuiConfig::bt601());
        let encoder =
            Encoder::with_api_config(OpenH264API::from_source(), config).map_err(io::Error::other)?;
        file.write_all(&boxes::head())?;
        Ok(Self {
            file,
            encoder,
            yuv: YUVBuffer::new(width as usize, height as usize),
            padded: Vec::new(),
            index: Index::new(width as u16, height as u16, fps),
        })
    }
}

impl Encode for Mp4 {
    fn push(&mut self, frame: &Frame) -> io::Result<()> {
        pad(frame, &mut self.padded);
        let sides = (self.index.width.into(), self.index.height.into());
        self.yuv.read_rgb8(RgbSliceU8::new(&self.padded, sides));
        let stream = self.encoder.encode(&self.yuv).map_err(io::Error::other)?;
        let mut bytes = 0;
        let mut key = false;
        for layer in (0..stream.num_layers()).filter_map(|i| stream.layer(i)) {
            for unit in (0..layer.nal_count()).filter_map(|i| layer.nal_unit(i)) {
                let unit = without_start_code(unit);
                match unit.first().map(|header| header & 31) {
                    None => {}
                    Some(7) => self.index.sequence = unit.to_vec(),
                    Some(8) => self.index.picture = unit.to_vec(),
                    Some(kind) => {
                        key |= kind == 5;
                        self.file.write_all(&(unit.len() as u32).to_be_bytes())?;
                        self.file.write_all(unit)?;
                        bytes += 4 + unit.len() as u32;
                    }
                }
            }
        }
        self.index.add(bytes, key)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.file.write_all(&self.index.boxes())?;
        self.file.seek(SeekFrom::Start(boxes::SAMPLES_SIZE_AT))?;
        self.file.write_all(&self.index.samples_size().to_be_bytes())?;
        self.file.flush()
    }
}

/// Copies a frame, repeating its last column and line where a side is odd.
fn pad(frame: &Frame, padded: &mut Vec<u8>) {
    padded.clear();
    let line_bytes = frame.width as usize * 3;
    for line in frame.pixels.chunks_exact(line_bytes) {
        padded.extend_from_slice(line);
        if frame.width % 2 == 1 {
            padded.extend_from_slice(&line[line_bytes - 3..]);
        }
    }
    if frame.height % 2 == 1 {
        let line_bytes = frame.width.next_multiple_of(2) as usize * 3;
        padded.extend_from_within(padded.len() - line_bytes..);
    }
}

/// A unit of the stream without the zeros and the one that mark its beginning.
fn without_start_code(unit: &[u8]) -> &[u8] {
    let zeros = unit.iter().take_while(|&&byte| byte == 0).count();
    unit.get(zeros + 1..).unwrap_or_default()
}
