//! `cargo xtask results`: trains every task with several seeds and writes docs/results.md.
//!
//! Trains and evaluates with the commands that a user would type; this program does not know how learning works.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::process::{cache, output, root};
use crate::release::build;
use crate::{mujoco, setup, zoo};

/// A task and what an agent must reach in it.
struct Task {
    /// File of the configuration, without folder and extension.
    config: &'static str,
    /// Required mean return of the evaluation.
    threshold: f64,
    /// Environment steps that a training may take at most.
    steps: u64,
    /// What it is required of.
    wanted: Wanted,
    /// The package of `cargo xtask zoo` whose virtual environment has its environment, if that is Python's.
    package: Option<&'static str>,
}

/// What a return is required of.
#[derive(Clone, Copy, PartialEq)]
enum Wanted {
    /// Of each of five seeds.
    Each,
    /// Of the mean of so many seeds.
    Mean(u64),
}

const MILLION: u64 = 1_000_000;

const TASKS: [Task; 23] = [
    task("cartpole", 475.0, 100_000, Wanted::Each),
    task("pendulum", -200.0, 300_000, Wanted::Each),
    task("acrobot", -90.0, 300_000, Wanted::Each),
    task("mountain_car_continuous", 85.0, 300_000, Wanted::Each),
    task("mountain_car", -120.0, 1_000_000, Wanted::Each),
    task("cartpole_kl_penalty", 475.0, 220_000, Wanted::Each),
    task("pendulum_kl_penalty", -200.0, 300_000, Wanted::Each),
    task("recall", 0.9, 300_000, Wanted::Each),
    task("cartpole_positions", 450.0, 300_000, Wanted::Each),
    task("picture_and_numbers", 0.9, 110_000, Wanted::Each),
    task("valves", 0.97, 2_000_000, Wanted::Each),
    task("half_cheetah", 5000.0, MILLION, Wanted::Mean(5)),
    task("hopper", 2300.0, MILLION, Wanted::Mean(3)),
    task("walker2d", 3300.0, MILLION, Wanted::Mean(3)),
    task("reacher", -5.0, MILLION, Wanted::Mean(3)),
    task("inverted_double_pendulum", 9000.0, MILLION, Wanted::Mean(3)),
    task("swimmer", 110.0, MILLION, Wanted::Mean(3)),
    task("ant", 1300.0, MILLION, Wanted::Mean(3)),
    task("lunar_lander", 200.0, MILLION, Wanted::Each).of("gymnasium"),
    task("bipedal_walker", 213.0, 5 * MILLION, Wanted::Mean(5)).of("gymnasium"),
    task("minigrid_empty", 0.9, 100_000, Wanted::Each).of("minigrid"),
    task("vizdoom_basic", 75.0, 70_000, Wanted::Each).of("vizdoom"),
    task("fetch_reach", -1.2, 60_000, Wanted::Each).of("gymnasium-robotics"),
];

const fn task(config: &'static str, threshold: f64, steps: u64, wanted: Wanted) -> Task {
    Task { config, threshold, steps, wanted, package: None }
}

const EPISODES: u32 = 100;

/// One training and its evaluation.
struct Outcome {
    steps: u64,
    /// Wall time of the training loop.
    seconds: f64,
    return_mean: f64,
}

impl Task {
    /// The same with the Python of a package.
    const fn of(mut self, package: &'static str) -> Self {
        self.package = Some(package);
        self
    }

    /// Decimal places of its returns.
    fn decimals(&self) -> usize {
        if self.threshold.abs() < 10.0 { 2 } else { 1 }
    }

    fn seeds(&self) -> u64 {
        match self.wanted {
            Wanted::Each => 5,
            Wanted::Mean(seeds) => seeds,
        }
    }

    /// What falls short of the requirement, in words.
    fn shortfalls(&self, outcomes: &[Outcome]) -> Vec<String> {
        let decimals = self.decimals();
        let line =
            |who: String, o: &Outcome| format!("{who}: {:.decimals$} after {} steps", o.return_mean, o.steps);
        match self.wanted {
            Wanted::Each => {
                let misses = (1..).zip(outcomes).filter(|(_, outcome)| !outcome.reaches(self));
                misses.map(|(seed, o)| line(format!("{} with seed {seed}", self.config), o)).collect()
            }
            Wanted::Mean(_) => {
                let mean = Outcome::mean(outcomes);
                (!mean.reaches(self))
                    .then(|| line(format!("{} in the mean", self.config), &mean))
                    .into_iter()
                    .collect()
            }
        }
    }
}

