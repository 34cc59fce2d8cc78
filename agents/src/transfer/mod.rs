//! Starting a training with the parameters of another one, or of a network of `PyTorch`.

mod file;
mod layout;
mod matches;

use std::collections::BTreeMap;
use std::path::PathBuf;

use phalanx_graph::{Graph, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::file::TensorFile;
use self::layout::{PICTURES, Theirs, pictures};
pub use self::matches::Matches;
use crate::{AgentError, Checkpoint};

/// What a training starts with: a run or a file, or one of them with names of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum InitFrom {
    /// A run, whose newest checkpoint is taken, or a file of the safetensors format.
    Path(PathBuf),
    /// One whose tensors have other names.
    Named(NamedInit),
}

/// A run or a file whose tensors have other names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedInit {
    /// A run, whose newest checkpoint is taken, or a file of the safetensors format.
    pub path: PathBuf,
    /// Names in the file, by those of nodes or tensors here; both may be what names begin with before a dot.
    #[serde(default)]
    pub names: BTreeMap<String, String>,
}

impl InitFrom {
    /// The run or the file.
    pub fn path(&self) -> &PathBuf {
        match self {
            Self::Path(path) | Self::Named(NamedInit { path, .. }) => path,
        }
    }

    /// Name in the file of the tensor `name`.
    fn theirs(&self, name: &str) -> String {
        let Self::Named(NamedInit { names, .. }) = self else { return name.to_owned() };
        let longest = names.iter().filter_map(|(ours, theirs)| Some((ours, theirs, rest(name, ours)?)));
        match longest.max_by_key(|(ours, ..)| ours.len()) {
            Some((_, theirs, rest)) => format!("{theirs}{rest}"),
            None => name.to_owned(),
        }
    }

    /// Fails where a name here or in the file is that of nothing.
    fn check(&self, tensors: &[Tensor], file: &TensorFile) -> Result<(), AgentError> {
        let Self::Named(NamedInit { names, path }) = self else { return Ok(()) };
        let there = |theirs: &String| file.tensors.keys().any(|name| rest(name, theirs).is_some());
        if let Some(unknown) = names.values().find(|&theirs| !there(theirs)) {
            let known: Vec<&str> = file.tensors.keys().map(String::as_str).collect();
            return Err(AgentError::Settings(format!(
                "network.init_from.names has {unknown:?}, and the tensors of {} are {}",
                path.display(),
                known.join(", ")
            )));
        }
        let known = |ours: &String| tensors.iter().any(|tensor| rest(&tensor.name, ours).is_some());
        let Some(unknown) = names.keys().find(|&ours| !known(ours)) else { return Ok(()) };
        let known: Vec<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        Err(AgentError::Settings(format!(
            "network.init_from.names has {unknown:?}, and the tensors of this network are {}",
            known.join(", ")
        )))
    }
}

/// What follows `beginning` in `name`, where it ends there or goes on after a dot.
fn rest<'a>(name: &'a str, beginning: &str) -> Option<&'a str> {
    name.strip_prefix(beginning).filter(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Name and shape of a tensor, as checkpoints list those of the parameters, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    name: String,
    shape: Vec<usize>,
}

/// Whether a checkpoint's run has pictures with their channels elsewhere than in `graph`.
pub fn has_other_pictures(checkpoint: &Checkpoint, graph: &Graph) -> bool {
    matches!(Theirs::of_run(checkpoint, graph), Theirs::Run(other) if other.contains(&true))
}

/// The list in a checkpoint.
pub const TENSORS: &str = "tensors";

/// Puts the list of a network's tensors, and how its pictures lie, into a checkpoint.
pub fn list(graph: &Graph, checkpoint: &mut Checkpoint) {
    let entry = |Tensor { name, shape, .. }| Entry { name, shape };
    checkpoint.put_state(TENSORS, &graph.tensors().into_iter().map(entry).collect::<Vec<_>>());
    checkpoint.put_state(PICTURES, &pictures(graph));
}
