//! Lost workers are replaced, and their rows continue.

use super::OnWorkerLoss;
use super::batch::{WorkerBatch, first_line, same_spaces};
use super::message::Command;
use super::parts::Part;
use super::pool::WorkerError;
use crate::{BatchError, Episode};

impl WorkerBatch {
    /// Replaces a worker that was lost in a step.
    ///
    /// What it did in the steps that are not finished is discarded. The running episodes of all its active rows are
    /// cut off where they stood last; a row that rests or has just begun an episode is put back to its beginning.
    pub(super) fn replace(&mut self, worker: usize, loss: BatchError) -> Result<(), BatchError> {
        let (mut episodes, mut begun, mut cut) = (Vec::new(), Vec::new(), Vec::new());
        for Part { rows, begun: step, t, .. } in self.parts.iter().filter(|part| part.worker == worker) {
            let mut beginning = Vec::new();
            for row in rows.clone() {
                let stepping = step.is_some();
                let midway = self.block.active(row) && (stepping || !self.block.episode(*t, row).is_over());
                if midway {
                    cut.push((row, *t, stepping));
                }
                episodes.push(if midway { self.next[row] } else { self.next[row].saturating_sub(1) });
                if midway || self.next[row] > 0 {
                    beginning.push(row);
                }
            }
            begun.push((t + 1, beginning));
        }
        // Kept before the resets, which write over the observation after a finished step.
        for &(row, t, stepping) in &cut {
            if stepping {
                self.block.set_outcome(t, row, 0.0, Episode::Truncated);
                self.block.keep_final_observation(t, t, row);
            } else {
                self.block.set_outcome(t, row, self.block.reward(t, row), Episode::Truncated);
                self.block.keep_final_observation(t + 1, t, row);
                self.next[row] += 1;
            }
        }
        self.respawn(worker, loss, &episodes, &begun)
    }

    /// Spawns a worker in the place of a lost one and resets rows, those of each entry of `begun` writing the observation of
    /// its time, as often as allowed.
    pub(super) fn respawn(
        &mut self,
        worker: usize,
        mut loss: BatchError,
        episodes: &[u64],
        begun: &[(usize, Vec<usize>)],
    ) -> Result<(), BatchError> {
        let OnWorkerLoss::Respawn { at_most } = self.on_loss else { return Err(loss) };
        loop {
            if self.losses.len() == at_most {
                return Err(BatchError::TooManyLosses { at_most, last: Box::new(loss) });
            }
            self.losses.push(first_line(&loss));
            match self.start_again(worker, episodes.to_vec(), begun) {
                Ok(()) => return Ok(()),
                Err(error) => match self.pool.judge(worker, error) {
                    WorkerError::Failed(e) => return Err(e),
                    WorkerError::Lost(e) => loss = e,
                },
            }
        }
    }

    pub(super) fn start_again(
        &mut self,
        worker: usize,
        episodes: Vec<u64>,
        begun: &[(usize, Vec<usize>)],
    ) -> Result<(), WorkerError> {
        let Self { pool, block, memory, .. } = self;
        let layout = block.layout();
        pool.spawn(worker, episodes).map_err(WorkerError::Failed)?;
        let found = pool.await_ready(worker)?;
        let spaces = (layout.observation_space.clone(), layout.action_space.clone());
        same_spaces(&pool.members[worker], &spaces, &found).map_err(WorkerError::Failed)?;
        let attach = Command::Attach { layout: Box::new(layout.clone()), memory: memory.clone() };
        let resets = begun.iter().map(|(t, rows)| Command::Reset { t: *t, rows: rows.clone() });
        for command in std::iter::once(attach).chain(resets) {
            pool.command(vec![(worker, command)]).try_for_each(|(_, outcome)| outcome.map(|_| ()))?;
        }
        Ok(())
    }
}
