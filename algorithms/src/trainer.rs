//! The training loop: rollout, update, and now and then an evaluation and a checkpoint.

mod record;
mod state;

use std::time::Instant;

use phalanx_agents::{Agent, Device, NetworkSettings, NormalizeSettings, stream};
use phalanx_envs::{BatchEnv, BatchError, EnvSpec, Generator};

use self::record::Times;
pub use self::state::checkpoint_step;
use crate::evaluate::LONGEST;
use crate::{
    AgentPolicy, AlgorithmError, BatchPpo, Checkpoints, Collector, Evaluation, EvaluationSettings,
    PpoSettings, Record, RolloutSettings, TrainingMemory, evaluate, evaluation_shape,
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

/// Makes a batch of (rows, steps, seed), of the training's environments or of those named first.
pub type MakeBatch<'a> =
    dyn Fn(Option<&EnvSpec>, usize, usize, u64) -> Result<Box<dyn BatchEnv>, BatchError> + 'a;

/// How a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All steps were taken, or the return was reached.
    Finished,
    /// A stop was requested.
    Stopped,
}

/// One training, iteration by iteration.
pub struct Trainer {
    settings: TrainSettings,
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
    /// A training at its start.
    ///
    /// # Errors
    /// Those of the environments; spaces or settings that are invalid.
    pub fn new(settings: TrainSettings, make_batch: &MakeBatch<'_>) -> Result<Self, AlgorithmError> {
        let (rows, seed) = (settings.rows, settings.seed);
        let batch = make_batch(None, rows, settings.rollout.steps(rows), seed)?;
        TrainingMemory::new(batch.block().layout(), &settings.network, settings.ppo.sequence)?.check()?;
        let agent = Agent::new(
            batch.observation_space(),
            batch.action_space(),
            &settings.network,
            &settings.normalize,
            &batch.block().layout().action_scale,
            &mut stream(seed, "initialisation"),
            settings.device,
        )?;
        settings.ppo.entropy_coefficient.check(agent.head())?;
        let evaluation = match settings.evaluation.episodes {
            0 => None,
            episodes => {
                let (rows, steps) = evaluation_shape(episodes);
                let env = settings.evaluation.env.as_ref();
                let tried = make_batch(env, rows, steps, evaluation_seed(seed))?;
                same_spaces(&*batch, &*tried)?;
                Some(tried)
            }
        };
        Ok(Self {
            ppo: BatchPpo::new(&settings.ppo, &settings.normalize, &agent, rows, seed),
            collector: Collector::new(batch, &agent, settings.rollout),
            agent,
            action: stream(seed, "action"),
            evaluation,
            progress: Progress::default(),
            half_changed: false,
            recorded_losses: [0; 2],
            settings,
        })
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
        let result = self.run_on(checkpoints, log, stop);
        if self.half_changed
            && let Err(error) = result
        {
            let mut checkpoint = self.save();
            self.collector.rollout().save(self.collector.batch().block(), &mut checkpoint);
            let path = checkpoints.save_failed(&checkpoint)?;
            return Err(AlgorithmError::Stopped { path, source: Box::new(error) });
        }
        let saved = checkpoints.save(self.progress.step, &self.save());
        let outcome = result?;
        saved?;
        Ok(outcome)
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
            record.losses = self.new_losses();
            log(&record)?;
            let recent = self.collector.log().recent_return();
            if self.settings.stop_at_return.is_some_and(|goal| recent.is_some_and(|mean| mean >= goal)) {
                return Ok(Outcome::Finished);
            }
            if stop() {
                return Ok(Outcome::Stopped);
            }
            if self.is_due(before, self.settings.checkpoint_every) && !self.is_finished() {
                checkpoints.save(self.progress.step, &self.save())?;
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
        let Some(evaluation) = self.evaluate(stop)? else { return Ok(()) };
        let mean = evaluation.return_mean();
        record.push("evaluation_return_mean", mean);
        record.push("evaluation_return_std", evaluation.return_std());
        record.push("evaluation_length_mean", evaluation.length_mean());
        for (name, mean) in evaluation.infos.means() {
            record.push(format!("evaluation_info/{name}"), mean);
        }
        if is_best(mean, self.progress.best) {
            let before = self.progress.best.replace(mean);
            checkpoints.save_best(&self.save()).inspect_err(|_| self.progress.best = before)?;
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
        let action = self.action.clone();
        let collected = self
            .collector
            .collect(&mut self.agent, &mut self.action)
            .inspect_err(|_| self.action = action)?;
        let updating = Instant::now();
        let share = self.progress.step as f64 / self.settings.steps as f64;
        let metrics = self.change(|trainer| {
            let Self { agent, ppo, collector, .. } = trainer;
            let (block, rollout) = collector.parts_mut();
            ppo.update(agent, block, rollout, share)
        })?;
        let times = Times {
            stepping: collected.stepping,
            inferring: collected.inferring,
            updating: updating.elapsed(),
        };
        self.progress.step += collected.transitions as u64;
        self.progress.iteration += 1;
        self.progress.seconds += start.elapsed().as_secs_f64();
        let mut record = self.record(collected.transitions, &metrics, &times, start.elapsed());
        for (name, mean) in collected.infos.means() {
            record.push(format!("info/{name}"), mean);
        }
        Ok(record)
    }

    /// Calls `change`, whose error, whatever it is, leaves a state that is neither the one before nor the one after.
    fn change<T>(
        &mut self,
        change: impl FnOnce(&mut Self) -> Result<T, AlgorithmError>,
    ) -> Result<T, AlgorithmError> {
        self.half_changed = true;
        let value = change(self)?;
        self.half_changed = false;
        Ok(value)
    }

    fn check_whole(&self) -> Result<(), AlgorithmError> {
        if self.half_changed { Err(AlgorithmError::HalfChanged) } else { Ok(()) }
    }

    /// Plays the evaluation's episodes greedily; nothing when there are none, or `stop` cuts them short.
    ///
    /// # Errors
    /// Those of the environments.
    pub fn evaluate(&mut self, stop: &dyn Fn() -> bool) -> Result<Option<Evaluation>, AlgorithmError> {
        let episodes = self.settings.evaluation.episodes;
        match &mut self.evaluation {
            Some(batch) => {
                let mut policy = AgentPolicy::new(&mut self.agent, None);
                evaluate(&mut policy, &mut **batch, (episodes, LONGEST), |_| {}, stop)
            }
            None => Ok(None),
        }
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

/// Fails unless a policy that is trained on one batch can be evaluated on the other.
fn same_spaces(learns: &dyn BatchEnv, tried: &dyn BatchEnv) -> Result<(), AlgorithmError> {
    for (own, other, what) in [
        (learns.observation_space(), tried.observation_space(), "observation"),
        (learns.action_space(), tried.action_space(), "action"),
    ] {
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
