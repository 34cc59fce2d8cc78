//! Elements of a space: whether an action is one, and drawing one.

use rand::RngExt;

use super::Space;
use crate::{Action, Generator};

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
}

#[inline]
fn is_choice(a: i64, n: usize) -> bool {
    0 <= a && (a as usize) < n
}
