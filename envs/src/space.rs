//! The sets that observations and actions come from.

mod check;
mod element;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

/// A space that something cannot work with.
///
/// It can be sent from one process to another.
#[derive(Debug, Clone, thiserror::Error, Serialize, Deserialize)]
#[error("{what} cannot work with {space}: {reason}")]
pub struct SpaceError {
    /// What cannot work with it.
    pub what: String,
    /// The space as text.
    pub space: String,
    /// Why.
    pub reason: String,
}

impl SpaceError {
    /// The error of `what`, which cannot work with `space` for this reason.
    pub fn new(what: impl Into<String>, space: impl std::fmt::Display, reason: impl Into<String>) -> Self {
        Self { what: what.into(), space: space.to_string(), reason: reason.into() }
    }
}

/// Element type of a [`Space::Box`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dtype {
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
    /// Byte, for pixels.
    U8,
}

impl Dtype {
    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
            Self::U8 => 1,
        }
    }
}

/// A set of observations or actions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Space {
    /// One of `0..n`.
    Discrete {
        /// Number of choices.
        n: usize,
    },
    /// Several choices at once; component i is one of `0..n[i]`.
    MultiDiscrete {
        /// Number of choices of every component.
        n: Vec<usize>,
    },
    /// Several bits at once, each 0 or 1.
    MultiBinary {
        /// Number of bits.
        n: usize,
    },
    /// An array of numbers, each within its bounds.
    Box {
        /// Lengths of the axes; empty for a scalar.
        shape: Vec<usize>,
        /// Lower bound of every element, row-major; may be −∞.
        low: Vec<f32>,
        /// Upper bound of every element, row-major; may be +∞.
        high: Vec<f32>,
        /// Element type.
        dtype: Dtype,
    },
    /// Parts with names, in this order.
    Dict(Vec<(String, Space)>),
    /// Parts with numbers, from 0.
    Tuple(Vec<Space>),
}

impl Space {
    /// A one-dimensional f32 box, its bounds in the unit of each element.
    ///
    /// # Panics
    /// When the bounds differ in number.
    pub fn boxed(low: &[f32], high: &[f32]) -> Self {
        assert_eq!(low.len(), high.len(), "bounds of a box have one length");
        Self::Box { shape: vec![low.len()], low: low.to_vec(), high: high.to_vec(), dtype: Dtype::F32 }
    }

    /// A one-dimensional f32 box without bounds.
    pub fn unbounded(len: usize) -> Self {
        Self::boxed(&vec![f32::NEG_INFINITY; len], &vec![f32::INFINITY; len])
    }

    /// This box with its elements along other axes.
    ///
    /// # Panics
    /// When these axes hold another number of elements.
    #[must_use]
    pub fn with_shape(mut self, axes: &[usize]) -> Self {
        if let Self::Box { shape, low, .. } = &mut self {
            assert_eq!(axes.iter().product::<usize>(), low.len(), "axes {axes:?} for a box {shape:?}");
            axes.clone_into(shape);
        }
        self
    }

