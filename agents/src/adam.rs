//! Adam over one flat buffer, with state that can be saved.
//!
//! The optimisers of libtorch's bindings do not expose their moments, so that a run could not be
//! resumed exactly, and take a pass through memory for each of their operations; this is one pass for all.

use serde::{Deserialize, Serialize};

use crate::engine::{AdamStep, adam};

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
    pub mean: Vec<f32>,
    /// Mean of its square `[P]`.
    pub square: Vec<f32>,
    /// Steps taken.
    pub steps: u64,
}

impl Adam {
    /// An optimiser of `len` parameters, before its first step.
    pub fn new(len: usize, settings: AdamSettings) -> Self {
        Self { settings, mean: vec![0.0; len], square: vec![0.0; len], steps: 0 }
    }

    /// Moves `parameters [P]` against `scale · gradient [P]`.
    pub fn step(&mut self, parameters: &mut [f32], gradient: &[f32], scale: f64, learning_rate: f64) {
        let AdamSettings { beta1, beta2, epsilon } = self.settings;
        self.steps += 1;
        let t = self.steps as i32;
        let step = AdamStep {
            scale: scale as f32,
            fresh: ((1.0 - beta1) as f32, (1.0 - beta2) as f32),
            rate: (learning_rate / (1.0 - beta1.powi(t))) as f32,
            correction: (1.0 / (1.0 - beta2.powi(t)).sqrt()) as f32,
            // P24
            epsilon: epsilon as f32,
        };
        adam(parameters, gradient, &mut self.mean, &mut self.square, step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `torch.optim.Adam([1., -2.], lr=0.1)` of `PyTorch` 2.11 fed the gradients [0.5, -1], [0.25, 3], [-1, 0.1].
    #[test]
    fn agrees_with_pytorch() {
        let mut parameters = [1.0f32, -2.0];
        let mut adam = Adam::new(2, AdamSettings::default());
        for gradient in [[1.0f32, -2.0], [0.5, 6.0], [-2.0, 0.2]] {
            adam.step(&mut parameters, &gradient, 0.5, 0.1);
        }
        for (ours, expected) in parameters.iter().zip([0.827_417_74_f32, -1.989_621]) {
            assert!((ours - expected).abs() < 1e-6, "{parameters:?}");
        }
    }
}
