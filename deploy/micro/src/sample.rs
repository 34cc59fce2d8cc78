//! Actions that are drawn, and their log probabilities: the formulas are those of training, `agents/src/distribution/`.

use phalanx_maths::ln;

use crate::error::ActError;
use crate::format::part;
use crate::heads::{Head, numbers, scaled};
use crate::kernels::inverse_root;
use crate::policy::Policy;
use crate::scalars::{exp, sigmoid, tanh, within};

/// ln 2π.
const LN_TAU: f32 = 1.837_877_1;

/// Draws a part of an action, which was written with its most probable values before; returns its log probability in nats.
pub fn sample(
    policy: &Policy<'_>,
    words: &[u32; part::WORDS],
    action: &mut [f32],
    random: &mut impl FnMut() -> u32,
) -> Result<f32, ActError> {
    let mut head = Head::new(policy, words, action)?;
    match words[part::KIND] {
        part::CHOICE => {
            let (option, log_prob) = option(&head, random).ok_or(ActError::Mask)?;
            head.choose(option);
            Ok(log_prob)
        }
        part::BITS => Ok(bits(&mut head, random)),
        _ => gaussian(policy, &mut head, random).ok_or(ActError::Deviations),
    }
}

/// An option by the inverse of the cumulated softmax of the legal ones, and its log probability.
fn option(head: &Head<'_>, random: &mut impl FnMut() -> u32) -> Option<(usize, f32)> {
    let legal = || head.outputs.iter().enumerate().filter(|(i, _)| head.is_legal(*i));
    let most = legal().fold(f32::NEG_INFINITY, |most, (_, &x)| if x > most { x } else { most });
    let weight = |logit: f32| exp(within(logit - most, -80.0, 0.0));
    let sum: f32 = legal().map(|(_, &logit)| weight(logit)).sum();
    let (threshold, mut cumulated) = (sum * uniform(random), 0.0);
    let mut chosen = None;
    for (i, &logit) in legal() {
        cumulated += weight(logit);
        chosen = Some((i, logit - most - ln(sum)));
        if threshold < cumulated {
            break;
        }
    }
    // Without a break, by rounding, it is the last one.
    chosen
}

/// Bits by their own probabilities. One with a single legal value has it already.
fn bits(head: &mut Head<'_>, random: &mut impl FnMut() -> u32) -> f32 {
    let mut log_prob = 0.0;
    for (i, &logit) in head.outputs.iter().enumerate() {
        if head.is_legal(2 * i) && head.is_legal(2 * i + 1) {
            let is_set = uniform(random) < sigmoid(logit);
            head.action.iter_mut().skip(i).take(1).for_each(|bit| *bit = f32::from(u8::from(is_set)));
            let logit = if is_set { logit } else { -logit };
            log_prob += if logit < 0.0 { logit } else { 0.0 };
            log_prob -= ln_1p_exp_of_negative(logit.abs());
        }
    }
    log_prob
}

/// Numbers around their means; `None` where the file has no standard deviations.
fn gaussian(policy: &Policy<'_>, head: &mut Head<'_>, random: &mut impl FnMut() -> u32) -> Option<f32> {
    let (len, at) = (head.outputs.len(), head.words[part::START]);
    let floats = policy.file.floats;
    let (logarithms, [least, largest]) = match head.words[part::DEVIATIONS] {
        part::FIXED => (numbers(floats, at, len)?, [f32::NEG_INFINITY, f32::INFINITY]),
        part::OUTPUT => {
            let after = policy.arena.get(head.words[part::OUTPUTS] as usize..)?.get(len..)?;
            (after.get(..len)?, *numbers(floats, at, 2)?.first_chunk()?)
        }
        _ => return None,
    };
    let is_squashed = head.words[part::KIND] == part::SQUASHED;
    let mut log_prob = 0.0;
    let scales = head.scales(floats)?;
    let all = head.action.iter_mut().zip(head.outputs).zip(logarithms).zip(scales);
    for (((into, mean), &logarithm), scale) in all {
        let logarithm = within(logarithm, least, largest);
        let noise = normal(random());
        let mut x = mean + exp(within(logarithm, -80.0, 80.0)) * noise;
        log_prob -= 0.5 * noise * noise + logarithm + 0.5 * LN_TAU;
        if is_squashed {
            // ln(1 − tanh² x) = 2·(ln 2 − x − ln(1 + e⁻²ˣ)), which does not cancel for large x; and it is even.
            let size = x.abs();
            log_prob -= 2.0 * (core::f32::consts::LN_2 - size - ln_1p_exp_of_negative(2.0 * size));
            // An element with one value has no density; it is the same for all policies.
            log_prob -= if scale[1] > 0.0 { ln(scale[1]) } else { 0.0 };
            x = tanh(x);
        }
        *into = scaled(scale, x);
    }
    Some(log_prob)
}

/// ln(1 + e⁻ˣ) of a number that is not negative.
fn ln_1p_exp_of_negative(x: f32) -> f32 {
    ln(1.0 + exp(within(-x, -80.0, 0.0)))
}

/// A number of `[0, 1)`.
fn uniform(random: &mut impl FnMut() -> u32) -> f32 {
    (random() >> 8) as f32 * (1.0 / (1 << 24) as f32)
}

/// The standard normal number of a random word: its lowest bit is the sign, the others are the probability of a number further out.
///
/// # Source
/// Wichura 1988, algorithm AS 241 (PPND7), which has 7 digits.
fn normal(word: u32) -> f32 {
    let tail = ((word >> 1) as f32 + 0.5) * (1.0 / (1_u64 << 32) as f32);
    let middle = 0.5 - tail;
    let size = if middle <= 0.425 {
        let r = 0.180_625 - middle * middle;
        middle * cubic([59.109_375, 159.291_13, 50.434_27, 3.387_132_7], r)
            / cubic([67.187_56, 78.757_76, 17.895_17, 1.0], r)
    } else {
        let square = -ln(tail);
        let r = square * inverse_root(square);
        if r <= 5.0 {
            let r = r - 1.6;
            cubic([0.170_238_21, 1.306_728_5, 2.756_815_4, 1.423_437_2], r)
                / cubic([0.0, 0.120_211_33, 0.737_001_64, 1.0], r)
        } else {
            let r = r - 5.0;
            cubic([0.017_337_204, 0.428_682_94, 3.081_226_3, 6.657_905], r)
                / cubic([0.0, 0.012_258_203, 0.241_978_94, 1.0], r)
        }
    };
    if word & 1 == 0 { size } else { -size }
}

/// A polynomial, the highest power first.
fn cubic([a, b, c, d]: [f32; 4], x: f32) -> f32 {
    ((a * x + b) * x + c) * x + d
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_numbers_are_those_of_their_probabilities() {
        // Quantiles of (k + ½)/2³² by Python's `statistics.NormalDist`.
        for (k, expected) in [
            (0, 6.337_958),
            (4_294, 4.753_446),
            (4_294_967, 3.090_232_3),
            (107_374_182, 1.959_964),
            (322_122_547, 1.439_531_5),
            (1_073_741_823, 0.674_489_75),
            (2_000_000_000, 0.086_180_95),
            (2_147_483_647, 0.0),
        ] {
            let (upper, lower) = (normal(k << 1), normal(k << 1 | 1));
            assert!((upper - expected).abs() < 6e-7 * expected.max(0.2), "{k}: {upper}, not {expected}");
            assert_eq!(lower, -upper);
        }
    }
}
