//! The training loop: rollout, update, and now and then an evaluation and a checkpoint.

mod record;
mod state;

use std::sync::Arc;
use std::time::Instant;

use phalanx_agents::{
    Agent, AgentError, Compute, Device, NetworkSettings, NormalizeSettings, describe, divide, stream,
};
use phalanx_envs::{BatchEnv, BatchError, EnvSpec, Generator, Seeds, Space};
use phalanx_mesh::{Grid, Mesh, MeshError};

use self::record::{Times, Told};
use self::state::Rows;
pub use self::state::checkpoint_step;
use crate::evaluate::LONGEST;
use crate::mirror::mirrored;
use crate::ranks::{Share, gather_all};
use crate::{
    AgentPolicy, AlgorithmError, BatchPpo, Checkpoints, Collector, Evaluation, EvaluationSettings,
    PpoSettings, Record, RolloutSettings, TrainingMemory, UpdateMetrics, evaluate, evaluation_shape,
};

/// Everything that decides a training besides its environments.
#[derive(Debug, Clone)]
pub struct TrainSettings {
    /// Environments stepped together.
    pub rows: usize,
    /// Environment steps of the whole training.
    pub steps: u64,
    /// Mean return of the latest 100 episodes that ends the training earlier.
    pub stop_at_return: Option<f64>,
    /// Seed of every random number.
    pub seed: u64,
    /// Device of the networks.
    pub device: Device,
    /// The length of a rollout.
    pub rollout: RolloutSettings,
    /// Shape of the networks.
    pub network: NetworkSettings,
    /// What is normalised.
    pub normalize: NormalizeSettings,
    /// The algorithm.
    pub ppo: PpoSettings,
    /// When and how the policy is evaluated.
    pub evaluation: EvaluationSettings,
    /// Environment steps between two checkpoints; 0: only one, at the end.
    pub checkpoint_every: u64,
}

/// Makes a batch of (rows, steps, seeds), of the training's environments or of those named first.
pub type MakeBatch<'a> =
    dyn Fn(Option<&EnvSpec>, usize, usize, Seeds) -> Result<Box<dyn BatchEnv>, BatchError> + 'a;

/// How a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All steps were taken, or the return was reached.
    Finished,
    /// A stop was requested.
    Stopped,
}

/// One training, iteration by iteration; on a mesh, this rank's part of it. Ranks make the same calls.
pub struct Trainer {
    settings: TrainSettings,
    grid: Arc<Grid>,
    share: Share,
    collector: Collector,
    agent: Agent,
    ppo: BatchPpo,
    action: Generator,
    evaluation: Option<Box<dyn BatchEnv>>,
    progress: Progress,
    /// Whether an update or a restoration failed, which may have changed the state in part: it cannot be continued from.
    half_changed: bool,
    /// Lost workers that are in a record already: the training's, the evaluation's.
    recorded_losses: [usize; 2],
}

/// How far a training has come.
#[derive(Debug, Clone, Copy, Default, serde::Serialize, serde::Deserialize)]
struct Progress {
    step: u64,
    iteration: u64,
    seconds: f64,
    best: Option<f64>,
}

