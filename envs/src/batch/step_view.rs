//! What the step of some rows at one time reads and writes, borrowed from the block once for all of them.

use std::ops::Range;

use crate::{Action, ActionScale, Episode, Row, Space};

/// Rows of a block at the step of one time. Rows have the numbers that they have in the batch.
pub struct StepView<'a> {
    pub(super) space: &'a Space,
    pub(super) scale: &'a ActionScale,
    /// Number of the first row.
    pub(super) first: usize,
    /// Numbers in an observation, bytes in one of several fields.
    pub(super) observation_len: usize,
    /// Choices and numbers in an action.
    pub(super) choices_len: usize,
    pub(super) numbers_len: usize,
    /// Whether the rows are stepped, `[rows]`.
    pub(super) active: &'a [u8],
    /// Choices of the actions, `[rows, D]`.
    pub(super) choices: &'a [i64],
    /// Numbers of the actions, `[rows, C]`.
    pub(super) numbers: &'a [f32],
    /// Observations after the step, `[rows, O]`.
    pub(super) observation: Row<'a>,
    /// `[rows, O]`.
    pub(super) final_observation: Row<'a>,
    /// `[rows]`.
    pub(super) reward: &'a mut [f32],
    /// `[rows]`.
    pub(super) episode: &'a mut [u8],
}

impl<'a> StepView<'a> {
    /// Space of the actions.
    #[inline]
    pub fn action_space(&self) -> &'a Space {
        self.space
    }

    /// What becomes of the numbers of actions.
    #[inline]
    pub fn action_scale(&self) -> &'a ActionScale {
        self.scale
    }

    /// Whether `row` is stepped.
    #[inline]
    pub fn active(&self, row: usize) -> bool {
        self.active[row - self.first] != 0
    }

    /// The action that `row` takes.
    #[inline]
    pub fn action(&self, row: usize) -> Action<'a> {
        let choices = &self.choices[self.place(row, self.choices_len)];
        let numbers = &self.numbers[self.place(row, self.numbers_len)];
        Action::of(self.space, choices, numbers)
    }

    /// How the step has left the episode of `row`.
    #[inline]
    pub fn episode(&self, row: usize) -> Episode {
        Episode::from_byte(self.episode[row - self.first])
    }

    /// Where the observation after the step goes.
    #[inline]
    pub fn observation(&mut self, row: usize) -> Row<'_> {
        let numbers = self.place(row, self.observation_len);
        self.observation.part(numbers)
    }

    /// Writes what the step brought.
    #[inline]
    pub fn set_outcome(&mut self, row: usize, reward: f32, episode: Episode) {
        self.reward[row - self.first] = reward;
        self.episode[row - self.first] = episode as u8;
    }

    /// Copies the observation after the step to the final observations.
    pub fn keep_final_observation(&mut self, row: usize) {
        let numbers = self.place(row, self.observation_len);
        self.final_observation.part(numbers.clone()).copy_from(self.observation.part(numbers).into());
    }

    /// Where the numbers of `row` are, of which each row has `len`.
    #[inline]
    fn place(&self, row: usize, len: usize) -> Range<usize> {
        let first = (row - self.first) * len;
        first..first + len
    }
}
