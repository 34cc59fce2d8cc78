//! Independent bits: each is 1 with the probability σ(logit) = 1/(1 + e⁻ˡᵒᵍⁱᵗ).
//!
//! A mask has two bytes for each bit: whether 0 is legal, and whether 1 is. A bit with one legal value has no distribution: its
//! log probability, entropy, divergence and gradient are 0.

use super::Terms;
use super::part::PartWeights;
use super::row::Distribution;

/// Draws bits, or takes the most probable ones; returns the log probability of all.
pub fn act(distribution: Distribution<'_>, noise: Option<&[f32]>, bits: &mut [i64]) -> f32 {
    let mut log_prob = 0.0;
    for (i, bit) in bits.iter_mut().enumerate() {
        if let Some(value) = forced(distribution.mask, i) {
            *bit = value;
            continue;
        }
        let logit = distribution.outputs[i];
        let is_set = noise.map_or(logit > 0.0, |noise| noise[i] < sigmoid(logit));
        log_prob += log_sigmoid(if is_set { logit } else { -logit });
        *bit = i64::from(is_set);
    }
    log_prob
}

/// Adds to all terms.
pub fn evaluate(
    distribution: Distribution<'_>,
    bits: &[i64],
    old: Option<Distribution<'_>>,
    terms: &mut Terms,
) {
    for (i, &bit) in free(distribution.mask, bits) {
        let logit = distribution.outputs[i];
        let [no, yes] = [log_sigmoid(-logit), log_sigmoid(logit)];
        terms.log_prob += if bit == 1 { yes } else { no };
        terms.entropy -= sigmoid(logit) * yes + sigmoid(-logit) * no;
        if let Some(old) = old {
            let old = old.outputs[i];
            terms.kl += sigmoid(old) * (log_sigmoid(old) - yes) + sigmoid(-old) * (log_sigmoid(-old) - no);
        }
    }
}

/// Writes the gradient over the logits.
pub fn gradient(
    distribution: Distribution<'_>,
    bits: &[i64],
    old: Option<Distribution<'_>>,
    weights: PartWeights,
    d: &mut [f32],
) {
    d.fill(0.0);
    for (i, &bit) in free(distribution.mask, bits) {
        let logit = distribution.outputs[i];
        let p = sigmoid(logit);
        d[i] = weights.log_prob * (bit as f32 - p) - weights.entropy * logit * p * sigmoid(-logit);
        if let Some(old) = old {
            d[i] += weights.kl * (p - sigmoid(old.outputs[i]));
        }
    }
}

/// The bits with two legal values.
fn free<'a>(mask: Option<&'a [u8]>, bits: &'a [i64]) -> impl Iterator<Item = (usize, &'a i64)> {
    bits.iter().enumerate().filter(move |&(i, _)| forced(mask, i).is_none())
}

/// The only legal value of bit `i`, if there is only one.
fn forced(mask: Option<&[u8]>, i: usize) -> Option<i64> {
    match mask.map(|mask| (mask[2 * i] != 0, mask[2 * i + 1] != 0)) {
        None | Some((true, true)) => None,
        Some((_, is_legal)) => Some(i64::from(is_legal)),
    }
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// ln σ(x), finite for all x.
fn log_sigmoid(x: f32) -> f32 {
    x.min(0.0) - (-x.abs()).exp().ln_1p()
}