    /// Numbers in one element of this space, over all its leaves.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Self::Discrete { .. } => 1,
            Self::MultiDiscrete { n } => n.len(),
            Self::MultiBinary { n } => *n,
            Self::Box { shape, .. } => shape.iter().product(),
            Self::Dict(_) | Self::Tuple(_) => self.parts().map(|(_, part)| part.len()).sum(),
        }
    }

    /// How many of these numbers are choices, those of leaves that are not boxes: D of an action's `[D]` choices and `[C]` numbers.
    #[inline]
    pub fn choices_len(&self) -> usize {
        match self {
            Self::Box { .. } => 0,
            Self::Dict(_) | Self::Tuple(_) => self.parts().map(|(_, part)| part.choices_len()).sum(),
            _ => self.len(),
        }
    }

    /// How many of these numbers are those of boxes: C of an action's `[D]` choices and `[C]` numbers.
    #[inline]
    pub fn numbers_len(&self) -> usize {
        self.len() - self.choices_len()
    }

    /// Options of its choices in all: `n` of a Discrete, those of every component of a `MultiDiscrete`, two for each bit of a `MultiBinary`. An
    /// action mask has a number for each of them.
    pub fn options_len(&self) -> usize {
        let mut sum = 0;
        self.for_each_component(&mut |options| sum += options);
        sum
    }

    /// Whether this is a Dict or Tuple.
    #[inline]
    pub fn is_composite(&self) -> bool {
        matches!(self, Self::Dict(_) | Self::Tuple(_))
    }

    /// The spaces that this one is made of, none of them a Dict or Tuple, each with its path: depth first, in the order of the parts.
    ///
    /// A path joins the names and numbers of parts with dots, as in `camera.left` and `0.wheels`; that of a space which is a leaf itself is
    /// empty.
    pub fn leaves(&self) -> Vec<(String, &Space)> {
        let mut leaves = Vec::new();
        self.add_leaves("", &mut leaves);
        leaves
    }

    fn add_leaves<'a>(&'a self, path: &str, leaves: &mut Vec<(String, &'a Space)>) {
        if !self.is_composite() {
            leaves.push((path.to_owned(), self));
        }
        for (key, part) in self.parts() {
            let path = if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
            part.add_leaves(&path, leaves);
        }
    }

    /// This space with each leaf changed, in the order of [`Self::leaves`].
    pub(crate) fn map_leaves(&self, change: &mut dyn FnMut(&Self) -> Self) -> Self {
        match self {
            Self::Dict(parts) => {
                Self::Dict(parts.iter().map(|(key, part)| (key.clone(), part.map_leaves(change))).collect())
            }
            Self::Tuple(parts) => Self::Tuple(parts.iter().map(|part| part.map_leaves(change)).collect()),
            leaf => change(leaf),
        }
    }

    /// The parts of a Dict or Tuple with their names or numbers; nothing of any other space.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (Key<'_>, &Space)> {
        let (named, numbered): (&[_], &[_]) = match self {
            Self::Dict(parts) => (parts, &[]),
            Self::Tuple(parts) => (&[], parts),
            _ => (&[], &[]),
        };
        let named = named.iter().map(|(key, part)| (Key::Name(key), part));
        named.chain(numbered.iter().enumerate().map(|(i, part)| (Key::Number(i), part)))
    }

    /// Whether elements of this space hold no number at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether every element has a finite lower and upper bound.
    pub fn is_bounded(&self) -> bool {
        match self {
            Self::Box { low, high, .. } => low.iter().chain(high).all(|bound| bound.is_finite()),
            Self::Dict(_) | Self::Tuple(_) => self.parts().all(|(_, part)| part.is_bounded()),
            _ => true,
        }
    }

    /// Lengths of the axes of one element; empty for a scalar, for choices, and for a space of several leaves.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::Box { shape, .. } => shape,
            Self::MultiBinary { n } => std::slice::from_ref(n),
            _ => &[],
        }
    }
}

/// Name or number of a part of a Dict or Tuple.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key<'a> {
    Name(&'a str),
    Number(usize),
}

impl Key<'_> {
    /// What is left of `path` when it begins with this part: nothing, or a dot and more.
    pub fn strip<'p>(&self, path: &'p str) -> Option<&'p str> {
        match self {
            Self::Name(name) => path.strip_prefix(name),
            Self::Number(number) => {
                let (first, rest) = path.split_at(path.find('.').unwrap_or(path.len()));
                (first.parse() == Ok(*number)).then_some(rest)
            }
        }
    }
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discrete { n } => write!(f, "Discrete({n})"),
            Self::MultiDiscrete { n } => write!(f, "MultiDiscrete({n:?})"),
            Self::MultiBinary { n } => write!(f, "MultiBinary({n})"),
            Self::Box { shape, low, high, dtype } => {
                let least = low.iter().copied().fold(f32::INFINITY, f32::min);
                let most = high.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                write!(f, "Box({shape:?}, {least}..{most}, {dtype:?})")
            }
            Self::Dict(parts) => {
                let parts: Vec<_> = parts.iter().map(|(key, part)| format!("{key}: {part}")).collect();
                write!(f, "Dict({})", parts.join(", "))
            }
            Self::Tuple(parts) => {
                let parts: Vec<_> = parts.iter().map(ToString::to_string).collect();
                write!(f, "Tuple({})", parts.join(", "))
            }
        }
    }
}