impl Trainer {
    /// A training at its start, by the ranks of `grid`, which have equal parts of the rows and of layers that they divide. Those with the first rows
    /// evaluate.
    ///
    /// # Errors
    /// Those of the environments; spaces, settings or layouts that are invalid.
    pub fn new(
        settings: TrainSettings,
        make_batch: &MakeBatch<'_>,
        grid: Arc<Grid>,
    ) -> Result<Self, AlgorithmError> {
        let (share, seed) = (Share::new(&grid.data, settings.rows)?, settings.seed);
        let seeds = Seeds { run: seed, first_row: share.first_row };
        let steps = settings.rollout.steps(share.all);
        let batch = mirrored(&grid, || make_batch(None, share.rows, steps, seeds))?;
        let (layout, parts) = (batch.block().layout(), &grid.parts);
        let spaces = (batch.observation_space(), batch.action_space());
        let graph = describe(&settings.network, spaces.0, spaces.1).map_err(AgentError::from)?;
        let graph = divide(&graph, &parts.axes, &parts.rules)?;
        TrainingMemory::new(layout, &graph, settings.ppo.sequence).check()?;
        let agent = Agent::new(
            batch.observation_space(),
            batch.action_space(),
            &settings.network,
            &settings.normalize,
            &batch.block().layout().action_scale,
            &mut stream(seed, "initialisation"),
            Compute { device: settings.device, grid: grid.clone() },
        )?;
        if let Some((_, message)) =
            settings.ppo.entropy_coefficient.unknown_fields(agent.head()).into_iter().next()
        {
            return Err(AlgorithmError::Settings(message));
        }
        let evaluation = match settings.evaluation.episodes {
            0 => None,
            _ if grid.data.rank() > 0 => None,
            episodes => {
                let (rows, steps) = evaluation_shape(episodes);
                let env = settings.evaluation.env.as_ref();
                let seeds = evaluation_seed(seed).into();
                let tried = mirrored(&grid, || make_batch(env, rows, steps, seeds))?;
                let spaces =
                    |batch: &dyn BatchEnv| [batch.observation_space().clone(), batch.action_space().clone()];
                same_spaces(&spaces(&*batch), &spaces(&*tried))?;
                Some(tried)
            }
        };
        Ok(Self {
            ppo: BatchPpo::new(&settings.ppo, &settings.normalize, &agent, share.rows, seed),
            collector: Collector::new(batch, &agent, settings.rollout, share),
            agent,
            action: stream(seed, "action"),
            evaluation,
            progress: Progress::default(),
            half_changed: false,
            recorded_losses: [0; 2],
            settings,
            grid,
            share,
        })
    }

    /// The ranks that train.
    pub fn mesh(&self) -> &Mesh {
        &self.grid.all
    }

    /// Environment steps taken so far.
    pub fn step(&self) -> u64 {
        self.progress.step
    }

    /// The agent.
    pub fn agent_mut(&mut self) -> &mut Agent {
        &mut self.agent
    }

    /// The batch that is trained on.
    pub fn batch_mut(&mut self) -> &mut dyn BatchEnv {
        self.collector.batch_mut()
    }

    /// Whether all steps have been taken.
    pub fn is_finished(&self) -> bool {
        self.progress.step >= self.settings.steps
    }

    /// Trains until all steps are taken or `stop` returns true, which also aborts an evaluation; writes checkpoints and calls `log` with the
    /// record of each iteration.
    ///
    /// # Errors
    /// Those of an iteration, an evaluation or a file. The state after the last whole iteration has been saved then, if the disk allows; after an
    /// update or a restoration that failed there is no such state, and the present one is, with the rollout, in a file that no run
    /// continues from: [`AlgorithmError::Stopped`].
    pub fn run(
        &mut self,
        checkpoints: &Checkpoints,
        log: &mut dyn FnMut(&Record) -> Result<(), AlgorithmError>,
        stop: &dyn Fn() -> bool,
    ) -> Result<Outcome, AlgorithmError> {
        match self.run_on(checkpoints, log, stop) {
            Ok(outcome) => {
                self.save_to(checkpoints)?;
                Ok(outcome)
            }
            Err(error) => Err(self.save_after(error, checkpoints)?),
        }
    }

    fn save_to(&self, checkpoints: &Checkpoints) -> Result<(), AlgorithmError> {
        self.write(|checkpoint, fetch| {
            checkpoints.save_with(self.progress.step, checkpoint, fetch).map(|_| ())
        })
    }

    /// Saves what can be saved after `error`, which it returns.
    fn save_after(
        &mut self,
        error: AlgorithmError,
        checkpoints: &Checkpoints,
    ) -> Result<AlgorithmError, AlgorithmError> {
        if !self.writes_after(&error) {
            return Ok(error);
        }
        let mut checkpoint = self.save_rows(Rows::Own)?;
        if self.half_changed {
            self.collector.rollout().save(self.collector.batch().block(), &mut checkpoint);
            let path = checkpoints.save_failed(&checkpoint)?;
            return Ok(AlgorithmError::Stopped { path, source: Box::new(error) });
        }
        // The error is the one to report.
        let _ = checkpoints.save(self.progress.step, &checkpoint);
        Ok(error)
    }

    /// Whether this rank writes the checkpoint after an error: rank 0, or rank 1 where that one has ended. None has all of a divided network.
    fn writes_after(&self, error: &AlgorithmError) -> bool {
        if self.grid.parts.is_divided() {
            return false;
        }
        let writer = match error {
            AlgorithmError::Mesh(MeshError::Lost { ended: Some(0), .. }) => 1,
            _ => 0,
        };
        self.grid.all.rank() == writer
    }

