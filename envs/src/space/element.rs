//! Elements of a space: whether an action is one, and drawing one.

use rand::RngExt;

use super::Space;
use crate::{Action, Elements, Generator};

impl Space {
    /// Whether `action` is an element of this space.
    #[inline]
    pub fn contains(&self, action: Action<'_>) -> bool {
        match (self, action) {
            (Self::Discrete { n }, Action::Discrete(a)) => a < *n,
            (Self::MultiDiscrete { .. } | Self::MultiBinary { .. }, Action::MultiDiscrete(a)) => {
                self.contains_parts(a, &[])
            }
            (Self::Box { .. }, Action::Box(a)) => self.contains_parts(&[], a),
            (Self::Dict(_) | Self::Tuple(_), Action::Fields(a)) => self.contains_parts(a.choices, a.numbers),
            _ => false,
        }
    }

    /// Whether an element has these choices and numbers, `[D]` and `[C]`.
    fn contains_parts(&self, choices: &[i64], numbers: &[f32]) -> bool {
        match self {
            Self::Discrete { n } => choices.len() == 1 && is_choice(choices[0], *n),
            Self::MultiDiscrete { n } => {
                choices.len() == n.len() && choices.iter().zip(n).all(|(&a, &n)| is_choice(a, n))
            }
            Self::MultiBinary { n } => choices.len() == *n && choices.iter().all(|&a| is_choice(a, 2)),
            Self::Box { low, high, .. } => {
                numbers.len() == low.len()
                    && numbers.iter().zip(low).zip(high).all(|((a, l), h)| l <= a && a <= h)
            }
            Self::Dict(_) | Self::Tuple(_) => {
                let (mut choices, mut numbers) = (choices, numbers);
                let all = self.parts().all(|(_, part)| {
                    let own =
                        choices.split_off(..part.choices_len()).zip(numbers.split_off(..part.numbers_len()));
                    own.is_some_and(|(choices, numbers)| part.contains_parts(choices, numbers))
                });
                all && choices.is_empty() && numbers.is_empty()
            }
        }
    }

    /// Draws an action uniformly; a Gaussian stands in where an element has no bound.
    ///
    /// Writes [`Self::choices_len`] choices and [`Self::numbers_len`] numbers, each kind in the order of the leaves.
    pub fn sample(&self, generator: &mut Generator, choices: &mut [i64], numbers: &mut [f32]) {
        match self {
            Self::Discrete { n } => choices[0] = generator.random_range(0..*n as i64),
            Self::MultiDiscrete { n } => {
                for (a, &n) in choices.iter_mut().zip(n) {
                    *a = generator.random_range(0..n as i64);
                }
            }
            Self::MultiBinary { n } => choices[..*n].fill_with(|| generator.random_range(0..2)),
            Self::Box { low, high, .. } => {
                for ((a, &l), &h) in numbers.iter_mut().zip(low).zip(high) {
                    *a = if (h - l).is_finite() {
                        generator.random_range(l..=h)
                    } else {
                        generator.sample::<f32, _>(rand_distr::StandardNormal).clamp(l, h)
                    };
                }
            }
            Self::Dict(_) | Self::Tuple(_) => {
                let (mut choices, mut numbers) = (choices, numbers);
                for (_, part) in self.parts() {
                    let (own_choices, other_choices) = choices.split_at_mut(part.choices_len());
                    let (own_numbers, other_numbers) = numbers.split_at_mut(part.numbers_len());
                    part.sample(generator, own_choices, own_numbers);
                    (choices, numbers) = (other_choices, other_numbers);
                }
            }
        }
    }

    /// As [`Self::sample`], but of the options that are legal by the mask in `observation`, if it has one.
    pub(crate) fn sample_legal(
        &self,
        generator: &mut Generator,
        observation: Elements<'_>,
        choices: &mut [i64],
        numbers: &mut [f32],
    ) {
        self.sample(generator, choices, numbers);
        if !observation.has_mask() {
            return;
        }
        let (mut first, mut choices) = (0, choices.iter_mut());
        self.for_each_component(&mut |options| {
            let Some(choice) = choices.next() else { return };
            let legal = || (0..options).filter(|option| observation.is_legal(first + option));
            let count = legal().count();
            if count > 0 {
                *choice = legal().nth(generator.random_range(0..count)).unwrap_or_default() as i64;
            }
            first += options;
        });
    }

    /// Options of every choice of an action, `[D]`: two for a bit.
    pub fn components(&self) -> Vec<usize> {
        let mut components = Vec::new();
        self.for_each_component(&mut |options| components.push(options));
        components
    }

    /// Calls `each` with the options of every choice, in order.
    pub(crate) fn for_each_component(&self, each: &mut dyn FnMut(usize)) {
        match self {
            Self::Discrete { n } => each(*n),
            Self::MultiDiscrete { n } => n.iter().for_each(|&n| each(n)),
            Self::MultiBinary { n } => (0..*n).for_each(|_| each(2)),
            Self::Box { .. } => {}
            Self::Dict(_) | Self::Tuple(_) => {
                self.parts().for_each(|(_, part)| part.for_each_component(each));
            }
        }
    }

    /// The least and the largest value of number `i` of a leaf; those of choices are indices.
    pub(crate) fn bounds(&self, i: usize) -> (f32, f32) {
        match self {
            Self::Box { low, high, .. } => (low[i], high[i]),
            Self::Discrete { n } => (0.0, (n - 1) as f32),
            Self::MultiDiscrete { n } => (0.0, (n[i] - 1) as f32),
            Self::MultiBinary { .. } => (0.0, 1.0),
            Self::Dict(_) | Self::Tuple(_) => unreachable!("not a leaf"),
        }
    }
}

#[inline]
fn is_choice(a: i64, n: usize) -> bool {
    0 <= a && (a as usize) < n
}
