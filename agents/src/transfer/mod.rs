//! Starting a training with the parameters of another one, or of a network of `PyTorch`.

mod file;
mod layout;
mod matches;
mod placed;

use std::collections::BTreeMap;
use std::path::PathBuf;

use phalanx_envs::nearest;
use phalanx_graph::{Graph, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::file::TensorFile;
use self::layout::Layout;
pub use self::matches::Matches;
pub use self::placed::{Placed, inputs, order};
use crate::{AgentError, Channels, Checkpoint};

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

    /// Fails where a name in the file is that of nothing.
    ///
    /// # Errors
    /// [`AgentError::Settings`] with the names that there are.
    pub fn check_names(&self, file: &TensorFile) -> Result<(), AgentError> {
        let Self::Named(NamedInit { names, path }) = self else { return Ok(()) };
        let known: Vec<&str> = file.tensors.keys().map(String::as_str).collect();
        first(unknown(names.values(), &known, &path.display().to_string()))
    }

    /// Names here that are those of nothing in `graph`, each with a message.
    pub fn unknown_names(&self, graph: &Graph) -> Vec<(&str, String)> {
        let Self::Named(NamedInit { names, .. }) = self else { return Vec::new() };
        let tensors = graph.tensors();
        let known: Vec<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        unknown(names.keys(), &known, "this network")
    }
}

/// Those of `names` that begin none of the tensors `known`, each with a message.
fn unknown<'a>(
    names: impl Iterator<Item = &'a String>,
    known: &[&str],
    owner: &str,
) -> Vec<(&'a str, String)> {
    let begins_none = |name: &&String| !known.iter().any(|known| rest(known, name).is_some());
    let beginnings =
        || known.iter().flat_map(|name| name.match_indices('.').map(|(dot, _)| &name[..dot]).chain([*name]));
    let message = |name: &'a String| {
        let near =
            nearest(name, beginnings()).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        let known = known.join(", ");
        (
            name.as_str(),
            format!("network.init_from.names has {name:?}, and the tensors of {owner} are {known}{near}"),
        )
    };
    names.filter(begins_none).map(message).collect()
}

/// The error of the first name that is that of nothing.
fn first(unknown: Vec<(&str, String)>) -> Result<(), AgentError> {
    unknown.into_iter().next().map_or(Ok(()), |(_, message)| Err(AgentError::Settings(message)))
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
    /// The pictures in each of its rows; earlier checkpoints do not have them.
    pictures: Option<Vec<Placed>>,
}

/// The list in a checkpoint.
pub const TENSORS: &str = "tensors";

/// Puts the list of a network's tensors into a checkpoint; `inputs` are its pictures.
pub fn list(graph: &Graph, inputs: &[Option<Placed>], checkpoint: &mut Checkpoint) {
    let layout = Layout { graph, inputs, is_pytorch: false };
    let entry = |tensor: Tensor| {
        let pictures = Some(layout.pictures(&tensor));
        Entry { name: tensor.name, shape: tensor.shape, pictures }
    };
    checkpoint.put_state(TENSORS, &graph.tensors().into_iter().map(entry).collect::<Vec<_>>());
}

/// How the inputs of a graph lay in an earlier checkpoint, which has where the channels of the first picture are that networks read: those of all.
pub fn earlier(checkpoint: &Checkpoint, graph: &Graph, inputs: &[Option<Placed>]) -> Vec<Option<Placed>> {
    let form: serde_json::Value = checkpoint.state("form").unwrap_or_default();
    let Ok(channels) = Channels::deserialize(&form["network.channels"]) else { return inputs.to_vec() };
    let is_read = |i: usize| graph.inputs[i].dims.len() == 3;
    let moved = |(i, placed): (usize, &Option<Placed>)| match placed.clone() {
        Some(placed) if is_read(i) => Some(placed.moved(channels)),
        placed => placed,
    };
    inputs.iter().enumerate().map(moved).collect()
}

#[cfg(test)]
mod tests;
