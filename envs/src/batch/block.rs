//! The rollout block: where observations, actions, rewards and episode ends of N rows and T steps live.
//!
//! One region of memory, time-major, shared with the workers when there are any. All numbers are aligned and every
//! bit pattern of them is a value, so that reading what another process wrote can be wrong but never undefined.
//! Who may write what is decided by the batch: a row is its worker's from `step(t)`'s ring until its answer, the
//! learner's otherwise.
#![allow(unsafe_code)]

use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;

use super::layout::{LINE, Layout};
use super::memory::{Heap, Memory};
use super::moment::Moment;
use crate::{Action, Dtype, Elements, Episode, Row, Space};

/// The memory of a batch of environments. See the module's page for who writes what.
///
/// # Shapes
/// N rows, T steps, O numbers an observation, A numbers an action: `observation [T+1, N, O]`,
/// `final_observation [T, N, O]`, `action [T, N, A]`, `reward [T, N]`, `episode [T, N]`, `active [N]`.
pub struct Block {
    layout: Layout,
    /// Keeps the bytes alive.
    _memory: Arc<dyn Memory>,
    /// First byte of the memory, which does not move.
    base: NonNull<u8>,
    /// Numbers in an observation and in an action, which the spaces would have to count anew.
    observation_len: usize,
    action_len: usize,
}

// SAFETY: `base` points into `_memory`, which may itself move between threads and be shared by them.
unsafe impl Send for Block {}

// SAFETY: as above; who may touch which row is on the module's page.
unsafe impl Sync for Block {}

impl Block {
    /// A block in this process's own memory, all zero, all rows active.
    ///
    /// # Panics
    /// When memory runs out.
    pub fn local(layout: Layout) -> Self {
        let heap = Heap::new(layout.bytes());
        let block = Self::shared(layout, Arc::new(heap));
        block.activate_all();
        block
    }

    /// A block in memory that others see too; whoever makes it first calls [`Self::activate_all`].
    ///
    /// # Panics
    /// When the memory is not aligned.
    pub fn shared(layout: Layout, memory: Arc<dyn Memory>) -> Self {
        let base = memory.base();
        assert!(base.as_ptr().addr().is_multiple_of(LINE), "a block is aligned to {LINE}");
        let (observation_len, action_len) = (layout.observation_space.len(), layout.action_space.len());
        Self { layout, _memory: memory, base, observation_len, action_len }
    }

    /// Shape and places.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Marks every row as active.
    pub fn activate_all(&self) {
        (0..self.layout.rows).for_each(|row| self.set_active(row, true));
    }

    #[inline]
    fn at<T>(&self, part: usize, index: usize) -> *mut T {
        let offset = part + index * size_of::<T>();
        debug_assert!(offset + size_of::<T>() <= self.layout.bytes().max(LINE));
        // SAFETY: every part lies within the memory; callers keep indices within their part.
        unsafe { self.base.as_ptr().add(offset).cast() }
    }

    #[inline]
    fn check(&self, t: usize, last: usize, row: usize) {
        assert!(t <= last && row < self.layout.rows, "time {t} or row {row} lies outside the block");
    }