    fn run_on(
        &mut self,
        checkpoints: &Checkpoints,
        log: &mut dyn FnMut(&Record) -> Result<(), AlgorithmError>,
        stop: &dyn Fn() -> bool,
    ) -> Result<Outcome, AlgorithmError> {
        self.check_whole()?;
        while !self.is_finished() {
            let before = self.progress.step;
            let mut record = self.iterate()?;
            if self.is_due(before, self.settings.evaluation.every) {
                self.try_out(&mut record, checkpoints, stop)?;
            }
            record.losses.extend(self.new_losses());
            log(&record)?;
            let recent = self.collector.log().recent_return();
            if self.settings.stop_at_return.is_some_and(|goal| recent.is_some_and(|mean| mean >= goal)) {
                return Ok(Outcome::Finished);
            }
            if self.grid.all.any(stop())? {
                return Ok(Outcome::Stopped);
            }
            if self.is_due(before, self.settings.checkpoint_every) && !self.is_finished() {
                self.save_to(checkpoints)?;
            }
        }
        Ok(Outcome::Finished)
    }

    /// Messages of the workers that were lost since the record before.
    fn new_losses(&mut self) -> Vec<String> {
        let evaluation = self.evaluation.as_ref().map_or(&[][..], |batch| batch.losses());
        let losses = [self.collector.batch().losses(), evaluation];
        let new = losses.iter().zip(self.recorded_losses).flat_map(|(all, recorded)| &all[recorded..]);
        let new = new.cloned().collect();
        self.recorded_losses = losses.map(<[String]>::len);
        new
    }

    /// Whether a multiple of `every` was passed since step `before`, or the training has ended.
    fn is_due(&self, before: u64, every: u64) -> bool {
        self.is_finished() || (every > 0 && before / every != self.progress.step / every)
    }

    fn try_out(
        &mut self,
        record: &mut Record,
        checkpoints: &Checkpoints,
        stop: &dyn Fn() -> bool,
    ) -> Result<(), AlgorithmError> {
        let evaluation = self.evaluate(stop)?;
        if let Some(evaluation) = &evaluation {
            record.push("evaluation_return_mean", evaluation.return_mean());
            record.push("evaluation_return_std", evaluation.return_std());
            record.push("evaluation_length_mean", evaluation.length_mean());
            for (name, mean) in evaluation.infos.means() {
                record.push(format!("evaluation_info/{name}"), mean);
            }
        }
        // Rank 0's, for which the others wait here.
        let mean = evaluation.map(|evaluation| evaluation.return_mean());
        let means = gather_all(&self.grid.data, &[mean.unwrap_or(f64::NAN)])?;
        let mean = means[0];
        if is_best(mean, self.progress.best) {
            let before = self.progress.best.replace(mean);
            let written = self.write(|checkpoint, fetch| checkpoints.save_best(checkpoint, fetch));
            written.inspect_err(|_| self.progress.best = before)?;
        }
        Ok(())
    }

    /// One rollout and one update.
    ///
    /// # Errors
    /// Those of the environments and the update. When the environments fail, the trainer's state is that before the call, but theirs
    /// is not. [`AlgorithmError::HalfChanged`] after an update or a restoration that failed.
    pub fn iterate(&mut self) -> Result<Record, AlgorithmError> {
        self.check_whole()?;
        let start = Instant::now();
        // Those of an evaluation are no part of the iteration.
        self.grid.take_bytes();
        let action = self.action.clone();
        let collected = self
            .collector
            .collect(&mut self.agent, &mut self.action, &self.grid)
            .inspect_err(|_| self.action = action)
            .map_err(|error| self.cause(error))?;
        let updating = Instant::now();
        let metrics = self.update()?;
        let times = Times {
            stepping: collected.stepping,
            inferring: collected.inferring,
            updating: updating.elapsed(),
        };
        let losses = if self.grid.data.is_alone() { Vec::new() } else { self.new_losses() };
        let preempted = usize::from(collected.preempted > 0);
        let told = Told { transitions: collected.transitions, preempted, infos: collected.infos, losses };
        let Told { transitions, preempted, infos, losses } = Told::of_all(&self.grid.data, told)?;
        self.progress.step += transitions as u64;
        self.progress.iteration += 1;
        self.progress.seconds += start.elapsed().as_secs_f64();
        let mut record = self.record(transitions, &metrics, &times, start.elapsed());
        if !self.grid.all.is_alone() {
            record.push("communication_bytes", self.grid.take_bytes() as f64);
        }
        if self.grid.race.is_some() {
            record.push("preempted_ranks", preempted as f64);
        }
        record.losses = losses;
        for (name, mean) in infos.means() {
            record.push(format!("info/{name}"), mean);
        }
        Ok(record)
    }

