//! Action distributions: sampled, evaluated and differentiated row by row, in plain Rust.
//!
//! A row has a few numbers, so that tensor operations would cost many times the arithmetic; and the noise comes from
//! a generator that can be saved.

mod softmax;

use std::ops::Range;

use phalanx_envs::{Action, Generator, Space};
use rand::RngExt;
use rand_distr::StandardNormal;

use self::softmax::Softmax;
use crate::AgentError;

/// ln 2π.
const LN_TAU: f32 = 1.837_877_1;

/// Which distribution an action space calls for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head {
    /// One or several independent choices; each has as many outputs as it has options.
    Categorical {
        /// Options of every choice.
        options: Vec<usize>,
    },
    /// A normal distribution for each number, its standard deviation independent of the observation.
    Gaussian {
        /// Numbers in an action.
        len: usize,
    },
}

/// Log probability, entropy and divergence of one row's distribution, for one action.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Terms {
    /// Log probability or density of the action, in nats.
    pub log_prob: f32,
    /// Entropy, in nats.
    pub entropy: f32,
    /// Divergence KL(old ‖ this) from an older distribution, in nats; 0 without one.
    pub kl: f32,
}

impl Head {
    /// The distribution for actions of `space`.
    ///
    /// # Errors
    /// [`AgentError::Space`] for spaces that no distribution covers.
    pub fn new(space: &Space) -> Result<Self, AgentError> {
        let refuse =
            |reason: &str| AgentError::Space { space: format!("actions of {space}"), reason: reason.into() };
        match space {
            Space::Discrete { n: 0 } => Err(refuse("there is nothing to choose from")),
            Space::MultiDiscrete { n } if n.is_empty() || n.contains(&0) => {
                Err(refuse("there is nothing to choose from"))
            }
            Space::Discrete { n } => Ok(Self::Categorical { options: vec![*n] }),
            Space::MultiDiscrete { n } => Ok(Self::Categorical { options: n.clone() }),
            Space::Box { .. } if space.is_empty() => Err(refuse("an action holds no number")),
            Space::Box { dtype: phalanx_envs::Dtype::F32, .. } => Ok(Self::Gaussian { len: space.len() }),
            _ => Err(refuse("only Discrete, MultiDiscrete and f32 boxes are supported")),
        }
    }

    /// Outputs of the network for one observation.
    pub fn outputs(&self) -> usize {
        match self {
            Self::Categorical { options } => options.iter().sum(),
            Self::Gaussian { len } => *len,
        }
    }

    /// Whether actions are continuous.
    pub fn is_gaussian(&self) -> bool {
        matches!(self, Self::Gaussian { .. })
    }

    /// Appends the noise of `rows` actions, `[rows, A]`: numbers of `[0, 1)` for choices, standard normal ones otherwise.
    pub fn add_noise(&self, rows: usize, generator: &mut Generator, noise: &mut Vec<f32>) {
        match self {
            Self::Categorical { options } => {
                noise.extend((0..rows * options.len()).map(|_| generator.random::<f32>()));
            }
            Self::Gaussian { len } => {
                noise.extend((0..rows * len).map(|_| generator.sample::<f32, _>(StandardNormal)));
            }
        }
    }

    /// Draws choices and their log probabilities; takes the most probable ones without noise.
    ///
    /// # Shapes
    /// `outputs [N, Σ options]`, `noise` and `actions [N, choices]`, `log_prob [N]`.
    pub fn choose(
        options: &[usize],
        outputs: &[f32],
        noise: Option<&[f32]>,
        actions: &mut [i64],
        log_prob: &mut [f32],
    ) {
        let mut noise = noise.map(<[f32]>::iter);
        let width: usize = options.iter().sum();
        let rows = outputs.chunks_exact(width).zip(actions.chunks_exact_mut(options.len()));
        for ((logits, actions), log_prob) in rows.zip(log_prob) {
            let mut start = 0;
            *log_prob = 0.0;
            for (action, &n) in actions.iter_mut().zip(options) {
                let logits = &logits[start..start + n];
                start += n;
                let uniform = noise.as_mut().and_then(Iterator::next).copied();
                let (choice, log) = Softmax::new(logits).choose(logits, uniform);
                *action = choice as i64;
                *log_prob += log;
            }
        }
    }

    /// Draws numbers around the means `outputs` and their log density; takes the means without noise.
    ///
    /// # Shapes
    /// `outputs`, `noise` and `actions [N, A]`, `log_std [A]`, `log_prob [N]`.
    pub fn draw(
        log_std: &[f32],
        outputs: &[f32],
        noise: Option<&[f32]>,
        actions: &mut [f32],
        log_prob: &mut [f32],
    ) {
        let mut noise = noise.map(<[f32]>::iter);
        let len = log_std.len();
        let scale: f32 = log_std.iter().sum::<f32>() + 0.5 * LN_TAU * len as f32;
        let rows = outputs.chunks_exact(len).zip(actions.chunks_exact_mut(len));
        for ((means, actions), log_prob) in rows.zip(log_prob) {
            let mut square = 0.0;
            for ((action, mean), log_std) in actions.iter_mut().zip(means).zip(log_std) {
                // P7: a deviation that the observation does not change.
                let noise = noise.as_mut().and_then(Iterator::next).copied().unwrap_or(0.0);
                *action = mean + log_std.exp() * noise;
                square += noise * noise;
            }
            *log_prob = -0.5 * square - scale;
        }
    }

