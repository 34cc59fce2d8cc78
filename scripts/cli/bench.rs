//! `phalanx bench`: how fast environments and trainings are on this machine.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use phalanx_envs::{Chosen, EnvSpec, Registry, WorkerOptions, Workers, Zygote};
use serde::Serialize;

use super::Usage;
use super::config::Overrides;
use super::envs::Named;
use crate::bench::limit::{Limit, limit};
use crate::bench::{Shares, Speed, stepping, training, turn};
use crate::plot::{Labels, Series, check_ending, plot as draw};
use crate::{config, setup};

/// What combinations may take to begin, whatever time they are given: a second is soon over.
const LEAST_SECONDS: f64 = 1.0;

/// Steps of the block that environments are stepped over.
const STEPS: usize = 32;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Measure the steps per second of an environment with random actions.
    Envs {
        #[command(flatten)]
        named: Named,
        /// Numbers of environments that are stepped together; each is measured with each of `--workers`.
        #[arg(long, value_delimiter = ',', default_value = "8,64,256,1024", value_name = "N,...")]
        rows: Vec<usize>,
        /// Numbers of worker processes: `auto` chooses one, 0 steps the environments in this process.
        #[arg(long, value_delimiter = ',', default_value = "0,1,2,auto", value_name = "auto|N,...")]
        workers: Vec<Workers>,
        /// Seconds for each combination of rows and workers; combinations that take longer to start are left out and reported.
        #[arg(long, default_value_t = 3.0, value_parser = seconds)]
        seconds: f64,
        /// Print one JSON object per line instead of a table.
        #[arg(long)]
        json: bool,
        /// Also write a plot, as PNG or SVG: steps per second over rows, with a line for each number of workers.
        #[arg(long, value_name = "FILE.png|FILE.svg")]
        plot: Option<PathBuf>,
    },
    /// Measure the steps per second of whole training iterations: rollouts, updates and metrics.
    Train {
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
        Command::Envs { named, rows, workers, seconds, json, plot } => {
            plot.as_deref().map_or(Ok(()), check_ending).map_err(|error| Usage(error.to_string()))?;
            let spec = named.spec()?;
            if rows.contains(&0) {
                return Err(Usage("--rows: at least one row is needed".to_owned()).into());
            }
            if !json {
                writeln!(out, "{}, random actions\n{:>6} {:>9}  steps/s", spec.name, "rows", "workers")?;
            }
            let line = |workers: &Workers| Series { name: format!("workers: {workers}"), points: Vec::new() };
            let mut lines: Vec<Series> = workers.iter().map(line).collect();
            let (spinner, mut left_out) = (Spinner::new("one environment"), Vec::new());
            let turn = turn(registry, &spec)?;
            for &rows in &rows {
                for (&workers, line) in workers.iter().zip(&mut lines) {
                    let named = format!("{rows} rows, {}", processes(workers));
                    let expected = turn.as_secs_f64() * longest_share(rows, workers) as f64;
                    if expected > seconds.max(LEAST_SECONDS) {
                        left_out.push(format!(
                            "left out: {named}: making, resetting and stepping them once would take about {expected:.0} s, more \
                             than {seconds} s (--seconds)"
                        ));
                        continue;
                    }
                    spinner.show(&named);
                    let report = envs(&spec, rows, workers, seconds, registry, zygote)?;
                    spinner.clear();
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
                    line.points.push((rows as f64, report.speed.median));
                }
            }
            spinner.clear();
            for line in &left_out {
                super::eprint_line(line);
            }
            lines.retain(|line| !line.points.is_empty());
            if let Some(file) = plot {
                draw(&file, &labels(&format!("{}, random actions", spec.name), "rows"), &lines)?;
            }
        }
        Command::Train { config, overrides, vary, seconds, json, plot } => {
            plot.as_deref().map_or(Ok(()), check_ending).map_err(|error| Usage(error.to_string()))?;
            let variations = if vary.is_empty() { vec![None] } else { vary.iter().map(Some).collect() };
            let mut points = Vec::new();
            for variation in variations {
                let mut sets = overrides.sets.clone();
                sets.extend(variation.cloned());
                let report = train(&config, &sets, seconds, registry, zygote)?;
                if json {
                    writeln!(out, "{}", serde_json::to_string(&report)?)?;
                } else {
                    show(&report, variation, out)?;
                }
                out.flush()?;
                if let (Some(variation), Some(_)) = (variation, &plot) {
                    points.push((number(variation)?, report.speed.median));
                }
            }
            if let Some(file) = plot {
                let varied = vary[0].split('=').next().unwrap_or_default();
                let name = config.display().to_string();
                let title = format!("{name}, whole iterations");
                draw(&file, &labels(&title, varied), &[Series { name, points }])?;
            }
        }
    }
    Ok(())
}

/// What is being measured, on a terminal.
struct Spinner(ProgressBar);

impl Spinner {
    fn new(what: &str) -> Self {
        let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}");
        let spinner = Self(ProgressBar::new_spinner());
        spinner.0.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        spinner.show(what);
        spinner
    }

    fn show(&self, what: &str) {
        self.0.reset();
        self.0.set_message(format!("measuring {what}"));
        self.0.tick();
    }

    /// Leaves the line to what is printed.
    fn clear(&self) {
        self.0.finish_and_clear();
    }
}

/// Rows that are stepped one after another.
fn longest_share(rows: usize, workers: Workers) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    rows.div_ceil(match workers {
        Workers::Count(workers) => workers.max(1),
        Workers::Auto => cores,
    })
}

fn processes(workers: Workers) -> String {
    format!("{workers} worker{}", if workers == Workers::Count(1) { "" } else { "s" })
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
    spec: &EnvSpec,
    rows: usize,
    workers: Workers,
    seconds: f64,
    registry: &Registry,
    zygote: &Zygote,
) -> anyhow::Result<EnvsReport> {
    let options = WorkerOptions { workers, ..WorkerOptions::default() };
    let Chosen { mut batch, workers, .. } =
        phalanx_envs::batch(Some(zygote), registry, spec, rows, STEPS, 0, &options)?;
    let speed = stepping(&mut *batch, Duration::from_secs_f64(seconds))?;
    batch.close()?;
    Ok(EnvsReport { env: spec.name.clone(), rows, workers, speed })
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

fn train(
    file: &std::path::Path,
    sets: &[String],
    seconds: f64,
    registry: &Registry,
    zygote: &Zygote,
) -> anyhow::Result<TrainReport> {
    let mut config = config::load(file, sets, registry)?;
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
    let workers = workers.get();
    let limit = limit(&config, trainer.agent_mut().network(), workers, registry, zygote)?;
    Ok(TrainReport { env: config.env.name, rows: config.rows, workers, threads, speed, shares, limit })
}

/// Steps a second over what was varied.
fn labels<'a>(title: &'a str, across: &'a str) -> Labels<'a> {
    Labels { title, across, up: "steps/s", logarithmic: true }
}
