//! The two objectives of the policy, and the penalty that the second one adapts.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::KlPenaltySettings;

/// Bounds of the penalty's weight: far enough apart to adapt, close enough that it can come back.
const WEAKEST: f64 = 1e-4;
const STRONGEST: f64 = 1e4;

/// The clipped surrogate: −mean(min(ratio·A, clip(ratio, 1 ± ε)·A)).
///
/// # Shapes
/// `ratio`, `advantage`: `[B]`.
/// # Source
/// Schulman et al. 2017, arXiv:1707.06347, equation 7.
pub fn clipped(ratio: &Tensor, advantage: &Tensor, range: f64) -> Tensor {
    // P18
    let free = ratio * advantage;
    let bound = ratio.clamp(1.0 - range, 1.0 + range) * advantage;
    -free.min_other(&bound).mean(Kind::Float)
}

/// The penalised surrogate: −mean(ratio·A) + β·KL + c·max(KL − cut-off, 0)², with the mean divergence KL of old from new.
///
/// # Shapes
/// `ratio`, `advantage`, `kl`: `[B]`.
/// # Source
/// Schulman et al. 2017, arXiv:1707.06347, equation 8; the cut-off is that of Hafner et al. 2017, arXiv:1709.02878.
pub fn penalized(ratio: &Tensor, advantage: &Tensor, kl: &Tensor, penalty: &Penalty) -> Tensor {
    // P19
    let kl = kl.mean(Kind::Float);
    let beyond = (&kl - penalty.settings.target * penalty.settings.cutoff_factor).relu();
    -(ratio * advantage).mean(Kind::Float)
        + kl * penalty.weight
        + beyond.square() * penalty.settings.cutoff_coefficient
}

/// The adaptive weight of the divergence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Penalty {
    settings: KlPenaltySettings,
    weight: f64,
}

impl Penalty {
    /// The penalty at the start.
    pub fn new(settings: &KlPenaltySettings) -> Self {
        Self { settings: settings.clone(), weight: settings.initial_penalty }
    }

    /// The present weight β.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// Makes the weight 1.5 times larger after an update that went too far, as much smaller after one that did not go far.
    pub fn adapt(&mut self, kl: f64) {
        // P20
        if kl > 1.3 * self.settings.target {
            self.weight *= 1.5;
        } else if kl < 0.7 * self.settings.target {
            self.weight /= 1.5;
        }
        self.weight = self.weight.clamp(WEAKEST, STRONGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clipped_surrogate_by_hand() {
        let ratio = Tensor::from_slice(&[1.5f32, 0.5, 1.5, 0.5]);
        let advantage = Tensor::from_slice(&[1.0f32, 1.0, -1.0, -1.0]);
        // min(1.5, 1.2), min(0.5, 0.8), min(−1.5, −1.2), min(−0.5, −0.8): 1.2 + 0.5 − 1.5 − 0.8 = −0.6.
        let loss = clipped(&ratio, &advantage, 0.2).double_value(&[]);
        assert!((loss - 0.15).abs() < 1e-6);
    }

    #[test]
    fn the_penalised_surrogate_by_hand() {
        let settings =
            KlPenaltySettings { target: 0.01, initial_penalty: 2.0, ..KlPenaltySettings::default() };
        let ratio = Tensor::from_slice(&[1.0f32, 2.0]);
        let advantage = Tensor::from_slice(&[1.0f32, 1.0]);
        let kl = Tensor::from_slice(&[0.02f32, 0.06]);
        // −1.5 + 2·0.04 + 1000·(0.04 − 0.02)² = −1.02.
        let loss = penalized(&ratio, &advantage, &kl, &Penalty::new(&settings)).double_value(&[]);
        assert!((loss + 1.02).abs() < 1e-6);
    }

    #[test]
    fn the_penalty_follows_the_divergence_within_bounds() {
        let mut penalty = Penalty::new(&KlPenaltySettings::default());
        penalty.adapt(0.02);
        assert_eq!(penalty.weight(), 1.5);
        penalty.adapt(0.01);
        assert_eq!(penalty.weight(), 1.5);
        penalty.adapt(0.001);
        assert_eq!(penalty.weight(), 1.0);
        (0..100).for_each(|_| penalty.adapt(1.0));
        assert_eq!(penalty.weight(), STRONGEST);
        (0..100).for_each(|_| penalty.adapt(0.0));
        assert_eq!(penalty.weight(), WEAKEST);
    }
}
