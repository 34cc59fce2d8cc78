//! One JSON object for each iteration.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{LogError, Logger};
use crate::Record;

/// A file of JSON lines. The keys are in the order of the record; a number that is not finite is null.
pub struct JsonLines {
    file: File,
    path: PathBuf,
}

impl JsonLines {
    /// Opens or creates a file and forgets the records after `step`, and a last line that was cut off.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn open(path: &Path, step: u64) -> Result<Self, LogError> {
        let options = OpenOptions::new().create(true).read(true).append(true).clone();
        let mut file = options.open(path).map_err(LogError::on("open", path))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(LogError::on("read", path))?;
        let kept = kept(&text, step);
        if kept < text.len() {
            file.set_len(kept as u64).map_err(LogError::on("shorten", path))?;
        }
        Ok(Self { file, path: path.to_owned() })
    }
}

impl Logger for JsonLines {
    fn record(&mut self, record: &Record) -> Result<(), LogError> {
        self.file.write_all(line(record).as_bytes()).map_err(LogError::on("write", &self.path))
    }
}

/// A record as one line; written by hand because the order of keys is that of the record.
fn line(record: &Record) -> String {
    let number = |value: f64| serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number);
    let values =
        record.values.iter().map(|(name, value)| format!(",{}:{}", Value::from(&**name), number(*value)));
    format!("{{\"step\":{}{}}}\n", record.step, values.collect::<String>())
}

/// Bytes of the whole lines up to `step`.
fn kept(text: &[u8], step: u64) -> usize {
    let fits = |line: &[u8]| {
        let object = serde_json::from_slice::<Map<String, Value>>(line).ok();
        object.and_then(|object| object.get("step")?.as_u64()).is_some_and(|s| s <= step)
    };
    let lines = text.split_inclusive(|&b| b == b'\n');
    lines.take_while(|line| line.ends_with(b"\n") && fits(line)).map(<[u8]>::len).sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;

    fn record(step: u64) -> Record {
        let values = vec![("b".into(), 0.1), ("a".into(), f64::NAN), ("\"huge\"".into(), 1e300)];
        Record { values, ..Record::new(step) }
    }

    #[test]
    fn a_record_is_a_line_with_its_keys_in_order() {
        assert_eq!(line(&record(7)), "{\"step\":7,\"b\":0.1,\"a\":null,\"\\\"huge\\\"\":1e+300}\n");
    }

    #[test]
    fn records_after_the_step_and_cut_off_lines_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut log = JsonLines::open(&path, 0).unwrap();
        for step in [10, 20, 30] {
            log.record(&record(step)).unwrap();
        }
        log.file.write_all(b"{\"step\":15,").unwrap();
        drop(log);
        let whole = line(&record(10)) + &line(&record(20));
        JsonLines::open(&path, 29).unwrap().record(&record(40)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), whole + &line(&record(40)));
        JsonLines::open(&path, 0).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
    }

    #[test]
    fn errors_name_the_file() {
        let error = JsonLines::open(Path::new("/nowhere/metrics.jsonl"), 0).err().unwrap();
        assert_eq!(error.to_string(), "cannot open /nowhere/metrics.jsonl");
        let file = OpenOptions::new().append(true).open("/dev/full").unwrap();
        let mut full = JsonLines { file, path: "/dev/full".into() };
        let error = full.record(&record(1)).unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.source.kind()),
            ("cannot write /dev/full", std::io::ErrorKind::StorageFull)
        );
    }
}
