//! The rollout block: where observations, actions, rewards and episode ends of N rows and T steps live.
//!
//! One region of memory, time-major, shared with the workers when there are any. Slices of it follow the borrow rules and cover only the rows
//! and times that were asked for, as workers write to others meanwhile. Which process uses which rows is decided by the batch: a row is its
//! worker's from the begin of a step to its finish, the learner's otherwise.

use std::ops::Range;

use bytemuck::{cast_slice, cast_slice_mut};

use super::layout::Layout;
use super::memory::{Bytes, Memory, heap};
use super::step_view::StepView;
use crate::{Action, ActionScaling, BatchError, Elements, Episode, FieldRows, Generator, Row};

/// The memory of a batch of environments. See the module's page for who writes what.
///
/// # Shapes
/// N rows, T steps, O numbers an observation; D choices and C numbers an action, either of which may be 0: `observation [T+1, N, O]`,
/// `final_observation [T, N, O]`, `choices [T, N, D]`, `numbers [T, N, C]`, `reward [T, N]`, `episode [T, N]`, `active [N]`. An observation
/// of several fields is one row of bytes, in which [`Layout::fields`] lie one after the other.
/// # Panics
/// Every method, when times or rows lie outside the block.
pub struct Block {
    layout: Layout,
    bytes: Bytes,
}

impl Block {
    /// A block in this process's own memory, all zero, all rows active.
    ///
    /// # Panics
    /// When memory runs out.
    pub fn local(layout: Layout) -> Self {
        let heap = heap(layout.bytes());
        let mut block = Self::shared(layout, Box::new(heap));
        block.activate_all();
        block
    }

    /// A block in memory that other processes use too; the one that makes it first calls [`Self::activate_all`].
    ///
    /// # Panics
    /// When the memory is too small or not aligned.
    pub fn shared(layout: Layout, memory: Box<dyn Memory>) -> Self {
        let bytes = Bytes::new(memory, layout.bytes());
        Self { layout, bytes }
    }

    /// Shape and places.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Sets the scaling of the numbers of actions.
    pub(super) fn set_action_scaling(&mut self, scaling: ActionScaling) -> Result<(), BatchError> {
        self.layout = self.layout.clone().with_action_scaling(scaling)?;
        Ok(())
    }

    /// Marks every row as active.
    pub fn activate_all(&mut self) {
        let all = self.layout.active.times(0..1);
        self.bytes.get_mut::<u8>(all).fill(1);
    }

