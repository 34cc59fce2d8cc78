//! From a configuration to what runs: libtorch, environments, trainer, trained agents.

use std::sync::Arc;
use std::thread::available_parallelism;

use anyhow::Context;
use phalanx_agents::{Agent, AgentError, Checkpoint, Device, InitFrom, TensorFile, stream};
use phalanx_algorithms::{AlgorithmError, TrainSettings, Trainer, Which};
use phalanx_envs::{BatchError, Chosen, EnvSpec, Layout, Registry, Seeds, WorkerOptions, Zygote};
use phalanx_mesh::Grid;

use crate::config::{AlgorithmSettings, Config, DeviceSetting};
use crate::run::RunFolder;

/// The device that a configuration names is not there.
#[derive(Debug, thiserror::Error)]
#[error("there is no device cuda:{index}: this libtorch sees {count} CUDA devices; use `device: cpu`")]
pub struct NoDevice {
    index: usize,
    count: i64,
}

/// Cores of each of `ranks` ranks that share this machine.
fn cores(ranks: usize) -> usize {
    (available_parallelism().map_or(1, usize::from) / ranks).max(1)
}

/// Starts the threads of the networks and finds the device, where `ranks` ranks share this machine.
///
/// # Errors
/// [`NoDevice`].
pub fn device(config: &Config, ranks: usize) -> Result<Device, NoDevice> {
    let threads = config.threads.unwrap_or_else(|| cores(ranks));
    // What libtorch computes on the CPU must not depend on the number of threads.
    tch::set_num_threads(1);
    // The caller's thread is one of them. A pool that is there already stays, with its threads: results are the same.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).use_current_thread().build_global();
    match config.device {
        DeviceSetting::Cpu => Ok(Device::Cpu),
        DeviceSetting::Cuda(index) => {
            let count = tch::Cuda::device_count();
            if (index as i64) < count { Ok(Device::Cuda(index)) } else { Err(NoDevice { index, count }) }
        }
    }
}

/// A batch of environments `env`, stepped as configured: `rows` of them, over a block of `steps` steps, where `ranks` ranks share this
/// machine. Without a zygote there are no workers.
///
/// # Errors
/// Those of the environments and workers.
pub fn batch(
    config: &Config,
    env: &EnvSpec,
    registry: &Registry,
    zygote: Option<&Zygote>,
    (rows, steps, seeds): (usize, usize, impl Into<Seeds>),
    ranks: usize,
) -> Result<Chosen, BatchError> {
    let options = WorkerOptions { cores: Some(cores(ranks)), ..config.worker_options() };
    phalanx_envs::batch(zygote, registry, env, rows, steps, seeds, &options)
}

/// The configured training at its start; `note` is called with the rows of each batch and how
/// its workers were chosen.
///
/// # Errors
/// Those of the environments; spaces or settings that are invalid.
pub fn trainer(
    config: &Config,
    registry: &Registry,
    zygote: Option<&Zygote>,
    (device, grid): (Device, Arc<Grid>),
    note: &dyn Fn(usize, &Chosen),
) -> Result<Trainer, AlgorithmError> {
    let AlgorithmSettings::Ppo(ppo) = &config.algorithm;
    let settings = TrainSettings {
        rows: config.rows,
        steps: config.steps,
        stop_at_return: config.stop_at_return,
        seed: config.seed,
        device,
        rollout: config.rollout,
        network: config.network.clone(),
        normalize: config.normalize.clone(),
        ppo: ppo.clone(),
        evaluation: config.evaluation.clone(),
        checkpoint_every: config.checkpoint.every,
    };
    let ranks = grid.all.local_size();
    let make = |env: Option<&EnvSpec>, rows, steps, seeds| {
        let env = env.unwrap_or(&config.env);
        let chosen = self::batch(config, env, registry, zygote, (rows, steps, seeds), ranks)?;
        note(rows, &chosen);
        Ok(chosen.batch)
    };
    Trainer::new(settings, &make, grid)
}

/// The tensors that a training starts from: those of a run's newest checkpoint, or of a file.
///
/// # Errors
/// [`RunError`](crate::run::RunError) where there is no run, [`AgentError`] where a file cannot be read or lacks a name.
pub fn tensors(from: &InitFrom) -> anyhow::Result<TensorFile> {
    let path = from.path();
    let file = if path.is_file() {
        TensorFile::load(path)?
    } else if path.is_dir() {
        let run = RunFolder::open(path).context("network.init_from")?;
        TensorFile::load(&run.checkpoints(1).load(Which::Latest)?.path)?
    } else {
        let (path, here) = (path.display(), std::env::current_dir().unwrap_or_default());
        anyhow::bail!("network.init_from: {path} is neither a run nor a file (from {})", here.display());
    };
    from.check_names(&file)?;
    Ok(file)
}

/// The agent of a checkpoint, for a batch of this layout.
///
/// # Errors
/// [`AgentError`] when it was made for other spaces or another network.
pub fn agent(
    config: &Config,
    layout: &Layout,
    device: Device,
    checkpoint: &Checkpoint,
) -> Result<Agent, AgentError> {
    // The checkpoint replaces what the generator draws.
    let mut generator = stream(config.seed, "initialisation");
    let Layout { observation_space, action_space, action_scale, .. } = layout;
    let Config { network, normalize, .. } = config;
    let mut agent = Agent::new(
        observation_space,
        action_space,
        network,
        normalize,
        action_scale,
        &mut generator,
        device,
    )?;
    agent.restore(checkpoint)?;
    Ok(agent)
}

/// Seed of the environments that a finished run is evaluated on: no training and no evaluation within one uses it.
pub fn trial_seed(seed: u64) -> u64 {
    phalanx_envs::episode_seed(seed, usize::MAX - 1, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_of_trials_differ_from_those_of_training() {
        for seed in [0, 1, u64::MAX] {
            assert_ne!(trial_seed(seed), seed);
            assert_ne!(trial_seed(seed), phalanx_algorithms::evaluation_seed(seed));
        }
    }
}
