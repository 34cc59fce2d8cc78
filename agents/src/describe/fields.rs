//! The parts of an observation as inputs of a graph.

use phalanx_envs::{Dtype, Role, Space};
use phalanx_graph::{self as graph, Dim, Graph, Source};

use crate::picture::Picture;
use crate::{AgentError, Channels};

/// Name of an observation that is one array, and what those of its parts begin with otherwise.
pub const OBSERVATION: &str = "observation";

/// One part that networks may read.
pub struct Part<'a> {
    /// `observation`, or `observation.PATH`.
    pub name: String,
    /// What it holds.
    pub space: &'a Space,
    /// Whether it is a mask, which only those networks read that name it.
    pub is_mask: bool,
}

/// The parts of `observations`.
pub fn parts(observations: &Space) -> Vec<Part<'_>> {
    let leaves = observations.leaves().into_iter();
    let part = |(path, space): (String, _)| Part {
        name: input_name(&path),
        space,
        is_mask: Role::of(&path) != Role::Observation,
    };
    leaves.map(part).collect()
}

/// Name of the input that reads the part at `path`.
pub fn input_name(path: &str) -> String {
    if path.is_empty() { OBSERVATION.to_owned() } else { format!("{OBSERVATION}.{path}") }
}

impl Part<'_> {
    /// Options of each choice; nothing of numbers.
    pub fn options(&self) -> Option<Vec<usize>> {
        match self.space {
            Space::Discrete { n } => Some(vec![*n]),
            Space::MultiDiscrete { n } => Some(n.clone()),
            _ => None,
        }
    }

    /// Whether it has the axes of a picture.
    pub fn may_be_picture(&self) -> bool {
        matches!(self.space, Space::Box { shape, .. } if (2..=3).contains(&shape.len()))
    }

    /// As networks read it: choices as one-hot vectors.
    ///
    /// # Errors
    /// Those of [`Self::input`].
    pub fn read(
        &self,
        graph: &mut Graph,
        is_picture: bool,
        channels: Option<Channels>,
    ) -> Result<Source, AgentError> {
        let input = self.input(graph, is_picture, channels)?;
        let Some(options) = self.options() else { return Ok(input) };
        let name = format!("{}.one_hot", self.name);
        match graph.find(&name) {
            Some(source) => Ok(source),
            None => Ok(graph.add_one_hot(name, input, options)?),
        }
    }

    /// As it is: an input, which is added the first time, with the dimensions of a picture where convolutions read it.
    ///
    /// # Errors
    /// [`AgentError::Space`] when it is no picture.
    pub fn input(
        &self,
        graph: &mut Graph,
        is_picture: bool,
        channels: Option<Channels>,
    ) -> Result<Source, AgentError> {
        if let Some(source) = graph.find(&self.name) {
            return Ok(source);
        }
        let dtype = match self.space {
            Space::Box { dtype: Dtype::U8, .. } | Space::MultiBinary { .. } => graph::Dtype::U8,
            _ => graph::Dtype::F32,
        };
        let dims = match self.space {
            Space::Box { shape, .. } if is_picture => picture(shape, channels)?,
            _ => vec![Dim::new("numbers", self.space.len())],
        };
        Ok(graph.add_input(self.name.as_str(), dims, dtype)?)
    }
}

/// The dimensions of a picture.
fn picture(shape: &[usize], channels: Option<Channels>) -> Result<Vec<Dim>, AgentError> {
    let Picture { size: [height, width, channels], channels: axis } = Picture::new(shape, channels)?;
    let dims = [("height", height), ("width", width), ("channels", channels)];
    let mut dims = dims.map(|(name, size)| Dim::new(name, size)).to_vec();
    if axis == Channels::First {
        dims.rotate_right(1);
    }
    Ok(dims)
}