    /// Evaluates one row's distribution.
    ///
    /// # Shapes
    /// `outputs` [`Self::outputs`], `log_std [A]` (empty for choices), `action [A]`; `old` has outputs and deviations.
    pub fn evaluate(
        &self,
        outputs: &[f32],
        log_std: &[f32],
        action: Action<'_>,
        old: Option<(&[f32], &[f32])>,
    ) -> Terms {
        let mut terms = Terms::default();
        match self {
            Self::Categorical { options } => {
                for (part, choice) in parts(options).zip(choices(action)) {
                    let logits = &outputs[part.clone()];
                    let softmax = Softmax::new(logits);
                    terms.log_prob += softmax.log_prob(logits[*choice as usize]);
                    terms.entropy +=
                        softmax.entropy(logits, logits.iter().map(|&l| softmax.log_prob(l).exp()));
                    if let Some((old, _)) = old {
                        terms.kl += softmax.divergence(logits, &old[part]);
                    }
                }
            }
            Self::Gaussian { .. } => {
                for (i, (mean, a)) in outputs.iter().zip(numbers(action)).enumerate() {
                    let z = (a - mean) * (-log_std[i]).exp();
                    terms.log_prob -= 0.5 * z * z + log_std[i] + 0.5 * LN_TAU;
                    terms.entropy += log_std[i] + 0.5 * (LN_TAU + 1.0);
                    if let Some((old, old_log_std)) = old {
                        let ratio = (2.0 * (old_log_std[i] - log_std[i])).exp();
                        let distance = (old[i] - mean) * (-log_std[i]).exp();
                        terms.kl += log_std[i] - old_log_std[i] + 0.5 * (ratio + distance * distance - 1.0);
                    }
                }
            }
        }
        terms
    }

    /// Evaluates one row's distribution and finds the gradient of `w.log_prob·log_prob + w.entropy·entropy + w.kl·KL(old ‖ this)`
    /// with the weights w that `weigh` makes of what was found (KL is not): written to `d_outputs`, added to `d_log_std`.
    ///
    /// # Shapes
    /// As [`Self::evaluate`]; `d_outputs` like `outputs`, `d_log_std` like `log_std`.
    #[allow(clippy::too_many_arguments)] // one row of everything, in the innermost loop of the update
    pub fn differentiate(
        &self,
        outputs: &[f32],
        log_std: &[f32],
        action: Action<'_>,
        old: Option<(&[f32], &[f32])>,
        weigh: impl FnOnce(Terms) -> Terms,
        d_outputs: &mut [f32],
        d_log_std: &mut [f32],
    ) {
        match self {
            Self::Categorical { options } => {
                let mut terms = Terms::default();
                for (part, choice) in parts(options).zip(choices(action)) {
                    let logits = &outputs[part.clone()];
                    // Probabilities wait where the gradient will be.
                    let softmax = Softmax::with_probabilities(logits, &mut d_outputs[part.clone()]);
                    terms.log_prob += softmax.log_prob(logits[*choice as usize]);
                    terms.entropy += softmax.entropy(logits, d_outputs[part].iter().copied());
                }
                let weights = weigh(terms);
                for (part, choice) in parts(options).zip(choices(action)) {
                    let (logits, d) = (&outputs[part.clone()], &mut d_outputs[part.clone()]);
                    let old = old.filter(|_| weights.kl != 0.0).map(|(old, _)| &old[part]);
                    choice_gradient(logits, *choice as usize, old, weights, d);
                }
            }
            Self::Gaussian { .. } => {
                let weights = weigh(self.evaluate(outputs, log_std, action, None));
                for (i, (mean, a)) in outputs.iter().zip(numbers(action)).enumerate() {
                    let inverse = (-log_std[i]).exp();
                    let z = (a - mean) * inverse;
                    d_outputs[i] = weights.log_prob * z * inverse;
                    d_log_std[i] += weights.log_prob * (z * z - 1.0) + weights.entropy;
                    if let Some((old, old_log_std)) = old {
                        let ratio = (2.0 * (old_log_std[i] - log_std[i])).exp();
                        let distance = (mean - old[i]) * inverse;
                        d_outputs[i] += weights.kl * distance * inverse;
                        d_log_std[i] += weights.kl * (1.0 - ratio - distance * distance);
                    }
                }
            }
        }
    }
}

/// Turns the probabilities `d` of one choice into the gradient over its logits.
fn choice_gradient(logits: &[f32], choice: usize, old: Option<&[f32]>, weights: Terms, d: &mut [f32]) {
    let spread = (weights.entropy != 0.0).then(|| {
        let softmax = Softmax::new(logits);
        (softmax, softmax.entropy(logits, d.iter().copied()))
    });
    let old = old.map(|old| (old, Softmax::new(old)));
    for (j, d) in d.iter_mut().enumerate() {
        let p = *d;
        let taken = if j == choice { 1.0 } else { 0.0 };
        *d = weights.log_prob * (taken - p);
        if let Some((softmax, entropy)) = spread {
            *d -= weights.entropy * p * (softmax.log_prob(logits[j]) + entropy);
        }
        if let Some((old, q)) = &old {
            *d += weights.kl * (p - q.log_prob(old[j]).exp());
        }
    }
}

/// Where each choice's logits lie among a row's outputs.
fn parts(options: &[usize]) -> impl Iterator<Item = Range<usize>> {
    options.iter().scan(0, |end, n| {
        *end += n;
        Some(*end - n..*end)
    })
}

fn choices(action: Action<'_>) -> &[i64] {
    match action {
        Action::MultiDiscrete(choices) => choices,
        _ => unreachable!("a categorical head is given choices"),
    }
}

fn numbers(action: Action<'_>) -> &[f32] {
    match action {
        Action::Box(numbers) => numbers,
        _ => unreachable!("a Gaussian head is given numbers"),
    }
}

#[cfg(test)]
mod tests;
