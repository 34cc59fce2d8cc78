//! The loss of a minibatch and its gradient over the networks' outputs, row by row.
//!
//! Closed forms in plain Rust: a row is a handful of numbers, and one pass over them replaces some sixty tensor
//! operations. The test below checks them against libtorch's autograd.

use phalanx_agents::{Distribution, Gradient, Head, Part, Pass, Taken, Terms, Weights};
use phalanx_envs::Block;

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
    /// The loss over the transitions `index`, whose mean divergence from the old policy is `kl` nats (0 where the objective
    /// does not use it).
    pub fn new(
        head: &'a Head,
        settings: &'a PpoSettings,
        surrogate: Surrogate<'a>,
        inputs: &'a LossInputs<'a>,
        log_std: &'a [f32],
        index: &[i64],
        kl: f64,
    ) -> Self {
        let n = index.len() as f64;
        let (mut centre, mut scale) = (0.0, 1.0);
        if settings.normalize_advantage && n > 1.0 {
            // P17: centred and scaled within the minibatch.
            let advantages = || index.iter().map(|&i| f64::from(inputs.advantage[i as usize]));
            centre = advantages().sum::<f64>() / n;
            let squares: f64 = advantages().map(|a| (a - centre).powi(2)).sum();
            scale = 1.0 / ((squares / (n - 1.0)).sqrt() + 1e-8);
        }
        let (penalty, n) = (surrogate.penalty(kl), n as f32);
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
mod tests {
    use phalanx_agents::NetworkSettings;
    use phalanx_envs::{Layout, Space};
    use tch::{Kind, Tensor};

    use super::*;
    use crate::objective::Penalty;
    use crate::{EntropyCoefficient, KlPenaltySettings, PpoSettings, Schedule};

    const N: usize = 7;

    /// Numbers in [−scale, scale] without a pattern.
    fn numbers(n: usize, start: usize, scale: f32) -> Vec<f32> {
        (start..start + n).map(|i| scale * ((i * i) as f32 * 1.7 + i as f32).sin()).collect()
    }

    /// The loss in libtorch's operations, as the papers write it.
    fn reference(
        options: &[usize],
        settings: &PpoSettings,
        surrogate: Surrogate<'_>,
        inputs: &LossInputs<'_>,
        given: [&Tensor; 3],
    ) -> Tensor {
        let [outputs, value, log_std] = given;
        let (old, old_std) = inputs.old.as_ref().expect("an old policy");
        let old = Tensor::from_slice(old).view_as(outputs);
        let sum = |x: Tensor| x.sum_dim_intlist(1, false, None::<Kind>);
        let (log_prob, entropy, kl) = if options.is_empty() {
            let numbers: Vec<f32> = (0..N).flat_map(|i| inputs.taken(i).numbers.to_vec()).collect();
            let old_std = Tensor::from_slice(old_std);
            let z = (Tensor::from_slice(&numbers).view_as(outputs) - outputs) / log_std.exp();
            let half_log_tau = 0.5 * std::f64::consts::TAU.ln();
            let log_prob = sum(z.square() * -0.5 - log_std - half_log_tau);
            let entropy = (log_std + half_log_tau + 0.5).sum(None::<Kind>);
            let ratio = (old_std.exp().square() + (&old - outputs).square()) / (log_std.exp().square() * 2.0);
            (log_prob, entropy, sum(ratio + log_std - old_std - 0.5))
        } else {
            let (mut start, mut sums) = (0, [0.0, 0.0, 0.0].map(|x| Tensor::from(x as f32)));
            for (c, &n) in options.iter().enumerate() {
                let part = |of: &Tensor| of.narrow(1, start, n as i64).log_softmax(1, None::<Kind>);
                let (p, q) = (part(outputs), part(&old));
                start += n as i64;
                let choice: Vec<i64> = (0..N).map(|i| inputs.taken(i).choices[c]).collect();
                let taken = p.gather(1, &Tensor::from_slice(&choice).unsqueeze(1), false).squeeze_dim(1);
                sums = [&sums[0] + taken, &sums[1] - sum(p.exp() * &p), &sums[2] + sum(q.exp() * (&q - &p))];
            }
            let [log_prob, entropy, kl] = sums;
            (log_prob, entropy, kl)
        };
        let ratio = (log_prob - Tensor::from_slice(inputs.log_prob)).exp();
        let advantage = Tensor::from_slice(inputs.advantage);
        let advantage = (&advantage - advantage.mean(None::<Kind>)) / (advantage.std(true) + 1e-8);
        let policy = match surrogate {
            Surrogate::Clip { range } => {
                let range = f64::from(range);
                let bound = ratio.clamp(1.0 - range, 1.0 + range) * &advantage;
                -(ratio * advantage).min_other(&bound).mean(None::<Kind>)
            }
            Surrogate::Penalized(_) => {
                // Weight 2, cut-off at 2·0.01, its weight 1000.
                let kl = kl.mean(None::<Kind>);
                let beyond = (&kl - 0.02).relu();
                -(ratio * advantage).mean(None::<Kind>) + kl * 2.0 + beyond.square() * 1000.0
            }
        };
        let (returns, old_value) = (Tensor::from_slice(inputs.returns), Tensor::from_slice(inputs.value));
        let range = settings.value_clip.expect("a clip");
        let near = &old_value + (value - &old_value).clamp(-range, range);
        let error = (value - &returns).square().max_other(&(near - &returns).square());
        policy + error.mean(None::<Kind>) * 0.5 * inputs.coefficients.value
            - entropy.mean(None::<Kind>) * inputs.coefficients.entropy[0]
    }

    #[test]
    fn loss_and_gradient_agree_with_autograd() {
        let settings = PpoSettings {
            entropy_coefficient: EntropyCoefficient::Same(Schedule::Constant(0.03)),
            value_clip: Some(0.3),
            ..PpoSettings::default()
        };
        let penalty = KlPenaltySettings { initial_penalty: 2.0, ..KlPenaltySettings::default() };
        let penalty = Penalty::new(&penalty);
        for (space, options) in [
            (Space::Discrete { n: 3 }, &[3][..]),
            (Space::MultiDiscrete { n: vec![3, 2] }, &[3, 2]),
            (Space::unbounded(2), &[]),
        ] {
            let head = Head::new(&space, &NetworkSettings::default()).expect("a supported space");
            let layout = Layout::new(N, 1, Space::unbounded(1), space.clone()).expect("a box is observed");
            let mut block = Block::local(layout);
            if options.is_empty() {
                block.numbers_mut(0, 0..N).copy_from_slice(&numbers(N * 2, 3, 1.0));
            } else {
                let choices = block.choices_mut(0, 0..N).iter_mut().enumerate();
                choices.for_each(|(i, a)| *a = (i % 2) as i64);
            }
            let width = head.outputs();
            let log_std = if options.is_empty() { vec![0.2, -0.3] } else { Vec::new() };
            let (outputs, value) = (numbers(N * width, 0, 1.0), numbers(N, 40, 1.0));
            let (advantage, returns, old_value) =
                (numbers(N, 50, 2.0), numbers(N, 60, 2.0), numbers(N, 70, 1.0));
            let old = (numbers(N * width, 90, 0.8), log_std.iter().map(|s| s + 0.1).collect());
            let inputs = LossInputs {
                coefficients: Coefficients::new(&settings, &head, 0.0),
                block: &block,
                mask: None,
                log_prob: &[],
                advantage: &advantage,
                returns: &returns,
                value: &old_value,
                old: Some(old),
            };
            let terms = |i: usize| inputs.evaluate(&head, &outputs[i * width..(i + 1) * width], &log_std, i);
            // Old probabilities on both sides of the new ones, so that some ratios are clipped.
            let shifts = numbers(N, 80, 0.5).into_iter().enumerate();
            let log_prob: Vec<f32> = shifts.map(|(i, shift)| terms(i).log_prob + shift).collect();
            let kl = (0..N).map(|i| f64::from(terms(i).kl)).sum::<f64>() / N as f64;
            let inputs = LossInputs { log_prob: &log_prob, ..inputs };
            for surrogate in [Surrogate::Clip { range: 0.2 }, Surrogate::Penalized(&penalty)] {
                let leaf =
                    |x: &[f32], shape: &[i64]| Tensor::from_slice(x).view(shape).set_requires_grad(true);
                let leaves = [
                    leaf(&outputs, &[N as i64, width as i64]),
                    leaf(&value, &[N as i64]),
                    leaf(&log_std, &[log_std.len() as i64]),
                ];
                let [o, v, s] = &leaves;
                let expected = reference(options, &settings, surrogate, &inputs, [o, v, s]);
                expected.backward();
                let index: Vec<i64> = (0..N as i64).collect();
                let loss = Loss::new(&head, &settings, surrogate, &inputs, &log_std, &index, kl);
                let (mut d_outputs, mut d_value) = (vec![0.0; N * width], vec![0.0; N]);
                let mut d_log_std = vec![0.0; log_std.len()];
                let mut parts = UpdateMetrics::default();
                // In two passes, as it comes from the tiles of a network.
                for rows in [0..3, 3..N] {
                    loss.add(
                        &mut parts,
                        Pass {
                            index: &index[rows.clone()],
                            outputs: &outputs[rows.start * width..rows.end * width],
                            value: &value[rows.clone()],
                            d_outputs: &mut d_outputs[rows.start * width..rows.end * width],
                            d_value: &mut d_value[rows],
                            d_log_std: &mut d_log_std,
                        },
                    );
                }
                let total = loss.total(&mut parts);
                let expected = expected.double_value(&[]);
                // Both sum f32 numbers.
                assert!(
                    (total - expected).abs() < 1e-6 * expected.abs().max(10.0),
                    "{space}: {total} and {expected}"
                );
                for (ours, leaf) in [(&d_outputs, o), (&d_value, v), (&d_log_std, s)] {
                    if !ours.is_empty() {
                        let ours = Tensor::from_slice(ours).view_as(leaf);
                        assert!(
                            ours.allclose(&leaf.grad(), 1e-4, 1e-5, false),
                            "{space}: {ours:?} and {leaf:?}"
                        );
                    }
                }
            }
        }
    }
}
