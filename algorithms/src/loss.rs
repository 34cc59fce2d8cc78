//! The loss of a minibatch and its gradient over the networks' outputs, row by row.
//!
//! Closed forms in plain Rust: a row is a handful of numbers, and one pass over them replaces some sixty tensor
//! operations. The test below checks them against libtorch's autograd.

use phalanx_agents::{Distribution, Gradient, Head, Part, Pass, Taken, Terms, Weights};
use phalanx_envs::Block;
use phalanx_mesh::{Mesh, MeshError};

use crate::objective::Surrogate;
use crate::{PpoSettings, UpdateMetrics};

/// What the loss reads of a rollout. Slices have an entry for each transition, at index t·N + row.
pub struct LossInputs<'a> {
    /// Where the actions are.
    pub block: &'a Block,
    /// Weights of the parts of the loss, in this update.
    pub coefficients: Coefficients,
    /// Which options of each action were legal, `[M, K]`, where there are masks.
    pub mask: Option<Vec<u8>>,
    /// Log probability of each action when it was taken.
    pub log_prob: &'a [f32],
    /// Advantage of each action.
    pub advantage: &'a [f32],
    /// Target of each value, in units of the critic's output, as all values here.
    pub returns: &'a [f32],
    /// Each value before the update.
    pub value: &'a [f32],
    /// Outputs `[M, P]` and log standard deviations `[A]` of the policy before the update, where the objective uses
    /// the divergence from it.
    pub old: Option<(Vec<f32>, Vec<f32>)>,
}

impl LossInputs<'_> {
    /// Log probability and entropy of the present policy for transition `i`, and its divergence from the old one.
    pub fn evaluate(&self, head: &Head, outputs: &[f32], log_std: &[f32], i: usize) -> Terms {
        head.evaluate(self.distribution(head, outputs, log_std, i), self.taken(i), self.old(i, outputs.len()))
    }

    /// The policy's distribution for transition `i`.
    fn distribution<'b>(
        &'b self,
        head: &Head,
        outputs: &'b [f32],
        log_std: &'b [f32],
        i: usize,
    ) -> Distribution<'b> {
        let options = head.options();
        let mask = self.mask.as_ref().map(|mask| &mask[i * options..(i + 1) * options]);
        Distribution { outputs, log_std, mask }
    }

    /// The action of transition `i`.
    fn taken(&self, i: usize) -> Taken<'_> {
        Taken { choices: self.block.choices(i), numbers: self.block.numbers(i) }
    }

    /// The distribution before the update, of `width` outputs. The present one's mask is that of both.
    fn old(&self, i: usize, width: usize) -> Option<Distribution<'_>> {
        self.old.as_ref().map(|(outputs, log_std)| Distribution {
            outputs: &outputs[i * width..(i + 1) * width],
            log_std,
            mask: None,
        })
    }
}

/// Weights of the parts of the loss.
#[derive(Debug, Clone)]
pub struct Coefficients {
    /// Of the value loss.
    pub value: f64,
    /// Of the entropy of each part of the policy.
    pub entropy: Vec<f64>,
}

impl Coefficients {
    /// Those for the policy `head` after a share `progress` of the training.
    pub fn new(settings: &PpoSettings, head: &Head, progress: f64) -> Self {
        let entropy = |part: &Part| settings.entropy_coefficient.at(part.path(), progress);
        Self {
            value: settings.value_coefficient.at(progress),
            entropy: head.parts().iter().map(entropy).collect(),
        }
    }
}

/// What the loss needs to know of a whole minibatch, that of all ranks.
#[derive(Debug, Clone, Copy)]
pub struct Whole {
    /// Transitions in it.
    pub count: usize,
    /// Mean of its advantages.
    pub centre: f64,
    /// The factor that scales advantages after that.
    pub scale: f64,
    /// This rank's part of what is counted once.
    pub share: f64,
}

impl Whole {
    /// Those of minibatches, of each of which this rank has the transitions `index`; advantages are centred and scaled if `normalize` is set.
    ///
    /// # Errors
    /// [`MeshError`].
    pub fn of(
        parts: &[(usize, &[i64])],
        advantage: &[f32],
        normalize: bool,
        mesh: &Mesh,
    ) -> Result<Vec<Self>, MeshError> {
        let share = 1.0 / mesh.size() as f64;
        let plain = |&(count, _): &(usize, _)| Self { count, centre: 0.0, scale: 1.0, share };
        if !normalize {
            return Ok(parts.iter().map(plain).collect());
        }
        // P17: centred and scaled within the minibatch.
        let at = |&i: &i64| f64::from(advantage[i as usize]);
        let mut sums: Vec<f64> = parts.iter().map(|(_, index)| index.iter().map(at).sum()).collect();
        mesh.all_reduce(&mut sums)?;
        let centres: Vec<f64> = parts.iter().zip(sums).map(|((count, _), sum)| sum / *count as f64).collect();
        let squares = |((_, index), centre): (&(usize, &[i64]), &f64)| {
            index.iter().map(at).map(|a| (a - centre).powi(2)).sum::<f64>()
        };
        let mut squares: Vec<f64> = parts.iter().zip(&centres).map(squares).collect();
        mesh.all_reduce(&mut squares)?;
        let whole = parts.iter().zip(centres).zip(squares).map(|((part, centre), squares)| match part.0 {
            1 => plain(part),
            count => {
                let scale = 1.0 / ((squares / (count as f64 - 1.0)).sqrt() + 1e-8);
                Self { count, centre, scale, share }
            }
        });
        Ok(whole.collect())
    }
}

