//! Convolutions in tensor operations.
#![deny(clippy::arithmetic_side_effects)] // operators of tensors panic

use phalanx_graph::{Activation, Window};
use tch::{Kind, Tensor, no_grad};

use super::views::{Views, activate};
use crate::AgentError;

/// Convolutions, one on top of the other.
pub struct Convolutions {
    layers: Vec<(Window, Views)>,
    activation: Activation,
}

/// A pass through them.
pub struct Pictures {
    /// Weight and bias of each layer, as autograd's variables.
    leaves: Vec<Tensor>,
    /// Results of the last one, `[B, windows · filters]`.
    pub result: Tensor,
}

impl Convolutions {
    /// Those of these windows and parameters.
    pub fn new(layers: Vec<(Window, Views)>, activation: Activation) -> Self {
        Self { layers, activation }
    }

    /// Their outputs for the pictures `x [B, inputs]`; `None` when there are no convolutions. Recorded for autograd where it is on.
    ///
    /// # Errors
    /// Those of libtorch, as in all that follows.
    pub fn forward(&self, x: &Tensor) -> Result<Option<Pictures>, AgentError> {
        let Some((first, _)) = self.layers.first() else { return Ok(None) };
        let [height, width, _] = first.picture;
        let mut x = channels_first(x, first, [height, width])?;
        let mut leaves = Vec::new();
        for (window, views) in &self.layers {
            let leaf = |of: &Tensor| of.f_detach()?.f_set_requires_grad(true);
            let (weight, bias) = (leaf(&views.weight.0)?, leaf(&views.bias.0)?);
            let kernel = channels_first(&weight, window, [window.kernel; 2])?;
            let y = x.f_conv2d(&kernel, Some(&bias), [window.stride as i64; 2], [0; 2], [1; 2], 1)?;
            x = activate(self.activation, &y)?;
            leaves.extend([weight, bias]);
        }
        let result = x.f_permute([0, 2, 3, 1])?.f_reshape([x.size()[0], -1])?;
        Ok(Some(Pictures { leaves, result }))
    }

    /// Writes the gradients of their parameters, from that of the result.
    ///
    /// # Errors
    /// Those of libtorch.
    pub fn backward(&self, pictures: &Pictures, gradient: &Tensor) -> Result<(), AgentError> {
        let total = pictures.result.f_mul(gradient)?.f_sum(Kind::Float)?;
        let gradients = Tensor::f_run_backward(&[total], &pictures.leaves, false, false)?;
        let views = self.layers.iter().flat_map(|(_, views)| [&views.weight.1, &views.bias.1]);
        no_grad(|| {
            for (view, gradient) in views.zip(gradients) {
                view.shallow_clone().f_copy_(&gradient)?;
            }
            Ok(())
        })
    }
}

/// Rows of numbers as `window` reads them, `[n, …]`, as `[n, channels, height, width]`.
fn channels_first(x: &Tensor, window: &Window, [height, width]: [usize; 2]) -> Result<Tensor, AgentError> {
    let (height, width, channels) = (height as i64, width as i64, window.picture[2] as i64);
    Ok(if window.channels_first {
        x.f_view([-1, channels, height, width])?
    } else {
        x.f_view([-1, height, width, channels])?.f_permute([0, 3, 1, 2])?
    })
}
