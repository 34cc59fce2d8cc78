//! One part of a distribution, that of one field of an action.

use std::ops::{Range, RangeInclusive};

use phalanx_envs::{Dtype, Generator, Space};
use rand::RngExt;
use rand_distr::StandardNormal;

use super::gaussian::Gaussian;
use super::row::{Distribution, Gradient, Spans, Taken, Widths};
use super::{Terms, bernoulli, categorical};

/// The distribution of one field.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    pub(super) path: String,
    pub(super) kind: Kind,
    pub(super) spans: Spans,
}

/// Kinds of distributions. Their functions are given what belongs to them of one row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// Independent choices; each has as many outputs as it has options.
    Categorical { options: Vec<usize> },
    /// Independent bits, with one output each.
    Bernoulli { n: usize },
    /// Numbers, each of a normal distribution, squashed or not.
    Gaussian(Gaussian),
}

/// What a part is a distribution of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind<'a> {
    /// Choices, each with as many options; their logits are its outputs.
    Choices(&'a [usize]),
    /// Bits, whose logits are its outputs.
    Bits(usize),
    /// Numbers, whose means are the first of its outputs.
    Numbers {
        /// How many.
        len: usize,
        /// Whether tanh follows.
        is_squashed: bool,
    },
}

/// What the terms of a part are multiplied by in a loss.
#[derive(Clone, Copy)]
pub(super) struct PartWeights {
    pub log_prob: f32,
    pub entropy: f32,
    pub kl: f32,
}

impl Part {
    /// Path of the field in an action; empty where an action is a single field.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Which of the head's outputs are its own.
    pub fn outputs(&self) -> Range<usize> {
        self.spans.outputs.clone()
    }

    /// Which options of a mask are its own, of those of all parts.
    pub fn options(&self) -> Range<usize> {
        self.spans.options.clone()
    }

    /// Which of an action's numbers are its own.
    pub fn numbers(&self) -> Range<usize> {
        self.spans.numbers.clone()
    }

    /// Which of the log standard deviations that are parameters are its own.
    pub fn log_std(&self) -> Range<usize> {
        self.spans.log_std.clone()
    }

    /// Bounds of log standard deviations that the network outputs after the means; without them they are parameters.
    pub fn output_bounds(&self) -> Option<[f32; 2]> {
        match &self.kind {
            Kind::Gaussian(Gaussian { output_bounds: Some(bounds), .. }) => {
                Some([*bounds.start(), *bounds.end()])
            }
            _ => None,
        }
    }

    /// What it is a distribution of.
    pub fn kind(&self) -> PartKind<'_> {
        match &self.kind {
            Kind::Categorical { options } => PartKind::Choices(options),
            Kind::Bernoulli { n } => PartKind::Bits(*n),
            Kind::Gaussian(gaussian) => {
                PartKind::Numbers { len: gaussian.len, is_squashed: gaussian.log_scale.is_some() }
            }
        }
    }

    /// What its outputs are, in one word.
    pub fn unit(&self) -> &'static str {
        match self.kind {
            Kind::Categorical { .. } | Kind::Bernoulli { .. } => "logits",
            Kind::Gaussian(Gaussian { output_bounds: None, .. }) => "means",
            Kind::Gaussian(_) => "outputs",
        }
    }
}

