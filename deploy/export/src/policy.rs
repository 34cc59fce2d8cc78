//! What a policy file holds.

use std::borrow::Cow;

use phalanx_graph::{Graph, InputScale, Source};
use phalanx_micro::{ActError, Elements, FormatError};

/// A trained policy as plain data.
#[derive(Debug, Clone)]
pub struct Policy<'a> {
    /// The networks.
    pub graph: &'a Graph,
    /// All parameters `[P]` of the graph.
    pub parameters: Cow<'a, [f32]>,
    /// What gives the parameters of the action distribution.
    pub output: Source,
    /// What is observed, in the order of an observation's fields.
    pub inputs: Vec<Input>,
    /// The parts of an action, in the order of its fields, one for each of several choices.
    pub parts: Vec<Part>,
    /// The fields of an action; each has as many numbers of it as its shape.
    pub action: Vec<Field>,
    /// Seconds from one action to the next; 0 where they are not known.
    pub time_step: f32,
    /// JSON: names, units, and what the policy was made of.
    pub text: String,
    /// Observations with the actions that were taken, in the order of time.
    pub records: Vec<Record>,
}

/// A part of an observation.
#[derive(Debug, Clone)]
pub struct Input {
    /// Name of the graph's input; masks that no network reads have none there.
    pub name: String,
    /// Whether its elements are bytes.
    pub is_bytes: bool,
    /// Lengths of its axes; empty for a single number.
    pub shape: Vec<usize>,
    /// From elements to the numbers that networks read.
    pub scale: InputScale,
}

impl Input {
    /// Elements.
    pub fn size(&self) -> usize {
        self.shape.iter().product()
    }
}

/// A field of an action, as an environment is given it.
#[derive(Debug, Clone)]
pub struct Field {
    /// `action`, or with a path, as in `action.valve`.
    pub name: String,
    /// Lengths of its axes; empty for a single number.
    pub shape: Vec<usize>,
}

/// A part of an action.
#[derive(Debug, Clone)]
pub struct Part {
    /// What it is.
    pub kind: Kind,
    /// Its first output of the network.
    pub outputs: usize,
    /// Options, bits or numbers.
    pub len: usize,
    /// Its mask.
    pub mask: Option<Mask>,
    /// The number of a choice's first option.
    pub start: i32,
    /// Its first number in an action.
    pub action: usize,
}

/// Kinds of parts.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// The option with the largest output.
    Choice,
    /// A bit for each output.
    Bits,
    /// `centre + factor·output` within bounds; with `tanh`, of its hyperbolic tangent.
    Numbers {
        /// Whether outputs are squashed.
        tanh: bool,
        /// Centre, factor, lower and upper bound of each.
        scale: Vec<[f32; 4]>,
        /// With which standard deviations outputs are drawn.
        deviations: Deviations,
    },
}

/// Standard deviations of numbers.
#[derive(Debug, Clone, PartialEq)]
pub enum Deviations {
    /// The logarithm of each.
    Fixed(Vec<f32>),
    /// Outputs of the network, after the means: logarithms, which are put within these bounds.
    Output([f32; 2]),
}

/// Where a mask is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mask {
    /// The input.
    pub input: usize,
    /// Its first option there.
    pub start: usize,
}

/// A recorded step.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Whether an episode begins.
    pub begins: bool,
    /// The parts of the observation.
    pub observation: Vec<Recorded>,
    /// The action, as an environment was given it.
    pub action: Vec<f32>,
}

/// Elements of a part of a recorded observation.
#[derive(Debug, Clone, PartialEq)]
pub enum Recorded {
    /// Floats.
    F32(Vec<f32>),
    /// Bytes.
    U8(Vec<u8>),
}

impl Recorded {
    /// As a policy file is given them.
    pub fn elements(&self) -> Elements<'_> {
        match self {
            Self::F32(x) => Elements::F32(x),
            Self::U8(x) => Elements::U8(x),
        }
    }
}

/// Why a policy cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// An operation that files do not have.
    #[error("{node} is {op}, an operation of one's own: policy files have those that are built in alone")]
    Operation {
        /// The node.
        node: String,
        /// Its operation.
        op: String,
    },
    /// Something that is too large for the layout.
    #[error("{node}: {what} is {size}, and a policy file holds at most {most}")]
    Large {
        /// The node, or what is too large.
        node: String,
        /// What of it.
        what: &'static str,
        /// Its size.
        size: usize,
        /// The most.
        most: usize,
    },
    /// A name that functions of C cannot begin with.
    #[error("{name:?} is no name in C: use letters, digits and underscores, a letter first")]
    Name {
        /// The name.
        name: String,
    },
    /// An observation for which there is no action.
    #[error("observation {step} of those that the ranges are measured on: {error}")]
    Calibration {
        /// Which one.
        step: usize,
        /// Why.
        error: ActError,
    },
    /// Bytes that the interpreter refuses: a fault of this crate.
    #[error("the written file cannot be used: {0}")]
    Refused(#[from] FormatError),
}
