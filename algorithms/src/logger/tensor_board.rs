//! `TensorBoard`'s event files: frames of tensorboard-rs, messages of tensorboard-proto, one call of the system an event.
//!
//! Not in here: the crate's `FileWriter`. It writes in a thread, so that a killed run loses events, and panics on a full disk.
//! Sources of the format: tensorflow/core/util/event.proto, framework/summary.proto and `lib/io/record_writer.h`.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use protobuf::wire_format::{WireTypeFixed64, WireTypeVarint};
use protobuf::{CodedInputStream, Message, RepeatedField};
use tensorboard_proto::event::Event;
use tensorboard_proto::summary::{Summary, Summary_Value as SummaryValue};
use tensorboard_proto::tensor_shape::TensorShapeProto_Dim as Dimension;
use tensorboard_proto::types::DataType;
use tensorboard_rs::masked_crc32c::masked_crc32c;
use tensorboard_rs::record_writer::RecordWriter;

use super::{LogError, Logger};
use crate::Record;

/// Bytes of an event up to which it is written in one call: some thousand metrics.
const BUFFER: usize = 1 << 16;

/// An event file. `tensorboard --logdir FOLDER` shows every file below whose name contains `tfevents`.
pub struct TensorBoard {
    events: RecordWriter<BufWriter<File>>,
    path: PathBuf,
}

impl TensorBoard {
    /// Opens or creates an event file, and removes the events after `step` and a last one that was cut off.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn open(path: &Path, step: u64) -> Result<Self, LogError> {
        let options = OpenOptions::new().create(true).read(true).append(true).clone();
        let mut file = options.open(path).map_err(LogError::on("open", path))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(LogError::on("read", path))?;
        let kept = kept(&bytes, step);
        if kept < bytes.len() {
            file.set_len(kept as u64).map_err(LogError::on("shorten", path))?;
        }
        let mut board = Self::append(file, path);
        if kept == 0 {
            let mut version = event(now(), 0);
            version.set_file_version("brain.Event:2".into());
            board.write(&version)?;
        }
        Ok(board)
    }

    fn append(file: File, path: &Path) -> Self {
        Self { events: RecordWriter::new(BufWriter::with_capacity(BUFFER, file)), path: path.to_owned() }
    }

    /// Logs a text, such as the configuration, under a name.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn text(&mut self, name: &str, text: &str) -> Result<(), LogError> {
        self.write(&text_block(now(), name, text))
    }

    fn write(&mut self, event: &Event) -> Result<(), LogError> {
        let bytes = event.write_to_bytes().map_err(std::io::Error::from);
        bytes
            .and_then(|bytes| self.events.write(&bytes))
            .and_then(|()| self.events.flush())
            .map_err(LogError::on("write", &self.path))
    }
}