impl Outcome {
    /// Means over the seeds, but the most steps that one took.
    fn mean(outcomes: &[Self]) -> Self {
        let mean = |of: fn(&Self) -> f64| outcomes.iter().map(of).sum::<f64>() / outcomes.len() as f64;
        Self {
            steps: outcomes.iter().map(|outcome| outcome.steps).max().unwrap_or_default(),
            seconds: mean(|outcome| outcome.seconds),
            return_mean: mean(|outcome| outcome.return_mean),
        }
    }

    fn reaches(&self, task: &Task) -> bool {
        self.return_mean >= task.threshold && self.steps <= task.steps
    }
}

/// Trains and evaluates the tasks (or `--only` one) with the seeds 1 to `--seeds`, or as many as the task requires, and writes
/// the table.
///
/// # Errors
/// Unknown arguments, a failed command, or a return that falls short of its task (the table is written first).
pub fn run(arguments: &[&str]) -> Result<()> {
    let (only, seeds) = parse(arguments)?;
    setup::ensure(false)?;
    mujoco::ensure()?;
    let phalanx = build()?;
    let mut short = Vec::new();
    for task in TASKS.iter().filter(|task| only.is_none_or(|only| only == task.config)) {
        let seeds = seeds.unwrap_or(task.seeds());
        let python = task.package.map(zoo::install_package).transpose()?;
        let trainer = Trainer { phalanx: &phalanx, python: python.as_deref() };
        let outcomes = (1..=seeds).map(|seed| trainer.train(task, seed)).collect::<Result<Vec<_>>>()?;
        short.extend(task.shortfalls(&outcomes));
        // After every task: an interrupted run keeps what it has.
        write_row(task, &table_row(task, &outcomes))?;
    }
    ensure!(short.is_empty(), "short of the threshold or over the steps: {}", short.join("; "));
    Ok(())
}

fn parse<'a>(arguments: &[&'a str]) -> Result<(Option<&'a str>, Option<u64>)> {
    let (mut only, mut seeds) = (None, None);
    for pair in arguments.chunks(2) {
        match *pair {
            ["--only", config] if TASKS.iter().any(|task| task.config == config) => only = Some(config),
            ["--only", config] => {
                let known: Vec<_> = TASKS.iter().map(|task| task.config).collect();
                bail!("no task {config:?}; there are {}", known.join(", "));
            }
            ["--seeds", number] => seeds = Some(number.parse().context("--seeds takes a number")?),
            _ => bail!("usage: cargo xtask results [--only CONFIG] [--seeds N]"),
        }
    }
    ensure!(seeds != Some(0), "--seeds must be at least 1");
    Ok((only, seeds))
}

/// What trains and evaluates.
struct Trainer<'a> {
    phalanx: &'a Path,
    /// Virtual environment that Python's environments are taken from.
    python: Option<&'a Path>,
}

impl Trainer<'_> {
    fn train(&self, task: &Task, seed: u64) -> Result<Outcome> {
        let name = format!("{}-{seed}", task.config);
        eprintln!("Training {name} ...");
        let mut train = self.command("train");
        train.arg(root().join("configs").join(format!("{}.yaml", task.config)));
        train.args(["--seed", &seed.to_string(), "--name", &name, "--logdir"]);
        let printed = output(train.arg(cache().join("results")))?;
        let folder = printed.lines().last().context("train did not print its run folder")?;
        let metrics = fs::read_to_string(Path::new(folder).join("metrics.jsonl"))
            .with_context(|| format!("cannot read the metrics of {folder}"))?;
        let last: Value = serde_json::from_str(metrics.lines().last().context("no iteration was logged")?)?;
        let mut evaluate = self.command("evaluate");
        evaluate.args([folder, "--json", "--episodes", &EPISODES.to_string()]);
        let evaluated: Value = serde_json::from_str(&output(&mut evaluate)?)?;
        let outcome = Outcome {
            steps: last["step"].as_u64().context("metrics.jsonl has no step")?,
            seconds: last["seconds"].as_f64().context("metrics.jsonl has no seconds")?,
            return_mean: evaluated["return_mean"].as_f64().context("evaluate gave no return_mean")?,
        };
        eprintln!("  {:.2} after {} steps, {:.1} s", outcome.return_mean, outcome.steps, outcome.seconds);
        Ok(outcome)
    }

    fn command(&self, subcommand: &str) -> Command {
        let mut command = Command::new(self.phalanx);
        command.arg(subcommand);
        if let Some(python) = self.python {
            command.env("VIRTUAL_ENV", python);
        }
        command
    }
}

/// First cell of a task's row, by which it is found again.
fn first_cell(config: &str) -> String {
    format!("| `configs/{config}.yaml` |")
}

