//! The parts of an observation as inputs of a graph.

use phalanx_envs::{Dtype, Role, Space};
use phalanx_graph::{self as graph, Dim, Graph, GraphError, Source};

use crate::Channels;
use crate::picture::Picture;

/// Name of an observation that is one array, and what those of its parts begin with otherwise.
pub const OBSERVATION: &str = "observation";

/// Why nothing of an observation is read without being named.
pub const ONLY_A_MASK: &str = "the observation has nothing but an action mask: observe something beside it, or name layers that read \
    `observation.action_mask` in network.layers";

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

    /// The picture that it is.
    ///
    /// # Errors
    /// What is wrong, where it is none, or where its channels are is not known.
    pub fn picture(&self, channels: Option<Channels>) -> Result<Picture, String> {
        match self.space {
            Space::Box { shape, .. } => Picture::new(shape, channels)
                .map_err(|reason| format!("{} has the shape {shape:?}: {reason}", self.name)),
            space => Err(format!("{} is {space}, and no picture", self.name)),
        }
    }

    /// As networks read it: choices as one-hot vectors.
    ///
    /// # Errors
    /// [`GraphError::Name`].
    pub fn read(&self, graph: &mut Graph, picture: Option<Picture>) -> Result<Source, GraphError> {
        let input = self.input(graph, picture)?;
        let Some(options) = self.options() else { return Ok(input) };
        let name = format!("{}.one_hot", self.name);
        match graph.find(&name) {
            Some(source) => Ok(source),
            None => graph.add_one_hot(name, input, options),
        }
    }

    /// As it is: an input, which is added the first time, with the dimensions of a picture where convolutions read it.
    ///
    /// # Errors
    /// [`GraphError::Name`].
    pub fn input(&self, graph: &mut Graph, picture: Option<Picture>) -> Result<Source, GraphError> {
        if let Some(source) = graph.find(&self.name) {
            return Ok(source);
        }
        let dtype = match self.space {
            Space::Box { dtype: Dtype::U8, .. } | Space::MultiBinary { .. } => graph::Dtype::U8,
            _ => graph::Dtype::F32,
        };
        let numbers = || vec![Dim::new("numbers", self.space.len())];
        let dims = picture.map_or_else(numbers, dims);
        graph.add_input(self.name.as_str(), dims, dtype)
    }
}

/// The dimensions of a picture.
fn dims(Picture { size: [height, width, channels], channels: axis }: Picture) -> Vec<Dim> {
    let dims = [("height", height), ("width", width), ("channels", channels)];
    let mut dims = dims.map(|(name, size)| Dim::new(name, size)).to_vec();
    if axis == Channels::First {
        dims.rotate_right(1);
    }
    dims
}
