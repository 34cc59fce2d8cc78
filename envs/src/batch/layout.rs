//! Shape of a block: where each part of it lies.

use std::ops::Range;

use bytemuck::cast_slice;
use serde::{Deserialize, Serialize};

use crate::{Action, BatchError, Dtype, Space, SpaceError, check_memory};

/// Alignment of every part of a block: a cache line.
pub(super) const LINE: usize = 64;

/// Where an array `[times, rows, item]` of a block lies.
///
/// Its methods return bytes of the block, and panic when what is asked for is not in the array.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Part {
    start: usize,
    times: usize,
    rows: usize,
    item_bytes: usize,
}

impl Part {
    /// Items number `items`, counted row after row and time after time.
    #[inline]
    pub fn items(&self, items: Range<usize>) -> Range<usize> {
        let Self { start, times, rows, item_bytes } = self;
        assert!(
            items.start <= items.end && items.end <= times * rows,
            "items {items:?} lie outside the block of {times} times and {rows} rows"
        );
        start + items.start * item_bytes..start + items.end * item_bytes
    }

    /// Rows of time `t`.
    #[inline]
    pub fn rows(&self, t: usize, rows: Range<usize>) -> Range<usize> {
        assert!(
            t < self.times && rows.end <= self.rows,
            "time {t} or rows {rows:?} lie outside the block of {} times and {} rows",
            self.times,
            self.rows
        );
        let first = t * self.rows;
        self.items(first + rows.start..first + rows.end)
    }

    /// One row of time `t`.
    #[inline]
    pub fn row(&self, t: usize, row: usize) -> Range<usize> {
        self.rows(t, row..row + 1)
    }

    /// All rows of some times.
    #[inline]
    pub fn times(&self, times: Range<usize>) -> Range<usize> {
        self.items(times.start * self.rows..times.end * self.rows)
    }

    /// Bytes of an item.
    #[inline]
    pub fn item_bytes(&self) -> usize {
        self.item_bytes
    }
}

/// Shape of a block and where its parts lie.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layout {
    /// Rows N.
    pub rows: usize,
    /// Steps T.
    pub steps: usize,
    /// Space of observations.
    pub observation_space: Space,
    /// Space of actions.
    pub action_space: Space,
    pub(super) observation: Part,
    pub(super) final_observation: Part,
    pub(super) action: Part,
    pub(super) reward: Part,
    pub(super) episode: Part,
    pub(super) active: Part,
    bytes: usize,
}

impl Layout {
    /// Places the parts of a block for `rows` × `steps` transitions.
    ///
    /// # Errors
    /// [`BatchError::Space`] when the observation space is no box, or a space cannot be used; [`BatchError::Size`] when there
    /// is no row or step; [`BatchError::Memory`] when the block does not fit into this machine's memory.
    pub fn new(
        rows: usize,
        steps: usize,
        observation_space: Space,
        action_space: Space,
    ) -> Result<Self, BatchError> {
        let Space::Box { dtype, .. } = &observation_space else {
            let reason = "observations are arrays of numbers: use a Box, with one element per choice";
            return Err(SpaceError::new("a batch", &observation_space, reason).into());
        };
        observation_space.check()?;
        action_space.check()?;
        if action_space.is_composite() {
            return Err(SpaceError::new("a batch", &action_space, "actions have one field").into());
        }
        let action_size = action_size(&action_space);
        let mut end = Some(0_usize);
        // A part of `times` × rows × `item_bytes` bytes; `end` is nothing once a number has run over.
        let mut place = |times: usize, item_bytes: usize| {
            let start = end.unwrap_or(0);
            let size = times.checked_mul(rows).and_then(|n| n.checked_mul(item_bytes));
            end = size.and_then(|n| n.checked_next_multiple_of(LINE)).and_then(|n| n.checked_add(end?));
            Part { start, times, rows, item_bytes }
        };
        let observation = place(steps.saturating_add(1), observation_space.len() * dtype.size());
        let final_observation = place(steps, observation_space.len() * dtype.size());
        let action = place(steps, action_space.len() * action_size);
        let reward = place(steps, 4);
        let episode = place(steps, 1);
        let active = place(1, 1);
        if rows == 0 || steps == 0 {
            return Err(BatchError::Size { rows, steps });
        }
        let bytes = end.unwrap_or(usize::MAX);
        check_memory(bytes as u64).map_err(|cause| BatchError::Memory { rows, steps, cause })?;
        Ok(Self {
            rows,
            steps,
            observation_space,
            action_space,
            observation,
            final_observation,
            action,
            reward,
            episode,
            active,
            bytes,
        })
    }

    /// Bytes of a block of this layout.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Element type of observations.
    pub fn dtype(&self) -> Dtype {
        match &self.observation_space {
            Space::Box { dtype, .. } => *dtype,
            _ => Dtype::F32,
        }
    }

    /// Bytes of a number of an action.
    pub(super) fn action_size(&self) -> usize {
        action_size(&self.action_space)
    }

    /// Actions in the bytes that they are stored in: choices as [`Action::MultiDiscrete`], even single ones.
    #[inline]
    pub(super) fn stored_action<'a>(&self, bytes: &'a [u8]) -> Action<'a> {
        if self.is_discrete() {
            Action::MultiDiscrete(cast_slice(bytes))
        } else {
            Action::Box(cast_slice(bytes))
        }
    }

    /// Whether actions are i64 choices; f32 numbers otherwise.
    pub fn is_discrete(&self) -> bool {
        is_discrete(&self.action_space)
    }
}

fn is_discrete(space: &Space) -> bool {
    !matches!(space, Space::Box { .. })
}

fn action_size(space: &Space) -> usize {
    if is_discrete(space) { size_of::<i64>() } else { size_of::<f32>() }
}
