//! Collects rollouts: the policy acts on the batch until the rollout memory is full.

use std::ops::Range;
use std::time::{Duration, Instant};

use phalanx_agents::{Actor, Agent, Mode, Rollout};
use phalanx_envs::{BatchEnv, Block, Generator, Infos};
use phalanx_mesh::{Grid, Mesh, Race};

use crate::episodes::EpisodeLog;
use crate::ranks::{Share, gather_all};
use crate::{AlgorithmError, EpisodesRollout, RolloutSettings};

/// Steps a batch of environments with an agent, rollout after rollout.
pub struct Collector {
    rollout: Rollout,
    batch: Box<dyn BatchEnv>,
    settings: RolloutSettings,
    log: EpisodeLog,
    started: bool,
    /// This rank's rows among those of all.
    share: Share,
    /// Noise of the rollout's actions, `[T, N, D + C]`, for the times that have begun.
    noise: Vec<f32>,
}

/// What collecting a rollout took.
#[derive(Debug, Clone, Default)]
pub struct Collected {
    /// Environment steps in the rollout.
    pub transitions: usize,
    /// Times that the rollout lacks, as other ranks had finished theirs.
    pub preempted: usize,
    /// Time in the environments.
    pub stepping: Duration,
    /// Time in the policy.
    pub inferring: Duration,
    /// Info that the environments returned about the episodes that ended.
    pub infos: Infos,
}

impl Collector {
    /// A collector over the batch of this rank's rows, which has not been reset yet, for the policy of `agent`.
    pub fn new(batch: Box<dyn BatchEnv>, agent: &Agent, settings: RolloutSettings, share: Share) -> Self {
        let rows = batch.block().layout().rows;
        let (log, rollout) = (EpisodeLog::new(share), Rollout::new(batch.block(), agent.memory(rows)));
        Self { rollout, batch, settings, log, started: false, share, noise: Vec::new() }
    }

    /// The batch.
    pub fn batch(&self) -> &dyn BatchEnv {
        &*self.batch
    }

    /// The batch, to be closed or called.
    pub fn batch_mut(&mut self) -> &mut dyn BatchEnv {
        &mut *self.batch
    }

    /// The latest rollout.
    pub fn rollout(&self) -> &Rollout {
        &self.rollout
    }

    /// The block and the latest rollout over it, whose hidden states an update replaces.
    pub fn parts_mut(&mut self) -> (&Block, &mut Rollout) {
        (self.batch.block(), &mut self.rollout)
    }

    /// The episodes so far.
    pub fn log(&self) -> &EpisodeLog {
        &self.log
    }