/// The loss of one minibatch, and its gradient over the networks' outputs.
pub struct Loss<'a> {
    head: &'a Head,
    settings: &'a PpoSettings,
    surrogate: Surrogate<'a>,
    inputs: &'a LossInputs<'a>,
    /// Log standard deviations `[A]` of the present policy.
    log_std: &'a [f32],
    /// Mean of the minibatch's advantages, and the factor that scales them.
    centre: f64,
    scale: f64,
    /// Transitions in the minibatch.
    n: f32,
    /// Penalty on the mean divergence, and its slope over it.
    penalty: (f64, f32),
    /// Weights of the entropies of the policy's parts in the loss of one transition.
    entropy: Vec<f32>,
}

impl<'a> Loss<'a> {
    /// The loss over a minibatch of `whole`, whose mean divergence from the old policy is `kl` nats (0 where the objective
    /// does not use it).
    pub fn new(
        head: &'a Head,
        settings: &'a PpoSettings,
        surrogate: Surrogate<'a>,
        inputs: &'a LossInputs<'a>,
        log_std: &'a [f32],
        whole: Whole,
        kl: f64,
    ) -> Self {
        let Whole { count, centre, scale, share } = whole;
        let ((penalty, slope), n) = (surrogate.penalty(kl), count as f32);
        let penalty = (penalty * share, slope);
        let entropy = inputs.coefficients.entropy.iter().map(|&weight| -weight as f32 / n).collect();
        Self { head, settings, surrogate, inputs, log_std, centre, scale, n, penalty, entropy }
    }

    /// Adds the terms of the transitions in `pass` to the parts of the loss, and writes its gradient.
    pub fn add(&self, parts: &mut UpdateMetrics, pass: Pass<'_>) {
        let Pass { index, outputs, value, d_outputs, d_value, d_log_std } = pass;
        let width = self.head.outputs();
        let rows = outputs.chunks_exact(width).zip(d_outputs.chunks_exact_mut(width));
        for (&i, (row, d_row)) in index.iter().zip(rows) {
            self.policy(parts, i as usize, row, d_row, d_log_std);
        }
        for ((&i, &value), d) in index.iter().zip(value).zip(d_value) {
            *d = self.value(parts, i as usize, value);
        }
    }

    /// The whole loss, from its parts over all transitions, in which the penalty is counted now.
    pub fn total(&self, parts: &mut UpdateMetrics) -> f64 {
        parts.policy_loss += self.penalty.0;
        parts.policy_loss + self.inputs.coefficients.value * parts.value_loss + parts.entropy_loss
    }

    fn policy(
        &self,
        parts: &mut UpdateMetrics,
        i: usize,
        row: &[f32],
        d_row: &mut [f32],
        d_log_std: &mut [f32],
    ) {
        let (n, inputs) = (self.n, self.inputs);
        let distribution = inputs.distribution(self.head, row, self.log_std, i);
        let advantage = ((f64::from(inputs.advantage[i]) - self.centre) * self.scale) as f32;
        let weigh = |terms: Terms| {
            let log_ratio = terms.log_prob - inputs.log_prob[i];
            let ratio = log_ratio.exp();
            let (loss, slope) = self.surrogate.of(ratio, advantage);
            parts.policy_loss += f64::from(loss / n);
            parts.entropy += f64::from(terms.entropy / n);
            // P22: the entropy bonus is its mean, weighted for each field of the action.
            parts.entropy_loss += f64::from(terms.weighted_entropy);
            parts.approx_kl += f64::from((ratio - 1.0 - log_ratio) / n);
            parts.clip_fraction += f64::from(f32::from(u8::from(self.surrogate.clips(ratio))) / n);
            Weights { log_prob: slope * ratio / n, kl: self.penalty.1 / n }
        };
        let gradient = Gradient { outputs: d_row, log_std: d_log_std };
        let (taken, old) = (inputs.taken(i), inputs.old(i, row.len()));
        self.head.differentiate(distribution, taken, old, &self.entropy, weigh, gradient);
    }

    /// Adds a transition's part of the value loss; returns its slope over the value.
    fn value(&self, parts: &mut UpdateMetrics, i: usize, value: f32) -> f32 {
        let (target, old) = (self.inputs.returns[i], self.inputs.value[i]);
        let error = value - target;
        let (mut square, mut slope) = (error * error, error);
        if let Some(range) = self.settings.value_clip {
            // P21: the worse of the new value and the one clipped around the old.
            let range = range as f32;
            let near = old + (value - old).clamp(-range, range) - target;
            if near * near > square {
                square = near * near;
                slope = if (value - old).abs() < range { near } else { 0.0 };
            }
        }
        parts.value_loss += f64::from(0.5 * square / self.n);
        self.inputs.coefficients.value as f32 / self.n * slope
    }
}

#[cfg(test)]
mod tests;
