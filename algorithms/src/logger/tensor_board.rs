//! `TensorBoard`'s event files, written by hand.
//!
//! An event is a protocol buffer in a frame with checksums. The crate tensorboard-rs writes in a thread, so that a
//! killed run loses events, and panics on a full disk; these few messages need neither it nor a protobuf library.
//! Sources: tensorflow/core/util/event.proto, framework/summary.proto and `lib/io/record_writer.h`.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::{LogError, Logger};
use crate::Record;

/// An event file. `tensorboard --logdir FOLDER` shows every file below whose name contains `tfevents`.
pub struct TensorBoard {
    file: File,
    path: PathBuf,
}

impl TensorBoard {
    /// Opens or creates an event file and forgets the events after `step`, and a last one that was cut off.
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
        let mut board = Self { file, path: path.to_owned() };
        if kept == 0 {
            board.write(&event(now(), 0, |event| field(event, 3, b"brain.Event:2")))?;
        }
        Ok(board)
    }

    /// Shows a text, such as the configuration, under a name.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn text(&mut self, name: &str, text: &str) -> Result<(), LogError> {
        // Four blanks make a block of code of what TensorBoard reads as Markdown.
        let block = format!("    {}", text.replace('\n', "\n    "));
        self.write(&event(now(), 0, |event| {
            let value = message(|value| {
                field(value, 1, name.as_bytes());
                field(
                    value,
                    8,
                    &message(|tensor| {
                        varint_field(tensor, 1, 7); // DT_STRING
                        field(
                            tensor,
                            2,
                            &message(|shape| field(shape, 2, &message(|dim| varint_field(dim, 1, 1)))),
                        );
                        field(tensor, 8, block.as_bytes());
                    }),
                );
                field(
                    value,
                    9,
                    &message(|metadata| field(metadata, 1, &message(|plugin| field(plugin, 1, b"text")))),
                );
            });
            field(event, 5, &message(|summary| field(summary, 1, &value)));
        }))
    }

    fn write(&mut self, event: &[u8]) -> Result<(), LogError> {
        self.file.write_all(&frame(event)).map_err(LogError::on("write", &self.path))
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
fn scalars(seconds: f64, record: &Record) -> Vec<u8> {
    event(seconds, record.step, |event| {
        let summary = message(|summary| {
            for (name, number) in record.values.iter().filter(|(_, number)| number.is_finite()) {
                let value = message(|value| {
                    field(value, 1, name.as_bytes());
                    key(value, 2, 5);
                    value.extend((*number as f32).to_le_bytes());
                });
                field(summary, 1, &value);
            }
        });
        field(event, 5, &summary);
    })
}

fn event(seconds: f64, step: u64, fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    message(|event| {
        key(event, 1, 1);
        event.extend(seconds.to_le_bytes());
        varint_field(event, 2, step);
        fill(event);
    })
}

fn message(fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    fill(&mut bytes);
    bytes
}

/// Number and wire type of a field: 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes.
fn key(out: &mut Vec<u8>, number: u64, wire: u64) {
    varint(out, number << 3 | wire);
}

fn field(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    key(out, number, 2);
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

fn varint_field(out: &mut Vec<u8>, number: u64, value: u64) {
    key(out, number, 0);
    varint(out, value);
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Length, its checksum, the data, its checksum.
fn frame(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length, &checksum(&length)[..], data, &checksum(data)].concat()
}

/// CRC-32C, masked so that the checksum of data with checksums stays a good one.
fn checksum(data: &[u8]) -> [u8; 4] {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
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

/// The data of the first frame, if it is whole.
fn unframe(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (length_sum, rest) = rest.split_first_chunk::<4>()?;
    let (data, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    (*length_sum == checksum(length) && rest.starts_with(&checksum(data))).then_some(data)
}

/// The step of an event as [`event`] writes it, its time first.
fn step_of(event: &[u8]) -> Option<u64> {
    let varint = event.get(9..)?.strip_prefix(&[2 << 3])?;
    let length = varint.iter().take(10).position(|byte| byte & 0x80 == 0)?;
    Some(varint[..=length].iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;

    #[test]
    fn checksums_are_masked_crc_32c() {
        // CRC-32C of "123456789" is e3069283 (RFC 3720, B.4). Rotated right by 15 bits it is 2507c60d; plus a282ead8
        // that is c78ab0e5.
        assert_eq!(checksum(b"123456789"), 0xc78a_b0e5_u32.to_le_bytes());
    }

    #[test]
    fn a_scalar_is_these_bytes() {
        let record = Record { step: 300, values: vec![("kl".into(), 0.5), ("none".into(), f64::NAN)] };
        let value = [0x0a, 2, b'k', b'l', 0x15, 0, 0, 0, 0x3f]; // field 1 "kl", field 2 0.5 as f32
        let mut expected = vec![0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f]; // field 1: 1.5 as f64
        expected.extend([0x10, 0xac, 0x02]); // field 2: 300 = 0b10_0101100
        expected.extend([0x2a, 11, 0x0a, 9]); // field 5: a summary of 11 bytes, its field 1: a value of 9
        expected.extend(value);
        assert_eq!(scalars(1.5, &record), expected);
        let framed = frame(&expected);
        assert_eq!(framed[..8], [25, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(unframe(&framed), Some(expected.as_slice()));
        assert_eq!(step_of(&expected), Some(300));
    }

    #[test]
    fn events_after_the_step_and_cut_off_ones_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tfevents");
        let record = |step| Record { step, values: vec![("x".into(), 1.0)] };
        let mut board = TensorBoard::open(&path, 0).unwrap();
        board.text("config", "env: CartPole-v1").unwrap();
        for step in [10, 1 << 40] {
            board.record(&record(step)).unwrap();
        }
        let all = fs::read(&path).unwrap();
        fs::write(&path, &all[..all.len() - 1]).unwrap();
        TensorBoard::open(&path, 1 << 40).unwrap();
        let cut = fs::read(&path).unwrap();
        assert_eq!(cut.len(), all.len() - 16 - scalars(0.0, &record(1 << 40)).len());
        TensorBoard::open(&path, 9).unwrap();
        assert_eq!(fs::read(&path).unwrap().len(), cut.len() - 16 - scalars(0.0, &record(10)).len());
    }

    #[test]
    fn a_file_that_is_no_event_file_starts_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tfevents");
        for garbage in
            [&b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"[..], b"short", &frame(b"\x08\x01")]
        {
            fs::write(&path, garbage).unwrap();
            TensorBoard::open(&path, u64::MAX).unwrap();
            assert!(unframe(&fs::read(&path).unwrap()).unwrap().ends_with(b"brain.Event:2"));
        }
    }
}
