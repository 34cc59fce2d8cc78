//! How fast: environments alone, and whole iterations of a training.
//!
//! Time is cut into slices, and the median slice is reported with the slowest and the fastest one: a neighbour that is busy
//! for a moment spoils a slice, not the figure.

pub mod limit;

use std::time::{Duration, Instant};

use phalanx_agents::stream;
use phalanx_algorithms::{JsonLines, Logger, Record, TensorBoard, Trainer};
use phalanx_envs::{BatchEnv, BatchError, EnvSpec, LocalBatch, Registry};
use serde::Serialize;

/// Slices that the time is cut into.
const SLICES: u32 = 7;

/// Environment steps a second, all rows together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Speed {
    /// Of the median slice.
    #[serde(rename = "steps_per_second")]
    pub median: f64,
    /// Of the slowest slice.
    pub min: f64,
    /// Of the fastest slice.
    pub max: f64,
    /// Slices measured.
    pub slices: usize,
}

impl Speed {
    fn of(mut slices: Vec<f64>) -> Self {
        slices.sort_by(f64::total_cmp);
        let last = slices.len() - 1;
        Self { median: slices[last / 2], min: slices[0], max: slices[last], slices: slices.len() }
    }
}

/// Laps that are short may take more than the time that they are given, together this much.
const LEAST_TIME: Duration = Duration::from_secs(1);

/// Runs `lap`, which takes some steps and returns how many, for about `time` and a warm-up; twice at least, however long it takes.
fn measure<E>(time: Duration, mut lap: impl FnMut() -> Result<u64, E>) -> Result<Speed, E> {
    let (slice, began) = (time / SLICES, Instant::now());
    let mut run = |least: Duration| -> Result<f64, E> {
        let (start, mut steps) = (Instant::now(), 0);
        while steps == 0 || start.elapsed() < least {
            steps += lap()?;
        }
        Ok(steps as f64 / start.elapsed().as_secs_f64())
    };
    run(slice)?;
    let mut slices = vec![run(slice)?];
    while slices.len() < SLICES as usize && began.elapsed() < (slice + time).max(LEAST_TIME) {
        slices.push(run(slice)?);
    }
    Ok(Speed::of(slices))
}

/// How long an environment takes to be made, reset and stepped once.
///
/// # Errors
/// What the environment reports.
pub fn turn(registry: &Registry, spec: &EnvSpec) -> Result<Duration, BatchError> {
    let make = || -> Result<_, BatchError> {
        let began = Instant::now();
        let mut batch = LocalBatch::new(registry, spec, 1, 1, 0)?;
        batch.reset(None)?;
        batch.step(0)?;
        Ok((batch, began.elapsed()))
    };
    let (_kept, first) = make()?;
    // The first one of a process may start a program that the others share. There may be no second one.
    Ok(make().map_or(first, |(_, second)| first.min(second)))
}

/// Steps a batch with random actions, which are drawn before the clock starts, as a training does: groups of rows continue as soon as
/// their step is finished, and wait for each other after the last step of the block.
///
/// # Errors
/// Those of the environments.
pub fn stepping(batch: &mut dyn BatchEnv, time: Duration) -> Result<Speed, BatchError> {
    let (rows, steps) = (batch.block().layout().rows, batch.block().layout().steps);
    let mut generator = stream(0, "bench");
    for t in 0..steps {
        (0..rows).for_each(|row| batch.block_mut().sample_action(t, row, &mut generator));
    }
    batch.reset(None)?;
    if batch.block().layout().has_mask() {
        return measure(time, || {
            // What is legal is known before each step alone.
            (0..rows).for_each(|row| batch.block_mut().sample_action(0, row, &mut generator));
            batch.step(0)?;
            batch.block_mut().carry_over(1);
            Ok(rows as u64)
        });
    }
    let began = Instant::now();
    batch.step_through(1)?;
    batch.block_mut().carry_over(1);
    // Whole blocks, as in a training, where there is time for them.
    let steps = if began.elapsed() * steps as u32 > time / SLICES { 1 } else { steps };
    measure(time, || {
        batch.step_through(steps)?;
        batch.block_mut().carry_over(steps);
        Ok((rows * steps) as u64)
    })
}

/// Shares of the time of iterations; what is left over is bookkeeping.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Shares {
    /// In the environments.
    pub stepping: f64,
    /// In the policy, while stepping.
    pub inference: f64,
    /// Values, advantages and returns.
    pub advantage: f64,
    /// Gradient steps.
    pub update: f64,
    /// Writing the metrics.
    pub logging: f64,
}

/// Runs whole iterations of a training, with its metrics written to a folder that is gone afterwards.
///
/// # Errors
/// Those of the training; a folder that cannot be written.
pub fn training(trainer: &mut Trainer, time: Duration) -> anyhow::Result<(Speed, Shares)> {
    let folder = tempfile::tempdir()?;
    let mut json = JsonLines::open(&folder.path().join("metrics.jsonl"), 0)?;
    let mut board = TensorBoard::open(&folder.path().join("events"), 0)?;
    let (mut shares, start, mut logging) = (Shares::default(), Instant::now(), Duration::ZERO);
    let speed = measure(time, || -> anyhow::Result<u64> {
        let before = trainer.step();
        let record = trainer.iterate()?;
        let logged = Instant::now();
        json.record(&record)?;
        board.record(&record)?;
        logging += logged.elapsed();
        let seconds = |record: &Record, name| record.get(name).unwrap_or_default();
        shares.stepping += seconds(&record, "seconds_stepping");
        shares.inference += seconds(&record, "seconds_inferring");
        shares.advantage += seconds(&record, "seconds_advantage");
        shares.update += seconds(&record, "seconds_updating");
        Ok(trainer.step() - before)
    })?;
    shares.logging = logging.as_secs_f64();
    let total = start.elapsed().as_secs_f64();
    let Shares { stepping, inference, advantage, update, logging } = &mut shares;
    for share in [stepping, inference, advantage, update, logging] {
        *share /= total;
    }
    Ok((speed, shares))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_slice_counts() {
        let speed = Speed::of(vec![3.0, 1.0, 100.0, 2.0, 4.0]);
        assert_eq!(speed, Speed { median: 3.0, min: 1.0, max: 100.0, slices: 5 });
    }

    #[test]
    fn laps_are_counted_after_a_warm_up() {
        let mut laps = 0;
        let speed = measure(Duration::ZERO, || -> Result<u64, ()> {
            laps += 1;
            Ok(10)
        });
        assert_eq!((laps, speed.map(|s| s.slices)), (1 + SLICES, Ok(SLICES as usize)));
        assert_eq!(measure(Duration::ZERO, || Err("broken")), Err("broken"));
    }
}
