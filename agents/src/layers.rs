//! Settings of named layers: the long form of a network.

use std::collections::BTreeMap;

use phalanx_envs::Params;
use phalanx_graph::{Activation, Convolution, Pool, Recurrent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Layers by their names.
pub type Layers = BTreeMap<String, LayerSettings>;

/// One layer: exactly one of its operations, what it reads, and what follows it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LayerSettings {
    /// What it reads: a layer, `observation`, or a part of it such as `observation.camera`. Choices are read as one-hot vectors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Width of a dense layer, or of several on top of each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dense: Option<Widths>,
    /// Convolutions on top of each other; they read a picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conv: Option<Vec<Convolution>>,
    /// The largest number of each channel in every window of a picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_pool: Option<PoolSettings>,
    /// The mean of each channel in every window of a picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_pool: Option<PoolSettings>,
    /// A known network over a picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// Width of a gated recurrent unit.
    #[schemars(range(min = 1, max = 1_048_576))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gru: Option<usize>,
    /// Width of a long short-term memory.
    #[schemars(range(min = 1, max = 1_048_576))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lstm: Option<usize>,
    /// Layers and parts of the observation, one after the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concat: Option<Vec<String>>,
    /// The sum of layers and parts of the observation of one shape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add: Option<Vec<String>>,
    /// Width of a vector of parameters for each option of a choice that is observed.
    #[schemars(range(min = 1, max = 1_048_576))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding: Option<usize>,
    /// An operation that the program registered, by its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op: Option<String>,
    /// Parameters of `op`, by name.
    #[serde(skip_serializing_if = "Params::is_empty")]
    pub params: Params,
    /// Whether each operation is followed by a layer normalisation.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub layer_norm: bool,
    /// Activation function that follows each operation; null: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
}

/// The operation of a layer, with its settings.
#[derive(Debug, Clone, Copy)]
pub enum Operation<'a> {
    /// Dense layers of these widths.
    Dense(&'a [usize]),
    /// Convolutions.
    Conv(&'a [Convolution]),
    /// A pool.
    Pool(Pool, PoolSettings),
    /// A known network.
    Preset(Preset),
    /// A recurrent layer of this width.
    Recurrent(Recurrent, usize),
    /// All that it names, one after the other.
    Concat(&'a [String]),
    /// The sum of what it names.
    Add(&'a [String]),
    /// An embedding of this width.
    Embedding(usize),
    /// An operation that the program registered, with its parameters.
    Own(&'a str, &'a Params),
}

impl Operation<'_> {
    /// Whether it reads windows of a picture.
    pub fn reads_picture(self) -> bool {
        matches!(self, Self::Conv(_) | Self::Pool(..) | Self::Preset(_))
    }
}

impl LayerSettings {
    /// Keys of all operations.
    pub const OPERATIONS: [&str; 11] = [
        "dense",
        "conv",
        "max_pool",
        "average_pool",
        "preset",
        "gru",
        "lstm",
        "concat",
        "add",
        "embedding",
        "op",
    ];

    /// The operations that are set, with their keys; a layer has one of them, or none but what follows it.
    pub fn operations(&self) -> Vec<(&'static str, Operation<'_>)> {
        use Operation::{Add, Concat, Conv, Dense, Embedding, Own, Preset};
        let operations = [
            self.dense.as_ref().map(|widths| Dense(widths.list())),
            self.conv.as_deref().map(Conv),
            self.max_pool.map(|pool| Operation::Pool(Pool::Max, pool)),
            self.average_pool.map(|pool| Operation::Pool(Pool::Average, pool)),
            self.preset.map(Preset),
            self.gru.map(|width| Operation::Recurrent(Recurrent::Gru, width)),
            self.lstm.map(|width| Operation::Recurrent(Recurrent::Lstm, width)),
            self.concat.as_deref().map(Concat),
            self.add.as_deref().map(Add),
            self.embedding.map(Embedding),
            self.op.as_deref().map(|name| Own(name, &self.params)),
        ];
        Self::OPERATIONS.into_iter().zip(operations).filter_map(|(key, found)| Some((key, found?))).collect()
    }
}

/// Width of one layer, or of several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Widths {
    /// Of one.
    One(#[schemars(range(min = 1, max = 1_048_576))] usize),
    /// Of several, the first one first.
    Many(#[schemars(inner(range(min = 1, max = 1_048_576)))] Vec<usize>),
}

impl Widths {
    /// All of them.
    fn list(&self) -> &[usize] {
        match self {
            Self::One(width) => std::slice::from_ref(width),
            Self::Many(widths) => widths,
        }
    }
}

/// One name, or several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Names {
    /// One.
    One(String),
    /// Several, whose numbers follow each other.
    Many(Vec<String>),
}

impl Names {
    /// All of them.
    pub fn list(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }
}

/// The windows of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolSettings {
    /// Height and width of a window, in pixels.
    #[schemars(range(min = 1, max = 1024))]
    pub kernel: usize,
    /// Pixels from one window to the next.
    #[schemars(range(min = 1, max = 1024))]
    pub stride: usize,
    /// Lines and columns around the picture, which are never the largest and count as zeros in a mean.
    #[serde(default)]
    #[schemars(range(max = 1024))]
    pub padding: usize,
}

impl PoolSettings {
    /// Its windows, of a convolution.
    pub fn windows(self) -> Convolution {
        Convolution { padding: self.padding, ..Convolution::new(0, self.kernel, self.stride) }
    }
}

/// Known networks over pictures, with rectifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Three convolutions and a dense layer of 512: Mnih et al. 2015, doi:10.1038/nature14236.
    NatureCnn,
    /// Three sections of a convolution, a pool and two residual blocks, of 16, 32 and 32 filters, then a dense layer of 256:
    /// Espeholt et al. 2018, arXiv:1802.01561.
    ImpalaResnet,
}

/// A recurrent layer on top of the hidden layers of the short form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemorySettings {
    /// A gated recurrent unit of this width.
    Gru(#[schemars(range(min = 1, max = 1_048_576))] usize),
    /// A long short-term memory of this width.
    Lstm(#[schemars(range(min = 1, max = 1_048_576))] usize),
}
