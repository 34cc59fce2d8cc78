//! Checkpoints: named arrays and named states in one file that is whole or not there.
//!
//! The file is in the safetensors format, so that other tools read it; states are JSON in its metadata, and so is a
//! checksum over everything, since the format itself does not notice a flipped bit.

mod write;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use self::write::Fetch;
use crate::AgentError;

/// Format of the file; a later one that reads differently counts up.
const FORMAT: &str = "phalanx-1";

/// An array of numbers with its shape.
#[derive(Debug, Clone, PartialEq)]
pub enum Array {
    /// 32-bit floats.
    F32(Vec<usize>, Vec<f32>),
    /// 64-bit integers.
    I64(Vec<usize>, Vec<i64>),
}

/// Everything that a run needs to continue.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Checkpoint {
    arrays: BTreeMap<String, Array>,
    states: BTreeMap<String, Value>,
    /// Lengths of the vectors of floats that other ranks have parts of, by name: they are fetched when it is written.
    elsewhere: BTreeMap<String, usize>,
}

impl Checkpoint {
    /// A checkpoint without content.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an array.
    pub fn put_array(&mut self, name: &str, array: Array) {
        self.arrays.insert(name.to_owned(), array);
    }

    /// Adds a vector of floats.
    pub fn put_vector(&mut self, name: &str, numbers: impl Into<Vec<f32>>) {
        let numbers = numbers.into();
        self.put_array(name, Array::F32(vec![numbers.len()], numbers));
    }

    /// Adds a vector of so many floats, which are fetched when the checkpoint is written.
    pub fn put_elsewhere(&mut self, name: &str, len: usize) {
        self.elsewhere.insert(name.to_owned(), len);
    }

    /// Adds a plain value. NaN and infinities become null: keep them in arrays.
    ///
    /// # Panics
    /// When the value cannot be JSON, which plain data always can.
    pub fn put_state(&mut self, name: &str, state: &impl Serialize) {
        let value = serde_json::to_value(state).expect("states are plain data");
        self.states.insert(name.to_owned(), value);
    }

    /// An array by name.
    ///
    /// # Errors
    /// [`AgentError::Entry`] when there is none.
    pub fn array(&self, name: &str) -> Result<&Array, AgentError> {
        self.arrays.get(name).ok_or_else(|| entry(name, "is missing"))
    }

    /// A vector of `len` floats.
    ///
    /// # Errors
    /// [`AgentError::Entry`] when it is missing or of another length.
    pub fn vector(&self, name: &str, len: usize) -> Result<&[f32], AgentError> {
        let Array::F32(shape, numbers) = self.array(name)? else {
            return Err(entry(name, "does not hold floats"));
        };
        if *shape != [len] {
            return Err(entry(name, format!("has shape {shape:?}, this network needs {:?}", [len])));
        }
        Ok(numbers)
    }

    /// A plain value by name.
    ///
    /// # Errors
    /// [`AgentError::Entry`] when it is missing or of another kind.
    pub fn state<T: DeserializeOwned>(&self, name: &str) -> Result<T, AgentError> {
        let value = self.states.get(name).ok_or_else(|| entry(name, "is missing"))?;
        T::deserialize(value).map_err(|e| entry(name, e))
    }

    /// Writes the checkpoint to `path`: first beside it, flushed to the disk, then renamed.
    ///
    /// # Errors
    /// [`AgentError::File`]; nothing is left at `path` then but what was there before.
    pub fn save(&self, path: &Path) -> Result<(), AgentError> {
        self.save_with(path, &mut |name, _| Err(entry(name, "is elsewhere")))
    }

    /// As [`Self::save`], with numbers that are elsewhere fetched a piece at a time, in the order of names.
    ///
    /// # Errors
    /// Those of `fetch`, too. After an error of the disk all are fetched all the same.
    pub fn save_with(&self, path: &Path, fetch: &mut Fetch<'_>) -> Result<(), AgentError> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let file = |action| move |source| AgentError::File { action, path: path.to_owned(), source };
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
        let temporary = builder.prefix(".checkpoint-").tempfile_in(folder);
        let mut temporary = match temporary {
            Ok(temporary) => temporary,
            Err(error) => {
                self.fetch_all(fetch)?;
                return Err(file("cannot write")(error));
            }
        };
        self.write(temporary.as_file_mut(), fetch)?.map_err(file("cannot write"))?;
        temporary.as_file().sync_all().map_err(file("cannot flush"))?;
        temporary.persist(path).map_err(|e| file("cannot rename to")(e.error))?;
        File::open(folder).and_then(|f| f.sync_all()).map_err(file("cannot flush the folder of"))
    }

    /// Reads the checkpoint at `path`.
    ///
    /// # Errors
    /// [`AgentError::File`] when it cannot be read, [`AgentError::Checkpoint`] when it is damaged.
    pub fn load(path: &Path) -> Result<Self, AgentError> {
        let bytes = read(path)?;
        Self::from_bytes(&bytes).map_err(|reason| AgentError::Checkpoint { path: path.to_owned(), reason })
    }

