//! `phalanx bench envs`: environments alone, with random actions.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use phalanx_envs::{Chosen, EnvSpec, Registry, WorkerOptions, Workers, Zygote};
use serde::Serialize;

use super::{Usage, eprint_line, labels, seconds, text};
use crate::bench::{Speed, stepping, turn};
use crate::cli::envs::Named;
use crate::plot::{Series, check_ending, plot as draw};

/// What combinations may take to begin, whatever time they are given: a second is soon over.
const LEAST_SECONDS: f64 = 1.0;

/// Steps of the block that environments are stepped over.
const STEPS: usize = 32;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
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
}

pub(super) fn run(
    arguments: Arguments,
    registry: &Registry,
    zygote: &Zygote,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let Arguments { named, rows, workers, seconds, json, plot } = arguments;
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
            let report = measure(&spec, rows, workers, seconds, registry, zygote)?;
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
        eprint_line(line);
    }
    lines.retain(|line| !line.points.is_empty());
    if let Some(file) = plot {
        draw(&file, &labels(&format!("{}, random actions", spec.name), "rows"), &lines)?;
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

/// What `bench envs --json` prints for each combination, in this order.
#[derive(Serialize)]
struct EnvsReport {
    env: String,
    rows: usize,
    workers: usize,
    #[serde(flatten)]
    speed: Speed,
}

fn measure(
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