    /// Observations `[times, N, O]`.
    ///
    /// # Panics
    /// When the times lie outside the block.
    pub fn observations(&self, times: Range<usize>) -> Elements<'_> {
        assert!(times.start <= times.end && times.end <= self.layout.steps + 1, "times {times:?}");
        let rows = self.layout.rows;
        self.observations_at(times.start * rows..times.end * rows)
    }

    /// Observations of time `t`, `[rows, O]`.
    ///
    /// # Panics
    /// When time or rows lie outside the block.
    pub fn observation_rows(&self, t: usize, rows: Range<usize>) -> Elements<'_> {
        self.check(t, self.layout.steps, 0);
        let last = self.layout.rows;
        assert!(rows.start <= rows.end && rows.end <= last, "rows {rows:?} lie outside the block");
        let first = t * self.layout.rows;
        self.observations_at(first + rows.start..first + rows.end)
    }

    /// Observations number `range`, counted from time 0 on, row after row; within the block.
    fn observations_at(&self, range: Range<usize>) -> Elements<'_> {
        let (start, len) = (range.start * self.observation_len, range.len() * self.observation_len);
        // SAFETY: within the memory, and these rows are not being stepped while the learner reads.
        unsafe {
            match self.layout.dtype() {
                Dtype::F32 => {
                    Elements::F32(std::slice::from_raw_parts(self.at(self.layout.observation, start), len))
                }
                Dtype::U8 => {
                    Elements::U8(std::slice::from_raw_parts(self.at(self.layout.observation, start), len))
                }
            }
        }
    }

    /// `reward [T, N]`.
    pub fn reward(&self) -> &[f32] {
        // SAFETY: within the memory, and no row is being stepped while the learner reads.
        unsafe {
            std::slice::from_raw_parts(self.at(self.layout.reward, 0), self.layout.steps * self.layout.rows)
        }
    }

    /// How time `t` left the episode of `row`.
    pub fn episode(&self, t: usize, row: usize) -> Episode {
        self.check(t + 1, self.layout.steps, row);
        // SAFETY: checked above; any byte is a value.
        Episode::from_byte(unsafe { *self.at::<u8>(self.layout.episode, t * self.layout.rows + row) })
    }

    /// Whether `row` is stepped.
    #[inline]
    pub fn active(&self, row: usize) -> bool {
        self.check(0, 0, row);
        // SAFETY: checked above.
        unsafe { *self.at::<u8>(self.layout.active, row) != 0 }
    }

    /// Lets `row` be stepped or rest.
    pub fn set_active(&self, row: usize, active: bool) {
        self.check(0, 0, row);
        // SAFETY: checked above; the learner alone writes it, between steps.
        unsafe { *self.at::<u8>(self.layout.active, row) = u8::from(active) }
    }

    #[inline]
    fn row_at(&self, part: usize, t: usize, row: usize) -> Row<'_> {
        let len = self.observation_len;
        let index = (t * self.layout.rows + row) * len;
        // SAFETY: callers check t and row; the row has one writer at a time (module's page).
        unsafe {
            match self.layout.dtype() {
                Dtype::F32 => Row::F32(std::slice::from_raw_parts_mut(self.at(part, index), len)),
                Dtype::U8 => Row::U8(std::slice::from_raw_parts_mut(self.at(part, index), len)),
            }
        }
    }

    /// The row of observations at time `t`, to be written by whom the row belongs to.
    #[inline]
    pub fn observation_row(&self, t: usize, row: usize) -> Row<'_> {
        self.check(t, self.layout.steps, row);
        self.row_at(self.layout.observation, t, row)
    }

    /// The final observation of the episode that ended at time `t`; holds nothing of use where none did.
    pub fn final_observation_row(&self, t: usize, row: usize) -> Row<'_> {
        self.check(t + 1, self.layout.steps, row);
        self.row_at(self.layout.final_observation, t, row)
    }

    /// What the step of time `t` reads and writes, row by row.
    ///
    /// # Panics
    /// When the time lies outside the block.
    #[inline]
    pub fn moment(&self, t: usize) -> Moment<'_> {
        self.check(t + 1, self.layout.steps, 0);
        let (first, layout) = (t * self.layout.rows, &self.layout);
        let observation_bytes = self.observation_len * layout.dtype().size();
        let after = (first + layout.rows) * observation_bytes;
        Moment {
            space: &layout.action_space,
            dtype: layout.dtype(),
            rows: layout.rows,
            observation_len: self.observation_len,
            action_len: self.action_len,
            observation: self.at(layout.observation + after, 0),
            final_observation: self.at(layout.final_observation + first * observation_bytes, 0),
            action: self.at(layout.action + first * self.action_len * layout.action_size(), 0),
            reward: self.at(layout.reward, first),
            episode: self.at(layout.episode, first),
            active: self.at(layout.active, 0),
        }
    }

    /// The action of time `t`.
    pub fn action(&self, t: usize, row: usize) -> Action<'_> {
        self.check(t + 1, self.layout.steps, row);
        let len = self.action_len;
        let index = (t * self.layout.rows + row) * len;
        // SAFETY: checked above; the learner has written it before the step.
        unsafe {
            match &self.layout.action_space {
                Space::Discrete { .. } => {
                    Action::Discrete(*self.at::<i64>(self.layout.action, index) as usize)
                }
                Space::MultiDiscrete { .. } => {
                    Action::MultiDiscrete(std::slice::from_raw_parts(self.at(self.layout.action, index), len))
                }
                Space::Box { .. } => {
                    Action::Box(std::slice::from_raw_parts(self.at(self.layout.action, index), len))
                }
            }
        }
    }

    /// The action of the transition at index t·N + row as the numbers it was written with: choices as
    /// [`Action::MultiDiscrete`], even a single one.
    ///
    /// # Panics
    /// When the transition lies outside the block.
    pub fn recorded_action(&self, index: usize) -> Action<'_> {
        assert!(index < self.layout.steps * self.layout.rows, "transition {index} lies outside the block");
        let len = self.action_len;
        // SAFETY: checked above; the learner alone writes actions.
        unsafe {
            if self.layout.is_discrete() {
                Action::MultiDiscrete(std::slice::from_raw_parts(
                    self.at(self.layout.action, index * len),
                    len,
                ))
            } else {
                Action::Box(std::slice::from_raw_parts(self.at(self.layout.action, index * len), len))
            }
        }
    }

    /// All actions of time `t` as choices `[N, A]`.
    ///
    /// # Panics
    /// When actions are continuous or `t` lies outside the block.
    #[allow(clippy::mut_from_ref)] // shared memory: the learner is its only writer
    pub fn discrete_actions(&self, t: usize) -> &mut [i64] {
        assert!(self.layout.is_discrete(), "actions are continuous");
        self.actions(t)
    }

    /// All actions of time `t` as numbers `[N, A]`.
    ///
    /// # Panics
    /// When actions are discrete or `t` lies outside the block.
    #[allow(clippy::mut_from_ref)] // shared memory: the learner is its only writer
    pub fn continuous_actions(&self, t: usize) -> &mut [f32] {
        assert!(!self.layout.is_discrete(), "actions are discrete");
        self.actions(t)
    }

    #[allow(clippy::mut_from_ref)]
    fn actions<T>(&self, t: usize) -> &mut [T] {
        self.check(t + 1, self.layout.steps, 0);
        let len = self.layout.rows * self.action_len;
        // SAFETY: checked above; the learner alone writes actions, and those of a row before it is stepped.
        unsafe { std::slice::from_raw_parts_mut(self.at(self.layout.action, t * len), len) }
    }

    /// Writes what a step brought.
    #[inline]
    pub fn set_outcome(&self, t: usize, row: usize, reward: f32, episode: Episode) {
        self.check(t + 1, self.layout.steps, row);
        let index = t * self.layout.rows + row;
        // SAFETY: checked above; the row has one writer at a time.
        unsafe {
            *self.at(self.layout.reward, index) = reward;
            *self.at(self.layout.episode, index) = episode as u8;
        }
    }

    /// Copies the observation of time `from` to the final observations of time `t`.
    #[inline]
    pub fn keep_final_observation(&self, from: usize, t: usize, row: usize) {
        self.check(t + 1, self.layout.steps, row);
        self.check(from, self.layout.steps, row);
        let bytes = self.observation_len * self.layout.dtype().size();
        let n = self.layout.rows;
        // SAFETY: both rows lie within their parts, which do not overlap.
        unsafe {
            std::ptr::copy_nonoverlapping(
                self.at::<u8>(self.layout.observation, (from * n + row) * bytes),
                self.at::<u8>(self.layout.final_observation, (t * n + row) * bytes),
                bytes,
            );
        }
    }

    /// Makes the last observations the first ones of the next rollout: `observation[0] = observation[t]`.
    pub fn carry_over(&self, t: usize) {
        self.check(t, self.layout.steps, 0);
        let bytes = self.layout.rows * self.observation_len * self.layout.dtype().size();
        let first = self.at::<u8>(self.layout.observation, 0);
        // SAFETY: both lie within the observations; `copy` allows t = 0.
        unsafe { std::ptr::copy(first.add(t * bytes), first, bytes) }
    }
}
