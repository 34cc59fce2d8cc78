//! Action distributions: sampled in plain Rust while a rollout is collected, differentiated in tensors afterwards.
//!
//! Sampling reads a few numbers per row, so tensor operations would cost more than the arithmetic; and its noise
//! comes from a generator that can be saved.

use phalanx_envs::{Generator, Space};
use rand::RngExt;
use rand_distr::StandardNormal;
use tch::{Kind, Tensor};

use crate::AgentError;

/// ln 2π.
const LN_TAU: f64 = 1.837_877_066_409_345_5;

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

/// A batch of action distributions, B of them, as tensors.
pub enum Distribution {
    /// Log probabilities `[B, options]` of every choice.
    Categorical(Vec<Tensor>),
    /// Means `[B, A]` and log standard deviations `[A]`.
    Gaussian(Tensor, Tensor),
}

impl Head {
    /// The distribution for actions of `space`.
    ///
    /// # Errors
    /// [`AgentError::Space`] for spaces that no distribution covers.
    pub fn new(space: &Space) -> Result<Self, AgentError> {
        let refuse = |reason: &str| AgentError::Space { space: space.to_string(), reason: reason.into() };
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

    /// Draws choices and their log probabilities; takes the most probable ones without a generator.
    ///
    /// # Shapes
    /// `outputs [N, Σ options]`, `actions [N, choices]`, `log_prob [N]`.
    pub fn choose(
        options: &[usize],
        outputs: &[f32],
        mut generator: Option<&mut Generator>,
        actions: &mut [i64],
        log_prob: &mut [f32],
    ) {
        let width: usize = options.iter().sum();
        let rows = outputs.chunks_exact(width).zip(actions.chunks_exact_mut(options.len()));
        for ((logits, actions), log_prob) in rows.zip(log_prob) {
            let mut start = 0;
            *log_prob = 0.0;
            for (action, &n) in actions.iter_mut().zip(options) {
                let logits = &logits[start..start + n];
                start += n;
                let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let sum: f32 = logits.iter().map(|l| (l - most).exp()).sum();
                // P6: inverse of the cumulated softmax.
                let choice = match generator.as_deref_mut() {
                    Some(generator) => inverse_cdf(logits, most, sum * generator.random::<f32>()),
                    None => logits.iter().position(|&l| l == most).unwrap_or(0),
                };
                *action = choice as i64;
                *log_prob += logits[choice] - most - sum.ln();
            }
        }
    }

    /// Draws numbers around the means `outputs` and their log density; takes the means without a generator.
    ///
    /// # Shapes
    /// `outputs [N, A]`, `log_std [A]`, `actions [N, A]`, `log_prob [N]`.
    pub fn draw(
        log_std: &[f32],
        outputs: &[f32],
        mut generator: Option<&mut Generator>,
        actions: &mut [f32],
        log_prob: &mut [f32],
    ) {
        let len = log_std.len();
        let scale: f32 = log_std.iter().sum::<f32>() + 0.5 * LN_TAU as f32 * len as f32;
        let rows = outputs.chunks_exact(len).zip(actions.chunks_exact_mut(len));
        for ((means, actions), log_prob) in rows.zip(log_prob) {
            let mut square = 0.0;
            for ((action, mean), log_std) in actions.iter_mut().zip(means).zip(log_std) {
                // P7: a deviation that the observation does not change.
                let noise: f32 = generator.as_deref_mut().map_or(0.0, |g| g.sample(StandardNormal));
                *action = mean + log_std.exp() * noise;
                square += noise * noise;
            }
            *log_prob = -0.5 * square - scale;
        }
    }

    /// The distributions that the network's outputs stand for.
    ///
    /// # Shapes
    /// `outputs [B, outputs]`, `log_std [A]` for a Gaussian.
    pub fn distribution(&self, outputs: &Tensor, log_std: Option<&Tensor>) -> Distribution {
        match (self, log_std) {
            (Self::Gaussian { .. }, Some(log_std)) => {
                Distribution::Gaussian(outputs.shallow_clone(), log_std.shallow_clone())
            }
            (Self::Gaussian { .. }, None) => unreachable!("a Gaussian network has standard deviations"),
            (Self::Categorical { options }, _) => {
                let mut start = 0;
                let normalise = |&n: &usize| {
                    let logits = outputs.narrow(-1, start, n as i64);
                    start += n as i64;
                    logits.log_softmax(-1, None::<Kind>)
                };
                Distribution::Categorical(options.iter().map(normalise).collect())
            }
        }
    }
}

/// The first option whose cumulated weight exceeds `threshold`.
fn inverse_cdf(logits: &[f32], most: f32, threshold: f32) -> usize {
    let mut cumulated = 0.0;
    for (option, logit) in logits.iter().enumerate() {
        cumulated += (logit - most).exp();
        if threshold < cumulated {
            return option;
        }
    }
    logits.len() - 1
}

impl Distribution {
    /// Log probability or density of `action`, in nats.
    ///
    /// # Shapes
    /// `action [B, A]`, i64 for choices and f32 for numbers → `[B]`.
    pub fn log_prob(&self, action: &Tensor) -> Tensor {
        match self {
            Self::Categorical(log_probs) => total(log_probs.iter().enumerate().map(|(i, log_prob)| {
                log_prob.gather(-1, &action.narrow(-1, i as i64, 1), false).squeeze_dim(-1)
            })),
            Self::Gaussian(mean, log_std) => {
                let z = (action - mean) * (-log_std).exp();
                let constant = log_std.sum(None::<Kind>) + 0.5 * LN_TAU * log_std.size()[0] as f64;
                z.square().sum_dim_intlist(-1, false, None::<Kind>) * -0.5 - constant
            }
        }
    }

