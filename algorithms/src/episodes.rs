//! The log of the episodes of all rows: returns and lengths of finished ones, and the actions of running ones, which a resumed run replays.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use phalanx_agents::{AgentError, Array, Checkpoint, Rollout};
use phalanx_envs::{BatchEnv, BatchError, Block, Replayed, RunningEpisode};
use phalanx_mesh::{Mesh, MeshError};
use serde::{Deserialize, Serialize};

use crate::ranks::{Share, gather_all};

/// Finished episodes that the reported means are taken over.
const RECENT: usize = 100;

/// Steps of a running episode that are recorded; a resumed run begins the next episode in place of a longer one.
const LONGEST_REPLAY: u64 = 100_000;

/// The episodes of all rows. A rank of a mesh follows its own rows; of the others it knows which episode each is in.
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
    /// The rows that this rank follows.
    #[serde(skip)]
    share: Share,
}

/// The end of an episode.
#[derive(Clone, Copy)]
struct Ended {
    time: u64,
    row: usize,
    length: u64,
    total: f64,
}

impl Ended {
    fn numbers(self) -> [u64; 4] {
        [self.time, self.row as u64, self.length, self.total.to_bits()]
    }

    fn from_numbers([time, row, length, total]: [u64; 4]) -> Self {
        Self { time, row: row as usize, length, total: f64::from_bits(total) }
    }
}

impl EpisodeLog {
    /// The log of all rows at the start of their first episodes.
    pub fn new(share: Share) -> Self {
        let rows = share.all;
        Self {
            returns: vec![0.0; rows],
            lengths: vec![0; rows],
            running: vec![RunningEpisode::default(); rows],
            share,
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

    /// Follows the episodes of a rollout, and takes those that ended from all ranks.
    ///
    /// # Errors
    /// [`MeshError`].
    pub fn take_in(&mut self, block: &Block, rollout: &Rollout, mesh: &Mesh) -> Result<(), MeshError> {
        let (rows, rewards) = (rollout.rows(), block.rewards(0..rollout.len));
        let mut ended = Vec::new();
        for t in 0..rollout.len {
            for own in (0..rows).filter(|own| rollout.active[t * rows + own]) {
                let (index, row) = (t * rows + own, self.share.first_row + own);
                self.returns[row] += f64::from(rewards[index]);
                self.lengths[row] += 1;
                if block.episode(t, own).is_over() {
                    let (length, total) = (self.lengths[row], self.returns[row]);
                    ended.push(Ended { time: t as u64, row, length, total });
                    self.begin_next(row);
                } else if self.lengths[row] <= LONGEST_REPLAY {
                    self.running[row].choices.extend(block.choices(index));
                    self.running[row].numbers.extend(block.numbers(index));
                }
            }
        }
        for (own, row) in self.share.range().enumerate() {
            let shown = || block.observation_row(rollout.len, own).checksum();
            self.running[row].observation = (self.lengths[row] > 0).then(shown);
        }
        if !mesh.is_alone() {
            let own: Vec<[u64; 4]> = ended.into_iter().map(Ended::numbers).collect();
            ended = gather_all(mesh, &own)?.into_iter().map(Ended::from_numbers).collect();
            ended.sort_by_key(|ended| (ended.time, ended.row));
        }
        for ended in ended {
            self.finish(ended);
        }
        Ok(())
    }

    /// Takes the rows of another rank's log.
    pub fn take_rows(&mut self, other: Self, rows: Range<usize>) {
        self.returns[rows.clone()].copy_from_slice(&other.returns[rows.clone()]);
        self.lengths[rows.clone()].copy_from_slice(&other.lengths[rows.clone()]);
        self.running.splice(rows.clone(), other.running.into_iter().skip(rows.start).take(rows.len()));
    }

    /// Restores this rank's episodes that were running in an earlier batch, within `limit`; `progress` gets the number of rows that are finished.
    /// Returns the rows of its own that begin their next episode instead, each with the reason.
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
        let own = self.share.range();
        for row in own.clone() {
            if self.lengths[row] > LONGEST_REPLAY {
                anew.push((
                    row - own.start,
                    format!("its actions are recorded up to step {LONGEST_REPLAY}, and it was longer"),
                ));
                self.begin_next(row);
            }
        }
        let replayed = batch.replay(&self.running[own.clone()], limit, progress)?;
        for (row, replayed) in replayed.into_iter().enumerate() {
            if let Replayed::BeganAnew(reason) = replayed {
                anew.push((row, reason));
                self.begin_next(own.start + row);
            }
        }
        Ok(anew)
    }

    fn finish(&mut self, ended: Ended) {
        self.finished += 1;
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((ended.total, ended.length));
        if !self.share.range().contains(&ended.row) {
            self.begin_next(ended.row);
        }
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

    /// Takes the log of all rows from a checkpoint, to follow those of `share`.
    ///
    /// # Errors
    /// [`AgentError::Entry`] when it is not there or for another number of rows.
    pub fn restore(checkpoint: &Checkpoint, share: Share) -> Result<Self, AgentError> {
        let rows = share.all;
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
        log.share = share;
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
