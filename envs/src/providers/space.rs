//! Spaces as other languages describe them: the same numbers in the C interface and in the protocol.

use crate::{Dtype, Space, SpaceError};

/// Most numbers in one element of a space: a gigabyte of floats.
const MOST: usize = 1 << 28;

/// Dicts and Tuples may lie within each other so deep.
pub const DEEPEST: usize = 16;

/// A space as described, not believed yet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Described {
    /// 0 Discrete, 1 `MultiDiscrete`, 2 Box of f32, 3 Box of bytes, 4 `MultiBinary`, 5 Box of f64, 6 Dict, 7 Tuple.
    pub kind: i64,
    /// Numbers of choices or bits, or lengths of axes.
    pub sizes: Vec<u32>,
    /// Lower bounds of a box: one for each element, one for all, or none.
    pub low: Vec<f32>,
    /// Upper bounds, as many.
    pub high: Vec<f32>,
    /// The parts of a Dict with their names, those of a Tuple without.
    pub parts: Vec<(String, Described)>,
}

impl Described {
    /// Whether a space of this kind has parts, and whether they have names.
    pub fn has_parts(kind: i64) -> Option<bool> {
        match kind {
            6 => Some(true),
            7 => Some(false),
            _ => None,
        }
    }

    /// The space of observations; or what is wrong with the description.
    pub fn observation(self) -> Result<Space, String> {
        let space = self.space()?;
        match space.check() {
            Ok(()) => Ok(space),
            Err(SpaceError { space, reason, .. }) => Err(format!("{space}: {reason}")),
        }
    }

    /// The space of actions, whose boxes have f32; or what is wrong with the description.
    pub fn action(self) -> Result<Space, String> {
        let space = self.observation()?;
        let leaves = space.leaves();
        let other =
            leaves.iter().find(|(_, leaf)| matches!(leaf, Space::Box { dtype: Dtype::U8 | Dtype::F64, .. }));
        match other {
            Some((_, leaf)) => Err(format!("it is {leaf}; a box must have floats of 32 bits")),
            None => Ok(space),
        }
    }

    fn space(self) -> Result<Space, String> {
        let sizes: Vec<usize> = self.sizes.iter().map(|&size| size as usize).collect();
        Ok(match (self.kind, sizes.as_slice()) {
            (0, &[n]) => Space::Discrete { n },
            (0, _) => return Err(format!("Discrete has one size, not {}", sizes.len())),
            (1, _) => Space::MultiDiscrete { n: sizes },
            (2, _) => self.boxed(sizes, Dtype::F32, f32::NEG_INFINITY, f32::INFINITY)?,
            (3, _) => self.boxed(sizes, Dtype::U8, 0.0, 255.0)?,
            (4, &[n]) => Space::MultiBinary { n },
            (4, _) => return Err(format!("MultiBinary has one size, not {}", sizes.len())),
            (5, _) => self.boxed(sizes, Dtype::F64, f32::NEG_INFINITY, f32::INFINITY)?,
            (6, _) => {
                let parts = self.parts.into_iter().map(|(name, part)| Ok((name, part.space()?)));
                Space::Dict(parts.collect::<Result<_, String>>()?)
            }
            (7, _) => {
                Space::Tuple(self.parts.into_iter().map(|(_, part)| part.space()).collect::<Result<_, _>>()?)
            }
            (kind, _) => return Err(format!("its kind is {kind}; 0 to 7 are known")),
        })
    }

    fn boxed(self, shape: Vec<usize>, dtype: Dtype, least: f32, most: f32) -> Result<Space, String> {
        let len = shape.iter().try_fold(1_usize, |len, &axis| len.checked_mul(axis));
        let Some(len) = len.filter(|&len| len <= MOST) else {
            return Err(format!("a box of shape {shape:?} has more than {MOST} elements"));
        };
        let (low, high) = (spread(self.low, len, least), spread(self.high, len, most));
        Ok(Space::Box { shape, low, high, dtype })
    }
}

/// The sentence about the space of `what`, which cannot be.
pub fn none(what: &str, reason: &str) -> String {
    format!("the {what} space is invalid: {reason}")
}

/// A bound for every element, from one for each, one for all, or none.
fn spread(bounds: Vec<f32>, len: usize, unbounded: f32) -> Vec<f32> {
    match bounds[..] {
        [] => vec![unbounded; len],
        [bound] => vec![bound; len],
        _ => bounds,
    }
}
