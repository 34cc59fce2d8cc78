//! The contract of [`Env`](crate::Env), checked by using an environment and watching it.
//!
//! `phalanx envs check NAME` runs it on any registered environment, a test runs it on all of ours. It sees what random
//! actions show in a few thousand steps; it cannot see whether the task is the one that was meant, nor an endless loop.

mod apart;
#[cfg(test)]
mod tests;
mod trial;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::apart::check_apart;

use self::trial::{Difference, Record, Trial};
use crate::{Dtype, EnvError, EnvSpec, Registry, Space};

/// Steps of one record, over as many episodes as fit.
const STEPS: u64 = 1_000;
/// An episode should end within so many random steps.
const LONGEST: u64 = 10_000;
/// Steps of an environment that is drawn.
const DRAWN_STEPS: u64 = 100;
/// Choices of a discrete action space that are all tried.
const CHOICES: usize = 64;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The environment breaks the contract: training on it goes wrong.
    Error,
    /// It may be meant so.
    Warning,
}

/// One thing found, in human words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, where, and what would be right.
    pub message: String,
}

/// What the checker found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Name of the environment.
    pub env: String,
    /// Steps taken.
    pub steps: u64,
    /// Episodes begun.
    pub episodes: u64,
    /// Width and height of its pictures, in pixels; `None` when it does not draw itself.
    pub frame: Option<(u32, u32)>,
    /// All findings, in the order they were met; each kind once.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether nothing was found that breaks the contract.
    pub fn passed(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity != Severity::Error)
    }

    /// Takes over what the drawing showed.
    fn add(&mut self, drawing: Self) {
        self.frame = drawing.frame;
        self.findings.extend(drawing.findings);
    }

    fn error(&mut self, message: impl Into<String>) {
        self.findings.push(Finding { severity: Severity::Error, message: message.into() });
    }

    fn warning(&mut self, message: impl Into<String>) {
        self.findings.push(Finding { severity: Severity::Warning, message: message.into() });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.passed() { "keeps the contract" } else { "BREAKS the contract" };
        write!(f, "{} {verdict} ({} steps, {} episodes, ", self.env, self.steps, self.episodes)?;
        match self.frame {
            Some((width, height)) => write!(f, "draws {width}×{height} pixels)")?,
            None => f.write_str("does not draw itself)")?,
        }
        for Finding { severity, message } in &self.findings {
            let severity = if *severity == Severity::Error { "error" } else { "warning" };
            write!(f, "\n  {severity}: {message}")?;
        }
        Ok(())
    }
}

/// Uses the environment that `spec` asks for and reports where it breaks the contract.
///
/// It is seeded, so that the same environment gets the same report. A panic of the environment is a finding.
pub fn check(registry: &Registry, spec: &EnvSpec) -> Report {
    let mut report = check_with_progress(registry, spec, &|_| {});
    if report.steps > 0 {
        report.add(check_drawing(registry, spec, &|_| {}));
    }
    report
}

/// Draws the environment, made for that, in two episodes. What goes wrong is no error: trainings draw nothing.
fn check_drawing(registry: &Registry, spec: &EnvSpec, begin: &dyn Fn(String)) -> Report {
    let mut report = Report { env: spec.name.clone(), ..Report::default() };
    begin("making it to be drawn".to_owned());
    match trial::guard(|| registry.build_drawn(spec)) {
        Ok(env) => {
            let mut trial = Trial::new(env, begin);
            trial.drawn = true;
            trial.record(1, DRAWN_STEPS);
            report.frame = trial.frame;
            let pictures = trial.findings.iter().filter(|(kind, _)| *kind == "picture");
            pictures.for_each(|(_, message)| report.warning(message));
        }
        Err(e) => report.warning(format!("it cannot be made to be drawn: {e}")),
    }
    report
}

/// As [`check`] without drawing, telling `begin` of everything that the environment is about to be used for.
fn check_with_progress(registry: &Registry, spec: &EnvSpec, begin: &dyn Fn(String)) -> Report {
    let mut report = Report { env: spec.name.clone(), ..Report::default() };
    let build = || {
        begin("making it".to_owned());
        trial::guard(|| registry.build(spec))
    };
    let (mut first, mut second) = match (build(), build()) {
        (Ok(first), Ok(second)) => (Trial::new(first, begin), Trial::new(second, begin)),
        (Err(e), _) => {
            report.error(format!("it cannot be made: {e}"));
            return report;
        }
        (_, Err(e)) => {
            report.error(format!("it cannot be made a second time: {e}"));
            return report;
        }
    };
    if check_spaces(&first, &mut report) {
        check_runs(&mut first, &mut second, &mut report);
        check_actions(&mut first, &mut report);
        if first.findings.iter().all(|(kind, _)| !matches!(*kind, "reset" | "step")) {
            check_call(&mut first, &mut report);
        }
    }
    for trial in [&first, &second] {
        report.steps += trial.steps;
        report.episodes += trial.episodes;
    }
    begin("dropping it".to_owned());
    let mut known = Vec::new();
    for (kind, message) in first.findings.into_iter().chain(second.findings) {
        if !known.contains(&kind) {
            known.push(kind);
            report.error(message);
        }
    }
    drop((first.env, second.env));
    report
}

