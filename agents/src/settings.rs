//! Settings of networks and normalisers, as they stand in a config.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Shape of the actor and the critic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkSettings {
    /// Convolutions that a picture goes through before the hidden layers, each followed by the activation; no padding.
    pub convolutions: Vec<Convolution>,
    /// Widths of the hidden layers, from the observation or the convolutions on.
    #[schemars(inner(range(min = 1)))]
    pub hidden: Vec<usize>,
    /// Function after each hidden layer.
    pub activation: Activation,
    /// Whether actor and critic share their hidden layers.
    pub shared: bool,
    /// Gain of the orthogonal start of the policy's output layer; small starts close to a uniform policy.
    #[schemars(range(min = 0.0))]
    pub output_gain: f64,
    /// Standard deviation of a Gaussian policy at the start, in units of the action.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub initial_std: f64,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self {
            convolutions: vec![],
            hidden: vec![64, 64],
            activation: Activation::Tanh,
            shared: false,
            output_gain: 0.01,
            initial_std: 1.0,
        }
    }
}

/// One convolution: square windows, moved over the picture in equal steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Convolution {
    /// Numbers that it gives for each window: the channels of its result.
    #[schemars(range(min = 1))]
    pub filters: usize,
    /// Height and width of a window, in pixels.
    #[schemars(range(min = 1))]
    pub kernel: usize,
    /// Pixels from one window to the next.
    #[schemars(range(min = 1))]
    pub stride: usize,
}

/// Function after a hidden layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// Hyperbolic tangent.
    Tanh,
    /// max(x, 0).
    Relu,
    /// x where positive, eˣ − 1 elsewhere.
    Elu,
}

/// What is brought to a common scale before the networks see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NormalizeSettings {
    /// Centre and scale observations by their running mean and standard deviation.
    pub observation: bool,
    /// Scale rewards by the running standard deviation of discounted returns.
    pub reward: bool,
    /// Bound of a normalised observation, in standard deviations.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub observation_clip: f64,
    /// Bound of a normalised reward, in standard deviations.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub reward_clip: f64,
}

impl Default for NormalizeSettings {
    fn default() -> Self {
        Self { observation: false, reward: false, observation_clip: 10.0, reward_clip: 10.0 }
    }
}
