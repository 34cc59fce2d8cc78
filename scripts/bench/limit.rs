//! What the machine could do at most: the update's arithmetic at the speed of matrix products, and the environments on all
//! cores.

use std::time::Duration;

use phalanx_agents::{ActorCritic, product_speed};
use phalanx_envs::{BatchError, Registry, WorkerOptions, Workers, Zygote};
use serde::Serialize;

use super::stepping;
use crate::config::{AlgorithmSettings, Config};

/// How long the environment is measured alone.
const ALONE: Duration = Duration::from_millis(300);

/// Steps of the block that it is measured over.
const STEPS: usize = 16;

/// The limit of a training, and what it is reckoned from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Limit {
    /// Environment steps a second of a training that is nothing but arithmetic and environments.
    pub steps_per_second: f64,
    /// Floating-point operations that one environment step costs the networks.
    pub flop_per_step: f64,
    /// Floating-point operations a second of matrix products as wide as the networks, on all threads.
    pub flops: f64,
    /// Seconds of one environment step on one core.
    pub environment: f64,
}

/// The limit of `config`'s training with `networks`, whose environments are stepped by `workers` workers.
///
/// A pass backwards costs twice a pass forwards, and every transition goes forwards once in the rollout.
///
/// # Errors
/// Those of the environments.
pub fn limit(
    config: &Config,
    networks: &ActorCritic,
    workers: usize,
    registry: &Registry,
    zygote: &Zygote,
) -> Result<Limit, BatchError> {
    let AlgorithmSettings::Ppo(ppo) = &config.algorithm;
    let flop_per_step = networks.flop_per_row() * (3.0 * ppo.epochs as f64 + 1.0);
    let flops = product_speed(config.network.hidden.iter().copied().max().unwrap_or(1));
    // In a worker where the training has workers: the environment may need a process of its own.
    let options = WorkerOptions { workers: Workers::Count(workers.min(1)), ..config.worker_options() };
    let mut batch =
        phalanx_envs::batch(Some(zygote), registry, &config.env, config.rows, STEPS, config.seed, &options)?
            .batch;
    let environment = 1.0 / stepping(&mut *batch, ALONE)?.median;
    batch.close()?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let seconds = flop_per_step / flops + environment / cores as f64;
    Ok(Limit { steps_per_second: 1.0 / seconds, flop_per_step, flops, environment })
}