    /// Observations of one field, `[times, N, O]`.
    ///
    /// # Panics
    /// When the observation space is a Dict or Tuple, too: see [`Self::observation_field`].
    pub fn observations(&self, times: Range<usize>) -> Elements<'_> {
        self.elements(self.layout.observation.times(times))
    }

    /// Observations of one field of time `t`, `[rows, O]`.
    ///
    /// # Panics
    /// As [`Self::observations`].
    pub fn observation_rows(&self, t: usize, rows: Range<usize>) -> Elements<'_> {
        self.elements(self.layout.observation.rows(t, rows))
    }

    /// The observation of `row` at time `t`, `[O]`.
    pub fn observation_row(&self, t: usize, row: usize) -> Elements<'_> {
        self.layout.fields.elements(self.bytes.get(self.layout.observation.row(t, row)))
    }

    /// The final observation of the episode that ended at time `t`; holds nothing of use where none did.
    pub fn final_observation_row(&self, t: usize, row: usize) -> Elements<'_> {
        self.layout.fields.elements(self.bytes.get(self.layout.final_observation.row(t, row)))
    }

    /// Field number `field` of the observations of some times, a row for each of `[times, N]`.
    ///
    /// # Panics
    /// When there is no such field, too.
    pub fn observation_field(&self, field: usize, times: Range<usize>) -> FieldRows<'_> {
        self.field_rows(field, self.layout.observation.times(times))
    }

    /// Field number `field` of the observations of `rows` at time `t`.
    ///
    /// # Panics
    /// When there is no such field, too.
    pub fn observation_field_rows(&self, field: usize, t: usize, rows: Range<usize>) -> FieldRows<'_> {
        self.field_rows(field, self.layout.observation.rows(t, rows))
    }

    /// As [`Self::observation_field`], of the final observations.
    ///
    /// # Panics
    /// When there is no such field, too.
    pub fn final_observation_field(&self, field: usize, times: Range<usize>) -> FieldRows<'_> {
        self.field_rows(field, self.layout.final_observation.times(times))
    }

    fn field_rows(&self, field: usize, bytes: Range<usize>) -> FieldRows<'_> {
        let layout = &self.layout;
        FieldRows::new(&layout.fields()[field], self.bytes.get(bytes), layout.observation_bytes())
    }

    #[inline]
    fn elements(&self, bytes: Range<usize>) -> Elements<'_> {
        let space = &self.layout.observation_space;
        assert!(!space.is_composite(), "observations of {space} are read field by field");
        self.layout.fields.elements(self.bytes.get(bytes))
    }

    /// The observation of `row` at time `t`, to be written.
    pub fn observation_row_mut(&mut self, t: usize, row: usize) -> Row<'_> {
        let bytes = self.layout.observation.row(t, row);
        self.layout.fields.row(self.bytes.get_mut(bytes))
    }

    /// Rewards `[times, N]`.
    pub fn rewards(&self, times: Range<usize>) -> &[f32] {
        self.bytes.get(self.layout.reward.times(times))
    }

    /// The reward of `row` at time `t`.
    pub fn reward(&self, t: usize, row: usize) -> f32 {
        self.bytes.get(self.layout.reward.row(t, row))[0]
    }

    /// How time `t` left the episode of `row`.
    pub fn episode(&self, t: usize, row: usize) -> Episode {
        Episode::from_byte(self.bytes.get(self.layout.episode.row(t, row))[0])
    }

    /// Whether `row` is stepped.
    pub fn active(&self, row: usize) -> bool {
        self.bytes.get::<u8>(self.layout.active.row(0, row))[0] != 0
    }

    /// Lets `row` be stepped or rest.
    pub fn set_active(&mut self, row: usize, active: bool) {
        self.bytes.get_mut(self.layout.active.row(0, row))[0] = u8::from(active);
    }

    /// What the step of time `t` reads and writes of `rows`.
    #[inline]
    pub fn step_view(&mut self, t: usize, rows: Range<usize>) -> StepView<'_> {
        let Self { layout, bytes } = self;
        let parts = bytes.get_disjoint_mut([
            layout.observation.rows(t + 1, rows.clone()),
            layout.final_observation.rows(t, rows.clone()),
            layout.choices.rows(t, rows.clone()),
            layout.numbers.rows(t, rows.clone()),
            layout.reward.rows(t, rows.clone()),
            layout.episode.rows(t, rows.clone()),
            layout.active.rows(0, rows.clone()),
        ]);
        let [observation, final_observation, choices, numbers, reward, episode, active] = parts;
        StepView {
            space: &layout.action_space,
            scale: &layout.action_scale,
            first: rows.start,
            observation_len: layout.observation_len(),
            choices_len: layout.choices.item_bytes() / size_of::<i64>(),
            numbers_len: layout.numbers.item_bytes() / size_of::<f32>(),
            active,
            choices: cast_slice(choices),
            numbers: cast_slice(numbers),
            observation: layout.fields.row(observation),
            final_observation: layout.fields.row(final_observation),
            reward: cast_slice_mut(reward),
            episode,
        }
    }

    /// The action of `row` at time `t`.
    pub fn action(&self, t: usize, row: usize) -> Action<'_> {
        let index = t * self.layout.rows + row;
        Action::of(&self.layout.action_space, self.choices(index), self.numbers(index))
    }

    /// The choices of the transition at index t·N + row, `[D]`: those of all leaves of the action space that are not boxes, in their order.
    #[inline]
    pub fn choices(&self, index: usize) -> &[i64] {
        self.bytes.get(self.layout.choices.items(index..index + 1))
    }

    /// The numbers of the transition at index t·N + row, `[C]`, as they were written: those of all boxes of the action space, in their order.
    #[inline]
    pub fn numbers(&self, index: usize) -> &[f32] {
        self.bytes.get(self.layout.numbers.items(index..index + 1))
    }

    /// Choices of the actions of `rows` at time `t`, `[rows, D]`, to be written.
    pub fn choices_mut(&mut self, t: usize, rows: Range<usize>) -> &mut [i64] {
        self.actions_mut(t, rows).0
    }

    /// Numbers of the actions of `rows` at time `t`, `[rows, C]`, to be written.
    pub fn numbers_mut(&mut self, t: usize, rows: Range<usize>) -> &mut [f32] {
        self.actions_mut(t, rows).1
    }

    /// Choices and numbers of the actions of `rows` at time `t`, `[rows, D]` and `[rows, C]`, to be written.
    pub fn actions_mut(&mut self, t: usize, rows: Range<usize>) -> (&mut [i64], &mut [f32]) {
        let parts = [self.layout.choices.rows(t, rows.clone()), self.layout.numbers.rows(t, rows)];
        let [choices, numbers] = self.bytes.get_disjoint_mut(parts);
        (cast_slice_mut(choices), cast_slice_mut(numbers))
    }

    /// Draws the action of `row` at time `t`, as [`Space::sample`](crate::Space::sample) does, of the options that are legal there.
    pub fn sample_action(&mut self, t: usize, row: usize, generator: &mut Generator) {
        let Self { layout, bytes } = self;
        let parts = [layout.observation.row(t, row), layout.choices.row(t, row), layout.numbers.row(t, row)];
        let [observation, choices, numbers] = bytes.get_disjoint_mut(parts);
        let (choices, numbers) = (cast_slice_mut(choices), cast_slice_mut(numbers));
        layout.action_space.sample_legal(generator, layout.fields.elements(observation), choices, numbers);
    }

    /// Writes what the step of time `t` brought `row`.
    pub fn set_outcome(&mut self, t: usize, row: usize, reward: f32, episode: Episode) {
        self.bytes.get_mut(self.layout.reward.row(t, row))[0] = reward;
        self.bytes.get_mut(self.layout.episode.row(t, row))[0] = episode as u8;
    }

    /// Appends the bytes of what the step of time `t` brought `rows`: observations after it, final observations, rewards and ends.
    pub fn outcomes(&self, t: usize, rows: Range<usize>, into: &mut Vec<u8>) {
        for part in self.outcome_parts(t, rows) {
            into.extend_from_slice(self.bytes.get(part));
        }
    }

    /// Takes the bytes of [`Self::outcomes`] of a block of the same layout, and returns those that follow them.
    pub fn set_outcomes<'b>(&mut self, t: usize, rows: Range<usize>, mut bytes: &'b [u8]) -> &'b [u8] {
        for part in self.outcome_parts(t, rows) {
            let (own, rest) = bytes.split_at(part.len());
            self.bytes.get_mut::<u8>(part).copy_from_slice(own);
            bytes = rest;
        }
        bytes
    }

    fn outcome_parts(&self, t: usize, rows: Range<usize>) -> [Range<usize>; 4] {
        let Layout { observation, final_observation, reward, episode, .. } = &self.layout;
        [
            observation.rows(t + 1, rows.clone()),
            final_observation.rows(t, rows.clone()),
            reward.rows(t, rows.clone()),
            episode.rows(t, rows),
        ]
    }

    /// Appends the bytes of all observations of time 0.
    pub fn first_observations(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(self.bytes.get(self.layout.observation.times(0..1)));
    }

    /// Takes the bytes of [`Self::first_observations`] of a block of the same layout.
    pub fn set_first_observations(&mut self, bytes: &[u8]) {
        let first = self.layout.observation.times(0..1);
        self.bytes.get_mut::<u8>(first).copy_from_slice(bytes);
    }

    /// Copies the observation of time `from` to the final observations of time `t`.
    pub fn keep_final_observation(&mut self, from: usize, t: usize, row: usize) {
        let Self { layout, bytes } = self;
        let rows = [layout.observation.row(from, row), layout.final_observation.row(t, row)];
        let [from, to] = bytes.get_disjoint_mut(rows);
        to.copy_from_slice(from);
    }

    /// Makes the last observations the first ones of the next rollout: `observation[0] = observation[t]`.
    pub fn carry_over(&mut self, t: usize) {
        self.carry_over_rows(t, 0..self.layout.rows);
    }

    /// As [`Self::carry_over`], of some rows.
    pub fn carry_over_rows(&mut self, t: usize, rows: Range<usize>) {
        let part = &self.layout.observation;
        let (first, last) = (part.rows(0, rows.clone()), part.rows(t, rows));
        if t > 0 {
            let [first, last] = self.bytes.get_disjoint_mut([first, last]);
            first.copy_from_slice(last);
        }
    }
}
