//! How a training would scale to many ranks, simulated from pieces that are measured on this machine.
//!
//! Each rank steps its rows in turn, one thread on one core; ranks wait for the slowest in each iteration. A sum over n ranks on several
//! machines is an exchange of parts and a gathering of sums, 2·(n − 1) messages and 2·(n − 1)/n of the bytes.

use std::time::{Duration, Instant};

use phalanx_agents::stream;
use phalanx_envs::Registry;
use phalanx_mesh::{Layout, MeshSettings, Shape};
use rand::RngExt;

use super::pieces::batch;
use super::{Pieces, networks, plan_of};
use crate::config::{AlgorithmSettings, Config};

/// Iterations that are simulated for each number of ranks.
const ITERATIONS: usize = 32;

/// How long steps are measured.
const TIME: Duration = Duration::from_secs(1);

/// A number of ranks, and the training's speed on them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scaling {
    /// Ranks, each with the rows of the configuration.
    pub ranks: usize,
    /// Environment steps a second of all.
    pub steps_per_second: f64,
    /// Of the speed of one rank, times their number.
    pub efficiency: f64,
    /// Share of an iteration that goes into waiting for the slowest rank.
    pub waiting: f64,
    /// Share that goes into sums.
    pub sums: f64,
}

/// The speeds of 1, 2, 4, … `most` ranks, of which each has the rows that `config` has; `pieces` has the latency and bytes of sums.
///
/// # Errors
/// Those of the environment.
pub fn scaling(
    config: &Config,
    registry: &Registry,
    pieces: &Pieces,
    most: usize,
) -> anyhow::Result<Vec<Scaling>> {
    let times = step_times(config, registry)?;
    let graph = networks(config, registry)?;
    let (rows, steps) = (config.rows, config.rollout.steps(config.rows));
    let mut generator = stream(config.seed, "scaling");
    let (mut found, mut alone) = (Vec::new(), None);
    let mut ranks = 1;
    while ranks <= most {
        let shape = Shape(if ranks == 1 {
            Vec::new()
        } else {
            format!("rows:{ranks}").parse::<Shape>().map_err(anyhow::Error::msg)?.0
        });
        let mesh = MeshSettings { shape, layout: Layout::default(), ..config.mesh.clone() };
        let mut all = config.clone();
        all.rows = rows * ranks;
        let AlgorithmSettings::Ppo(ppo) = &mut all.algorithm;
        // As many optimiser steps as one rank takes.
        ppo.minibatch = ppo.minibatch.map(|minibatch| minibatch * ranks);
        let plan = plan_of(&all, &graph, &mesh)?;
        let computing = plan.flops / pieces.flops;
        let (n, sums) = (ranks as f64, (plan.sums[0] + plan.sums[1]) as f64);
        let messages = 2.0 * (n - 1.0);
        // The latency that was measured is that of two ranks: two messages.
        let exchanged =
            sums * messages * pieces.latency / 2.0 + plan.gradient_bytes as f64 * pieces.byte * messages / n;
        let (mut total, mut waited) = (0.0, 0.0);
        for _ in 0..ITERATIONS {
            // Sums of many steps are close to normal, so that one draw of a few steps stands for all of a rank's.
            let rollouts: Vec<f64> = (0..ranks)
                .map(|_| (0..steps * rows).map(|_| times[generator.random_range(0..times.len())]).sum())
                .collect();
            let slowest = rollouts.iter().copied().fold(0.0, f64::max);
            waited += slowest - rollouts.iter().sum::<f64>() / n;
            total += slowest + computing + exchanged;
        }
        let seconds = total / ITERATIONS as f64;
        let speed = n * (steps * rows) as f64 / seconds;
        let one = *alone.get_or_insert(speed);
        found.push(Scaling {
            ranks,
            steps_per_second: speed,
            efficiency: speed / (n * one),
            waiting: waited / total,
            sums: exchanged / seconds,
        });
        ranks *= 2;
    }
    Ok(found)
}

/// Seconds of steps of one environment, with the resets that follow them.
fn step_times(config: &Config, registry: &Registry) -> anyhow::Result<Vec<f64>> {
    let mut batch = batch(config, registry, (1, 1))?;
    let (mut generator, mut times, begin) = (stream(config.seed, "steps"), Vec::new(), Instant::now());
    batch.reset(None)?;
    while begin.elapsed() < TIME {
        batch.block_mut().sample_action(0, 0, &mut generator);
        let step = Instant::now();
        batch.step(0)?;
        times.push(step.elapsed().as_secs_f64());
        batch.block_mut().carry_over(1);
    }
    batch.close()?;
    Ok(times)
}