    /// Whether these bytes of a file begin as a checkpoint does.
    pub(crate) fn is_one(bytes: &[u8]) -> bool {
        let header = SafeTensors::read_metadata(bytes);
        let metadata = header.as_ref().ok().and_then(|(_, header)| header.metadata().as_ref());
        metadata
            .and_then(|metadata| metadata.get("format"))
            .is_some_and(|format| format.starts_with("phalanx"))
    }

    /// What the bytes of a file hold.
    ///
    /// # Errors
    /// How they are damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| format!("is damaged ({e})"))?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| format!("is damaged ({e})"))?;
        let metadata = header.metadata().as_ref().ok_or("was not written by Phalanx")?;
        let field = |name: &str| metadata.get(name).ok_or("was not written by Phalanx");
        if field("format")? != FORMAT {
            return Err(format!("has format {:?}, this program reads {FORMAT:?}", field("format")?));
        }
        let mut named: Vec<(String, TensorView<'_>)> = tensors.tensors();
        named.sort_by(|a, b| a.0.cmp(&b.0));
        let states = field("states")?;
        if *field("blake3")?
            != checksum(states, named.iter().map(|(name, view)| (name.as_str(), view.data())))
        {
            return Err("is damaged (its checksum does not match)".into());
        }
        let states = serde_json::from_str(states).map_err(|e| format!("has damaged states ({e})"))?;
        let arrays = named.iter().map(|(name, view)| Ok((name.clone(), decode(view)?)));
        let arrays = arrays.collect::<Result<_, String>>()?;
        Ok(Self { arrays, states, elsewhere: BTreeMap::new() })
    }
}

/// The bytes of a file.
pub fn read(path: &Path) -> Result<Vec<u8>, AgentError> {
    let file = |source| AgentError::File { action: "cannot read", path: path.to_owned(), source };
    std::fs::read(path).map_err(file)
}

fn decode(view: &TensorView<'_>) -> Result<Array, String> {
    let shape = view.shape().to_vec();
    match view.dtype() {
        Dtype::F32 => {
            let numbers = view.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b));
            Ok(Array::F32(shape, numbers.collect()))
        }
        Dtype::I64 => {
            let numbers = view.data().as_chunks().0.iter().map(|b| i64::from_le_bytes(*b));
            Ok(Array::I64(shape, numbers.collect()))
        }
        other => Err(format!("holds numbers of type {other:?}")),
    }
}

fn checksum<'a>(states: &str, arrays: impl Iterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(states.as_bytes());
    for (name, bytes) in arrays {
        hasher.update(name.as_bytes());
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    }
    hasher.finalize().to_hex().to_string()
}

fn entry(name: &str, reason: impl std::fmt::Display) -> AgentError {
    AgentError::Entry { name: name.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn sample() -> Checkpoint {
        let mut checkpoint = Checkpoint::new();
        checkpoint.put_array("weights", Array::F32(vec![3, 1], vec![1.5, -2.0, f32::INFINITY]));
        checkpoint.put_array("choices", Array::I64(vec![2], vec![i64::MIN, 7]));
        checkpoint.put_state("steps", &12_345u64);
        checkpoint.put_state("mean", &0.1f64);
        checkpoint
    }

    fn saved() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join("a.safetensors");
        sample().save(&path).expect("a writable folder");
        (folder, path)
    }

    #[test]
    fn what_is_saved_is_loaded_to_the_bit() {
        let (_folder, path) = saved();
        let loaded = Checkpoint::load(&path).expect("a whole file");
        assert_eq!(loaded, sample());
        assert_eq!(loaded.state::<f64>("mean").expect("a number").to_bits(), 0.1f64.to_bits());
        let files = std::fs::read_dir(path.parent().expect("a folder")).expect("a folder").count();
        assert_eq!(files, 1, "no temporary file stays");
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_noticed() {
        let (_folder, path) = saved();
        let bytes = std::fs::read(&path).expect("a file");
        for i in 0..bytes.len() {
            assert!(Checkpoint::from_bytes(&bytes[..i]).is_err(), "cut at {i}");
            for bit in [0, 5] {
                let mut damaged = bytes.clone();
                damaged[i] ^= 1 << bit;
                if let Ok(loaded) = Checkpoint::from_bytes(&damaged) {
                    assert_eq!(loaded, sample(), "bit {bit} of byte {i} went unnoticed");
                }
            }
        }
    }

    #[test]
    fn missing_and_misshapen_entries_are_named() {
        let checkpoint = sample();
        let text = |e: AgentError| e.to_string();
        assert!(text(checkpoint.vector("weights", 4).unwrap_err()).contains("has shape [3, 1]"));
        assert!(text(checkpoint.vector("bias", 4).unwrap_err()).contains("\"bias\": is missing"));
        assert!(text(checkpoint.state::<Vec<u8>>("steps").unwrap_err()).contains("steps"));
    }

    #[test]
    fn an_unwritable_place_is_named_and_another_programs_file_refused() {
        let error = sample().save(Path::new("/proc/none/a.safetensors")).unwrap_err().to_string();
        assert!(error.contains("/proc/none/a.safetensors"), "{error}");
        let foreign = safetensors::serialize(std::iter::empty::<(&str, TensorView<'_>)>(), None);
        let error = Checkpoint::from_bytes(&foreign.expect("an empty file")).unwrap_err();
        assert!(error.contains("not written by Phalanx"), "{error}");
    }
}
