//! The rollout block: where observations, actions, rewards and episode ends of N rows and T steps live.
//!
//! One region of memory, time-major, shared with the workers when there are any. Slices of it follow the borrow rules and cover only the rows
//! and times that were asked for, as workers write to others meanwhile. Which process uses which rows is decided by the batch: a row is its
//! worker's from the begin of a step to its finish, the learner's otherwise.

use std::ops::Range;

use super::layout::Layout;
use super::memory::{Bytes, Memory, heap};
use super::step_view::StepView;
use crate::{Action, Dtype, Elements, Episode, Generator, Row};

/// The memory of a batch of environments. See the module's page for who writes what.
///
/// # Shapes
/// N rows, T steps, O numbers an observation, A numbers an action: `observation [T+1, N, O]`,
/// `final_observation [T, N, O]`, `action [T, N, A]`, `reward [T, N]`, `episode [T, N]`, `active [N]`.
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

    /// Marks every row as active.
    pub fn activate_all(&mut self) {
        let all = self.layout.active.times(0..1);
        self.bytes.get_mut::<u8>(all).fill(1);
    }

    /// Observations `[times, N, O]`.
    pub fn observations(&self, times: Range<usize>) -> Elements<'_> {
        self.elements(self.layout.observation.times(times))
    }

    /// Observations of time `t`, `[rows, O]`.
    pub fn observation_rows(&self, t: usize, rows: Range<usize>) -> Elements<'_> {
        self.elements(self.layout.observation.rows(t, rows))
    }

    /// The observation of `row` at time `t`, `[O]`.
    pub fn observation_row(&self, t: usize, row: usize) -> Elements<'_> {
        self.elements(self.layout.observation.row(t, row))
    }

    /// The final observation of the episode that ended at time `t`; holds nothing of use where none did.
    pub fn final_observation_row(&self, t: usize, row: usize) -> Elements<'_> {
        self.elements(self.layout.final_observation.row(t, row))
    }

    #[inline]
    fn elements(&self, bytes: Range<usize>) -> Elements<'_> {
        match self.layout.dtype() {
            Dtype::F32 => Elements::F32(self.bytes.get(bytes)),
            Dtype::U8 => Elements::U8(self.bytes.get(bytes)),
        }
    }

    /// The observation of `row` at time `t`, to be written.
    pub fn observation_row_mut(&mut self, t: usize, row: usize) -> Row<'_> {
        let bytes = self.layout.observation.row(t, row);
        Row::of(self.layout.dtype(), self.bytes.get_mut(bytes))
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
            layout.action.rows(t, rows.clone()),
            layout.reward.rows(t, rows.clone()),
            layout.episode.rows(t, rows.clone()),
            layout.active.rows(0, rows.clone()),
        ]);
        let [observation, final_observation, action, reward, episode, active] = parts;
        StepView {
            space: &layout.action_space,
            first: rows.start,
            observation_len: layout.observation.item_bytes() / layout.dtype().size(),
            action_len: layout.action.item_bytes() / layout.action_size(),
            active,
            action: layout.stored_action(action),
            observation: Row::of(layout.dtype(), observation),
            final_observation: Row::of(layout.dtype(), final_observation),
            reward: bytemuck::cast_slice_mut(reward),
            episode,
        }
    }

    /// The action of `row` at time `t`.
    pub fn action(&self, t: usize, row: usize) -> Action<'_> {
        let bytes = self.bytes.get(self.layout.action.row(t, row));
        self.layout.stored_action(bytes).of_space(&self.layout.action_space)
    }

    /// The action of the transition at index t·N + row as the numbers it was written with: choices as
    /// [`Action::MultiDiscrete`], even a single one.
    #[inline]
    pub fn recorded_action(&self, index: usize) -> Action<'_> {
        self.layout.stored_action(self.bytes.get(self.layout.action.items(index..index + 1)))
    }

    /// Actions of `rows` at time `t` as choices `[rows, A]`, to be written.
    ///
    /// # Panics
    /// When actions are continuous, too.
    pub fn discrete_actions_mut(&mut self, t: usize, rows: Range<usize>) -> &mut [i64] {
        assert!(self.layout.is_discrete(), "actions are continuous");
        self.bytes.get_mut(self.layout.action.rows(t, rows))
    }

    /// Actions of `rows` at time `t` as numbers `[rows, A]`, to be written.
    ///
    /// # Panics
    /// When actions are discrete, too.
    pub fn continuous_actions_mut(&mut self, t: usize, rows: Range<usize>) -> &mut [f32] {
        assert!(!self.layout.is_discrete(), "actions are discrete");
        self.bytes.get_mut(self.layout.action.rows(t, rows))
    }

    /// Draws the action of `row` at time `t`, as [`Space::sample`](crate::Space::sample) does.
    pub fn sample_action(&mut self, t: usize, row: usize, generator: &mut Generator) {
        let Self { layout, bytes } = self;
        let (space, action) = (&layout.action_space, layout.action.row(t, row));
        if layout.is_discrete() {
            space.sample(generator, bytes.get_mut(action), &mut []);
        } else {
            space.sample(generator, &mut [], bytes.get_mut(action));
        }
    }

    /// Writes what the step of time `t` brought `row`.
    pub fn set_outcome(&mut self, t: usize, row: usize, reward: f32, episode: Episode) {
        self.bytes.get_mut(self.layout.reward.row(t, row))[0] = reward;
        self.bytes.get_mut(self.layout.episode.row(t, row))[0] = episode as u8;
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