    /// Entropy, in nats: `[B]`, or one number where it does not depend on the observation.
    pub fn entropy(&self) -> Tensor {
        match self {
            Self::Categorical(log_probs) => {
                total(log_probs.iter().map(|l| -(l.exp() * l).sum_dim_intlist(-1, false, None::<Kind>)))
            }
            Self::Gaussian(_, log_std) => {
                log_std.sum(None::<Kind>) + 0.5 * (LN_TAU + 1.0) * log_std.size()[0] as f64
            }
        }
    }

    /// Kullback–Leibler divergence KL(self ‖ other), in nats: `[B]`.
    pub fn kl(&self, other: &Self) -> Tensor {
        match (self, other) {
            (Self::Categorical(p), Self::Categorical(q)) => total(
                p.iter().zip(q).map(|(p, q)| (p.exp() * (p - q)).sum_dim_intlist(-1, false, None::<Kind>)),
            ),
            (Self::Gaussian(mean, log_std), Self::Gaussian(other_mean, other_log_std)) => {
                let ratio = ((log_std - other_log_std) * 2.0).exp();
                let distance = (mean - other_mean).square() * (other_log_std * -2.0).exp();
                let terms = (distance + ratio - 1.0) * 0.5 + other_log_std - log_std;
                terms.sum_dim_intlist(-1, false, None::<Kind>)
            }
            _ => unreachable!("one head makes both distributions"),
        }
    }

