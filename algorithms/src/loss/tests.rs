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
        let (advantage, returns, old_value) = (numbers(N, 50, 2.0), numbers(N, 60, 2.0), numbers(N, 70, 1.0));
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
            let leaf = |x: &[f32], shape: &[i64]| Tensor::from_slice(x).view(shape).set_requires_grad(true);
            let leaves = [
                leaf(&outputs, &[N as i64, width as i64]),
                leaf(&value, &[N as i64]),
                leaf(&log_std, &[log_std.len() as i64]),
            ];
            let [o, v, s] = &leaves;
            let expected = reference(options, &settings, surrogate, &inputs, [o, v, s]);
            expected.backward();
            let index: Vec<i64> = (0..N as i64).collect();
            let whole =
                Whole::of(&[(N, &index)], inputs.advantage, true, &Mesh::alone()).expect("one rank")[0];
            let loss = Loss::new(&head, &settings, surrogate, &inputs, &log_std, whole, kl);
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
                    assert!(ours.allclose(&leaf.grad(), 1e-4, 1e-5, false), "{space}: {ours:?} and {leaf:?}");
                }
            }
        }
    }
}
