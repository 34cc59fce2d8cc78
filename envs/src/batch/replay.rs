//! Running episodes of an earlier batch, restored by replaying their actions.

use std::collections::VecDeque;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::{BatchError, Block, Elements, Rows, Watch};

/// A row's running episode: enough to restore an environment at its step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunningEpisode {
    /// Episode of the row, counted from 0.
    pub episode: u64,
    /// Choices taken since its reset, `[steps, D]`.
    pub choices: Vec<i64>,
    /// Numbers given since its reset, `[steps, C]`.
    pub numbers: Vec<f32>,
    /// [`Elements::checksum`] of the observation after these actions, which a replay must reach; `None` is not compared.
    pub observation: Option<u64>,
}

/// Where a replay has left its row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Replayed {
    /// At the step of the running episode.
    Restored,
    /// At the beginning of the next episode, for this reason.
    BeganAnew(String),
}

impl Elements<'_> {
    /// A checksum of the bits of all elements, 64-bit floats rounded to 32, the same on every machine.
    pub fn checksum(self) -> u64 {
        // FNV-1a over 32-bit words.
        self.mix_into(0xcbf2_9ce4_8422_2325)
    }

    fn mix_into(self, sum: u64) -> u64 {
        let mix = |sum: u64, word: u32| (sum ^ u64::from(word)).wrapping_mul(0x0100_0000_01b3);
        match self {
            Self::F32(x) => x.iter().fold(sum, |sum, x| mix(sum, x.to_bits())),
            Self::F64(x) => x.iter().fold(sum, |sum, &x| mix(sum, (x as f32).to_bits())),
            Self::U8(x) => x.iter().fold(sum, |sum, &x| mix(sum, x.into())),
            Self::Fields { fields, .. } => {
                (0..fields.len()).fold(sum, |sum, field| self.field_at(field).mix_into(sum))
            }
        }
    }
}

impl<W: Watch> Rows<W> {
    /// Restores the episode `running` of `row` and writes `observation[0]`. Where that fails or is not over at the `deadline`, the row
    /// begins its next episode.
    ///
    /// # Errors
    /// [`BatchError::Row`] when the environment cannot even be reset; [`BatchError::Replay`] when the recorded actions are not of the
    /// action space.
    pub fn replay(
        &mut self,
        block: &mut Block,
        row: usize,
        running: &RunningEpisode,
        deadline: Instant,
    ) -> Result<Replayed, BatchError> {
        let steps = recorded_steps(block, row, running)?;
        self.begin_episode(block, row, running.episode)?;
        match self.try_replay(block, row, running, steps, deadline) {
            Ok(()) => Ok(Replayed::Restored),
            Err(reason) => {
                self.begin_episode(block, row, running.episode + 1)?;
                Ok(Replayed::BeganAnew(reason))
            }
        }
    }

    /// Takes the recorded actions; the reason if the row is not where it was then.
    fn try_replay(
        &mut self,
        block: &mut Block,
        row: usize,
        running: &RunningEpisode,
        steps: usize,
        deadline: Instant,
    ) -> Result<(), String> {
        let space = &block.layout().action_space;
        let (choices, numbers) = (space.choices_len(), space.numbers_len());
        for step in 0..steps {
            if Instant::now() >= deadline {
                return Err(format!(
                    "its replay reached step {step} of {steps} within `resume.replay_deadline`"
                ));
            }
            let of_step = |len: usize| step * len..(step + 1) * len;
            block.choices_mut(0, row..row + 1).copy_from_slice(&running.choices[of_step(choices)]);
            block.numbers_mut(0, row..row + 1).copy_from_slice(&running.numbers[of_step(numbers)]);
            let mut view = block.step_view(0, row..row + 1);
            let ended = self.step_row(&mut view, row).map_err(|e| format!("its replay failed: {e}"))?;
            if ended.is_over() {
                return Err(format!(
                    "its replay ended at step {} of {steps}: the environment has changed, or is not determined by seed and actions",
                    step + 1
                ));
            }
        }
        if steps > 0 {
            block.carry_over_rows(1, row..row + 1);
            let shown = block.observation_row(0, row).checksum();
            if running.observation.is_some_and(|checksum| checksum != shown) {
                return Err(format!(
                    "its replay of {steps} steps led to another observation: the environment has changed, or is not determined by \
                     seed and actions"
                ));
            }
        }
        Ok(())
    }
}

/// Fails unless there is an episode for each of `rows` rows.
pub(crate) fn check_running(running: &[RunningEpisode], rows: usize) -> Result<(), BatchError> {
    if running.len() == rows {
        return Ok(());
    }
    Err(BatchError::Replay(format!("{} running episodes do not fit {rows} rows", running.len())))
}

/// Rows in the order in which they are replayed. The longest episodes are last, so that they get the time that others leave.
pub(crate) fn shortest_first(
    rows: impl Iterator<Item = usize>,
    running: &[RunningEpisode],
) -> VecDeque<usize> {
    let mut rows: Vec<usize> = rows.collect();
    rows.sort_by_key(|&row| running[row].choices.len() + running[row].numbers.len());
    rows.into()
}

/// Steps whose actions are recorded.
fn recorded_steps(block: &Block, row: usize, running: &RunningEpisode) -> Result<usize, BatchError> {
    let space = &block.layout().action_space;
    let parts = [(running.choices.len(), space.choices_len()), (running.numbers.len(), space.numbers_len())];
    let steps = parts.iter().find(|(_, width)| *width > 0).map_or(0, |(recorded, width)| recorded / width);
    if parts.iter().any(|(recorded, width)| *recorded != steps * width) {
        return Err(BatchError::Replay(format!(
            "row {row}: the recorded actions of episode {} are not of the action space {space}",
            running.episode
        )));
    }
    Ok(steps)
}
