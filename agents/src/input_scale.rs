//! How observations become the numbers that networks read, for those who act without this crate.

use phalanx_graph::{Dtype, Input, len};

use crate::bytes::ByteScale;
use crate::normalizer::FrozenNormalizer;

/// How the elements of an input become the numbers that networks read.
#[derive(Debug, Clone, PartialEq)]
pub enum InputScale {
    /// As they are.
    Same,
    /// `(x − mean)·factor`, within ±`bound`.
    Normalize {
        /// `[len]`.
        mean: Vec<f32>,
        /// `[len]`.
        factor: Vec<f32>,
        /// In standard deviations.
        bound: f32,
    },
    /// `(x − low)/range`.
    Fraction {
        /// `[len]`.
        low: Vec<f32>,
        /// `[len]`.
        range: Vec<f32>,
    },
}

impl InputScale {
    pub(crate) fn new(input: &Input, statistics: Option<&FrozenNormalizer>, bytes: &ByteScale) -> Self {
        if let Some(statistics) = statistics {
            let (mean, factor, bound) = statistics.numbers();
            return Self::Normalize { mean: mean.to_vec(), factor: factor.to_vec(), bound };
        }
        match (input.dtype, bytes) {
            (Dtype::F32, _) => Self::Same,
            (Dtype::U8, ByteScale::All { low, range }) => {
                let all = |x: f32| vec![x; len(&input.dims)];
                Self::Fraction { low: all(*low), range: all(*range) }
            }
            (Dtype::U8, ByteScale::Each { low, range }) => {
                Self::Fraction { low: low.clone(), range: range.clone() }
            }
        }
    }
}
