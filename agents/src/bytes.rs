//! How bytes become numbers for the networks: 0 at their lower bound, 1 at their upper one.

use phalanx_envs::{Dtype, Space};

/// `(byte − low) / range`: one scale for all elements, or one for each where their bounds differ.
#[derive(Debug, Clone, PartialEq)]
pub enum ByteScale {
    /// As for pixels, where `low` is 0 and `range` 255.
    All {
        /// The lower bound.
        low: f32,
        /// The upper bound less the lower one; 1 where they are the same.
        range: f32,
    },
    /// Both `[inputs]`.
    Each {
        /// Lower bounds.
        low: Vec<f32>,
        /// Upper bounds less the lower ones; 1 where they are the same.
        range: Vec<f32>,
    },
}

impl ByteScale {
    /// The scale of a space's bytes; of no use to other spaces.
    pub fn new(space: &Space) -> Self {
        if let Space::MultiBinary { .. } = space {
            return Self::All { low: 0.0, range: 1.0 };
        }
        let Space::Box { low, high, dtype: Dtype::U8, .. } = space else {
            return Self::All { low: 0.0, range: 255.0 };
        };
        let range: Vec<f32> =
            low.iter().zip(high).map(|(low, high)| if high > low { high - low } else { 1.0 }).collect();
        match (low.first(), range.first()) {
            (Some(&l), Some(&r)) if low.iter().all(|&x| x == l) && range.iter().all(|&x| x == r) => {
                Self::All { low: l, range: r }
            }
            _ => Self::Each { low: low.clone(), range },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(low: &[f32], high: &[f32]) -> ByteScale {
        let (low, high) = (low.to_vec(), high.to_vec());
        ByteScale::new(&Space::Box { shape: vec![low.len()], low, high, dtype: Dtype::U8 })
    }

    #[test]
    fn bytes_are_scaled_by_their_own_bounds() {
        assert_eq!(scale(&[0.0; 2], &[255.0; 2]), ByteScale::All { low: 0.0, range: 255.0 });
        assert_eq!(scale(&[1.0; 2], &[3.0; 2]), ByteScale::All { low: 1.0, range: 2.0 });
        let each = ByteScale::Each { low: vec![0.0, 5.0], range: vec![1.0, 1.0] };
        assert_eq!(scale(&[0.0, 5.0], &[1.0, 5.0]), each);
    }
}
