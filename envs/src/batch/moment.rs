//! One time of a block: what a step reads and writes, as addresses that are worked out once for all rows.
#![allow(unsafe_code)]
#![allow(clippy::cast_ptr_alignment)] // every part of a block begins at a cache line

use std::slice;

use crate::{Action, Dtype, Episode, Row, Space};

/// The rows of a block at the step of one time. See [`Block`](crate::Block) for shapes, and for who writes what.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    pub(super) space: &'a Space,
    pub(super) dtype: Dtype,
    pub(super) rows: usize,
    pub(super) observation_len: usize,
    pub(super) action_len: usize,
    /// First row of each part: of the observation after the step, of everything else at its time.
    pub(super) observation: *mut u8,
    pub(super) final_observation: *mut u8,
    pub(super) action: *mut u8,
    pub(super) reward: *mut f32,
    pub(super) episode: *mut u8,
    pub(super) active: *mut u8,
}

impl<'a> Moment<'a> {
    /// Space of the actions.
    #[inline]
    pub fn action_space(&self) -> &'a Space {
        self.space
    }

    #[inline]
    fn check(&self, row: usize) {
        assert!(row < self.rows, "row {row} lies outside the block");
    }

    /// Whether `row` is stepped.
    #[inline]
    pub fn active(&self, row: usize) -> bool {
        self.check(row);
        // SAFETY: within the part, as checked.
        unsafe { *self.active.add(row) != 0 }
    }

    /// The action that `row` takes.
    #[inline]
    pub fn action(&self, row: usize) -> Action<'a> {
        self.check(row);
        let len = self.action_len;
        // SAFETY: within the part, as checked; the learner has written it before the step.
        unsafe {
            match self.space {
                Space::Discrete { .. } => Action::Discrete(*self.action.cast::<i64>().add(row) as usize),
                Space::MultiDiscrete { .. } => Action::MultiDiscrete(slice::from_raw_parts(
                    self.action.cast::<i64>().add(row * len),
                    len,
                )),
                Space::Box { .. } => {
                    Action::Box(slice::from_raw_parts(self.action.cast::<f32>().add(row * len), len))
                }
            }
        }
    }

    /// Where the observation after the step goes.
    #[inline]
    pub fn observation(&self, row: usize) -> Row<'a> {
        self.check(row);
        let (first, len) = (row * self.observation_len, self.observation_len);
        // SAFETY: within the part, as checked; the row has one writer at a time.
        unsafe {
            match self.dtype {
                Dtype::F32 => {
                    Row::F32(slice::from_raw_parts_mut(self.observation.cast::<f32>().add(first), len))
                }
                Dtype::U8 => Row::U8(slice::from_raw_parts_mut(self.observation.add(first), len)),
            }
        }
    }

    /// Writes what the step brought.
    #[inline]
    pub fn set_outcome(&self, row: usize, reward: f32, episode: Episode) {
        self.check(row);
        // SAFETY: within the parts, as checked; the row has one writer at a time.
        unsafe {
            *self.reward.add(row) = reward;
            *self.episode.add(row) = episode as u8;
        }
    }

    /// Copies the observation after the step to the final observations.
    pub fn keep_final_observation(&self, row: usize) {
        self.check(row);
        let bytes = self.observation_len * self.dtype.size();
        let first = row * bytes;
        // SAFETY: both rows lie within their parts, as checked, and these do not overlap.
        unsafe {
            self.observation.add(first).copy_to_nonoverlapping(self.final_observation.add(first), bytes);
        }
    }
}
