//! What fully connected layers and convolutions share in tensor operations: views of their parameters, and activations.
#![deny(clippy::arithmetic_side_effects)] // operators of tensors panic

use tch::Tensor;

use crate::plan::Layer;
use crate::{Activation, AgentError};

/// Views of a layer's parameters and of their gradients.
pub struct Views {
    /// Weight `[filters, width]` and its gradient.
    pub weight: (Tensor, Tensor),
    /// Bias `[filters]` and its gradient.
    pub bias: (Tensor, Tensor),
}

impl Views {
    /// Those of `layer` in all parameters `[P]` and their gradient `[P]`.
    ///
    /// # Errors
    /// Those of libtorch, as in all that follows.
    pub fn new(layer: &Layer, parameters: &Tensor, gradient: &Tensor) -> Result<Self, AgentError> {
        let view = |at: usize, shape: &[i64]| -> Result<_, AgentError> {
            let view = |of: &Tensor| of.f_narrow(0, at as i64, shape.iter().product())?.f_view(shape);
            Ok((view(parameters)?, view(gradient)?))
        };
        let (width, filters) = (layer.width() as i64, layer.filters as i64);
        Ok(Self {
            weight: view(layer.weight().start, &[filters, width])?,
            bias: view(layer.bias().start, &[filters])?,
        })
    }
}

/// `f(x)`.
///
/// # Errors
/// Those of libtorch.
pub fn activate(activation: Activation, x: &Tensor) -> Result<Tensor, AgentError> {
    Ok(match activation {
        Activation::Tanh => x.f_tanh(),
        Activation::Relu => x.f_relu(),
        Activation::Elu => x.f_elu(),
    }?)
}

/// `gradient · f'`, with f' read off the results `y` of f.
///
/// # Errors
/// Those of libtorch.
pub fn activation_backward(
    activation: Activation,
    gradient: &Tensor,
    y: &Tensor,
) -> Result<Tensor, AgentError> {
    let slope = match activation {
        Activation::Tanh => y.f_square()?.f_rsub_scalar(1.0)?,
        Activation::Relu => y.f_gt(0.0)?,
        Activation::Elu => y.f_clamp_max(0.0)?.f_add_scalar(1.0)?,
    };
    Ok(gradient.f_mul(&slope)?)
}
