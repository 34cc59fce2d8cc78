//! Action distributions: sampled, evaluated and differentiated row by row, in plain Rust.
//!
//! A row has a few numbers, so that tensor operations would cost many times the arithmetic; and the noise comes from
//! a generator that can be saved.

mod bernoulli;
mod categorical;
mod gaussian;
mod part;
mod row;
mod softmax;

use phalanx_envs::{ActionScale, ActionScaling, Generator, Space};

use self::gaussian::Gaussian;
use self::part::{Kind, PartWeights};
pub use self::part::{Part, PartKind};
pub use self::row::{Actions, Distribution, Gradient, Taken};
use self::row::{Spans, Widths};
use crate::{AgentError, Deviation, NetworkSettings};

/// The distribution that an action space calls for: a product of independent parts, one for each field of an action.
///
/// A row of it has P outputs of the network, D choices, C numbers and K options over all choices (two for a bit); where deviations are
/// parameters, all rows share S log standard deviations.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    parts: Vec<Part>,
    widths: Widths,
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
    /// Σ weight·entropy over the parts, with the weights that [`Head::differentiate`] is given.
    pub weighted_entropy: f32,
}

/// What the terms of a row are multiplied by in a loss.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Weights {
    /// The log probability.
    pub log_prob: f32,
    /// The divergence.
    pub kl: f32,
}

impl Head {
    /// The distribution for actions of `space`.
    ///
    /// # Errors
    /// [`AgentError::Space`] for spaces that no distribution covers; [`AgentError::Settings`] where those of deviations contradict
    /// each other.
    pub fn new(space: &Space, settings: &NetworkSettings) -> Result<Self, AgentError> {
        let bounds = settings.log_std_bounds()?;
        let output_bounds = (settings.std == Deviation::Output).then_some(bounds);
        let part = |(path, leaf): (String, &Space)| match Kind::new(leaf, output_bounds.clone()) {
            Ok(kind) => Ok((path, kind)),
            Err(reason) => Err(AgentError::Space { space: actions(&path, leaf), reason: reason.into() }),
        };
        Ok(Self::product(space.leaves().into_iter().map(part).collect::<Result<Vec<_>, _>>()?))
    }

    /// The same, with the numbers that are scaled by `scale` after tanh, if they are, distributed so.
    #[must_use]
    pub fn scaled(mut self, scale: &ActionScale) -> Self {
        let is_squashed = scale.scaling() == ActionScaling::Squash;
        let factors: Vec<f32> = scale.factors().collect();
        for Part { kind, spans, .. } in &mut self.parts {
            if let Kind::Gaussian(gaussian) = kind {
                // An element with one value has no density; it is the same for all policies.
                let own = factors[spans.numbers.clone()].iter().filter(|&&factor| factor > 0.0);
                gaussian.log_scale = is_squashed.then(|| own.map(|factor| factor.ln()).sum());
            }
        }
        self
    }

    /// The product of independent parts, each with the path of its field.
    fn product(kinds: impl IntoIterator<Item = (String, Kind)>) -> Self {
        let mut head = Self { parts: Vec::new(), widths: Widths::default() };
        for (path, kind) in kinds {
            let after = head.widths.plus(kind.widths());
            head.parts.push(Part { path, kind, spans: Spans::between(head.widths, after) });
            head.widths = after;
        }
        head
    }

    /// The parts, in the order of the action space's fields.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Outputs P of the network for one observation.
    pub fn outputs(&self) -> usize {
        self.widths.outputs
    }

    /// Choices D in an action.
    pub fn choices(&self) -> usize {
        self.widths.choices
    }

    /// Numbers C in an action.
    pub fn numbers(&self) -> usize {
        self.widths.numbers
    }

    /// Options K over all choices.
    pub fn options(&self) -> usize {
        self.widths.options
    }

    /// Log standard deviations S that are parameters.
    pub fn log_std(&self) -> usize {
        self.widths.log_std
    }

    /// The part, if any, without a legal option in the mask `[K]` of a row.
    pub fn without_option(&self, mask: &[u8]) -> Option<&Part> {
        self.parts.iter().find(|part| part.kind.lacks_option(&mask[part.spans.options.clone()]))
    }

