//! `phalanx bench train`: whole iterations of a training.

use std::cell::Cell;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use phalanx_envs::{Registry, Zygote};
use serde::Serialize;

use super::{Usage, labels, seconds, text};
use crate::bench::limit::{Limit, limit};
use crate::bench::{Shares, Speed, training};
use crate::cli::config::Overrides;
use crate::plot::{Series, check_ending, plot as draw};
use crate::{config, setup};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Configuration file (YAML).
    #[arg(value_name = "CONFIG")]
    config: PathBuf,
    #[command(flatten)]
    overrides: Overrides,
    /// Setting to measure, one measurement for each, as in `--vary rows=8 --vary rows=64`; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    vary: Vec<String>,
    /// Seconds of each measurement, after a warm-up.
    #[arg(long, default_value_t = 5.0, value_parser = seconds)]
    seconds: f64,
    /// Print one JSON object per line instead of text.
    #[arg(long)]
    json: bool,
    /// Also write a plot, as PNG or SVG: steps per second over the first number in each value of `--vary`.
    #[arg(long, value_name = "FILE.png|FILE.svg", requires = "vary")]
    plot: Option<PathBuf>,
}

pub(super) fn run(
    arguments: &Arguments,
    registry: &Registry,
    zygote: &Zygote,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let Arguments { config, overrides, vary, seconds, json, plot } = arguments;
    plot.as_deref().map_or(Ok(()), check_ending).map_err(|error| Usage(error.to_string()))?;
    let variations = if vary.is_empty() { vec![None] } else { vary.iter().map(Some).collect() };
    let mut points = Vec::new();
    for variation in variations {
        let mut sets = overrides.sets.clone();
        sets.extend(variation.cloned());
        let report = measure(config, &sets, *seconds, registry, zygote)?;
        if *json {
            writeln!(out, "{}", serde_json::to_string(&report)?)?;
        } else {
            show(&report, variation, out)?;
        }
        out.flush()?;
        if let (Some(variation), Some(_)) = (variation, plot) {
            points.push((number(variation)?, report.speed.median));
        }
    }
    if let Some(file) = plot {
        let varied = vary[0].split('=').next().unwrap_or_default();
        let name = config.display().to_string();
        let title = format!("{name}, whole iterations");
        draw(file, &labels(&title, varied), &[Series { name, points }])?;
    }
    Ok(())
}

/// The first number in the value of `key=value`.
fn number(variation: &str) -> Result<f64, Usage> {
    let value = variation.split_once('=').map_or("", |(_, value)| value);
    let digits = value.split(|c: char| !c.is_ascii_digit() && c != '.' && c != '_');
    let number = digits.map(|digits| digits.replace('_', "")).find_map(|digits| digits.parse().ok());
    number.ok_or_else(|| Usage(format!("--vary {variation}: its value has no number that could be drawn")))
}

fn show(report: &TrainReport, variation: Option<&String>, out: &mut impl Write) -> anyhow::Result<()> {
    let TrainReport { env, rows, workers, threads, speed, shares, limit } = report;
    if let Some(variation) = variation {
        writeln!(out, "{variation}")?;
    }
    writeln!(out, "{env}, {rows} rows, {workers} workers, {threads} threads")?;
    writeln!(out, "{} steps/s", text(speed))?;
    let Shares { stepping, inference, advantage, update, logging } = shares;
    writeln!(
        out,
        "stepping {:.1} %, inference {:.1} %, advantage {:.1} %, update {:.1} %, logging {:.1} %",
        stepping * 100.0,
        inference * 100.0,
        advantage * 100.0,
        update * 100.0,
        logging * 100.0
    )?;
    writeln!(
        out,
        "{:.0} % of the limit of {:.0} steps/s: {:.0} kflop a step at {:.0} Gflop/s, and {:.2} µs in the environment on \
         each core",
        100.0 * speed.median / limit.steps_per_second,
        limit.steps_per_second,
        limit.flop_per_step / 1e3,
        limit.flops / 1e9,
        limit.environment * 1e6
    )?;
    Ok(())
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
    limit: Limit,
}

fn measure(
    file: &Path,
    sets: &[String],
    seconds: f64,
    registry: &Registry,
    zygote: &Zygote,
) -> anyhow::Result<TrainReport> {
    let mut config = config::load(file, sets, registry)?;
    // Schedules stay at their start: no iteration is cheaper for a learning rate of 0 or a narrow clip range.
    config.steps = u64::MAX;
    config.evaluation.episodes = 0;
    let (device, workers) = (setup::device(&config, 1)?, Cell::new(0));
    let mut trainer =
        setup::trainer(&config, registry, Some(zygote), (device, Arc::default()), &|_, chosen| {
            workers.set(chosen.workers);
        })?;
    let (speed, shares) = training(&mut trainer, Duration::from_secs_f64(seconds))
        .with_context(|| format!("measuring {}", file.display()))?;
    trainer.close()?;
    let threads = rayon::current_num_threads();
    let workers = workers.get();
    let limit = limit(&config, trainer.agent_mut().network(), workers, registry, zygote)?;
    Ok(TrainReport { env: config.env.name, rows: config.rows, workers, threads, speed, shares, limit })
}
