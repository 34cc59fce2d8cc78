//! The loss of a minibatch and its gradient over what the networks gave, row by row.
//!
//! Closed forms in plain Rust: a row is a handful of numbers, and one pass over them replaces some sixty tensor
//! operations. `algorithms/tests/gradient.rs` checks them against libtorch's autograd.

use phalanx_agents::{Head, Terms};
use phalanx_envs::Block;

use crate::objective::Surrogate;
use crate::{PpoSettings, UpdateMetrics};

/// What the loss reads of a rollout. Slices have an entry for each transition, at index t·N + row.
pub struct Learned<'a> {
    /// Where the actions are.
    pub block: &'a Block,
    /// Log probability of each action when it was taken.
    pub log_prob: &'a [f32],
    /// Advantage of each action.
    pub advantage: &'a [f32],
    /// Goal of each value.
    pub returns: &'a [f32],
    /// Each value before the update.
    pub value: &'a [f32],
    /// Outputs `[M, P]` and log standard deviations `[A]` of the policy before the update, where the objective asks for
    /// the divergence from it.
    pub old: Option<(Vec<f32>, Vec<f32>)>,
}

impl Learned<'_> {
    /// What the present policy says of transition `i` and of its distance from the old one.
    pub fn evaluate(&self, head: &Head, outputs: &[f32], log_std: &[f32], i: usize) -> Terms {
        head.evaluate(outputs, log_std, self.block.recorded_action(i), self.old_row(i, outputs.len()))
    }

    fn old_row(&self, i: usize, width: usize) -> Option<(&[f32], &[f32])> {
        self.old.as_ref().map(|(outputs, log_std)| (&outputs[i * width..(i + 1) * width], log_std.as_slice()))
    }
}

/// What the networks gave for B transitions.
pub struct Given<'a> {
    /// Their indices.
    pub index: &'a [i64],
    /// Distribution parameters `[B, P]`.
    pub outputs: &'a [f32],
    /// Values `[B]`.
    pub value: &'a [f32],
    /// Log standard deviations `[A]`.
    pub log_std: &'a [f32],
}

/// Gradient of the loss over what the networks gave; the memory is used again and again.
#[derive(Default)]
pub struct LossGradient {
    /// Over the distribution parameters, `[B, P]`.
    pub outputs: Vec<f32>,
    /// Over the values, `[B]`.
    pub value: Vec<f32>,
    /// Over the log standard deviations, `[A]`.
    pub log_std: Vec<f32>,
    terms: Vec<Terms>,
    advantage: Vec<f32>,
}

impl LossGradient {
    /// Loss of a minibatch; its gradient is left in `self`. Returns the whole loss and its parts.
    pub fn compute(
        &mut self,
        head: &Head,
        settings: &PpoSettings,
        surrogate: Surrogate<'_>,
        learned: &Learned<'_>,
        given: &Given<'_>,
    ) -> (f64, UpdateMetrics) {
        let n = given.index.len();
        self.outputs.resize(n * head.outputs(), 0.0);
        self.value.resize(n, 0.0);
        self.log_std.clear();
        self.log_std.resize(given.log_std.len(), 0.0);
        self.pick_advantages(settings.normalize_advantage, learned, given);
        let mut parts = self.policy(head, settings, surrogate, learned, given);
        parts.value_loss = self.values(settings, learned, given);
        let total = parts.policy_loss + settings.value_coefficient * parts.value_loss
            - settings.entropy_coefficient * parts.entropy;
        (total, parts)
    }

    fn pick_advantages(&mut self, normalize: bool, learned: &Learned<'_>, given: &Given<'_>) {
        self.advantage.clear();
        self.advantage.extend(given.index.iter().map(|&i| learned.advantage[i as usize]));
        let n = self.advantage.len() as f64;
        if normalize && n > 1.0 {
            // P17: centred and scaled within the minibatch.
            let mean = self.advantage.iter().map(|&a| f64::from(a)).sum::<f64>() / n;
            let squares: f64 = self.advantage.iter().map(|&a| (f64::from(a) - mean).powi(2)).sum();
            let scale = 1.0 / ((squares / (n - 1.0)).sqrt() + 1e-8);
            for a in &mut self.advantage {
                *a = ((f64::from(*a) - mean) * scale) as f32;
            }
        }
    }

    fn policy(
        &mut self,
        head: &Head,
        settings: &PpoSettings,
        surrogate: Surrogate<'_>,
        learned: &Learned<'_>,
        given: &Given<'_>,
    ) -> UpdateMetrics {
        let (n, width) = (given.index.len() as f32, head.outputs());
        let rows = || given.index.iter().zip(given.outputs.chunks_exact(width));
        self.terms.clear();
        self.terms.extend(rows().map(|(&i, row)| learned.evaluate(head, row, given.log_std, i as usize)));
        let mean = |of: &dyn Fn(&Terms) -> f32| {
            self.terms.iter().map(|t| f64::from(of(t))).sum::<f64>() / f64::from(n)
        };
        // P22: the entropy bonus is its mean.
        let (entropy, kl) = (mean(&|t| t.entropy), mean(&|t| t.kl));
        let (penalty, penalty_slope) = surrogate.penalty(kl);
        let mut parts = UpdateMetrics { policy_loss: penalty, entropy, ..UpdateMetrics::default() };
        let each = rows().zip(self.outputs.chunks_exact_mut(width)).zip(&self.terms).zip(&self.advantage);
        for ((((&i, row), d_row), terms), &advantage) in each {
            let i = i as usize;
            let log_ratio = terms.log_prob - learned.log_prob[i];
            let ratio = log_ratio.exp();
            let (loss, slope) = surrogate.of(ratio, advantage);
            parts.policy_loss += f64::from(loss / n);
            parts.approx_kl += f64::from((ratio - 1.0 - log_ratio) / n);
            parts.clip_fraction += f64::from(f32::from(u8::from(surrogate.clips(ratio))) / n);
            let weights = Terms {
                log_prob: slope * ratio / n,
                entropy: -settings.entropy_coefficient as f32 / n,
                kl: penalty_slope / n,
            };
            let (action, old) = (learned.block.recorded_action(i), learned.old_row(i, width));
            head.gradient(row, given.log_std, action, old, weights, d_row, &mut self.log_std);
        }
        parts
    }

    fn values(&mut self, settings: &PpoSettings, learned: &Learned<'_>, given: &Given<'_>) -> f64 {
        let n = given.index.len() as f32;
        let weight = settings.value_coefficient as f32 / n;
        let mut loss = 0.0;
        for ((&i, &value), d) in given.index.iter().zip(given.value).zip(&mut self.value) {
            let (goal, old) = (learned.returns[i as usize], learned.value[i as usize]);
            let error = value - goal;
            let (mut square, mut slope) = (error * error, error);
            if let Some(range) = settings.value_clip {
                // P21: the worse of the new value and the one clipped around the old.
                let range = range as f32;
                let near = old + (value - old).clamp(-range, range) - goal;
                if near * near > square {
                    square = near * near;
                    slope = if (value - old).abs() < range { near } else { 0.0 };
                }
            }
            loss += f64::from(0.5 * square / n);
            *d = weight * slope;
        }
        loss
    }
}
