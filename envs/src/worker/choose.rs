//! The number of workers.

use super::{OnWorkerLoss, WorkerBatch, WorkerOptions, Workers, Zygote};
use crate::{BatchEnv, BatchError, EnvSpec, LocalBatch, Registry, Seeds};

/// What handing a batch step to workers and back costs, in seconds: twice what was measured for two workers on two cores.
const HAND_OVER: f64 = 15e-6;

/// How long the environment is timed.
const TIMING: f64 = 0.02;

/// A batch, and how its number of workers came about.
pub struct Chosen {
    /// The batch.
    pub batch: Box<dyn BatchEnv>,
    /// Worker processes; 0 when the learner steps the rows itself.
    pub workers: usize,
    /// Why so many, for the log.
    pub why: String,
}

/// A batch of `rows` environments over a block of `steps` steps, with the number of workers in the options.
///
/// [`Workers::Auto`] times the environment once in a worker of its own, never in this process. Without a zygote
/// there are no workers; with [`OnWorkerLoss::Respawn`] there is at least one.
///
/// # Errors
/// As [`LocalBatch::new`] and [`WorkerBatch::new`]; [`BatchError::Workers`] when workers are requested and there is no
/// zygote.
pub fn batch(
    zygote: Option<&Zygote>,
    registry: &Registry,
    spec: &EnvSpec,
    rows: usize,
    steps: usize,
    seeds: impl Into<Seeds>,
    options: &WorkerOptions,
) -> Result<Chosen, BatchError> {
    let seeds = seeds.into();
    let respawns = options.on_worker_loss != OnWorkerLoss::Fail;
    let (workers, why) = match (options.workers, zygote) {
        (Workers::Count(0), _) if respawns => {
            (0, "as requested; without workers `on_worker_loss: respawn` has no effect".to_owned())
        }
        (Workers::Count(0), _) => (0, "as requested".to_owned()),
        (Workers::Auto, None) => (0, "no worker can be forked here".to_owned()),
        (Workers::Count(_), None) => {
            return Err(BatchError::Workers("none can be forked here: use 0".to_owned()));
        }
        (Workers::Count(n), Some(_)) if n > rows => {
            (rows, format!("{n} were requested, one for each row at most"))
        }
        (Workers::Count(n), Some(_)) => (n, "as requested".to_owned()),
        (Workers::Auto, Some(zygote)) => {
            let seconds = time(zygote, spec, seeds, options).map_err(|cause| match cause {
                BatchError::Lost { .. } => {
                    BatchError::Timing { env: spec.name.clone(), cause: Box::new(cause) }
                }
                other => other,
            })?;
            let cores = options.cores();
            let workers = pays(seconds * rows as f64, cores.min(rows));
            // Only a worker can be replaced.
            let workers = if respawns { workers.max(1) } else { workers };
            (workers, format!("one step of one row takes {:.1} µs, with {cores} cores", seconds * 1e6))
        }
    };
    let batch: Box<dyn BatchEnv> = match zygote {
        Some(zygote) if workers > 0 => {
            let options =
                WorkerOptions { pipelined: Some(options.pipelined.unwrap_or(true)), ..options.clone() };
            Box::new(WorkerBatch::new(zygote, spec, rows, steps, seeds, workers, &options)?)
        }
        _ => {
            let batch = LocalBatch::new(registry, spec, rows, steps, seeds)?;
            Box::new(batch.with_action_scaling(options.action_scaling)?)
        }
    };
    Ok(Chosen { batch, workers, why })
}

/// Seconds that a step of one row takes in a worker.
fn time(zygote: &Zygote, spec: &EnvSpec, seeds: Seeds, options: &WorkerOptions) -> Result<f64, BatchError> {
    let mut probe = WorkerBatch::new(zygote, spec, 1, 1, seeds, 1, options)?;
    let seconds = probe.time(TIMING)?;
    probe.close()?;
    Ok(seconds)
}

/// `workers` when they save more than they cost on a batch step that takes one process `seconds`; else 0.
fn pays(seconds: f64, workers: usize) -> usize {
    let saved = seconds * (1.0 - 1.0 / workers as f64);
    if saved > HAND_OVER { workers } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_must_save_more_than_a_hand_over() {
        // 64 rows of 20 ns: 1.3 µs, half of which two workers would save.
        assert_eq!(pays(64.0 * 20e-9, 2), 0);
        // 256 rows of 20 µs: 5.1 ms.
        assert_eq!(pays(256.0 * 20e-6, 2), 2);
        // One worker saves nothing.
        assert_eq!(pays(1.0, 1), 0);
    }
}
