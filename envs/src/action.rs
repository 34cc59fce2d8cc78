//! One action, borrowed from the batch.

use std::fmt;

use crate::Space;
use crate::space::Key;

/// One action, borrowed from the batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action<'a> {
    /// Of [`Space::Discrete`].
    Discrete(usize),
    /// Of [`Space::MultiDiscrete`] or [`Space::MultiBinary`].
    MultiDiscrete(&'a [i64]),
    /// Of [`Space::Box`].
    Box(&'a [f32]),
    /// Of [`Space::Dict`] or [`Space::Tuple`]: see [`Self::field`].
    Fields(ActionFields<'a>),
}

/// An action of several fields.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ActionFields<'a> {
    /// The Dict or Tuple.
    pub space: &'a Space,
    /// The choices of all its leaves in their order, `[D]`.
    pub choices: &'a [i64],
    /// The numbers of all its boxes in their order, `[C]`.
    pub numbers: &'a [f32],
}

impl<'a> Action<'a> {
    /// The action of `space` that has these choices and numbers, in the order of its leaves.
    ///
    /// # Panics
    /// When there is no choice for a [`Space::Discrete`].
    #[inline]
    pub fn of(space: &'a Space, choices: &'a [i64], numbers: &'a [f32]) -> Self {
        match space {
            Space::Discrete { .. } => Self::Discrete(choices[0] as usize),
            Space::MultiDiscrete { .. } | Space::MultiBinary { .. } => Self::MultiDiscrete(choices),
            Space::Box { .. } => Self::Box(numbers),
            Space::Dict(_) | Space::Tuple(_) => Self::Fields(ActionFields { space, choices, numbers }),
        }
    }

    /// The choice.
    ///
    /// # Panics
    /// When the action space is not [`Space::Discrete`].
    pub fn discrete(self) -> usize {
        match self {
            Self::Discrete(a) => a,
            _ => panic!("{self:?} is no action of a Discrete space"),
        }
    }

    /// The choices; of a [`Space::MultiBinary`] the bits.
    ///
    /// # Panics
    /// When the action space is neither [`Space::MultiDiscrete`] nor [`Space::MultiBinary`].
    pub fn choices(self) -> &'a [i64] {
        match self {
            Self::MultiDiscrete(a) => a,
            _ => panic!("{self:?} is no action of a MultiDiscrete or MultiBinary space"),
        }
    }

    /// The numbers.
    ///
    /// # Panics
    /// When the action space is not [`Space::Box`].
    pub fn continuous(self) -> &'a [f32] {
        match self {
            Self::Box(a) => a,
            _ => panic!("{self:?} is no action of a Box space"),
        }
    }

    /// All choices and numbers, each kind in the order of the leaves: `[D]` and `[C]`. `choice` is where a single choice is put.
    pub(crate) fn split(self, choice: &'a mut i64) -> (&'a [i64], &'a [f32]) {
        match self {
            Self::Discrete(a) => {
                *choice = a as i64;
                (std::slice::from_ref(choice), &[])
            }
            Self::MultiDiscrete(choices) => (choices, &[]),
            Self::Box(numbers) => (&[], numbers),
            Self::Fields(fields) => (fields.choices, fields.numbers),
        }
    }

    /// The action of the part at `path`, as in `action.field("arm.gear").discrete()`; the parts of a Tuple are `0`, `1`, ….
    ///
    /// # Panics
    /// When the action space has no such part.
    #[must_use]
    pub fn field(self, path: &str) -> Self {
        let part = if let Self::Fields(fields) = self { fields.part(path) } else { None };
        part.unwrap_or_else(|| panic!("the action {self} has no field `{path}`"))
    }
}

impl<'a> ActionFields<'a> {
    fn part(self, path: &str) -> Option<Action<'a>> {
        self.parts().find_map(|(key, part)| match (key.strip(path)?, part) {
            ("", part) => Some(part),
            (rest, Action::Fields(inner)) => inner.part(rest.strip_prefix('.')?),
            _ => None,
        })
    }

    /// The parts with their names or numbers.
    fn parts(self) -> impl Iterator<Item = (Key<'a>, Action<'a>)> {
        let Self { space, mut choices, mut numbers } = self;
        space.parts().map(move |(key, part)| {
            let (own_choices, other_choices) = choices.split_at(part.choices_len());
            let (own_numbers, other_numbers) = numbers.split_at(part.numbers_len());
            (choices, numbers) = (other_choices, other_numbers);
            (key, Action::of(part, own_choices, own_numbers))
        })
    }
}

impl fmt::Display for Action<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discrete(a) => write!(f, "{a}"),
            Self::MultiDiscrete(a) => write!(f, "{a:?}"),
            Self::Box(a) => write!(f, "{a:?}"),
            Self::Fields(fields) => {
                let parts: Vec<_> = fields.parts().map(|(key, part)| format!("{key}: {part}")).collect();
                write!(f, "{{{}}}", parts.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_an_action_are_found_by_path() {
        let arm = vec![
            ("gear".to_owned(), Space::Discrete { n: 4 }),
            ("force".to_owned(), Space::boxed(&[-1.0, -1.0], &[1.0, 1.0])),
        ];
        let space = Space::Dict(vec![
            ("lamps".to_owned(), Space::MultiBinary { n: 2 }),
            ("arm".to_owned(), Space::Tuple(vec![Space::unbounded(1), Space::Dict(arm)])),
        ]);
        // Choices: two lamps, then the gear. Numbers: one of the Tuple's box, then two of the force.
        let action = Action::of(&space, &[1, 0, 3], &[0.25, 0.5, -0.5]);
        assert_eq!(action.field("lamps").choices(), [1, 0]);
        assert_eq!(action.field("arm.0").continuous(), [0.25]);
        assert_eq!(action.field("arm.1.gear").discrete(), 3);
        assert_eq!(action.field("arm").field("1").field("force").continuous(), [0.5, -0.5]);
        assert_eq!(action.to_string(), "{lamps: [1, 0], arm: {0: [0.25], 1: {gear: 3, force: [0.5, -0.5]}}}");
        for path in ["arm.2", "arms", "lamps.0", ""] {
            assert!(std::panic::catch_unwind(|| action.field(path)).is_err(), "{path}");
        }
    }
}
