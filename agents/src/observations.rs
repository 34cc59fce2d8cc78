//! Observations in the form in which the networks read them.

use std::ops::Range;

use phalanx_envs::Elements;

use crate::normalizer::FrozenNormalizer;

/// Inputs of the networks: for each one normalised floats, or bytes that are scaled to fractions of their bounds.
///
/// Bytes stay bytes until a network reads them: a rollout of pictures takes a quarter of the memory.
#[derive(Default)]
pub struct Observations {
    inputs: Vec<Numbers>,
}

#[derive(Default)]
struct Numbers {
    floats: Vec<f32>,
    bytes: Vec<u8>,
}

impl Observations {
    /// Adds observations to the input of this index, all of one kind.
    pub fn add(&mut self, input: usize, observations: Elements<'_>, normalizer: Option<&FrozenNormalizer>) {
        self.inputs.resize_with(self.inputs.len().max(input + 1), Numbers::default);
        let Numbers { floats, bytes } = &mut self.inputs[input];
        match observations {
            Elements::F32(x) => {
                let start = floats.len();
                floats.extend_from_slice(x);
                if let Some(normalizer) = normalizer {
                    normalizer.apply(&mut floats[start..]);
                }
            }
            // Normalised before they are rounded: deviations may be small beside the numbers.
            Elements::F64(x) => match normalizer {
                Some(normalizer) => normalizer.extend(x, floats),
                None => floats.extend(x.iter().map(|&x| x as f32)),
            },
            Elements::U8(x) => bytes.extend_from_slice(x),
            Elements::Fields { .. } => unreachable!("fields are read one by one"),
        }
    }

    /// Removes all.
    pub fn clear(&mut self) {
        for Numbers { floats, bytes } in &mut self.inputs {
            floats.clear();
            bytes.clear();
        }
    }

    /// Rows of the first input, which has `width` numbers a row.
    pub fn rows(&self, width: usize) -> usize {
        self.elements(0).len() / width
    }

    fn elements(&self, input: usize) -> Elements<'_> {
        let Numbers { floats, bytes } = &self.inputs[input];
        if bytes.is_empty() { Elements::F32(floats) } else { Elements::U8(bytes) }
    }
}

/// All inputs of some rows.
#[derive(Clone, Copy)]
pub enum Inputs<'a> {
    /// The only one, where it is.
    One(Elements<'a>),
    /// All of these.
    All(&'a Observations),
}

impl<'a> Inputs<'a> {
    /// The numbers of the input of this index.
    pub fn elements(self, input: usize) -> Elements<'a> {
        match self {
            Self::One(x) => x,
            Self::All(observations) => observations.elements(input),
        }
    }

    /// Some of the numbers of an input.
    pub fn part(self, input: usize, range: Range<usize>) -> Elements<'a> {
        match self.elements(input) {
            Elements::F32(x) => Elements::F32(&x[range]),
            Elements::U8(x) => Elements::U8(&x[range]),
            other => unreachable!("{other:?} are read as floats"),
        }
    }
}