    /// Continues the episodes of an earlier run: replays those that were running, within `limit`; `progress` gets the number of rows that
    /// are finished. Returns the rows that begin their next episode instead, each with the reason.
    ///
    /// # Errors
    /// [`AlgorithmError::Batch`].
    pub fn resume(
        &mut self,
        mut log: EpisodeLog,
        limit: Duration,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<(usize, String)>, AlgorithmError> {
        let anew = log.replay(&mut *self.batch, limit, progress)?;
        for (row, _) in &anew {
            self.rollout.memory.begin_episode(*row);
        }
        self.log = log;
        self.started = true;
        // The last observations of the previous rollout are at time 0 now.
        self.rollout.len = 0;
        Ok(anew)
    }

    /// Fills the rollout with transitions of `agent`'s sampled actions.
    ///
    /// # Errors
    /// [`AlgorithmError::Batch`], [`AlgorithmError::Agent`]; [`AlgorithmError::Settings`] when an episode outgrows
    /// `max_length`.
    pub fn collect(
        &mut self,
        agent: &mut Agent,
        generator: &mut Generator,
        Grid { data: mesh, race, .. }: &Grid,
    ) -> Result<Collected, AlgorithmError> {
        self.begin()?;
        let most = self.batch.block().layout().steps;
        let mut capacity = most;
        race.iter().for_each(Race::begin);
        let mut quota = Quota::new(self.settings, &mut self.rollout, self.share);
        let mut actor = agent.actor();
        let mut collected = Collected::default();
        let groups = self.batch.groups().to_vec();
        let (mut at, mut ready): (_, Vec<_>) = (vec![0; groups.len()], (0..groups.len()).collect());
        let started = Instant::now();
        self.noise.clear();
        // P1: T steps in every row. A group continues as soon as its step is finished, without waiting for the others.
        loop {
            if quota.is_none() && race.as_ref().is_some_and(Race::is_decided) {
                // The other ranks wait: no group goes further than the first one has begun to.
                let runs = |group: usize| at[group] < capacity && !ready.contains(&group);
                let begun = (0..groups.len()).map(|group| at[group] + usize::from(runs(group))).max();
                capacity = capacity.min(begun.unwrap_or(0).max(most.div_ceil(4)));
            }
            ready.retain(|&group| {
                at[group] < capacity && quota.as_ref().is_none_or(|quota| quota.wants(&groups[group]))
            });
            // The policy acts at once for neighbours that are at the same time.
            for run in ready.chunk_by(|&a, &b| at[a] == at[b] && groups[a].end == groups[b].start) {
                let acting = Instant::now();
                let (t, rows) = (at[run[0]], groups[run[0]].start..groups[run[run.len() - 1]].end);
                self.act(&mut actor, t, rows, generator)?;
                collected.inferring += acting.elapsed();
                run.iter().try_for_each(|&group| self.batch.begin(group, t))?;
            }
            ready.clear();
            self.batch.finish_some(&mut ready)?;
            if ready.is_empty() {
                break;
            }
            for &group in &ready {
                if let Some(quota) = &mut quota {
                    quota.count(self.batch.block_mut(), &mut self.rollout, at[group], &groups[group]);
                }
                self.rollout.end_episodes(self.batch.block(), at[group], groups[group].clone());
                at[group] += 1;
            }
        }
        race.iter().for_each(Race::finish);
        self.rollout.len = at.into_iter().max().unwrap_or(0);
        collected.preempted = most - capacity;
        collected.stepping = started.elapsed().saturating_sub(collected.inferring);
        if let Some(row) = quota.and_then(|q| q.left.iter().position(|&left| left > 0)) {
            return Err(AlgorithmError::Settings(format!(
                "row {row}: an episode is longer than rollout.max_length; raise it to the environment's time limit"
            )));
        }
        collected.infos = self.batch.take_infos()?;
        collected.transitions = self.rollout.transitions().len();
        self.draw_rest(&actor, generator, mesh)?;
        // Last, as nothing after it can fail: after an error the log is that of the iterations before.
        self.log.take_in(self.batch.block(), &self.rollout, mesh)?;
        Ok(collected)
    }

    /// Draws the noise of the times that other ranks had and this one had not, so that all generators go on from the same place.
    fn draw_rest(
        &mut self,
        actor: &Actor<'_>,
        generator: &mut Generator,
        mesh: &Mesh,
    ) -> Result<(), AlgorithmError> {
        if !mesh.is_alone() {
            let width = (actor.noise() * self.rollout.rows()).max(1);
            let drawn = self.noise.len() / width;
            let all = gather_all(mesh, &[drawn as u64])?.into_iter().max().unwrap_or(0);
            for _ in drawn as u64..all {
                add_noise(actor, self.share, generator, &mut self.noise);
            }
        }
        Ok(())
    }

    /// Takes the actions of `rows` at time `t`.
    fn act(
        &mut self,
        actor: &mut Actor<'_>,
        t: usize,
        rows: Range<usize>,
        generator: &mut Generator,
    ) -> Result<(), AlgorithmError> {
        let Self { rollout, batch, noise, share, .. } = self;
        let (len, width) = (actor.noise(), actor.noise() * rollout.rows());
        // All rows' noise of a time is drawn when the first of them reaches it: the order of acting changes no number.
        while noise.len() < (t + 1) * width {
            add_noise(actor, *share, generator, noise);
        }
        let mode = Mode::Sample(&noise[t * width..][rows.start * len..rows.end * len]);
        let (memory, log_prob) = rollout.acting_mut(t);
        Ok(actor.act(batch.block_mut(), t, rows, mode, memory, log_prob)?)
    }

    /// Puts the first observations of the next rollout at time 0.
    fn begin(&mut self) -> Result<(), AlgorithmError> {
        let whole_episodes = matches!(self.settings, RolloutSettings::Episodes(_));
        if whole_episodes {
            self.batch.block_mut().activate_all();
        }
        if !self.started {
            self.batch.reset(None)?;
            self.started = true;
        } else if whole_episodes {
            self.batch.reset(None)?;
            self.log.restart();
            (0..self.rollout.rows()).for_each(|row| self.rollout.memory.begin_episode(row));
        } else {
            self.batch.block_mut().carry_over(self.rollout.len);
        }
        self.rollout.begin();
        Ok(())
    }
}

/// Appends the noise of a time for this rank's rows. That of all rows is drawn: on any mesh a row has the same.
fn add_noise(actor: &Actor<'_>, share: Share, generator: &mut Generator, noise: &mut Vec<f32>) {
    let (start, own) = (noise.len(), share.range());
    actor.add_noise(own.start, generator, noise);
    noise.truncate(start);
    actor.add_noise(own.len(), generator, noise);
    let end = noise.len();
    actor.add_noise(share.all - own.end, generator, noise);
    noise.truncate(end);
}

/// Episodes that each row still has to finish in a whole-episode rollout.
struct Quota {
    left: Vec<usize>,
}

impl Quota {
    /// The quota of each row, if there is one, for a rollout in which none has been stepped.
    fn new(settings: RolloutSettings, rollout: &mut Rollout, share: Share) -> Option<Self> {
        match settings {
            RolloutSettings::Steps(_) => None,
            RolloutSettings::Episodes(EpisodesRollout { episodes, .. }) => {
                rollout.active.fill(false);
                // P2: every row plays its share.
                Some(Self { left: vec![episodes.div_ceil(share.all); share.rows] })
            }
        }
    }

    /// Records which of `rows` were stepped at time `t`, and deactivates those that have finished their share.
    fn count(&mut self, block: &mut Block, rollout: &mut Rollout, t: usize, rows: &Range<usize>) {
        for row in rows.clone() {
            let left = &mut self.left[row];
            let active = *left > 0;
            rollout.active[t * block.layout().rows + row] = active;
            if active && block.episode(t, row).is_over() {
                *left -= 1;
                block.set_active(row, *left > 0);
            }
        }
    }

    /// Whether some of `rows` have not finished their share.
    fn wants(&self, rows: &Range<usize>) -> bool {
        self.left[rows.clone()].iter().any(|&left| left > 0)
    }
}
