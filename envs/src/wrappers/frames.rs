//! Observations that a wrapper keeps.

use crate::{Dtype, Row, Space, SpaceError};

/// Observations of either element type, one after the other.
pub struct Frames {
    numbers: Numbers,
    pub count: usize,
    len: usize,
}

enum Numbers {
    F32(Vec<f32>),
    U8(Vec<u8>),
}

impl Frames {
    /// `count` observations of a box of f32 or bytes, which `wrapper` requires.
    pub fn new(space: &Space, count: usize, wrapper: &str) -> Result<Self, SpaceError> {
        let len = space.len();
        let numbers = match space {
            Space::Box { dtype: Dtype::F32, .. } => Numbers::F32(vec![0.0; count * len]),
            Space::Box { dtype: Dtype::U8, .. } => Numbers::U8(vec![0; count * len]),
            _ => {
                let reason = "a box of f32 or bytes is needed, which the wrappers `select` and `flatten` make of several fields";
                return Err(SpaceError::new(wrapper, space, reason));
            }
        };
        Ok(Self { numbers, count, len })
    }

    /// One of them, to be written.
    pub fn row(&mut self, frame: usize) -> Row<'_> {
        let range = frame * self.len..(frame + 1) * self.len;
        match &mut self.numbers {
            Numbers::F32(numbers) => Row::F32(&mut numbers[range]),
            Numbers::U8(numbers) => Row::U8(&mut numbers[range]),
        }
    }

    /// Makes all of them the first one.
    pub fn repeat_first(&mut self) {
        for frame in 1..self.count {
            match &mut self.numbers {
                Numbers::F32(numbers) => numbers.copy_within(..self.len, frame * self.len),
                Numbers::U8(numbers) => numbers.copy_within(..self.len, frame * self.len),
            }
        }
    }

    /// Copies a frame to the `place`th of a row.
    pub fn copy(&self, frame: usize, place: usize, row: &mut Row<'_>) {
        let from = frame * self.len..(frame + 1) * self.len;
        let to = place * self.len..(place + 1) * self.len;
        match (&self.numbers, row) {
            (Numbers::F32(numbers), Row::F32(row)) => row[to].copy_from_slice(&numbers[from]),
            (Numbers::U8(numbers), Row::U8(row)) => row[to].copy_from_slice(&numbers[from]),
            _ => other_elements(),
        }
    }

    /// Makes each element of `row` the larger of its own and the first frame's.
    pub fn maximum(&self, row: &mut Row<'_>) {
        match (&self.numbers, row) {
            (Numbers::F32(numbers), Row::F32(row)) => {
                row.iter_mut().zip(numbers).for_each(|(shown, kept)| *shown = shown.max(*kept));
            }
            (Numbers::U8(numbers), Row::U8(row)) => {
                row.iter_mut().zip(numbers).for_each(|(shown, kept)| *shown = (*shown).max(*kept));
            }
            _ => other_elements(),
        }
    }

    /// Keeps `row` as the first frame.
    pub fn keep(&mut self, row: &Row<'_>) {
        match (&mut self.numbers, row) {
            (Numbers::F32(numbers), Row::F32(row)) => numbers[..row.len()].copy_from_slice(row),
            (Numbers::U8(numbers), Row::U8(row)) => numbers[..row.len()].copy_from_slice(row),
            _ => other_elements(),
        }
    }
}

fn other_elements() -> ! {
    panic!("the row's elements are not those of the observation space")
}
