//! Operations of nodes.

use core::fmt;

use crate::Window;

/// What a node computes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// `W·x + b`: a weight `[outputs, inputs]`, row-major, then a bias `[outputs]`.
    Dense,
    /// The same dense product for every window: a weight `[filters, window]`, row-major, then a bias `[filters]`. Its results are
    /// `[height, width, filters]`.
    Conv(Window),
    /// An activation function of each number.
    Activation(Activation),
    /// Parameters that depend on no input.
    Parameter,
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
    #[cfg_attr(feature = "std", schemars(range(min = 1)))]
    pub kernel: usize,
    /// Pixels from one window to the next.
    #[cfg_attr(feature = "std", schemars(range(min = 1)))]
    pub stride: usize,
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
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tanh => "tanh",
            Self::Relu => "relu",
            Self::Elu => "elu",
        })
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dense => f.write_str("dense"),
            Self::Conv(window) => {
                write!(f, "conv {0} × {0}, stride {1}", window.kernel, window.stride)
            }
            Self::Activation(activation) => activation.fmt(f),
            Self::Parameter => f.write_str("parameter"),
        }
    }
}