fn table_row(task: &Task, outcomes: &[Outcome]) -> String {
    let returns: Vec<f64> = outcomes.iter().map(|outcome| outcome.return_mean).collect();
    let Outcome { steps, seconds, return_mean: mean } = Outcome::mean(outcomes);
    let squares: f64 = returns.iter().map(|r| (r - mean).powi(2)).sum();
    let deviation = (squares / returns.len() as f64).sqrt();
    let worst = returns.iter().copied().fold(f64::INFINITY, f64::min);
    let reached = outcomes.iter().filter(|outcome| outcome.reaches(task)).count();
    let decimals = task.decimals();
    let each = returns.iter().map(|r| format!("{r:.decimals$}")).collect::<Vec<_>>().join(", ");
    format!(
        "{} {}{} | {reached} of {} | {mean:.decimals$} ± {deviation:.decimals$} | {worst:.decimals$} | {each} | {steps} | {seconds:.1} |",
        first_cell(task.config),
        task.threshold,
        if task.wanted == Wanted::Each { "" } else { " in the mean" },
        outcomes.len()
    )
}

/// Puts a task's row into the page; the rows of the other tasks stay.
fn write_row(task: &Task, row: &str) -> Result<()> {
    let page = root().join("docs/results.md");
    let old = fs::read_to_string(&page).unwrap_or_default();
    let rows = TASKS.iter().filter_map(|other| {
        if other.config == task.config {
            return Some(row);
        }
        old.lines().find(|line| line.starts_with(&first_cell(other.config)))
    });
    let text = format!("{}{}\n", heading(), rows.collect::<Vec<_>>().join("\n"));
    fs::create_dir_all(root().join("docs"))
        .and_then(|()| fs::write(&page, text))
        .with_context(|| format!("cannot write {}", page.display()))
}

fn heading() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "# Results\n\n\
         Written by `cargo xtask results` ({EPISODES} greedy episodes after each training, on {cores} cores; of a\n\
         single task: `cargo xtask results --only cartpole`). One training is\n\
         `phalanx train configs/cartpole.yaml --seed 1`, its evaluation\n\
         `phalanx evaluate RUN --episodes {EPISODES} --json`.\n\n\
         Return: of the evaluation, mean ± standard deviation over the seeds, the worst seed, every seed. Steps: of the\n\
         environment, over the whole training. Seconds: wall time of the training loop, mean over the seeds; more where other\n\
         programs ran at the same time.\n\n\
         | config | wanted | reached | return | worst | seeds 1, 2, … | steps | seconds |\n\
         |---|---|---|---|---|---|---|---|\n"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_row_has_mean_spread_worst_and_the_number_that_reached_it() {
        let task = task("cartpole", 475.0, 100, Wanted::Each);
        let outcome = |return_mean, steps| Outcome { steps, seconds: 2.0, return_mean };
        // Mean (500 + 480 + 460) / 3 = 480, deviation sqrt((400 + 0 + 400) / 3) = 16.33; the last seed falls short.
        let row = table_row(&task, &[outcome(500.0, 100), outcome(480.0, 100), outcome(460.0, 90)]);
        let wanted = "| `configs/cartpole.yaml` | 475 | 2 of 3 | 480.0 ± 16.3 | 460.0 | 500.0, 480.0, 460.0 | 100 | 2.0 |";
        assert_eq!(row, wanted);
        // Small returns have another decimal place.
        let row = table_row(&Task { threshold: 0.9, ..task }, &[outcome(0.954, 100)]);
        assert!(row.contains("| 0.9 | 1 of 1 | 0.95 ± 0.00 | 0.95 | 0.95 |"), "{row}");
    }

    #[test]
    fn too_many_steps_do_not_count() {
        let task = task("cartpole", 475.0, 100, Wanted::Each);
        assert!(!Outcome { steps: 101, seconds: 1.0, return_mean: 500.0 }.reaches(&task));
    }

    #[test]
    fn a_mean_may_make_up_for_a_seed() {
        let outcomes = [700.0, 400.0].map(|return_mean| Outcome { steps: 100, seconds: 1.0, return_mean });
        let task = |wanted| task("ant", 500.0, 100, wanted);
        assert_eq!(task(Wanted::Each).shortfalls(&outcomes), ["ant with seed 2: 400.0 after 100 steps"]);
        assert!(task(Wanted::Mean(2)).shortfalls(&outcomes).is_empty());
        assert_eq!(
            task(Wanted::Mean(1)).shortfalls(&outcomes[1..]),
            ["ant in the mean: 400.0 after 100 steps"]
        );
    }

    #[test]
    fn arguments_are_checked() {
        assert_eq!(parse(&["--only", "pendulum", "--seeds", "3"]).unwrap(), (Some("pendulum"), Some(3)));
        assert_eq!(parse(&[]).unwrap(), (None, None));
        for wrong in [&["--only", "chess"][..], &["--seeds", "0"], &["--seeds"], &["--all", "1"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
