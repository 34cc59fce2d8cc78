//! The sets that observations and actions come from.

use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::{Action, Generator};

/// Element type of a [`Space::Box`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dtype {
    /// 32-bit float.
    F32,
    /// Byte, for pixels.
    U8,
}

impl Dtype {
    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            Self::F32 => 4,
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
}

impl Space {
    /// A one-dimensional f32 box, its bounds in the unit of each element.
    pub fn boxed(low: &[f32], high: &[f32]) -> Self {
        assert_eq!(low.len(), high.len(), "bounds of a box have one length");
        Self::Box { shape: vec![low.len()], low: low.to_vec(), high: high.to_vec(), dtype: Dtype::F32 }
    }

    /// A one-dimensional f32 box without bounds.
    pub fn unbounded(len: usize) -> Self {
        Self::boxed(&vec![f32::NEG_INFINITY; len], &vec![f32::INFINITY; len])
    }

    /// Numbers in one element of this space.
    pub fn len(&self) -> usize {
        match self {
            Self::Discrete { .. } => 1,
            Self::MultiDiscrete { n } => n.len(),
            Self::Box { shape, .. } => shape.iter().product(),
        }
    }

    /// Whether elements of this space hold no number at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lengths of the axes of one element; empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::Box { shape, .. } => shape,
            Self::Discrete { .. } | Self::MultiDiscrete { .. } => &[],
        }
    }

    /// Whether `action` is an element of this space.
    pub fn contains(&self, action: Action<'_>) -> bool {
        match (self, action) {
            (Self::Discrete { n }, Action::Discrete(a)) => a < *n,
            (Self::MultiDiscrete { n }, Action::MultiDiscrete(a)) => {
                a.len() == n.len() && a.iter().zip(n).all(|(&a, &n)| 0 <= a && (a as usize) < n)
            }
            (Self::Box { low, high, .. }, Action::Box(a)) => {
                a.len() == low.len() && a.iter().zip(low).zip(high).all(|((a, l), h)| l <= a && a <= h)
            }
            _ => false,
        }
    }

    /// Draws an action uniformly; a Gaussian stands in where an element has no bound.
    ///
    /// Writes into `discrete` or `continuous`, whichever this space uses, [`Self::len`] numbers.
    pub fn sample(&self, generator: &mut Generator, discrete: &mut [i64], continuous: &mut [f32]) {
        match self {
            Self::Discrete { n } => discrete[0] = generator.random_range(0..*n as i64),
            Self::MultiDiscrete { n } => {
                for (a, &n) in discrete.iter_mut().zip(n) {
                    *a = generator.random_range(0..n as i64);
                }
            }
            Self::Box { low, high, .. } => {
                for ((a, &l), &h) in continuous.iter_mut().zip(low).zip(high) {
                    *a = if l.is_finite() && h.is_finite() {
                        generator.random_range(l..=h)
                    } else {
                        generator.sample::<f32, _>(rand_distr::StandardNormal).clamp(l, h)
                    };
                }
            }
        }
    }
}

impl std::fmt::Display for Space {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Discrete { n } => write!(f, "Discrete({n})"),
            Self::MultiDiscrete { n } => write!(f, "MultiDiscrete({n:?})"),
            Self::Box { shape, low, high, dtype } => {
                let least = low.iter().copied().fold(f32::INFINITY, f32::min);
                let most = high.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                write!(f, "Box({shape:?}, {least}..{most}, {dtype:?})")
            }
        }
    }
}
