//! Many environments as the rows of one block of memory.
//!
//! ```text
//! learner writes action[t] ──▶ BatchEnv::step(t) ──▶ every row: environment steps, writes
//!                              observation[t+1], reward[t], episode[t], and where an episode ended final_observation[t]
//! ```

mod block;
#[cfg(test)]
mod block_tests;
mod error;
#[cfg(test)]
mod field_tests;
mod infos;
mod layout;
mod local;
mod memory;
mod place;
mod replay;
mod rows;
mod step_view;
#[cfg(test)]
mod tests;

pub use block::Block;
pub use error::BatchError;
pub use infos::Infos;
pub use layout::Layout;
pub use local::LocalBatch;
pub(crate) use local::panic_message;
pub use memory::Memory;
pub use place::{Phase, Place, Watch};
pub use replay::{Replayed, RunningEpisode};
pub(crate) use replay::{check_running, shortest_first};
pub use rows::{Progress, Rows};
pub use step_view::StepView;

use std::ops::Range;
use std::time::Duration;

use serde_json::Value;

use crate::{Frame, Space};

/// N environments that step together over the rows of a [`Block`].
///
/// An episode that ends is followed by the reset of its row within the same step: `episode[t]` and
/// `final_observation[t]` are how and where it ended, `observation[t + 1]` is already the next episode's first.
/// The rows' values are the same bits whichever kind of batch steps them.
pub trait BatchEnv {
    /// Observation space of every row.
    fn observation_space(&self) -> &Space;

    /// Action space of every row.
    fn action_space(&self) -> &Space;

    /// The memory where actions are put and observations appear. Rows of a group that is being stepped are not read.
    fn block(&self) -> &Block;

    /// The same memory, to be written: actions, and which rows are active. Rows of a group that is being stepped are neither written nor read.
    fn block_mut(&mut self) -> &mut Block;

    /// Starts the next episode of the rows in `rows`, or of all with `None`, and writes `observation[0]`.
    ///
    /// # Errors
    /// [`BatchError::Row`] and the losses of workers.
    fn reset(&mut self, rows: Option<&[usize]>) -> Result<(), BatchError>;

    /// Groups of rows that are stepped independently of each other, in the order of rows: one of all rows, or one for each slice of
    /// a worker's rows when the batch is pipelined.
    fn groups(&self) -> &[Range<usize>];

    /// Begins to step the active rows of a group with `action[t]`; workers do so while the caller continues.
    ///
    /// From here to the end of [`Self::finish`] the group's rows of the block are the workers'. Its step before must have been
    /// finished.
    ///
    /// # Errors
    /// As [`Self::finish`], for a batch that steps in the caller's process.
    fn begin(&mut self, group: usize, t: usize) -> Result<(), BatchError>;

    /// Waits until the results of the step that a group has begun are written; there is nothing to wait for when it has
    /// begun none.
    ///
    /// # Errors
    /// [`BatchError::Row`] and the losses of workers.
    fn finish(&mut self, group: usize) -> Result<(), BatchError>;

    /// Waits until one of the groups that have begun a step has finished it, finishes all that have, and adds them to `finished`
    /// in their order; adds none when none has begun a step.
    ///
    /// # Errors
    /// As [`Self::finish`].
    fn finish_some(&mut self, finished: &mut Vec<usize>) -> Result<(), BatchError>;

    /// Steps all active rows with `action[t]` and writes the results of time `t`.
    ///
    /// # Errors
    /// As [`Self::finish`].
    fn step(&mut self, t: usize) -> Result<(), BatchError> {
        let groups = self.groups().len();
        (0..groups).try_for_each(|group| self.begin(group, t))?;
        (0..groups).try_for_each(|group| self.finish(group))
    }

    /// Steps all active rows through the times `0..steps` with the actions that stand in the block; a group continues as soon as its step
    /// is done, whatever the others do.
    ///
    /// # Errors
    /// As [`Self::finish`].
    fn step_through(&mut self, steps: usize) -> Result<(), BatchError> {
        let mut ready: Vec<_> = (0..self.groups().len()).collect();
        let mut at = vec![0; ready.len()];
        while !ready.is_empty() {
            for group in ready.drain(..) {
                if at[group] < steps {
                    self.begin(group, at[group])?;
                    at[group] += 1;
                }
            }
            self.finish_some(&mut ready)?;
        }
        Ok(())
    }

    /// Restores every row's running episode by replaying its actions, and writes `observation[0]`. A row begins its next episode instead
    /// when its replay ends elsewhere, fails, or takes longer than its share of `limit`, the time for all rows. Returns an entry for
    /// each row; `progress` gets the number of rows that are finished.
    ///
    /// # Errors
    /// [`BatchError::Row`] of an environment that cannot be reset; `running` must have one entry for each row.
    fn replay(
        &mut self,
        running: &[RunningEpisode],
        limit: Duration,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Replayed>, BatchError>;

    /// Calls a method or reads an attribute of one row's environment.
    ///
    /// # Errors
    /// [`BatchError::Row`] around the environment's error.
    fn call(&mut self, row: usize, name: &str, arguments: &Value) -> Result<Value, BatchError>;

    /// Calls a method or reads an attribute of every row's environment, in the order of rows.
    ///
    /// # Errors
    /// [`BatchError::Row`] around the error of the first environment that fails.
    fn call_all(&mut self, name: &str, arguments: &Value) -> Result<Vec<Value>, BatchError> {
        (0..self.block().layout().rows).map(|row| self.call(row, name, arguments)).collect()
    }

    /// The infos that environments returned for episodes that have ended since the last call. No step may be under way. Infos
    /// of a lost worker are lost with it.
    ///
    /// # Errors
    /// [`BatchError::Ended`].
    fn take_infos(&mut self) -> Result<Infos, BatchError>;

    /// Draws one row.
    ///
    /// # Errors
    /// [`BatchError::Row`] around [`EnvError::NoRender`] or [`EnvError::NoPicture`].
    ///
    /// [`EnvError::NoRender`]: crate::EnvError::NoRender
    /// [`EnvError::NoPicture`]: crate::EnvError::NoPicture
    fn render(&mut self, row: usize) -> Result<Frame, BatchError>;

    /// The workers that were lost and replaced, as messages for the log, the oldest first.
    fn losses(&self) -> &[String] {
        &[]
    }

    /// Ends the environments and their processes; the second time does nothing.
    ///
    /// # Errors
    /// What kept a worker from ending in order; it is ended all the same.
    fn close(&mut self) -> Result<(), BatchError>;
}

/// Fails when one of `rows` is no row of `block`.
pub(crate) fn check_rows(block: &Block, rows: &[usize]) -> Result<(), BatchError> {
    let len = block.layout().rows;
    match rows.iter().find(|&&row| row >= len) {
        Some(&row) => Err(BatchError::UnknownRow { row, rows: len }),
        None => Ok(()),
    }
}
