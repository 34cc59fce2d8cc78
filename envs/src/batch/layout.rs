//! Shape of a block: where each part of it begins.

use serde::{Deserialize, Serialize};

use crate::{Dtype, EnvError, Space};

/// Alignment of every part of a block: a cache line.
pub(super) const LINE: usize = 64;

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
    pub(super) observation: usize,
    pub(super) final_observation: usize,
    pub(super) action: usize,
    pub(super) reward: usize,
    pub(super) episode: usize,
    pub(super) active: usize,
    bytes: usize,
}

impl Layout {
    /// Places the parts of a block for `rows` × `steps` transitions.
    ///
    /// # Errors
    /// [`EnvError::Space`] when the observation space is no box, or a space cannot be used; [`EnvError::Failed`] when there
    /// is no row or step, or too many.
    pub fn new(
        rows: usize,
        steps: usize,
        observation_space: Space,
        action_space: Space,
    ) -> Result<Self, EnvError> {
        let Space::Box { dtype, .. } = &observation_space else {
            return Err(EnvError::Space {
                what: "a batch".into(),
                space: observation_space.to_string(),
                reason: "observations are arrays of numbers: use a Box, with one element per choice".into(),
            });
        };
        observation_space.check()?;
        action_space.check()?;
        let action_size = action_size(&action_space);
        let mut end = Some(0_usize);
        // Where a part of `times` × rows × `bytes` bytes begins; `end` is nothing once a number has run over.
        let mut place = |times: usize, bytes: usize| {
            let start = end.unwrap_or(0);
            let size = times.checked_mul(rows).and_then(|n| n.checked_mul(bytes));
            end = size.and_then(|n| n.checked_next_multiple_of(LINE)).and_then(|n| n.checked_add(end?));
            start
        };
        let observation = place(steps.saturating_add(1), observation_space.len() * dtype.size());
        let final_observation = place(steps, observation_space.len() * dtype.size());
        let action = place(steps, action_space.len() * action_size);
        let reward = place(steps, 4);
        let episode = place(steps, 1);
        let active = place(1, 1);
        let bytes = match end {
            Some(bytes) if isize::try_from(bytes).is_ok() && rows > 0 && steps > 0 => bytes,
            _ => {
                return Err(EnvError::failed(format!(
                    "a rollout of {rows} rows and {steps} steps cannot be: both must be at least 1, and it must fit \
                     into memory"
                )));
            }
        };
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
            Space::Discrete { .. } | Space::MultiDiscrete { .. } => Dtype::F32,
        }
    }

    /// Bytes of a number of an action.
    pub(super) fn action_size(&self) -> usize {
        action_size(&self.action_space)
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