impl Kind {
    /// That of a leaf of an action space, whose deviations, if it has some, are parameters or outputs within bounds.
    ///
    /// # Errors
    /// Why it has none.
    pub fn new(leaf: &Space, output_bounds: Option<RangeInclusive<f32>>) -> Result<Self, &'static str> {
        match leaf {
            Space::Discrete { n: 0 } | Space::MultiBinary { n: 0 } => Err("there is nothing to choose from"),
            Space::MultiDiscrete { n } if n.is_empty() || n.contains(&0) => {
                Err("there is nothing to choose from")
            }
            Space::Discrete { n } => Ok(Self::Categorical { options: vec![*n] }),
            Space::MultiDiscrete { n } => Ok(Self::Categorical { options: n.clone() }),
            Space::MultiBinary { n } => Ok(Self::Bernoulli { n: *n }),
            Space::Box { .. } if leaf.is_empty() => Err("an action holds no number"),
            Space::Box { dtype: Dtype::F32, .. } => {
                Ok(Self::Gaussian(Gaussian { len: leaf.len(), output_bounds, log_scale: None }))
            }
            _ => Err("only Discrete, MultiDiscrete, MultiBinary and f32 boxes are supported"),
        }
    }

    pub fn widths(&self) -> Widths {
        match self {
            Self::Categorical { options } => {
                let all = options.iter().sum();
                Widths { outputs: all, choices: options.len(), options: all, ..Widths::default() }
            }
            Self::Bernoulli { n } => Widths { outputs: *n, choices: *n, options: 2 * n, ..Widths::default() },
            Self::Gaussian(gaussian) => gaussian.widths(),
        }
    }

    /// Whether a choice has no legal option in this mask.
    pub fn lacks_option(&self, mask: &[u8]) -> bool {
        let lacks = |options: &[u8]| options.iter().all(|&is_legal| is_legal == 0);
        match self {
            Self::Categorical { options } => categorical::ranges(options).any(|range| lacks(&mask[range])),
            Self::Bernoulli { .. } => mask.chunks_exact(2).any(lacks),
            Self::Gaussian(_) => false,
        }
    }

    pub fn add_noise(&self, generator: &mut Generator, noise: &mut Vec<f32>) {
        match self {
            Self::Categorical { options } => {
                noise.extend((0..options.len()).map(|_| generator.random::<f32>()));
            }
            Self::Bernoulli { n } => noise.extend((0..*n).map(|_| generator.random::<f32>())),
            Self::Gaussian(Gaussian { len, .. }) => {
                noise.extend((0..*len).map(|_| generator.sample::<f32, _>(StandardNormal)));
            }
        }
    }

    /// Draws an action, or takes the most probable one; returns its log probability.
    pub fn act(
        &self,
        distribution: Distribution<'_>,
        noise: Option<&[f32]>,
        choices: &mut [i64],
        numbers: &mut [f32],
    ) -> f32 {
        match self {
            Self::Categorical { options } => categorical::act(options, distribution, noise, choices),
            Self::Bernoulli { .. } => bernoulli::act(distribution, noise, choices),
            Self::Gaussian(gaussian) => gaussian.act(distribution, noise, numbers),
        }
    }

    /// Adds to all terms.
    pub fn evaluate(
        &self,
        distribution: Distribution<'_>,
        taken: Taken<'_>,
        old: Option<Distribution<'_>>,
        terms: &mut Terms,
    ) {
        match self {
            Self::Categorical { options } => {
                categorical::evaluate(options, distribution, taken.choices, old, terms);
            }
            Self::Bernoulli { .. } => bernoulli::evaluate(distribution, taken.choices, old, terms),
            Self::Gaussian(gaussian) => gaussian.evaluate(distribution, taken.numbers, old, terms),
        }
    }

    /// Adds to the terms except KL, and leaves in `scratch`, which is like the outputs, what [`Self::add_gradient`] finds there.
    pub fn prepare(
        &self,
        distribution: Distribution<'_>,
        taken: Taken<'_>,
        scratch: &mut [f32],
        terms: &mut Terms,
    ) {
        match self {
            Self::Categorical { options } => {
                categorical::prepare(options, distribution, taken.choices, scratch, terms);
            }
            _ => self.evaluate(distribution, taken, None, terms),
        }
    }

    /// Standard deviations of the numbers.
    pub fn deviations<'a>(&'a self, distribution: Distribution<'a>) -> impl Iterator<Item = f32> + 'a {
        let gaussian = match self {
            Self::Gaussian(gaussian) => Some(gaussian),
            _ => None,
        };
        gaussian.into_iter().flat_map(move |gaussian| gaussian.deviations(distribution))
    }

    /// Writes the gradient over the outputs, and adds that over the deviations.
    pub fn add_gradient(
        &self,
        distribution: Distribution<'_>,
        taken: Taken<'_>,
        old: Option<Distribution<'_>>,
        weights: PartWeights,
        gradient: Gradient<'_>,
    ) {
        match self {
            Self::Categorical { options } => {
                let old = old.filter(|_| weights.kl != 0.0);
                categorical::gradient(options, distribution, taken.choices, old, weights, gradient.outputs);
            }
            Self::Bernoulli { .. } => {
                bernoulli::gradient(distribution, taken.choices, old, weights, gradient.outputs);
            }
            Self::Gaussian(gaussian) => {
                gaussian.gradient(distribution, taken.numbers, old, weights, gradient);
            }
        }
    }
}