    /// Learns from the rollout.
    fn update(&mut self) -> Result<UpdateMetrics, AlgorithmError> {
        let progress = self.progress.step as f64 / self.settings.steps as f64;
        let before = self.before_update();
        let result = self.change(|trainer| {
            let Self { agent, ppo, collector, grid, .. } = trainer;
            let (block, rollout) = collector.parts_mut();
            ppo.update(agent, block, rollout, progress, &grid.data)
        });
        if let (Err(AlgorithmError::Mesh(_)), Some(before)) = (&result, before) {
            // Another rank ended: this one can save what it had.
            self.take_back(before)?;
        }
        result
    }

    /// Calls `change`, whose error, whatever it is, leaves a state that is neither the one before nor the one after.
    fn change<T>(
        &mut self,
        change: impl FnOnce(&mut Self) -> Result<T, AlgorithmError>,
    ) -> Result<T, AlgorithmError> {
        self.half_changed = true;
        let value = change(self).map_err(|error| self.cause(error))?;
        self.half_changed = false;
        Ok(value)
    }

    /// The failure of another rank where that is what an error comes of.
    fn cause(&self, error: AlgorithmError) -> AlgorithmError {
        self.grid.parts.check().map_or_else(AlgorithmError::Mesh, |()| error)
    }

    fn check_whole(&self) -> Result<(), AlgorithmError> {
        if self.half_changed { Err(AlgorithmError::HalfChanged) } else { Ok(()) }
    }

    /// Plays the evaluation's episodes greedily; nothing when there are none, or `stop` cuts them short.
    ///
    /// # Errors
    /// Those of the environments.
    pub fn evaluate(&mut self, stop: &dyn Fn() -> bool) -> Result<Option<Evaluation>, AlgorithmError> {
        let (episodes, parts) = (self.settings.evaluation.episodes, &self.grid.parts);
        // Ranks with parts of the network stop at the same step, after a failure at once.
        let stop = || if parts.is_divided() { parts.all.any(stop()).unwrap_or(true) } else { stop() };
        let evaluation = match &mut self.evaluation {
            Some(batch) => {
                let mut policy = AgentPolicy::new(&mut self.agent, None);
                evaluate(&mut policy, &mut **batch, (episodes, LONGEST), |_| {}, &stop)
            }
            None => Ok(None),
        };
        evaluation.map_err(|error| self.cause(error))
    }

    /// Ends the environments and their processes.
    ///
    /// # Errors
    /// Why a worker did not shut down in order.
    pub fn close(&mut self) -> Result<(), AlgorithmError> {
        let evaluation = self.evaluation.as_mut().map_or(Ok(()), |batch| batch.close());
        self.collector.batch_mut().close()?;
        Ok(evaluation?)
    }
}

/// Whether a mean return is the best so far. One that is not finite never is.
fn is_best(mean: f64, best: Option<f64>) -> bool {
    mean.is_finite() && best.is_none_or(|best| mean > best)
}

/// Whether a policy that is trained in environments of these spaces of observations and actions can be evaluated in others.
///
/// # Errors
/// [`AlgorithmError::Settings`] with the space that differs.
pub fn same_spaces(trained: &[Space; 2], tried: &[Space; 2]) -> Result<(), AlgorithmError> {
    for ((own, other), what) in trained.iter().zip(tried).zip(["observation", "action"]) {
        if own != other {
            return Err(AlgorithmError::Settings(format!(
                "evaluation.env has the {what} space {other}, the training's environment {own}: they must be the same, \
                 bounds included"
            )));
        }
    }
    Ok(())
}

/// Seed of the environments that a run of `seed` is evaluated on.
pub fn evaluation_seed(seed: u64) -> u64 {
    phalanx_envs::episode_seed(seed, usize::MAX, 0)
}

#[cfg(test)]
mod tests;
