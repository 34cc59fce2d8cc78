//! Writing a checkpoint, some of whose numbers may come from other ranks, a piece at a time.

use std::collections::HashMap;
use std::io::{self, Cursor, Seek, SeekFrom, Write};
use std::ops::Range;

use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use super::{Array, Checkpoint, FORMAT};
use crate::AgentError;

/// Floats that are fetched at once.
const PIECE: usize = 1 << 20;

/// Length of a checksum as text.
const CHECKSUM: usize = 2 * blake3::OUT_LEN;

/// Fetches some of the numbers of a vector by its name.
pub type Fetch<'a> = dyn FnMut(&str, Range<usize>) -> Result<Vec<f32>, AgentError> + 'a;

/// An array as it lies in the file.
struct Entry<'a> {
    name: &'a str,
    dtype: Dtype,
    shape: Vec<usize>,
    /// Its numbers; nothing where they are fetched.
    array: Option<&'a Array>,
    /// Its bytes after the header.
    bytes: Range<usize>,
}

impl Checkpoint {
    /// The bytes of a file that holds it.
    ///
    /// # Panics
    /// When some of its numbers are elsewhere.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let written = self.write(&mut bytes, &mut |name, _| unreachable!("{name} is elsewhere"));
        written.expect("nothing is fetched").expect("memory can be written");
        bytes.into_inner()
    }

    /// Writes a file; numbers that are elsewhere are fetched in the order of names, all of them also after an error of `out`, which is returned inside.
    pub(super) fn write(
        &self,
        out: &mut (impl Write + Seek),
        fetch: &mut Fetch<'_>,
    ) -> Result<io::Result<()>, AgentError> {
        let entries = self.entries();
        let states = serde_json::to_string(&self.states).expect("states are JSON values");
        let mut hasher = blake3::Hasher::new();
        hasher.update(states.as_bytes());
        let head = header(&entries, &states, &"0".repeat(CHECKSUM));
        let mut written = out.write_all(&head);
        let mut by_name: Vec<&Entry<'_>> = entries.iter().collect();
        by_name.sort_by_key(|entry| entry.name);
        for entry in by_name {
            hasher.update(entry.name.as_bytes());
            hasher.update(&(entry.bytes.len() as u64).to_le_bytes());
            written = written.and_then(|()| {
                out.seek(SeekFrom::Start((head.len() + entry.bytes.start) as u64)).map(|_| ())
            });
            let mut put = |bytes: &[u8]| {
                hasher.update(bytes);
                if written.is_ok() {
                    written = out.write_all(bytes);
                }
            };
            match entry.array {
                Some(Array::F32(_, x)) => x.chunks(PIECE).for_each(|x| put(&floats(x))),
                Some(Array::I64(_, x)) => {
                    for x in x.chunks(PIECE) {
                        put(&x.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>());
                    }
                }
                None => {
                    let len = entry.shape[0];
                    for start in (0..len).step_by(PIECE) {
                        put(&floats(&fetch(entry.name, start..len.min(start + PIECE))?));
                    }
                }
            }
        }
        let checksum = hasher.finalize().to_hex();
        Ok(written.and_then(|()| {
            out.seek(SeekFrom::Start(0))?;
            out.write_all(&header(&entries, &states, checksum.as_str()))?;
            out.flush()
        }))
    }

    /// Fetches all numbers that are elsewhere, as [`Self::save_with`] does, and writes nothing.
    ///
    /// # Errors
    /// Those of `fetch`.
    pub fn fetch_all(&self, fetch: &mut Fetch<'_>) -> Result<(), AgentError> {
        for (name, &len) in &self.elsewhere {
            for start in (0..len).step_by(PIECE) {
                fetch(name, start..len.min(start + PIECE))?;
            }
        }
        Ok(())
    }

    /// All arrays in the order of the file: those of larger numbers first, as readers want them aligned.
    fn entries(&self) -> Vec<Entry<'_>> {
        let mut entries: Vec<Entry<'_>> = Vec::new();
        let mut add =
            |name, dtype, shape, array| entries.push(Entry { name, dtype, shape, array, bytes: 0..0 });
        for (name, array) in &self.arrays {
            match array {
                Array::F32(shape, _) => add(name, Dtype::F32, shape.clone(), Some(array)),
                Array::I64(shape, _) => add(name, Dtype::I64, shape.clone(), Some(array)),
            }
        }
        for (name, &len) in &self.elsewhere {
            add(name, Dtype::F32, vec![len], None);
        }
        entries.sort_by(|a, b| b.dtype.cmp(&a.dtype).then(a.name.cmp(b.name)));
        let mut end = 0;
        for entry in &mut entries {
            let width = if entry.dtype == Dtype::I64 { 8 } else { 4 };
            let start = end;
            end += width * entry.shape.iter().product::<usize>();
            entry.bytes = start..end;
        }
        entries
    }
}

fn floats(x: &[f32]) -> Vec<u8> {
    x.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// What a file begins with: the length of a description of its arrays, and that description.
fn header(entries: &[Entry<'_>], states: &str, checksum: &str) -> Vec<u8> {
    let metadata = [("format", FORMAT), ("states", states), ("blake3", checksum)];
    let metadata: HashMap<String, String> =
        metadata.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    let info = |entry: &Entry<'_>| {
        let data_offsets = (entry.bytes.start, entry.bytes.end);
        (entry.name.to_owned(), TensorInfo { dtype: entry.dtype, shape: entry.shape.clone(), data_offsets })
    };
    let metadata = Metadata::new(Some(metadata), entries.iter().map(info).collect());
    let metadata = metadata.expect("arrays lie one after the other");
    let mut text = serde_json::to_vec(&metadata).expect("plain data");
    text.resize(text.len().next_multiple_of(8), b' ');
    [&(text.len() as u64).to_le_bytes()[..], &text].concat()
}
