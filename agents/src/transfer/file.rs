//! Files of named tensors.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::placed::Placed;
use super::{Entry, TENSORS};
use crate::checkpoint::read;
use crate::{AgentError, Array, Checkpoint};

/// A tensor of a file.
pub struct Theirs {
    pub shape: Vec<usize>,
    pub numbers: Vec<f32>,
    /// The pictures in each of its rows, where the file has them.
    pub pictures: Option<Vec<Placed>>,
}

/// The tensors of a file, by name.
pub struct TensorFile {
    /// Where it lies.
    pub(super) path: PathBuf,
    /// All by name.
    pub(super) tensors: BTreeMap<String, Theirs>,
    pub(super) checkpoint: Option<Checkpoint>,
}

impl TensorFile {
    /// The checkpoint that it is, unless it is of another program.
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        self.checkpoint.as_ref()
    }

    /// Reads a checkpoint, or a `state_dict` of `PyTorch` in the safetensors format; 16-bit and 64-bit floats become 32-bit ones.
    ///
    /// # Errors
    /// [`AgentError::File`] when it cannot be read, [`AgentError::Checkpoint`] when it is damaged or of another kind,
    /// [`AgentError::Entry`] when it is a checkpoint without names.
    pub fn load(path: &Path) -> Result<Self, AgentError> {
        let bytes = read(path)?;
        let wrong = |reason: String| AgentError::Checkpoint { path: path.to_owned(), reason };
        if Checkpoint::is_one(&bytes) {
            let checkpoint = Checkpoint::from_bytes(&bytes).map_err(wrong)?;
            let tensors = split(&checkpoint)?;
            return Ok(Self { path: path.to_owned(), tensors, checkpoint: Some(checkpoint) });
        }
        let file =
            SafeTensors::deserialize(&bytes).map_err(|error| wrong(not_safetensors(&bytes, &error)))?;
        let tensor = |(name, view): (&str, TensorView<'_>)| {
            let (shape, numbers) = (view.shape().to_vec(), floats(&view)?);
            Some((name.to_owned(), Theirs { shape, numbers, pictures: None }))
        };
        let tensors = file.iter().filter_map(tensor).collect();
        Ok(Self { path: path.to_owned(), tensors, checkpoint: None })
    }
}

/// Why a file was not read. Files of `torch.save` are ZIP archives, or pickles in older versions.
fn not_safetensors(bytes: &[u8], error: &SafeTensorError) -> String {
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\x80\x02") {
        return "is a file of torch.save: load it in Python and save its state_dict with safetensors.torch.save_file(state_dict, \"policy.safetensors\")"
            .to_owned();
    }
    format!("is no file of the safetensors format, or damaged ({error})")
}

/// The parameters of a checkpoint, tensor by tensor.
fn split(checkpoint: &Checkpoint) -> Result<BTreeMap<String, Theirs>, AgentError> {
    let wrong = |name: &str, reason: &str| AgentError::Entry { name: name.into(), reason: reason.into() };
    let list: Vec<Entry> = checkpoint.state(TENSORS).map_err(|_| {
        wrong(
            TENSORS,
            "is missing: it is of an earlier version; continue its run for an iteration to write a new one",
        )
    })?;
    let Array::F32(_, mut rest) = checkpoint.array("parameters")?.clone() else {
        return Err(wrong("parameters", "does not hold floats"));
    };
    let mut tensors = BTreeMap::new();
    for Entry { name, shape, pictures } in list {
        let len = shape.iter().product::<usize>();
        if len > rest.len() {
            return Err(wrong("parameters", "is shorter than its tensors"));
        }
        let later = rest.split_off(len);
        let numbers = std::mem::replace(&mut rest, later);
        tensors.insert(name, Theirs { shape, numbers, pictures });
    }
    Ok(tensors)
}

/// Numbers of a tensor of floats; nothing of others.
fn floats(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let data = view.data();
    Some(match view.dtype() {
        Dtype::F32 => data.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
        Dtype::F64 => data.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b) as f32).collect(),
        Dtype::F16 => data.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
        Dtype::BF16 => data.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32()).collect(),
        _ => return None,
    })
}
