//! Shape of a block: where each part of it lies.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::field::Fields;
use crate::{ActionScale, ActionScaling, BatchError, Field, Role, Space, SpaceError, check_memory};

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
    /// What becomes of the numbers of actions before an environment sees them.
    pub action_scale: ActionScale,
    pub(super) observation: Part,
    pub(super) final_observation: Part,
    pub(super) choices: Part,
    pub(super) numbers: Part,
    pub(super) reward: Part,
    pub(super) episode: Part,
    pub(super) active: Part,
    pub(super) fields: Fields,
    bytes: usize,
}

impl Layout {
    /// Places the parts of a block for `rows` × `steps` transitions.
    ///
    /// # Errors
    /// [`BatchError::Space`] when a space cannot be used, or the masks do not fit the actions; [`BatchError::Size`] when there
    /// is no row or step; [`BatchError::Memory`] when the block does not fit into this machine's memory.
    pub fn new(
        rows: usize,
        steps: usize,
        observation_space: Space,
        action_space: Space,
    ) -> Result<Self, BatchError> {
        observation_space.check()?;
        action_space.check()?;
        let fields = Fields::of(&observation_space);
        check_masks(&fields.all, &observation_space, &action_space)?;
        let mut end = Some(0_usize);
        // A part of `times` × rows × `item_bytes` bytes; `end` is nothing once a number has run over.
        let mut place = |times: usize, item_bytes: usize| {
            let start = end.unwrap_or(0);
            let size = times.checked_mul(rows).and_then(|n| n.checked_mul(item_bytes));
            end = size.and_then(|n| n.checked_next_multiple_of(LINE)).and_then(|n| n.checked_add(end?));
            Part { start, times, rows, item_bytes }
        };
        let observation = place(steps.saturating_add(1), fields.bytes);
        let final_observation = place(steps, fields.bytes);
        let choices = place(steps, action_space.choices_len() * size_of::<i64>());
        let numbers = place(steps, action_space.numbers_len() * size_of::<f32>());
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
            action_scale: ActionScale::new(&action_space, ActionScaling::Clip)?,
            action_space,
            observation,
            final_observation,
            choices,
            numbers,
            reward,
            episode,
            active,
            fields,
            bytes,
        })
    }

    /// The same layout, with another scaling of the numbers of actions than [`ActionScaling::Clip`].
    ///
    /// # Errors
    /// [`BatchError::Space`] when the action space cannot be scaled so.
    pub fn with_action_scaling(mut self, scaling: ActionScaling) -> Result<Self, BatchError> {
        self.action_scale = ActionScale::new(&self.action_space, scaling)?;
        Ok(self)
    }

    /// Bytes of a block of this layout.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The fields of an observation: one for each leaf of its space, in their order.
    pub fn fields(&self) -> &[Field] {
        &self.fields.all
    }

    /// Whether observations have an action mask.
    pub fn has_mask(&self) -> bool {
        self.fields().iter().any(|field| field.role == Role::Mask)
    }

    /// Bytes of an observation.
    pub fn observation_bytes(&self) -> usize {
        self.observation.item_bytes()
    }

    /// What a row of a [`StepView`](crate::StepView) has of observations: numbers of one field, bytes of several.
    #[inline]
    pub(super) fn observation_len(&self) -> usize {
        if self.observation_space.is_composite() { self.observation_bytes() } else { self.fields.all[0].len }
    }
}

/// Fails when there are masks whose numbers are not those of the action's options.
fn check_masks(fields: &[Field], observation: &Space, action: &Space) -> Result<(), SpaceError> {
    let masks: Vec<_> = fields.iter().filter(|field| field.role == Role::Mask).collect();
    let (len, options) = (masks.iter().map(|field| field.len).sum::<usize>(), action.options_len());
    if masks.is_empty() || len == options {
        return Ok(());
    }
    let paths: Vec<_> = masks.iter().map(|field| field.path.as_str()).collect();
    let reason = format!(
        "the mask `{}` has {len} numbers, and the action space {action} has {options} options to choose from",
        paths.join("`, `")
    );
    Err(SpaceError::new("a batch", observation, reason))
}
