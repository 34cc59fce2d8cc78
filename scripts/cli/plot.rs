//! `phalanx plot`: the curves of trainings as a picture.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Map, Value};

use super::Usage;
use crate::plot::{Labels, Series, check_ending, plot};
use crate::run::RunFolder;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Folders of runs, as printed by `phalanx train`; each becomes a line of the plot.
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// Metric on the vertical axis, by its name in `metrics.jsonl` (explained in docs/ppo.md).
    #[arg(long, value_name = "NAME", default_value = "episode_return_mean")]
    metric: String,
    /// Quantity on the horizontal axis.
    #[arg(long, value_enum, default_value_t = Across::Step)]
    over: Across,
    /// File to write, PNG or SVG by its ending.
    #[arg(long, value_name = "FILE", default_value = "curve.png")]
    out: PathBuf,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Across {
    /// Environment steps of all rows together.
    Step,
    /// Seconds of training.
    Seconds,
    /// Iterations, each a rollout and an update.
    Iteration,
}

impl Across {
    /// The metric, and what is written beside it.
    fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Seconds => "seconds",
            Self::Iteration => "iteration",
        }
    }
}

pub(super) fn run(arguments: &Arguments, out: &mut impl Write) -> anyhow::Result<()> {
    let Arguments { runs, metric, over, out: file } = arguments;
    check_ending(file).map_err(|error| Usage(error.to_string()))?;
    let mut series = Vec::new();
    for run in runs {
        match curve(run, metric, *over)? {
            Ok(line) => series.push(line),
            Err(why) if runs.len() > 1 => super::eprint_line(&format!("left out: {why}")),
            Err(why) => return Err(Usage(why).into()),
        }
    }
    if series.is_empty() {
        return Err(Usage(format!("no run has a number {metric:?} yet")).into());
    }
    let title = if let [only] = &series[..] { only.name.clone() } else { metric.clone() };
    plot(file, &Labels { title: &title, across: over.name(), up: metric, logarithmic: false }, &series)?;
    writeln!(out, "{}", file.display())?;
    Ok(())
}

/// One run's line, or why there is none yet; records without the metric are left out.
fn curve(run: &Path, metric: &str, over: Across) -> anyhow::Result<Result<Series, String>> {
    let file = RunFolder::open(run).map_err(|error| Usage(error.to_string()))?.metrics_file();
    let text = match fs::read_to_string(&file) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        text => text.with_context(|| format!("cannot read {}", file.display()))?,
    };
    // A running training may be writing the last line.
    let records: Vec<_> =
        text.lines().filter_map(|line| serde_json::from_str::<Map<String, Value>>(line).ok()).collect();
    if records.is_empty() {
        return Ok(Err(format!("{} has not finished an iteration yet", run.display())));
    }
    let point = |record: &Map<String, Value>| Some((number(record, over.name())?, number(record, metric)?));
    let points: Vec<_> = records.iter().filter_map(point).collect();
    if points.is_empty() {
        let known: BTreeSet<_> = records.iter().flat_map(Map::keys).map(String::as_str).collect();
        let known = Vec::from_iter(known).join(", ");
        return Ok(Err(format!("{} has no number {metric:?} yet; it has {known}", file.display())));
    }
    let name = run.canonicalize().ok().and_then(|run| Some(run.file_name()?.to_string_lossy().into_owned()));
    Ok(Ok(Series { name: name.unwrap_or_else(|| run.display().to_string()), points }))
}

fn number(record: &Map<String, Value>, name: &str) -> Option<f64> {
    record.get(name)?.as_f64()
}
