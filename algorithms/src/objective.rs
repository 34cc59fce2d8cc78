//! The two objectives of the policy, clipped and with a KL penalty, and the penalty's adaptive weight.

use crate::KlPenaltySettings;

/// Bounds of the penalty's weight: far enough apart to adapt, close enough that it can come back.
const WEAKEST: f64 = 1e-4;
const STRONGEST: f64 = 1e4;

/// What a transition adds to the policy's loss.
#[derive(Clone, Copy)]
pub enum Surrogate<'a> {
    /// −min(ratio·A, clip(ratio, 1 ± ε)·A).
    ///
    /// Schulman et al. 2017, arXiv:1707.06347, equation 7.
    Clip {
        /// ε.
        range: f32,
    },
    /// −ratio·A, with a penalty on the minibatch's mean divergence.
    ///
    /// Schulman et al. 2017, arXiv:1707.06347, equation 8; the cut-off is that of Hafner et al. 2017, arXiv:1709.02878.
    Penalized(&'a Penalty),
}

impl Surrogate<'_> {
    /// Loss of one transition and its slope over the ratio.
    pub fn of(self, ratio: f32, advantage: f32) -> (f32, f32) {
        let free = ratio * advantage;
        match self {
            Self::Clip { range } => {
                // P18: the smaller of the free and the clipped surrogate.
                let bound = ratio.clamp(1.0 - range, 1.0 + range) * advantage;
                if free <= bound { (-free, -advantage) } else { (-bound, 0.0) }
            }
            Self::Penalized(_) => (-free, -advantage),
        }
    }

    /// Whether a ratio lies outside the clip range.
    pub fn clips(self, ratio: f32) -> bool {
        matches!(self, Self::Clip { range } if (ratio - 1.0).abs() > range)
    }

    /// Penalty on a mean divergence, and its slope over it.
    pub fn penalty(self, kl: f64) -> (f64, f32) {
        match self {
            Self::Clip { .. } => (0.0, 0.0),
            Self::Penalized(penalty) => {
                // P19: β·KL, and a square beyond the cut-off.
                let KlPenaltySettings { target, cutoff_factor, cutoff_coefficient, .. } = penalty.settings;
                let beyond = (kl - target * cutoff_factor).max(0.0);
                let loss = penalty.weight * kl + cutoff_coefficient * beyond * beyond;
                (loss, (penalty.weight + 2.0 * cutoff_coefficient * beyond) as f32)
            }
        }
    }
}

/// The adaptive weight of the divergence.
#[derive(Debug, Clone, PartialEq)]
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

    /// Continues with the weight of an earlier run.
    pub fn set_weight(&mut self, weight: f64) {
        self.weight = weight.clamp(WEAKEST, STRONGEST);
    }

    /// Makes the weight 1.5 times larger after an update that went too far, as much smaller after one that did not go
    /// far enough.
    pub fn adapt(&mut self, kl: f64) {
        // P20: within bounds.
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
        let clip = Surrogate::Clip { range: 0.2 };
        // Gains stop at 1 ± ε, losses do not.
        assert_eq!(clip.of(1.5, 1.0), (-1.2, 0.0));
        assert_eq!(clip.of(0.5, 1.0), (-0.5, -1.0));
        assert_eq!(clip.of(1.5, -1.0), (1.5, 1.0));
        assert_eq!(clip.of(0.5, -1.0), (0.8, 0.0));
        assert_eq!(clip.of(1.1, 2.0), (-2.2, -2.0));
        assert!(clip.clips(1.21) && !clip.clips(0.81));
    }

    #[test]
    fn the_penalty_by_hand() {
        let settings =
            KlPenaltySettings { target: 0.01, initial_penalty: 2.0, ..KlPenaltySettings::default() };
        let penalty = Penalty::new(&settings);
        // 2·0.04 + 1000·(0.04 − 0.02)² = 0.48, with slope 2 + 2·1000·0.02 = 42; below the cut-off only the first part.
        let (loss, slope) = Surrogate::Penalized(&penalty).penalty(0.04);
        assert!((loss - 0.48).abs() < 1e-9 && (slope - 42.0).abs() < 1e-4);
        assert_eq!(Surrogate::Penalized(&penalty).penalty(0.01), (0.02, 2.0));
    }

    #[test]
    fn the_weight_follows_the_divergence_within_bounds() {
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