/// Whether the spaces allow for anything further.
fn check_spaces(trial: &Trial<'_>, report: &mut Report) -> bool {
    let (observation, action) = (trial.env.observation_space(), trial.env.action_space());
    let mut fine = true;
    for (what, space) in [("observation", observation), ("action", action)] {
        if let Err(EnvError::Space { space, reason, .. }) = space.check() {
            report.error(format!("the {what} space {space} is none: {reason}"));
            fine = false;
        }
    }
    match observation {
        Space::Box { dtype: Dtype::U8, low, high, .. } => {
            if low.iter().chain(high).any(|x| !(0.0..=255.0).contains(x)) {
                report.error("the observation space has u8 elements with bounds outside 0..255");
            }
        }
        Space::Box { .. } => {}
        _ => {
            report.error(format!("the observation space is {observation}; it must be a Box"));
            fine = false;
        }
    }
    if matches!(action, Space::Box { dtype: Dtype::U8, .. }) {
        report.error("the action space has u8 elements; actions are f32 numbers");
        fine = false;
    }
    fine
}

/// Two environments run with the same seeds and actions.
fn check_runs(first: &mut Trial<'_>, second: &mut Trial<'_>, report: &mut Report) {
    let (Some(run), Some(again), Some(other)) =
        (first.record(1, STEPS), first.record(1, STEPS), second.record(1, STEPS))
    else {
        return;
    };
    let (with_itself, with_other) = (run.difference(&again), run.difference(&other));
    if let Some(Difference { place, unwritten: true }) = with_itself {
        report.error(format!("{place} was not written"));
    } else if let Some(Difference { place, .. }) = with_itself {
        report.error(format!(
            "{place}: another number than the last time, with the same seed and actions: something survives a reset \
             or comes from elsewhere than the seed"
        ));
    } else if let Some(Difference { place, .. }) = with_other {
        report.error(format!(
            "{place}: another number than in a second environment, with the same seed and actions: something comes \
             from elsewhere than the seed"
        ));
    }
    let Some(different) = second.record(2, STEPS) else { return };
    if run.difference(&different).is_none() {
        report.warning("seeds 1 and 2 bring the same episodes: every episode begins and goes the same way");
    } else if run.starts.len() > 1
        && run.starts.windows(2).all(|pair| pair[0] == pair[1])
        && run.starts[0] != different.starts[0]
    {
        report.warning(
            "a reset without a seed brings the same start again: it should go on with the generator",
        );
    }
    check_ends(first, &run, report);
}

fn check_ends(trial: &mut Trial<'_>, run: &Record, report: &mut Report) {
    if run.ends > 1 && run.ends == run.steps() {
        report.warning("every episode ended with its first step");
    }
    if run.ends == 0 && trial.outlasts(3, LONGEST) {
        report.warning(format!("no end within {LONGEST} random steps: consider a time limit"));
    }
}

/// Every choice, or the bounds of continuous actions.
fn check_actions(trial: &mut Trial<'_>, report: &mut Report) {
    let failures = match trial.env.action_space().clone() {
        Space::Discrete { n } => {
            (0..n.min(CHOICES)).filter_map(|choice| trial.try_action(&[choice as i64], &[])).collect()
        }
        Space::MultiDiscrete { n } => {
            let last: Vec<i64> = n.iter().map(|&n| n as i64 - 1).collect();
            let firsts = vec![0; n.len()];
            [firsts, last].iter().filter_map(|action| trial.try_action(action, &[])).collect::<Vec<_>>()
        }
        Space::Box { low, high, .. } => {
            let finite = |bounds: &[f32]| bounds.iter().map(|b| b.clamp(-1e3, 1e3)).collect::<Vec<_>>();
            [finite(&low), finite(&high)].iter().filter_map(|action| trial.try_action(&[], action)).collect()
        }
    };
    for failure in failures {
        report.error(failure);
    }
}

/// An unknown name must be told so.
fn check_call(trial: &mut Trial<'_>, report: &mut Report) {
    let name = "no_such_method";
    trial.begin("calling a method that it may not have");
    match trial::guard(|| trial.env.call(name, &serde_json::Value::Null)) {
        Err(EnvError::NoMethod(_)) => {}
        Err(e) => {
            report.warning(format!("call({name:?}) failed with \"{e}\"; EnvError::NoMethod is expected"));
        }
        Ok(answer) => {
            report.warning(format!("call({name:?}) answered {answer}; EnvError::NoMethod is expected"));
        }
    }
}
