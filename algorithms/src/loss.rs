//! The loss of a minibatch and its gradient over what the networks gave, row by row.
//!
//! Closed forms in plain Rust: a row is a handful of numbers, and one pass over them replaces some sixty tensor
//! operations. The test below checks them against libtorch's autograd.

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

#[cfg(test)]
mod tests {
    use phalanx_envs::{Layout, Space};
    use tch::{Kind, Tensor};

    use super::*;
    use crate::objective::Penalty;
    use crate::{KlPenaltySettings, PpoSettings};

    const N: usize = 7;

    /// Numbers in [−scale, scale] without a pattern.
    fn numbers(n: usize, start: usize, scale: f32) -> Vec<f32> {
        (start..start + n).map(|i| scale * ((i * i) as f32 * 1.7 + i as f32).sin()).collect()
    }

    /// The loss in libtorch's operations, as the papers write it.
    fn reference(
        head: &Head,
        settings: &PpoSettings,
        surrogate: Surrogate<'_>,
        learned: &Learned<'_>,
        given: [&Tensor; 3],
    ) -> Tensor {
        let [outputs, value, log_std] = given;
        let (old, old_std) = learned.old.as_ref().expect("an old policy");
        let old = Tensor::from_slice(old).view_as(outputs);
        let (log_prob, entropy, kl) = match head {
            Head::Categorical { options } => {
                let (mut start, mut sums) = (0, [0.0, 0.0, 0.0].map(|x| Tensor::from(x as f32)));
                for (c, &n) in options.iter().enumerate() {
                    let part = |of: &Tensor| of.narrow(1, start, n as i64).log_softmax(1, None::<Kind>);
                    let (p, q) = (part(outputs), part(&old));
                    start += n as i64;
                    let choice: Vec<i64> = (0..N)
                        .map(|i| match learned.block.recorded_action(i) {
                            phalanx_envs::Action::MultiDiscrete(a) => a[c],
                            _ => unreachable!("choices"),
                        })
                        .collect();
                    let taken = p.gather(1, &Tensor::from_slice(&choice).unsqueeze(1), false).squeeze_dim(1);
                    let sum = |x: Tensor| x.sum_dim_intlist(1, false, None::<Kind>);
                    sums =
                        [&sums[0] + taken, &sums[1] - sum(p.exp() * &p), &sums[2] + sum(q.exp() * (&q - &p))];
                }
                let [log_prob, entropy, kl] = sums;
                (log_prob, entropy, kl)
            }
            Head::Gaussian { .. } => {
                let action: Vec<f32> =
                    (0..N).flat_map(|i| learned.block.recorded_action(i).continuous().to_vec()).collect();
                let old_std = Tensor::from_slice(old_std);
                let sum = |x: Tensor| x.sum_dim_intlist(1, false, None::<Kind>);
                let z = (Tensor::from_slice(&action).view_as(outputs) - outputs) / log_std.exp();
                let half_log_tau = 0.5 * std::f64::consts::TAU.ln();
                let log_prob = sum(z.square() * -0.5 - log_std - half_log_tau);
                let entropy = (log_std + half_log_tau + 0.5).sum(None::<Kind>);
                let ratio =
                    (old_std.exp().square() + (&old - outputs).square()) / (log_std.exp().square() * 2.0);
                (log_prob, entropy, sum(ratio + log_std - old_std - 0.5))
            }
        };
        let ratio = (log_prob - Tensor::from_slice(learned.log_prob)).exp();
        let advantage = Tensor::from_slice(learned.advantage);
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
        let (returns, old_value) = (Tensor::from_slice(learned.returns), Tensor::from_slice(learned.value));
        let range = settings.value_clip.expect("a clip");
        let near = &old_value + (value - &old_value).clamp(-range, range);
        let error = (value - &returns).square().max_other(&(near - &returns).square());
        policy + error.mean(None::<Kind>) * 0.5 * settings.value_coefficient
            - entropy.mean(None::<Kind>) * settings.entropy_coefficient
    }

    #[test]
    fn loss_and_gradient_agree_with_autograd() {
        let settings =
            PpoSettings { entropy_coefficient: 0.03, value_clip: Some(0.3), ..PpoSettings::default() };
        let penalty = KlPenaltySettings { initial_penalty: 2.0, ..KlPenaltySettings::default() };
        let penalty = Penalty::new(&penalty);
        for space in [Space::Discrete { n: 3 }, Space::MultiDiscrete { n: vec![3, 2] }, Space::unbounded(2)] {
            let head = Head::new(&space).expect("a supported space");
            let layout = Layout::new(N, 1, Space::unbounded(1), space.clone()).expect("a box is observed");
            let block = Block::local(layout);
            if head.is_gaussian() {
                block.continuous_actions(0).copy_from_slice(&numbers(N * 2, 3, 1.0));
            } else {
                let choices = block.discrete_actions(0).iter_mut().enumerate();
                choices.for_each(|(i, a)| *a = (i % 2) as i64);
            }
            let width = head.outputs();
            let log_std = if head.is_gaussian() { vec![0.2, -0.3] } else { Vec::new() };
            let (outputs, value) = (numbers(N * width, 0, 1.0), numbers(N, 40, 1.0));
            let index: Vec<i64> = (0..N as i64).collect();
            let (advantage, returns, old_value) =
                (numbers(N, 50, 2.0), numbers(N, 60, 2.0), numbers(N, 70, 1.0));
            // Old probabilities on both sides of the new ones, so that some ratios are clipped.
            let log_prob: Vec<f32> = (0..N)
                .map(|i| {
                    let row = &outputs[i * width..(i + 1) * width];
                    head.evaluate(row, &log_std, block.recorded_action(i), None).log_prob
                })
                .zip(numbers(N, 80, 0.5))
                .map(|(log_prob, shift)| log_prob + shift)
                .collect();
            let old = (numbers(N * width, 90, 0.8), log_std.iter().map(|s| s + 0.1).collect());
            let learned = Learned {
                block: &block,
                log_prob: &log_prob,
                advantage: &advantage,
                returns: &returns,
                value: &old_value,
                old: Some(old),
            };
            let given = Given { index: &index, outputs: &outputs, value: &value, log_std: &log_std };
            for surrogate in [Surrogate::Clip { range: 0.2 }, Surrogate::Penalized(&penalty)] {
                let leaf =
                    |x: &[f32], shape: &[i64]| Tensor::from_slice(x).view(shape).set_requires_grad(true);
                let leaves = [
                    leaf(&outputs, &[N as i64, width as i64]),
                    leaf(&value, &[N as i64]),
                    leaf(&log_std, &[log_std.len() as i64]),
                ];
                let [o, v, s] = &leaves;
                let expected = reference(&head, &settings, surrogate, &learned, [o, v, s]);
                expected.backward();
                let mut ours = LossGradient::default();
                let (total, _) = ours.compute(&head, &settings, surrogate, &learned, &given);
                let expected = expected.double_value(&[]);
                // Both sum f32 numbers.
                assert!(
                    (total - expected).abs() < 1e-6 * expected.abs().max(10.0),
                    "{space}: {total} and {expected}"
                );
                for (ours, leaf) in [(&ours.outputs, o), (&ours.value, v), (&ours.log_std, s)] {
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
