//! Observations in the form in which the networks read them.

use std::ops::Range;

use phalanx_envs::Elements;

use crate::normalizer::FrozenNormalizer;

/// Inputs of the networks: normalised floats, or bytes that are scaled to fractions of their bounds.
///
/// Bytes stay bytes until a network reads them: a rollout of pictures takes a quarter of the memory.
#[derive(Default)]
pub struct Observations {
    floats: Vec<f32>,
    bytes: Vec<u8>,
}

impl Observations {
    /// Adds observations, all of one kind.
    pub fn add(&mut self, observations: Elements<'_>, normalizer: Option<&FrozenNormalizer>) {
        match observations {
            Elements::F32(x) => {
                let start = self.floats.len();
                self.floats.extend_from_slice(x);
                if let Some(normalizer) = normalizer {
                    normalizer.apply(&mut self.floats[start..]);
                }
            }
            Elements::U8(x) => self.bytes.extend_from_slice(x),
        }
    }

    /// Removes all.
    pub fn clear(&mut self) {
        self.floats.clear();
        self.bytes.clear();
    }

    /// All of them.
    pub fn elements(&self) -> Elements<'_> {
        if self.bytes.is_empty() { Elements::F32(&self.floats) } else { Elements::U8(&self.bytes) }
    }
}

/// How many numbers there are.
pub fn len(x: Elements<'_>) -> usize {
    match x {
        Elements::F32(x) => x.len(),
        Elements::U8(x) => x.len(),
    }
}

/// Some of the numbers.
pub fn part(x: Elements<'_>, range: Range<usize>) -> Elements<'_> {
    match x {
        Elements::F32(x) => Elements::F32(&x[range]),
        Elements::U8(x) => Elements::U8(&x[range]),
    }
}
