//! Independent choices, each among options of its own.

use std::ops::Range;

use super::Terms;
use super::part::PartWeights;
use super::row::Distribution;
use super::softmax::{Logits, Softmax};

/// Draws choices, or takes the most probable ones; returns the log probability of all.
pub fn act(
    options: &[usize],
    distribution: Distribution<'_>,
    noise: Option<&[f32]>,
    choices: &mut [i64],
) -> f32 {
    let mut noise = noise.map(<[f32]>::iter);
    let mut log_prob = 0.0;
    for (range, choice) in ranges(options).zip(choices) {
        let uniform = noise.as_mut().and_then(Iterator::next).copied();
        let (option, log) = Softmax::new(logits(distribution, range)).choose(uniform);
        *choice = option as i64;
        log_prob += log;
    }
    log_prob
}

/// Adds to all terms.
pub fn evaluate(
    options: &[usize],
    distribution: Distribution<'_>,
    choices: &[i64],
    old: Option<Distribution<'_>>,
    terms: &mut Terms,
) {
    for (range, &choice) in ranges(options).zip(choices) {
        let softmax = Softmax::new(logits(distribution, range.clone()));
        terms.log_prob += softmax.log_prob(choice as usize);
        terms.entropy += softmax.entropy(|option| softmax.log_prob(option).exp());
        if let Some(old) = old {
            terms.kl += softmax.divergence(&old.outputs[range]);
        }
    }
}

/// Adds to the terms except KL; leaves the probabilities in `p`, where [`gradient`] finds them.
pub fn prepare(
    options: &[usize],
    distribution: Distribution<'_>,
    choices: &[i64],
    p: &mut [f32],
    terms: &mut Terms,
) {
    for (range, &choice) in ranges(options).zip(choices) {
        let p = &mut p[range.clone()];
        let softmax = Softmax::with_probabilities(logits(distribution, range), p);
        terms.log_prob += softmax.log_prob(choice as usize);
        terms.entropy += softmax.entropy(|option| p[option]);
    }
}

/// Turns the probabilities `d` into the gradient over the logits.
pub fn gradient(
    options: &[usize],
    distribution: Distribution<'_>,
    choices: &[i64],
    old: Option<Distribution<'_>>,
    weights: PartWeights,
    d: &mut [f32],
) {
    for (range, &choice) in ranges(options).zip(choices) {
        let old = old.map(|old| &old.outputs[range.clone()]);
        let d = &mut d[range.clone()];
        choice_gradient(logits(distribution, range), choice as usize, old, weights, d);
    }
}

/// Turns the probabilities `d` of one choice into the gradient over its logits.
fn choice_gradient(
    logits: Logits<'_>,
    choice: usize,
    old: Option<&[f32]>,
    weights: PartWeights,
    d: &mut [f32],
) {
    let spread = (weights.entropy != 0.0).then(|| {
        let softmax = Softmax::new(logits);
        (softmax, softmax.entropy(|option| d[option]))
    });
    let old = old.map(|values| Softmax::new(Logits { values, ..logits }));
    for option in logits.legal() {
        let p = d[option];
        let taken = if option == choice { 1.0 } else { 0.0 };
        d[option] = weights.log_prob * (taken - p);
        if let Some((softmax, entropy)) = spread {
            d[option] -= weights.entropy * p * (softmax.log_prob(option) + entropy);
        }
        if let Some(old) = old {
            d[option] += weights.kl * (p - old.log_prob(option).exp());
        }
    }
}

/// The logits of the choice whose options lie in `range`.
fn logits(distribution: Distribution<'_>, range: Range<usize>) -> Logits<'_> {
    Logits { values: &distribution.outputs[range.clone()], mask: distribution.mask.map(|mask| &mask[range]) }
}

/// Where each choice's logits lie among the outputs, and its options in a mask.
pub fn ranges(options: &[usize]) -> impl Iterator<Item = Range<usize>> {
    options.iter().scan(0, |end, n| {
        *end += n;
        Some(*end - n..*end)
    })
}
