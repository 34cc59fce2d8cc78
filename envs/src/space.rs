//! The sets that observations and actions come from.

use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::{Action, Generator};

/// Most choices of an action, over all components: each has an output of the policy.
const MOST_CHOICES: usize = 1 << 20;

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

    /// Numbers in one element of this space.
    #[inline]
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

    /// Whether every element has a finite lower and upper bound.
    pub fn is_bounded(&self) -> bool {
        match self {
            Self::Box { low, high, .. } => low.iter().chain(high).all(|bound| bound.is_finite()),
            Self::Discrete { .. } | Self::MultiDiscrete { .. } => true,
        }
    }

    /// Lengths of the axes of one element; empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::Box { shape, .. } => shape,
            Self::Discrete { .. } | Self::MultiDiscrete { .. } => &[],
        }
    }

    /// Whether this space can be used at all: it has choices, or bounds in order and one for every element.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), SpaceError> {
        let wrong = |reason: String| Err(SpaceError::new("a batch", self, reason));
        match self {
            Self::Discrete { n: 0 } => wrong("there must be something to choose".to_owned()),
            Self::MultiDiscrete { n } if n.is_empty() || n.contains(&0) => {
                wrong("every component must have something to choose".to_owned())
            }
            Self::Discrete { n } if *n > MOST_CHOICES => {
                wrong(format!("at most {MOST_CHOICES} choices are possible"))
            }
            Self::MultiDiscrete { n } if n.iter().fold(0, |sum, &n| n.saturating_add(sum)) > MOST_CHOICES => {
                wrong(format!("at most {MOST_CHOICES} choices are possible in all"))
            }
            Self::Discrete { .. } | Self::MultiDiscrete { .. } => Ok(()),
            Self::Box { shape, low, high, .. } => {
                let len = shape.iter().try_fold(1_usize, |len, &axis| len.checked_mul(axis));
                if len.is_none_or(|len| len == 0 || [low.len(), high.len()] != [len; 2]) {
                    return wrong(format!(
                        "its shape needs as many bounds as it has elements, at least one; there are {} and {}",
                        low.len(),
                        high.len()
                    ));
                }
                match low.iter().zip(high).position(|(l, h)| l.is_nan() || h.is_nan() || l > h) {
                    Some(i) => wrong(format!("bounds of element {i} are {}..{}", low[i], high[i])),
                    None => Ok(()),
                }
            }
        }
    }

    /// Whether `action` is an element of this space.
    #[inline]
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
                    *a = if (h - l).is_finite() {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::generator;

    #[test]
    fn an_action_is_within_all_its_bounds_or_not_in_the_space() {
        let space = Space::boxed(&[-1.0, 0.0], &[1.0, f32::INFINITY]);
        assert!(space.contains(Action::Box(&[1.0, 1e30])));
        assert!(!space.contains(Action::Box(&[1.1, 0.0])));
        assert!(!space.contains(Action::Box(&[0.0, f32::NAN])));
        assert!(!space.contains(Action::Box(&[0.0])));
        assert!(!space.contains(Action::Discrete(0)));
        let space = Space::MultiDiscrete { n: vec![2, 3] };
        assert!(space.contains(Action::MultiDiscrete(&[1, 2])));
        assert!(!space.contains(Action::MultiDiscrete(&[2, 2])));
        assert!(!space.contains(Action::MultiDiscrete(&[-1, 2])));
        assert!(!Space::Discrete { n: 2 }.contains(Action::Discrete(2)));
        assert!(!Space::unbounded(1).is_bounded() && Space::boxed(&[-1.0], &[1.0]).is_bounded());
    }

    #[test]
    fn samples_are_in_the_space() {
        let mut generator = generator(3);
        let (mut discrete, mut continuous) = ([0; 2], [0.0; 2]);
        for _ in 0..200 {
            let space = Space::MultiDiscrete { n: vec![2, 3] };
            space.sample(&mut generator, &mut discrete, &mut continuous);
            assert!(space.contains(Action::MultiDiscrete(&discrete)));
            for space in [
                Space::boxed(&[-1.0, 0.0], &[1.0, f32::INFINITY]),
                Space::boxed(&[f32::MIN; 2], &[f32::MAX; 2]),
                Space::boxed(&[2.0; 2], &[2.0; 2]),
            ] {
                space.sample(&mut generator, &mut discrete, &mut continuous);
                assert!(space.contains(Action::Box(&continuous)), "{continuous:?} in {space}");
            }
        }
    }

    #[test]
    fn a_space_that_cannot_be_says_why() {
        let reason = |space: Space| space.check().unwrap_err().to_string();
        assert!(reason(Space::Discrete { n: 0 }).contains("something to choose"));
        assert!(reason(Space::MultiDiscrete { n: vec![2, 0] }).contains("something to choose"));
        assert!(reason(Space::boxed(&[0.0, 1.0], &[0.0, 0.5])).contains("element 1 are 1..0.5"));
        assert!(reason(Space::boxed(&[f32::NAN], &[0.0])).contains("element 0"));
        assert!(reason(Space::boxed(&[], &[])).contains("at least one"));
        let low = vec![0.0; 3];
        let torn = Space::Box { shape: vec![2, 2], low: low.clone(), high: low, dtype: Dtype::F32 };
        assert!(reason(torn).contains("there are 3 and 3"));
        let low = vec![0.0; 3];
        let vast = Space::Box { shape: vec![usize::MAX, 2], low: low.clone(), high: low, dtype: Dtype::F32 };
        assert!(vast.check().is_err());
        assert!(reason(Space::Discrete { n: 1 << 21 }).contains("1048576 choices are possible"));
        assert!(
            reason(Space::MultiDiscrete { n: vec![1 << 20, 1] })
                .contains("1048576 choices are possible in all")
        );
    }
}
