//! What a step of a batch costs.

use std::time::Instant;

use phalanx_envs::{
    Action, BatchEnv, Dtype, Env, EnvError, EnvSpec, Episode, Registry, Row, Space, Step, WorkerOptions,
    Workers, Zygote,
};
use serde_json::{Value, json};

use crate::{act, spec};

const STEPS: usize = 16;

fn batch(
    zygote: &Zygote,
    registry: &Registry,
    spec: &EnvSpec,
    rows: usize,
    workers: usize,
) -> Box<dyn BatchEnv> {
    let options = WorkerOptions { workers: Workers::Count(workers), ..WorkerOptions::default() };
    let chosen = phalanx_envs::batch(Some(zygote), registry, spec, rows, STEPS, 7, &options).unwrap();
    let mut batch = chosen.batch;
    batch.reset(None).unwrap();
    batch
}

/// Takes all steps of the block; microseconds of one step on average.
fn rollout(batch: &mut dyn BatchEnv) -> f64 {
    let start = Instant::now();
    batch.step_through(STEPS).unwrap();
    let took = start.elapsed().as_secs_f64() * 1e6 / STEPS as f64;
    batch.block_mut().carry_over(STEPS);
    took
}

/// Prints quantiles over some steps of `rows` environments, each of which keeps its core `busy` for so many µs, or with
/// `uneven` half of them four times as long; and how much of the workers' cores that is.
pub fn steps(zygote: &Zygote, registry: &Registry, rows: usize, workers: usize, busy: f64, uneven: bool) {
    let params = json!({ "busy": busy, "uneven": uneven });
    let mut batch = batch(zygote, registry, &spec(&params), rows, workers);
    (0..STEPS).for_each(|t| act(batch.block_mut(), t, 0));
    let busy: f64 = batch.call_all("busy", &Value::Null).unwrap().iter().filter_map(Value::as_f64).sum();
    let rollouts = (2e6 / (busy + 10.0) / STEPS as f64).clamp(4.0, 2000.0) as usize;
    let mut times: Vec<f64> = (0..rollouts).map(|_| rollout(&mut *batch)).collect();
    times.sort_by(f64::total_cmp);
    let at = |quantile: f64| times[(quantile * times.len() as f64) as usize];
    println!(
        "{rows} rows of {:.1} µs, {workers} workers: p10 {:.1}, p50 {:.1}, p90 {:.1} µs a step; {:.1} % of {} cores",
        busy / rows as f64,
        at(0.1),
        at(0.5),
        at(0.9),
        100.0 * busy / workers.max(1) as f64 / at(0.5),
        workers.max(1)
    );
}

/// Shows a picture of 84×84×4 bytes, another one every step.
pub struct Pixels {
    picture: Vec<u8>,
    spaces: [Space; 2],
}

impl Pixels {
    const BYTES: usize = 84 * 84 * 4;

    pub fn new() -> Self {
        let (low, high) = (vec![0.0; Self::BYTES], vec![255.0; Self::BYTES]);
        let pictures = Space::Box { shape: vec![84, 84, 4], low, high, dtype: Dtype::U8 };
        Self { picture: vec![1; Self::BYTES], spaces: [pictures, Space::boxed(&[-1.0], &[1.0])] }
    }
}

impl Env for Pixels {
    fn observation_space(&self) -> &Space {
        &self.spaces[0]
    }

    fn action_space(&self) -> &Space {
        &self.spaces[1]
    }

    fn reset(&mut self, _seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        observation.u8().copy_from_slice(&self.picture);
        Ok(())
    }

    fn step(&mut self, _action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        self.picture[0] = self.picture[0].wrapping_add(1);
        observation.u8().copy_from_slice(&self.picture);
        Ok(Step { reward: 0.0, episode: Episode::Running })
    }
}

/// Prints how many bytes a second of pictures arrive in the block, beside what plain copying of as many bytes between two
/// places of that size reaches.
pub fn pixels(zygote: &Zygote, registry: &Registry, rows: usize, workers: usize) {
    let mut batch = batch(zygote, registry, &EnvSpec::named("pixels"), rows, workers);
    (0..STEPS).for_each(|t| act(batch.block_mut(), t, 0));
    let bytes = rows * Pixels::BYTES;
    let (from, mut to) = (vec![1_u8; bytes], vec![0_u8; bytes * STEPS]);
    let (mut moved, mut copied) = (f64::MAX, f64::MAX);
    for _ in 0..8 {
        moved = moved.min(rollout(&mut *batch));
        let start = Instant::now();
        to.chunks_exact_mut(bytes).for_each(|to| to.copy_from_slice(&from));
        copied = copied.min(start.elapsed().as_secs_f64() * 1e6 / STEPS as f64);
    }
    assert_eq!(std::hint::black_box(&to)[bytes], 1);
    let gigabytes = |microseconds: f64| bytes as f64 / microseconds * 1e-3;
    println!(
        "{rows} rows of {} bytes, {workers} workers: {:.1} GB/s; copying, one thread: {:.1} GB/s; {:.0} %",
        Pixels::BYTES,
        gigabytes(moved),
        gigabytes(copied),
        100.0 * copied / moved
    );
}
