//! Adam over one flat buffer, with state that can be saved.
//!
//! The optimisers that come with the bindings keep their moments to themselves, so that a run could not be resumed
//! exactly; here they are two tensors beside the parameters.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor, no_grad};

/// Constants of [`Adam`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AdamSettings {
    /// Decay of the gradient's mean.
    pub beta1: f64,
    /// Decay of the gradient's square.
    pub beta2: f64,
    /// Added to the denominator.
    pub epsilon: f64,
}

impl Default for AdamSettings {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }
    }
}

/// Kingma and Ba 2015, arXiv:1412.6980, algorithm 1.
pub struct Adam {
    settings: AdamSettings,
    /// Mean of the gradient `[P]`.
    pub mean: Tensor,
    /// Mean of its square `[P]`.
    pub square: Tensor,
    /// Steps taken.
    pub steps: u64,
}

impl Adam {
    /// An optimiser of the parameters `flat [P]`, at rest.
    pub fn new(flat: &Tensor, settings: AdamSettings) -> Self {
        let zeros = || flat.zeros_like().to_kind(Kind::Float);
        Self { settings, mean: zeros(), square: zeros(), steps: 0 }
    }

    /// Moves `flat [P]` against `gradient [P]`.
    pub fn step(&mut self, flat: &Tensor, gradient: &Tensor, learning_rate: f64) {
        let AdamSettings { beta1, beta2, epsilon } = self.settings;
        self.steps += 1;
        let t = self.steps as i32;
        let step = -learning_rate / (1.0 - beta1.powi(t));
        let correction = (1.0 - beta2.powi(t)).sqrt();
        no_grad(|| {
            let _ = self.mean.lerp_(gradient, 1.0 - beta1);
            let _ = self.square.lerp_(&gradient.square(), 1.0 - beta2);
            let mut denominator = self.square.sqrt();
            // P24
            let _ = denominator.g_div_scalar_(correction).g_add_scalar_(epsilon);
            let _ = flat.shallow_clone().addcdiv_(&(&self.mean * step), &denominator);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `torch.optim.Adam([1., -2.], lr=0.1)` of `PyTorch` 2.11 fed the gradients [0.5, -1], [0.25, 3], [-1, 0.1].
    #[test]
    fn agrees_with_pytorch() {
        let parameters = Tensor::from_slice(&[1.0f32, -2.0]);
        let mut adam = Adam::new(&parameters, AdamSettings::default());
        for gradient in [[0.5f32, -1.0], [0.25, 3.0], [-1.0, 0.1]] {
            adam.step(&parameters, &Tensor::from_slice(&gradient), 0.1);
        }
        let expected = Tensor::from_slice(&[0.827_417_74_f32, -1.989_621]);
        assert!(parameters.allclose(&expected, 1e-6, 1e-6, false), "{parameters:?}");
    }
}
