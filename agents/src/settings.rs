//! Settings of networks and normalisers, as in a configuration.

use std::ops::RangeInclusive;

use phalanx_graph::{Activation, Convolution};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::AgentError;
use crate::layers::{Layers, MemorySettings, Names};
use crate::transfer::InitFrom;

/// Shape of the actor and the critic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkSettings {
    /// Convolutions of a picture before the hidden layers, each followed by the activation; without padding.
    pub convolutions: Vec<Convolution>,
    /// Which axis of a picture of three are its channels; null: the first or the last one, if it is shorter than both others.
    pub channels: Option<Channels>,
    /// Widths of the hidden layers, the first one first.
    #[schemars(inner(range(min = 1, max = 1_048_576)))]
    pub hidden: Vec<usize>,
    /// Activation function of the hidden layers.
    pub activation: Activation,
    /// Whether each hidden layer is normalised before its activation.
    pub layer_norm: bool,
    /// A recurrent layer on top of the hidden layers, as `{gru: 64}` or `{lstm: 64}`; null: none.
    pub memory: Option<MemorySettings>,
    /// Whether actor and critic share their hidden layers.
    pub shared: bool,
    /// Layers by name, in place of `convolutions`, `hidden`, `memory` and `shared`; docs/networks.md explains each.
    pub layers: Layers,
    /// What the policy's output layer reads: names of layers and parts of the observation; with `layers` alone.
    pub actor: Option<Names>,
    /// What the value's output layer reads, which may be parts of the observation that the actor does not read; with `layers` alone.
    pub critic: Option<Names>,
    /// Nodes whose parameters training leaves as they are: names of `phalanx config show`, or what they begin with before a dot.
    pub freeze: Vec<String>,
    /// What a training starts with in place of initial parameters: a run, or a file of the safetensors format, also a `state_dict` of PyTorch;
    /// as `{path: …, names: {…}}` where names differ. Tensors of the same name and shape are taken.
    pub init_from: Option<InitFrom>,
    /// Weights at the start: `orthogonal` matrices, or `normal` numbers of the deviation gain/√inputs, for layers of thousands of units, whose orthogonal matrices take
    /// minutes and much memory.
    pub initial_weights: InitialWeights,
    /// Gain of the initial weights of the policy's output layer; a small one starts close to a uniform policy.
    #[schemars(range(min = 0.0))]
    pub output_gain: f64,
    /// Whether the standard deviations of a Gaussian policy are parameters or outputs of the network.
    pub std: Deviation,
    /// Initial standard deviation of a Gaussian policy, in units of the action before `action_scaling`.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub initial_std: f64,
    /// Least standard deviation of a Gaussian policy, in units of the action before `action_scaling`: training does not make it smaller.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub min_std: f64,
    /// Largest standard deviation of a Gaussian policy, in units of the action before `action_scaling`: training does not make it larger.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub max_std: f64,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self {
            convolutions: vec![],
            channels: None,
            hidden: vec![64, 64],
            activation: Activation::Tanh,
            layer_norm: false,
            memory: None,
            shared: false,
            layers: Layers::new(),
            actor: None,
            critic: None,
            freeze: vec![],
            init_from: None,
            initial_weights: InitialWeights::Orthogonal,
            output_gain: 0.01,
            std: Deviation::Parameter,
            initial_std: 1.0,
            min_std: 1e-6,
            max_std: 1e6,
        }
    }
}

impl NetworkSettings {
    /// Logarithms of `min_std` and `max_std`.
    ///
    /// # Errors
    /// [`AgentError::Settings`] where `initial_std` does not lie between them.
    pub fn log_std_bounds(&self) -> Result<RangeInclusive<f32>, AgentError> {
        let Self { initial_std, min_std, max_std, .. } = *self;
        if (min_std..=max_std).contains(&initial_std) && min_std > 0.0 {
            return Ok(min_std.ln() as f32..=max_std.ln() as f32);
        }
        Err(AgentError::Settings(format!(
            "network.initial_std ({initial_std}) must lie between network.min_std ({min_std}) and network.max_std ({max_std})"
        )))
    }
}

/// Weights of a network at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InitialWeights {
    /// Orthonormal rows or columns, whichever are fewer, times a gain.
    Orthogonal,
    /// Independent normal numbers of the deviation gain/√inputs (He et al. 2015, arXiv:1502.01852, for a gain of √2).
    Normal,
}

/// What the standard deviations of a Gaussian policy are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Deviation {
    /// Parameters, the same for every observation.
    Parameter,
    /// Outputs of the network, so that they depend on the observation.
    Output,
}

/// The axis of a picture's channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channels {
    /// `[channels, height, width]`.
    First,
    /// `[height, width, channels]`.
    Last,
}

/// Normalisation of observations and rewards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NormalizeSettings {
    /// Centre and scale observations by their running mean and standard deviation.
    pub observation: bool,
    /// Scale rewards by the running standard deviation of discounted returns.
    pub reward: bool,
    /// Centre and scale value targets by their running mean and standard deviation, so that the critic's output and the value loss do not
    /// depend on the unit of rewards.
    pub value: bool,
    /// Bound of a normalised observation, in standard deviations.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub observation_clip: f64,
    /// Bound of a normalised reward, in standard deviations.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub reward_clip: f64,
}

impl Default for NormalizeSettings {
    fn default() -> Self {
        Self { observation: false, reward: false, value: false, observation_clip: 10.0, reward_clip: 10.0 }
    }
}
