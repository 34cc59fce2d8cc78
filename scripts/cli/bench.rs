//! `phalanx bench`: how fast environments and trainings are on this machine.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Subcommand;
use phalanx_envs::{Chosen, EnvSpec, Registry, WorkerOptions, Workers, Zygote};
use serde::Serialize;

use super::Usage;
use super::config::Overrides;
use crate::bench::{Shares, Speed, stepping, training};
use crate::{config, setup};

/// Steps of the block that environments are stepped over.
const STEPS: usize = 32;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Step an environment with random actions.
    Envs {
        /// As listed by `phalanx envs list`.
        name: String,
        /// Environments that are stepped together.
        #[arg(long, value_delimiter = ',', default_value = "8,64,256,1024", value_name = "N,...")]
        rows: Vec<usize>,
        /// Processes that step them: `auto`, or a number; 0 steps them in this process.
        #[arg(long, value_delimiter = ',', default_value = "0,1,2,auto", value_name = "auto|N,...")]
        workers: Vec<Workers>,
        /// For each combination.
        #[arg(long, default_value_t = 3.0, value_parser = seconds)]
        seconds: f64,
        /// Print one JSON object a line instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Run whole iterations of a training: rollouts, updates and metrics, without evaluations and checkpoints.
    Train {
        /// Configuration in YAML.
        #[arg(value_name = "CONFIG")]
        config: PathBuf,
        #[command(flatten)]
        overrides: Overrides,
        /// Of measuring, after a warm-up.
        #[arg(long, default_value_t = 5.0, value_parser = seconds)]
        seconds: f64,
        /// Print one JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("expected a number of seconds, a day at most".to_owned()),
    }
}

pub(super) fn run(
    command: Command,
    registry: &Registry,
    zygote: &Zygote,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    match command {
        Command::Envs { name, rows, workers, seconds, json } => {
            registry.info(&name)?;
            if rows.contains(&0) {
                return Err(Usage("--rows: at least one row is needed".to_owned()).into());
            }
            if !json {
                writeln!(out, "{name}, random actions\n{:>6} {:>9}  steps/s", "rows", "workers")?;
            }
            for &rows in &rows {
                for &workers in &workers {
                    let report = envs(&name, rows, workers, seconds, registry, zygote)?;
                    if json {
                        writeln!(out, "{}", serde_json::to_string(&report)?)?;
                    } else {
                        let asked = match workers {
                            Workers::Auto => format!("auto: {}", report.workers),
                            Workers::Count(_) => report.workers.to_string(),
                        };
                        writeln!(out, "{rows:>6} {asked:>9}  {}", text(&report.speed))?;
                    }
                    out.flush()?;
                }
            }
        }
        Command::Train { config, overrides, seconds, json } => {
            let report = train(&config, &overrides, seconds, registry, zygote)?;
            if json {
                writeln!(out, "{}", serde_json::to_string(&report)?)?;
            } else {
                let TrainReport { env, rows, workers, threads, .. } = &report;
                writeln!(out, "{env}, {rows} rows, {workers} workers, {threads} threads")?;
                writeln!(out, "{} steps/s", text(&report.speed))?;
                let Shares { stepping, inference, advantage, update, logging } = report.shares;
                writeln!(
                    out,
                    "stepping {:.1} %, inference {:.1} %, advantage {:.1} %, update {:.1} %, logging {:.1} %",
                    stepping * 100.0,
                    inference * 100.0,
                    advantage * 100.0,
                    update * 100.0,
                    logging * 100.0
                )?;
            }
        }
    }
    Ok(())
}

fn text(speed: &Speed) -> String {
    format!("{:.0} ({:.0} to {:.0} in {} slices)", speed.median, speed.min, speed.max, speed.slices)
}

/// What `bench envs --json` prints for each combination, in this order.
#[derive(Serialize)]
struct EnvsReport {
    env: String,
    rows: usize,
    workers: usize,
    #[serde(flatten)]
    speed: Speed,
}

fn envs(
    name: &str,
    rows: usize,
    workers: Workers,
    seconds: f64,
    registry: &Registry,
    zygote: &Zygote,
) -> anyhow::Result<EnvsReport> {
    let options = WorkerOptions { workers, ..WorkerOptions::default() };
    let spec = EnvSpec::named(name);
    let Chosen { mut batch, workers, .. } =
        phalanx_envs::batch(Some(zygote), registry, &spec, rows, STEPS, 0, &options)?;
    let speed = stepping(&mut *batch, Duration::from_secs_f64(seconds))?;
    batch.close()?;
    Ok(EnvsReport { env: name.to_owned(), rows, workers, speed })
}

/// What `bench train --json` prints, in this order.
#[derive(Serialize)]
struct TrainReport {
    env: String,
    rows: usize,
    workers: usize,
    threads: usize,
    #[serde(flatten)]
    speed: Speed,
    shares: Shares,
}

fn train(
    file: &std::path::Path,
    overrides: &Overrides,
    seconds: f64,
    registry: &Registry,
    zygote: &Zygote,
) -> anyhow::Result<TrainReport> {
    let mut config = config::load(file, &overrides.sets, registry)?;
    // Schedules stand at their start: no iteration is cheaper for a learning rate of 0 or a narrow clip range.
    config.steps = u64::MAX;
    config.evaluation.episodes = 0;
    let (device, workers) = (setup::device(&config)?, std::cell::Cell::new(0));
    let mut trainer =
        setup::trainer(&config, registry, zygote, device, &|_, chosen| workers.set(chosen.workers))?;
    let (speed, shares) = training(&mut trainer, Duration::from_secs_f64(seconds))
        .with_context(|| format!("measuring {}", file.display()))?;
    trainer.close()?;
    let threads = rayon::current_num_threads();
    Ok(TrainReport {
        env: config.env.name,
        rows: config.rows,
        workers: workers.get(),
        threads,
        speed,
        shares,
    })
}
