//! How long it takes to learn: from the command to a mean return of the latest 100 episodes, process start included.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::Value;

use super::install::{Installed, scripts};
use super::page;
use crate::process::{cache, output, root};

/// A task, our configuration of it, and the return to reach.
struct Task {
    config: &'static str,
    env: &'static str,
    goal: f64,
    /// Seeds 1 to this.
    seeds: u32,
}

const TASKS: [Task; 3] = [
    Task { config: "cartpole", env: "CartPole-v1", goal: 475.0, seeds: 3 },
    Task { config: "pendulum", env: "Pendulum-v1", goal: -250.0, seeds: 3 },
    // The others take a quarter of an hour for a seed.
    Task { config: "half_cheetah", env: "HalfCheetah-v5", goal: 3000.0, seeds: 1 },
];

/// One training: seconds and steps to the goal, or why there are none.
type Outcome = Result<(f64, u64), String>;

/// Trains every task (or `only` the one of this configuration) with both, in turn, and writes a table for each.
///
/// # Errors
/// A task that is not known; a failure of our own binary; a page that cannot be written.
pub fn run(phalanx: &Path, installed: &Installed, only: Option<&str>) -> Result<()> {
    for task in TASKS.iter().filter(|task| only.is_none_or(|only| only == task.config)) {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for seed in 1..=task.seeds {
            eprintln!("learn {}, seed {seed} of {}", task.config, task.seeds);
            ours.push(task.ours(phalanx, seed)?);
            theirs.push(task.sb3(installed, seed));
        }
        // After every task: an interrupted run keeps what it has.
        let section = task.section(&ours, &theirs);
        println!("{section}\n");
        page::write(&format!("learn {}", task.config), &section)?;
    }
    Ok(())
}

/// Whether there is a task of this configuration.
pub fn is_known(config: &str) -> bool {
    TASKS.iter().any(|task| task.config == config)
}

impl Task {
    fn ours(&self, phalanx: &Path, seed: u32) -> Result<Outcome> {
        let runs = cache().join("learn");
        let config = root().join(format!("configs/{}.yaml", self.config));
        let mut command = Command::new(phalanx);
        command.arg("train").arg(config).arg("--logdir").arg(&runs).args(["--seed", &seed.to_string()]);
        command.args(["--set", &format!("stop_at_return={}", self.goal)]);
        let start = Instant::now();
        let printed = output(&mut command)?;
        let seconds = start.elapsed().as_secs_f64();
        let metrics = std::fs::read_to_string(Path::new(printed.trim()).join("metrics.jsonl"))
            .context("the run left no metrics")?;
        let last: Value = serde_json::from_str(metrics.lines().last().unwrap_or_default())?;
        let _ = std::fs::remove_dir_all(&runs);
        let reached = last["episode_return_mean"].as_f64().is_some_and(|mean| mean >= self.goal);
        let steps = last["step"].as_u64().unwrap_or_default();
        Ok(if reached { Ok((seconds, steps)) } else { Err("not reached".to_owned()) })
    }

    fn sb3(&self, installed: &Installed, seed: u32) -> Outcome {
        let python = installed.common.as_ref().map_err(Clone::clone)?;
        let mut command = Command::new(python);
        command.arg(scripts().join("sb3_learn.py")).current_dir(cache());
        command.args(["--env", self.env, "--goal", &self.goal.to_string(), "--seed", &seed.to_string()]);
        let start = Instant::now();
        let printed = output(&mut command).map_err(|e| format!("failed: {e:#}"))?;
        let seconds = start.elapsed().as_secs_f64();
        let report: Value = serde_json::from_str(printed.trim()).map_err(|e| e.to_string())?;
        let steps = report["steps"].as_u64().unwrap_or_default();
        if report["reached"] == true { Ok((seconds, steps)) } else { Err("not reached".to_owned()) }
    }

    fn section(&self, ours: &[Outcome], theirs: &[Outcome]) -> String {
        format!(
            "| | Phalanx: seconds (steps) | Stable-Baselines3, settings of the zoo | ratio of medians |\n\
             |---|---|---|--:|\n\
             {}\n\n\
             Seeds 1 to {} in turn, {}. `cargo xtask peers --suite learn --only {}`",
            self.line(ours, theirs),
            self.seeds,
            page::machine(),
            self.config
        )
    }

    fn line(&self, ours: &[Outcome], theirs: &[Outcome]) -> String {
        let cell = |outcomes: &[Outcome]| {
            let text = |outcome: &Outcome| match outcome {
                Ok((seconds, steps)) => format!("{seconds:.1} ({})", page::thousands(*steps as f64)),
                Err(why) => why.clone(),
            };
            outcomes.iter().map(text).collect::<Vec<_>>().join(", ")
        };
        let ratio = match (median(ours), median(theirs)) {
            (Some(ours), Some(theirs)) => format!("{:.1} ×", theirs / ours),
            _ => String::new(),
        };
        format!("| {} to {} | {} | {} | {ratio} |", self.env, self.goal, cell(ours), cell(theirs))
    }
}

/// Of the seconds; a training that did not reach its goal took for ever.
fn median(outcomes: &[Outcome]) -> Option<f64> {
    let mut seconds: Vec<f64> = outcomes
        .iter()
        .map(|outcome| outcome.as_ref().map_or(f64::INFINITY, |(seconds, _)| *seconds))
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().filter(|seconds| seconds.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_seed_counts_and_who_fails_took_for_ever() {
        let ours = [Ok((2.0, 30_000)), Ok((1.0, 20_000)), Ok((9.0, 90_000))];
        let theirs = [Ok((20.0, 70_000)), Err("not reached".to_owned()), Ok((10.0, 60_000))];
        // 20 of (10, 20, ∞) by 2 of (1, 2, 9).
        let line = TASKS[0].line(&ours, &theirs);
        assert!(
            line.starts_with("| CartPole-v1 to 475 | 2.0 (30,000), 1.0 (20,000), 9.0 (90,000) |"),
            "{line}"
        );
        assert!(line.ends_with("| 20.0 (70,000), not reached, 10.0 (60,000) | 10.0 × |"), "{line}");
        assert_eq!(median(&[Err(String::new())]), None);
    }

    #[test]
    fn every_configuration_and_script_exists() {
        assert!(scripts().join("sb3_learn.py").exists());
        for task in &TASKS {
            assert!(root().join(format!("configs/{}.yaml", task.config)).exists());
        }
    }
}