impl Logger for TensorBoard {
    fn record(&mut self, record: &Record) -> Result<(), LogError> {
        self.write(&scalars(now(), record))
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// The event of a record; numbers that are not finite are left out.
fn scalars(seconds: f64, record: &Record) -> Event {
    let finite = record.values.iter().filter(|(_, number)| number.is_finite());
    let values = finite.map(|(name, number)| {
        let mut value = SummaryValue::new();
        value.set_tag(name.to_string());
        value.set_simple_value(*number as f32);
        value
    });
    summary(seconds, record.step, values.collect())
}

/// The event of a text. Four blanks make a block of code of what `TensorBoard` reads as Markdown.
fn text_block(seconds: f64, name: &str, text: &str) -> Event {
    let mut value = SummaryValue::new();
    value.set_tag(name.into());
    value.mut_metadata().mut_plugin_data().set_plugin_name("text".into());
    let tensor = value.mut_tensor();
    tensor.set_dtype(DataType::DT_STRING);
    tensor.mut_tensor_shape().mut_dim().push(Dimension { size: 1, ..Dimension::default() });
    tensor.mut_string_val().push(format!("    {}", text.replace('\n', "\n    ")).into_bytes());
    summary(seconds, 0, vec![value])
}

fn summary(seconds: f64, step: u64, values: Vec<SummaryValue>) -> Event {
    let mut event = event(seconds, step);
    event.set_summary(Summary { value: RepeatedField::from_vec(values), ..Summary::default() });
    event
}

fn event(seconds: f64, step: u64) -> Event {
    Event { wall_time: seconds, step: step as i64, ..Event::default() }
}

/// Bytes of the whole frames whose events are not after `step`.
fn kept(bytes: &[u8], step: u64) -> usize {
    let mut kept = 0;
    while let Some(data) = unframe(&bytes[kept..])
        && step_of(data).is_some_and(|s| s <= step)
    {
        kept += data.len() + 16;
    }
    kept
}

/// The data of the first frame, if it is whole: length, its checksum, the data, its checksum.
fn unframe(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (length_sum, rest) = rest.split_first_chunk::<4>()?;
    let (data, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let checksum = |data: &[u8]| masked_crc32c(data).to_le_bytes();
    (*length_sum == checksum(length) && rest.starts_with(&checksum(data))).then_some(data)
}

/// The step of an event, whose fields are in the order of their numbers: 1 its time, 2 its step unless that is 0.
///
/// The event is not parsed: what protobuf 2 does with unknown fields is not to be trusted with damaged files.
fn step_of(event: &[u8]) -> Option<u64> {
    let mut fields = CodedInputStream::from_bytes(event);
    loop {
        match fields.read_tag_unpack().ok()? {
            (1, WireTypeFixed64) => fields.read_fixed64().ok()?,
            (2, WireTypeVarint) => return fields.read_uint64().ok(),
            (3.., _) => return Some(0),
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;

    fn frame(event: &Event) -> Vec<u8> {
        let mut bytes = Vec::new();
        RecordWriter::new(&mut bytes).write(&event.write_to_bytes().unwrap()).unwrap();
        bytes
    }

    fn record(step: u64) -> Record {
        Record { values: vec![("kl".into(), 0.5), ("none".into(), f64::NAN)], ..Record::new(step) }
    }

    /// Written by Python's tensorboard 2.21.0 (`RecordWriter` and `Event`) with protobuf 7.36.2. That puts the tensor of a
    /// text before its metadata, with the same message and length.
    #[test]
    fn events_are_the_bytes_of_python_s_tensorboard() {
        let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        assert_eq!(
            hex(&frame(&scalars(1.5, &record(300)))),
            "19000000000000008bf1082809000000000000f83f10ac022a0b0a090a026b6c150000003fe994ca7d"
        );
        assert_eq!(
            hex(&frame(&text_block(1.5, "config", "a: 1\nb: 2"))),
            "3c00000000000000c8b7a35209000000000000f83f2a310a2f0a06636f6e6669674a080a060a0474657874421b\
             0807120412020801421120202020613a20310a20202020623a2032f105edba"
        );
    }

    /// A `kill -9` loses what is in the process and nothing that is in the file.
    #[test]
    fn an_event_is_in_the_file_when_its_call_returns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tfevents");
        let mut board = TensorBoard::open(&path, 0).unwrap();
        let mut written = fs::read(&path).unwrap().len();
        // More than the buffer holds, too.
        for event in [scalars(1.5, &record(1)), text_block(1.5, "config", &"a".repeat(2 * BUFFER))] {
            board.write(&event).unwrap();
            let bytes = fs::read(&path).unwrap();
            assert_eq!(bytes[written..], frame(&event));
            written = bytes.len();
        }
    }

    #[test]
    fn a_full_disk_is_an_error_that_names_the_file() {
        let file = OpenOptions::new().append(true).open("/dev/full").unwrap();
        let error = TensorBoard::append(file, Path::new("/dev/full")).record(&record(1)).unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.source.kind()),
            ("cannot write /dev/full", std::io::ErrorKind::StorageFull)
        );
    }

    #[test]
    fn events_after_the_step_and_cut_off_ones_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tfevents");
        let mut board = TensorBoard::open(&path, 0).unwrap();
        board.text("config", "env: CartPole-v1").unwrap();
        for step in [10, 1 << 40] {
            board.record(&record(step)).unwrap();
        }
        let all = fs::read(&path).unwrap();
        fs::write(&path, &all[..all.len() - 1]).unwrap();
        TensorBoard::open(&path, 1 << 40).unwrap();
        let cut = fs::read(&path).unwrap();
        // 2⁴⁰ is a number of six groups of seven bits, 10 of one.
        assert_eq!(all.len() - cut.len(), frame(&scalars(1.5, &record(300))).len() + 4);
        TensorBoard::open(&path, 9).unwrap();
        let first = fs::read(&path).unwrap();
        assert_eq!(cut.len() - first.len(), frame(&scalars(1.5, &record(300))).len() - 1);
        assert!(first.windows(6).any(|bytes| bytes == b"config"), "what has no step is kept");
    }

    #[test]
    fn a_file_that_is_no_event_file_starts_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tfevents");
        let mut wrong = Vec::new();
        RecordWriter::new(&mut wrong).write(b"\x08\x01").unwrap();
        for garbage in [&b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"[..], b"short", &wrong] {
            fs::write(&path, garbage).unwrap();
            TensorBoard::open(&path, u64::MAX).unwrap();
            assert!(unframe(&fs::read(&path).unwrap()).unwrap().ends_with(b"brain.Event:2"));
        }
    }
}
