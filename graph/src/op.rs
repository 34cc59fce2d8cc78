//! Operations of nodes.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::Window;

/// Added to the variance of a [`Op::LayerNorm`] before its root is taken.
pub const LAYER_NORM_EPSILON: f32 = 1e-5;

/// What a node computes.
///
/// # Source
/// Formulas, gates and the order of their weights are those of `PyTorch`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// `W·x + b`: a weight `[outputs, inputs]`, row-major, then a bias `[outputs]`.
    Dense,
    /// The same dense product for every window: a weight `[filters, window]`, row-major, then a bias `[filters]`. Its results are
    /// `[height, width, filters]`.
    Conv(Window),
    /// The largest number of each channel in every window, `[height, width, channels]`.
    MaxPool(Window),
    /// The mean of each channel in every window, padding included, `[height, width, channels]`.
    AveragePool(Window),
    /// `(x − mean)/√(variance + ε)·scale + shift` over all numbers of a row: a scale, then a shift, each like `x`.
    LayerNorm,
    /// An activation function of each number.
    Activation(Activation),
    /// A recurrent layer with one hidden state of its width: weights `[gates·width, inputs]` and `[gates·width, width]`, row-major,
    /// then the biases `[gates·width]` of both.
    Recurrent(Recurrent),
    /// All that it reads, one after the other.
    Concat,
    /// The sum of what it reads.
    Add,
    /// A one for each choice's option and zeros for the others, `[Σ options]`; it reads an input of option numbers.
    OneHot(Vec<usize>),
    /// A vector of parameters for each of these options: a table `[options, width]`; it reads an input of one option number.
    Embedding(usize),
    /// Parameters that depend on no input.
    Parameter,
    /// An operation that the program registered.
    Own(Own),
}

/// An operation that a program registered, which engines find by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// Its name.
    pub name: String,
    /// Its parameters by name, JSON.
    pub params: String,
}

/// The recurrent layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recurrent {
    /// Gated recurrent unit with the gates r, z and n. Cho et al. 2014, arXiv:1406.1078; the reset gate follows the product, as in
    /// cuDNN and `PyTorch`.
    Gru,
    /// Long short-term memory with the gates i, f, g and o; its state is h, then c. Hochreiter and Schmidhuber 1997.
    Lstm,
}

impl Recurrent {
    /// Gates, each with weights of its own.
    pub fn gates(self) -> usize {
        match self {
            Self::Gru => 3,
            Self::Lstm => 4,
        }
    }

    /// Vectors of the layer's width in its state.
    pub fn states(self) -> usize {
        match self {
            Self::Gru => 1,
            Self::Lstm => 2,
        }
    }
}

/// One convolution: square windows, moved over the picture in equal steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema))]
#[cfg_attr(feature = "std", serde(deny_unknown_fields))]
pub struct Convolution {
    /// Number of filters: the channels of the output.
    #[cfg_attr(feature = "std", schemars(range(min = 1, max = 1_048_576)))]
    pub filters: usize,
    /// Height and width of a window, in pixels.
    #[cfg_attr(feature = "std", schemars(range(min = 1, max = 1024)))]
    pub kernel: usize,
    /// Pixels from one window to the next.
    #[cfg_attr(feature = "std", serde(default = "one"), schemars(range(min = 1, max = 1024)))]
    pub stride: usize,
    /// Lines and columns of zeros around the picture.
    #[cfg_attr(feature = "std", serde(default), schemars(range(max = 1024)))]
    pub padding: usize,
    /// Pixels from one pixel of a window to the next.
    #[cfg_attr(feature = "std", serde(default = "one"), schemars(range(min = 1, max = 1024)))]
    pub dilation: usize,
}

#[cfg(feature = "std")]
fn one() -> usize {
    1
}

impl Convolution {
    /// A convolution with a stride, without padding and dilation.
    pub const fn new(filters: usize, kernel: usize, stride: usize) -> Self {
        Self { filters, kernel, stride, padding: 0, dilation: 1 }
    }
}

/// An activation function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema))]
#[cfg_attr(feature = "std", serde(rename_all = "snake_case"))]
pub enum Activation {
    /// Hyperbolic tangent.
    Tanh,
    /// max(x, 0).
    Relu,
    /// x where positive, eˣ − 1 elsewhere.
    Elu,
    /// x/(1 + e⁻ˣ), also known as swish.
    Silu,
    /// x·Φ(x), with the distribution function Φ of the standard normal distribution.
    Gelu,
    /// x where positive, x/100 elsewhere.
    LeakyRelu,
    /// x.
    Identity,
}

impl Activation {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Tanh, Self::Relu, Self::Elu, Self::Silu, Self::Gelu, Self::LeakyRelu, Self::Identity];

    /// Whether the slope can be read off the result, so that what it was made of need not be kept.
    pub fn slope_from_result(self) -> bool {
        !matches!(self, Self::Silu | Self::Gelu)
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tanh => "tanh",
            Self::Relu => "relu",
            Self::Elu => "elu",
            Self::Silu => "silu",
            Self::Gelu => "gelu",
            Self::LeakyRelu => "leaky_relu",
            Self::Identity => "identity",
        })
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dense => f.write_str("dense"),
            Self::Conv(window) => write!(f, "conv {window}"),
            Self::MaxPool(window) => write!(f, "max pool {window}"),
            Self::AveragePool(window) => write!(f, "average pool {window}"),
            Self::LayerNorm => f.write_str("layer norm"),
            Self::Activation(activation) => activation.fmt(f),
            Self::Recurrent(Recurrent::Gru) => f.write_str("gru"),
            Self::Recurrent(Recurrent::Lstm) => f.write_str("lstm"),
            Self::Concat => f.write_str("concat"),
            Self::Add => f.write_str("add"),
            Self::OneHot(_) => f.write_str("one-hot"),
            Self::Embedding(options) => write!(f, "embedding of {options}"),
            Self::Parameter => f.write_str("parameter"),
            Self::Own(own) => f.write_str(&own.name),
        }
    }
}