    /// What outputs are at the start on average, `[P]`: the log deviations among them are those of `initial_std`.
    pub fn initial_outputs(&self, initial_std: f64) -> Vec<f32> {
        let mut outputs = vec![0.0; self.outputs()];
        for Part { kind, spans, .. } in &self.parts {
            if let Kind::Gaussian(Gaussian { len, output_bounds: Some(_), .. }) = kind {
                outputs[spans.outputs.start + len..spans.outputs.end].fill(initial_std.ln() as f32);
            }
        }
        outputs
    }

    /// Random numbers that one action takes: D + C.
    pub fn noise(&self) -> usize {
        self.widths.choices + self.widths.numbers
    }

    /// Appends the noise of `rows` actions, `[rows, D + C]`: numbers of `[0, 1)` for choices, standard normal ones for numbers.
    pub fn add_noise(&self, rows: usize, generator: &mut Generator, noise: &mut Vec<f32>) {
        noise.reserve(rows * self.noise());
        for _ in 0..rows {
            for part in &self.parts {
                part.kind.add_noise(generator, noise);
            }
        }
    }

    /// Draws the actions of B rows and writes their log probabilities; takes the most probable ones without noise `[B, D + C]`.
    pub fn act(&self, distribution: Distribution<'_>, noise: Option<&[f32]>, actions: Actions<'_>) {
        let Actions { choices, numbers, log_prob } = actions;
        let Widths { choices: d, numbers: c, .. } = self.widths;
        for (row, log_prob) in log_prob.iter_mut().enumerate() {
            let distribution = distribution.row(row, self.widths);
            let noise = noise.map(|noise| &noise[row * (d + c)..][..d + c]);
            let (choices, numbers) = (&mut choices[row * d..][..d], &mut numbers[row * c..][..c]);
            *log_prob = 0.0;
            for Part { kind, spans, .. } in &self.parts {
                let noise = noise.map(|noise| &noise[spans.noise()]);
                let (choices, numbers) =
                    (&mut choices[spans.choices.clone()], &mut numbers[spans.numbers.clone()]);
                *log_prob += kind.act(distribution.part(spans), noise, choices, numbers);
            }
        }
    }

    /// Evaluates one row's distribution for the action that was taken; `old` is an older one of the same row, under the same mask, which is
    /// read from `distribution`.
    pub fn evaluate(
        &self,
        distribution: Distribution<'_>,
        taken: Taken<'_>,
        old: Option<Distribution<'_>>,
    ) -> Terms {
        let mut terms = Terms::default();
        for Part { kind, spans, .. } in &self.parts {
            let old = old.map(|old| old.part(spans));
            kind.evaluate(distribution.part(spans), taken.part(spans), old, &mut terms);
        }
        terms
    }

    /// Evaluates one row's distribution and finds the gradient of `w.log_prob·log_prob + Σ entropy[i]·entropy of part i + w.kl·KL(old ‖
    /// this)` with the weights w that `weigh` makes of what was found (KL is not).
    pub fn differentiate(
        &self,
        distribution: Distribution<'_>,
        taken: Taken<'_>,
        old: Option<Distribution<'_>>,
        entropy: &[f32],
        weigh: impl FnOnce(Terms) -> Weights,
        mut gradient: Gradient<'_>,
    ) {
        let mut terms = Terms::default();
        for (Part { kind, spans, .. }, weight) in self.parts.iter().zip(entropy) {
            let before = terms.entropy;
            let scratch = &mut gradient.outputs[spans.outputs.clone()];
            kind.prepare(distribution.part(spans), taken.part(spans), scratch, &mut terms);
            terms.weighted_entropy += weight * (terms.entropy - before);
        }
        let weights = weigh(terms);
        for (Part { kind, spans, .. }, &entropy) in self.parts.iter().zip(entropy) {
            let old = old.map(|old| old.part(spans));
            let gradient = gradient.part(spans);
            let weights = PartWeights { log_prob: weights.log_prob, entropy, kl: weights.kl };
            kind.add_gradient(distribution.part(spans), taken.part(spans), old, weights, gradient);
        }
    }

    /// Standard deviations of the numbers of one row.
    pub fn deviations<'a>(&'a self, distribution: Distribution<'a>) -> impl Iterator<Item = f32> + 'a {
        self.parts.iter().flat_map(move |Part { kind, spans, .. }| kind.deviations(distribution.part(spans)))
    }
}

/// The actions, or the field of them, that come from `space`, in words.
fn actions(path: &str, space: &Space) -> String {
    if path.is_empty() {
        format!("actions of {space}")
    } else {
        format!("actions, whose field {path} is {space}")
    }
}

#[cfg(test)]
mod tests;
