//! Rollouts: the policy acts on the batch until the rollout memory is full.

use std::ops::Range;
use std::time::{Duration, Instant};

use phalanx_agents::{Agent, Mode, Rollout};
use phalanx_envs::{BatchEnv, Block, Generator, Infos};

use crate::episodes::EpisodeLog;
use crate::{AlgorithmError, EpisodesRollout, RolloutSettings};

/// Steps a batch of environments with an agent, rollout after rollout.
pub struct Collector {
    rollout: Rollout,
    batch: Box<dyn BatchEnv>,
    settings: RolloutSettings,
    log: EpisodeLog,
    started: bool,
}

/// What collecting a rollout took.
#[derive(Debug, Clone, Default)]
pub struct Collected {
    /// Environment steps in the rollout.
    pub transitions: usize,
    /// Time in the environments.
    pub stepping: Duration,
    /// Time in the policy.
    pub inferring: Duration,
    /// What the environments told of the episodes that ended.
    pub infos: Infos,
}

impl Collector {
    /// A collector over a batch that has not been reset yet.
    pub fn new(batch: Box<dyn BatchEnv>, settings: RolloutSettings) -> Self {
        let log = EpisodeLog::new(batch.block().layout().rows);
        Self { rollout: Rollout::new(batch.block()), batch, settings, log, started: false }
    }

    /// The batch.
    pub fn batch(&self) -> &dyn BatchEnv {
        &*self.batch
    }

    /// The batch, to be closed or asked.
    pub fn batch_mut(&mut self) -> &mut dyn BatchEnv {
        &mut *self.batch
    }

    /// The latest rollout.
    pub fn rollout(&self) -> &Rollout {
        &self.rollout
    }

    /// The episodes so far.
    pub fn log(&self) -> &EpisodeLog {
        &self.log
    }

    /// Goes on from the episodes of an earlier run: replays what was running.
    ///
    /// # Errors
    /// [`AlgorithmError::Env`], also when an episode ends before its recorded actions do.
    pub fn resume(&mut self, log: EpisodeLog) -> Result<(), AlgorithmError> {
        self.batch.replay(&log.running)?;
        self.log = log;
        self.started = true;
        // The last observations of the rollout before stand at time 0 now.
        self.rollout.len = 0;
        Ok(())
    }

    /// Fills the rollout with transitions of `agent`'s sampled actions.
    ///
    /// # Errors
    /// [`AlgorithmError::Env`], [`AlgorithmError::Agent`]; [`AlgorithmError::Settings`] when an episode outgrows
    /// `max_length`.
    pub fn collect(
        &mut self,
        agent: &mut Agent,
        generator: &mut Generator,
    ) -> Result<Collected, AlgorithmError> {
        self.begin()?;
        let rows = self.rollout.rows();
        let capacity = self.batch.block().layout().steps;
        let mut quota = Quota::new(self.settings, rows);
        let mut actor = agent.actor();
        let mut collected = Collected::default();
        let groups = self.batch.groups().to_vec();
        let started = Instant::now();
        // P1: T steps in every row. While the policy acts for one group of rows, workers step the other.
        'rollout: for t in 0..capacity {
            let noise = generator.clone();
            for (group, rows) in groups.iter().enumerate() {
                if t > 0 {
                    self.batch.finish(group)?;
                    self.count(&mut quota, t - 1, rows);
                    if group + 1 == groups.len() && quota.as_ref().is_some_and(Quota::is_met) {
                        // The groups before have acted once too often, for rows that rest.
                        *generator = noise;
                        break 'rollout;
                    }
                }
                let acting = Instant::now();
                let mode = Mode::Sample(generator);
                actor.act(self.batch.block(), t, rows.clone(), mode, self.rollout.log_prob_mut(t))?;
                collected.inferring += acting.elapsed();
                self.batch.begin(group, t)?;
            }
            self.rollout.len = t + 1;
        }
        for (group, rows) in groups.iter().enumerate() {
            self.batch.finish(group)?;
            if self.rollout.len == capacity {
                self.count(&mut quota, capacity - 1, rows);
            }
        }
        collected.stepping = started.elapsed().saturating_sub(collected.inferring);
        if let Some(row) = quota.and_then(|q| q.left.iter().position(|&left| left > 0)) {
            return Err(AlgorithmError::Settings(format!(
                "row {row}: an episode is longer than rollout.max_length; raise it to the environment's time limit"
            )));
        }
        self.log.take_in(self.batch.block(), &self.rollout);
        collected.infos = self.batch.take_infos()?;
        collected.transitions = self.rollout.transitions().len();
        Ok(collected)
    }

    /// Takes in what the step of time `t` brought `rows` of their quota, if there is one.
    fn count(&mut self, quota: &mut Option<Quota>, t: usize, rows: &Range<usize>) {
        if let Some(quota) = quota {
            quota.count(self.batch.block(), &mut self.rollout, t, rows);
        }
    }

    /// Puts the first observations of the next rollout at time 0.
    fn begin(&mut self) -> Result<(), AlgorithmError> {
        let whole_episodes = matches!(self.settings, RolloutSettings::Episodes(_));
        if whole_episodes {
            self.batch.block().activate_all();
        }
        if !self.started {
            self.batch.reset(None)?;
            self.started = true;
        } else if whole_episodes {
            self.batch.reset(None)?;
            self.log.restart();
        } else {
            self.batch.block().carry_over(self.rollout.len);
        }
        Ok(())
    }
}

/// Episodes that each row still has to finish in a whole-episode rollout.
struct Quota {
    left: Vec<usize>,
}

impl Quota {
    fn new(settings: RolloutSettings, rows: usize) -> Option<Self> {
        match settings {
            RolloutSettings::Steps(_) => None,
            RolloutSettings::Episodes(EpisodesRollout { episodes, .. }) => {
                // P2: every row plays its share.
                Some(Self { left: vec![episodes.div_ceil(rows); rows] })
            }
        }
    }

    /// Notes which of `rows` were stepped at time `t`, and lets those rest that have finished their share.
    fn count(&mut self, block: &Block, rollout: &mut Rollout, t: usize, rows: &Range<usize>) {
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

    /// Whether all rows have finished their share.
    fn is_met(&self) -> bool {
        self.left.iter().all(|&left| left == 0)
    }
}