    /// The rows that `index [M]` names, cut off from gradients.
    #[must_use]
    pub fn select(&self, index: &Tensor) -> Self {
        match self {
            Self::Categorical(log_probs) => {
                Self::Categorical(log_probs.iter().map(|l| l.index_select(0, index).detach()).collect())
            }
            Self::Gaussian(mean, log_std) => {
                Self::Gaussian(mean.index_select(0, index).detach(), log_std.detach().copy())
            }
        }
    }
}

fn total(terms: impl Iterator<Item = Tensor>) -> Tensor {
    terms.reduce(|a, b| a + b).expect("an action has at least one component")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream;

    #[test]
    fn sampled_choices_follow_their_probabilities_and_report_them() {
        // Softmax of ln 1, ln 2, ln 5 is 1/8, 2/8, 5/8; the second choice is 1/4 : 3/4.
        let row = [0.0f32, 2.0f32.ln(), 5.0f32.ln(), 0.0, 3.0f32.ln()];
        let (options, n) = ([3, 2], 40_000);
        let outputs = row.repeat(n);
        let (mut actions, mut log_prob) = (vec![0; 2 * n], vec![0.0; n]);
        Head::choose(&options, &outputs, Some(&mut stream(1, "action")), &mut actions, &mut log_prob);
        let share = |i: usize, a: i64| actions.chunks(2).filter(|c| c[i] == a).count() as f64 / n as f64;
        // Five standard deviations of a binomial share over 40 000 draws are at most 0.0125.
        for (i, a, p) in [(0, 0, 0.125), (0, 1, 0.25), (0, 2, 0.625), (1, 1, 0.75)] {
            assert!((share(i, a) - p).abs() < 0.0125, "choice {i} = {a}: {}", share(i, a));
        }
        let head = Head::Categorical { options: options.to_vec() };
        let tensor = Tensor::from_slice(&outputs).view([n as i64, 5]);
        let expected =
            head.distribution(&tensor, None).log_prob(&Tensor::from_slice(&actions).view([n as i64, 2]));
        assert!(expected.allclose(&Tensor::from_slice(&log_prob), 1e-5, 1e-5, false));
    }

    #[test]
    fn the_greedy_choice_is_the_most_probable() {
        let (mut actions, mut log_prob) = ([0i64; 2], [0.0f32; 2]);
        Head::choose(&[3], &[0.0, 2.0, 1.0, 5.0, -1.0, 0.0], None, &mut actions, &mut log_prob);
        assert_eq!(actions, [1, 0]);
    }

    #[test]
    fn gaussian_density_entropy_and_divergence_by_hand() {
        let head = Head::Gaussian { len: 1 };
        let log_std = Tensor::from_slice(&[2.0f32.ln()]);
        let p = head.distribution(&Tensor::from_slice(&[1.0f32]).view([1, 1]), Some(&log_std));
        // N(1, 2²) at 3: −½·1 − ln 2 − ½ ln 2π = −0.5 − 0.693147 − 0.918939.
        let log_prob = p.log_prob(&Tensor::from_slice(&[3.0f32]).view([1, 1])).double_value(&[0]);
        assert!((log_prob + 2.112_085_7).abs() < 1e-6);
        // ½ ln(2πe·4) = 2.112086.
        assert!((p.entropy().double_value(&[]) - 2.112_085_7).abs() < 1e-6);
        // KL(N(1,4) ‖ N(0,1)) = ½(1 + 4 − 1) − ln 2 = 1.306853.
        let q = Distribution::Gaussian(
            Tensor::zeros([1, 1], (Kind::Float, tch::Device::Cpu)),
            Tensor::zeros([1], (Kind::Float, tch::Device::Cpu)),
        );
        assert!((p.kl(&q).double_value(&[0]) - 1.306_852_8).abs() < 1e-6);
        assert_eq!(p.kl(&p).double_value(&[0]), 0.0);
    }

    #[test]
    fn categorical_entropy_and_divergence_by_hand() {
        let head = Head::Categorical { options: vec![2] };
        let p = head.distribution(&Tensor::from_slice(&[0.0f32, 3.0f32.ln()]).view([1, 2]), None);
        let q = head.distribution(&Tensor::from_slice(&[0.0f32, 0.0]).view([1, 2]), None);
        // H(1/4, 3/4) = 0.562335; KL to the fair coin = ln 2 − H = 0.130812.
        assert!((p.entropy().double_value(&[0]) - 0.562_335_1).abs() < 1e-6);
        assert!((p.kl(&q).double_value(&[0]) - 0.130_812).abs() < 1e-6);
    }

    #[test]
    fn drawn_numbers_report_the_density_that_tensors_compute() {
        let log_std = [0.3f32, -1.2];
        let means = [0.5f32, -2.0, 1.5, 0.0];
        let (mut actions, mut log_prob) = ([0.0f32; 4], [0.0f32; 2]);
        Head::draw(&log_std, &means, Some(&mut stream(2, "action")), &mut actions, &mut log_prob);
        let p = Head::Gaussian { len: 2 }
            .distribution(&Tensor::from_slice(&means).view([2, 2]), Some(&Tensor::from_slice(&log_std)));
        let expected = p.log_prob(&Tensor::from_slice(&actions).view([2, 2]));
        assert!(expected.allclose(&Tensor::from_slice(&log_prob), 1e-5, 1e-5, false));
        assert_ne!(actions, means);
    }
}
