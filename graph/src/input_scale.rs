//! How observations become the numbers that networks read.

use alloc::vec::Vec;

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
