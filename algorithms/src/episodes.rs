//! The log of the episodes of all rows: returns and lengths of finished ones, and the actions of running ones, which a resumed run replays.

use std::collections::VecDeque;
use std::time::Duration;

use phalanx_agents::{AgentError, Array, Checkpoint, Rollout};
use phalanx_envs::{BatchEnv, BatchError, Block, Replayed, RunningEpisode};
use serde::{Deserialize, Serialize};

/// Finished episodes that the reported means are taken over.
const RECENT: usize = 100;

/// Steps of a running episode that are recorded; a resumed run begins the next episode in place of a longer one.
const LONGEST_REPLAY: u64 = 100_000;

/// The episodes of all rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EpisodeLog {
    /// Episodes finished so far.
    pub finished: u64,
    /// Return and length of the latest finished episodes, the oldest first.
    pub recent: VecDeque<(f64, u64)>,
    /// Return of each row's running episode.
    returns: Vec<f64>,
    /// Length of each row's running episode.
    lengths: Vec<u64>,
    /// Each row's running episode, to be replayed by a resumed run.
    #[serde(skip)]
    pub running: Vec<RunningEpisode>,
}

impl EpisodeLog {
    /// The log of `rows` rows at the start of their first episodes.
    pub fn new(rows: usize) -> Self {
        Self {
            returns: vec![0.0; rows],
            lengths: vec![0; rows],
            running: vec![RunningEpisode::default(); rows],
            ..Self::default()
        }
    }

    /// Mean return and mean length of the latest finished episodes; NaN when none has finished.
    pub fn means(&self) -> (f64, f64) {
        let n = self.recent.len() as f64;
        let (returns, lengths) =
            self.recent.iter().fold((0.0, 0.0), |(r, l), (ret, len)| (r + ret, l + *len as f64));
        (returns / n, lengths / n)
    }

    /// Mean return of the latest 100 finished episodes; `None` before there are as many.
    pub fn recent_return(&self) -> Option<f64> {
        (self.recent.len() == RECENT).then(|| self.means().0)
    }

    /// Every row was reset: its running episode is forgotten and the next one begins.
    pub fn restart(&mut self) {
        (0..self.running.len()).for_each(|row| self.begin_next(row));
    }

    fn begin_next(&mut self, row: usize) {
        self.returns[row] = 0.0;
        self.lengths[row] = 0;
        let running = &mut self.running[row];
        running.episode += 1;
        running.choices.clear();
        running.numbers.clear();
        running.observation = None;
    }

    /// Follows the episodes of a rollout.
    pub fn take_in(&mut self, block: &Block, rollout: &Rollout) {
        let (rows, rewards) = (rollout.rows(), block.rewards(0..rollout.len));
        for t in 0..rollout.len {
            for row in (0..rows).filter(|row| rollout.active[t * rows + row]) {
                self.returns[row] += f64::from(rewards[t * rows + row]);
                self.lengths[row] += 1;
                if block.episode(t, row).is_over() {
                    self.finish(row);
                } else if self.lengths[row] <= LONGEST_REPLAY {
                    let index = t * self.running.len() + row;
                    self.running[row].choices.extend(block.choices(index));
                    self.running[row].numbers.extend(block.numbers(index));
                }
            }
        }
        for (row, running) in self.running.iter_mut().enumerate() {
            let shown = || block.observation_row(rollout.len, row).checksum();
            running.observation = (self.lengths[row] > 0).then(shown);
        }
    }

    /// Restores the episodes that were running in an earlier batch, within `limit`; `progress` gets the number of rows that are finished.
    /// Returns the rows that begin their next episode instead, each with the reason.
    ///
    /// # Errors
    /// Those of [`BatchEnv::replay`].
    pub fn replay(
        &mut self,
        batch: &mut dyn BatchEnv,
        limit: Duration,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<(usize, String)>, BatchError> {
        let mut anew = Vec::new();
        for row in 0..self.running.len() {
            if self.lengths[row] > LONGEST_REPLAY {
                anew.push((
                    row,
                    format!("its actions are recorded up to step {LONGEST_REPLAY}, and it was longer"),
                ));
                self.begin_next(row);
            }
        }
        for (row, replayed) in batch.replay(&self.running, limit, progress)?.into_iter().enumerate() {
            if let Replayed::BeganAnew(reason) = replayed {
                anew.push((row, reason));
                self.begin_next(row);
            }
        }
        Ok(anew)
    }

    fn finish(&mut self, row: usize) {
        self.finished += 1;
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((self.returns[row], self.lengths[row]));
        self.begin_next(row);
    }

    /// Puts the log into a checkpoint.
    pub fn save(&self, checkpoint: &mut Checkpoint) {
        let (mut discrete, mut continuous, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
        for (running, &length) in self.running.iter().zip(&self.lengths) {
            let replayed = length <= LONGEST_REPLAY;
            let (choices, numbers) =
                if replayed { (&running.choices[..], &running.numbers[..]) } else { Default::default() };
            discrete.extend(choices);
            continuous.extend(numbers);
            lengths.push((running.episode, choices.len(), numbers.len()));
        }
        let observations: Vec<_> = self.running.iter().map(|running| running.observation).collect();
        checkpoint.put_state("episodes", self);
        checkpoint.put_state("running", &lengths);
        checkpoint.put_state("running.observation", &observations);
        checkpoint.put_array("running.discrete", Array::I64(vec![discrete.len()], discrete));
        checkpoint.put_array("running.continuous", Array::F32(vec![continuous.len()], continuous));
    }

    /// Takes the log of `rows` rows from a checkpoint.
    ///
    /// # Errors
    /// [`AgentError::Entry`] when it is not there or for another number of rows.
    pub fn restore(checkpoint: &Checkpoint, rows: usize) -> Result<Self, AgentError> {
        let bad = |reason: String| AgentError::Entry { name: "running".into(), reason };
        let mut log: Self = checkpoint.state("episodes")?;
        let lengths: Vec<(u64, usize, usize)> = checkpoint.state("running")?;
        let (Array::I64(_, discrete), Array::F32(_, continuous)) =
            (checkpoint.array("running.discrete")?, checkpoint.array("running.continuous")?)
        else {
            return Err(bad("holds numbers of another type".into()));
        };
        // Older checkpoints do not have them.
        let observations: Vec<Option<u64>> =
            checkpoint.state("running.observation").unwrap_or_else(|_| vec![None; lengths.len()]);
        if [lengths.len(), observations.len(), log.returns.len(), log.lengths.len()] != [rows; 4] {
            return Err(bad(format!("was written for {} rows, this run has {rows}", lengths.len())));
        }
        let (mut discrete, mut continuous) = (discrete.as_slice(), continuous.as_slice());
        for ((episode, choices, numbers), observation) in lengths.into_iter().zip(observations) {
            let (Some((d, more_d)), Some((c, more_c))) =
                (discrete.split_at_checked(choices), continuous.split_at_checked(numbers))
            else {
                return Err(bad("has fewer actions than it says".into()));
            };
            (discrete, continuous) = (more_d, more_c);
            let (choices, numbers) = (d.to_vec(), c.to_vec());
            log.running.push(RunningEpisode { episode, choices, numbers, observation });
        }
        Ok(log)
    }
}
