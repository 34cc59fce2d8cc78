//! The contract of [`Env`](crate::Env), checked by using an environment and watching it.
//!
//! `phalanx envs check NAME` runs it on any registered environment, a test runs it on all of ours. What was found is an error (it
//! cannot be trained), a warning (it can, with a loss that is named) or a note. It sees what random actions show in a few thousand
//! steps; it cannot see whether the task is the one that was meant, nor an endless loop.

mod action_scale;
mod apart;
mod error;
mod observation;
mod record;
mod report;
#[cfg(test)]
mod tests;
mod trial;

use std::time::{Duration, Instant};

pub use self::action_scale::action_scale_warning;
pub use self::apart::{CheckLimits, check_apart};
pub use self::error::CheckError;
pub use self::report::{Finding, Report, Severity};

use self::record::Record;
use self::trial::{Trial, is_past};
use crate::worker::EXIT_TIMEOUT;
use crate::{ActionScaling, Dtype, EnvError, EnvSpec, Registry, RegistryError, Space, SpaceError};

/// Steps of one record, over as many episodes as fit.
const STEPS: u64 = 1_000;
/// Numbers of observations that one record holds at most: large pictures make it shorter.
const NUMBERS: usize = 1 << 26;
/// An episode should end within so many random steps.
const LONGEST: u64 = 10_000;
/// Steps of an environment that is drawn.
const DRAWN_STEPS: u64 = 100;
/// Choices of a discrete action space that are all tried.
const CHOICES: usize = 64;
/// Part of the time that the first record may take; three more are to be as long.
const FIRST_PART: u32 = 5;

/// Uses the environment that `spec` asks for and reports what it finds.
///
/// It is seeded, so that the same environment gets the same report. A panic of the environment is a finding.
pub fn check(registry: &Registry, spec: &EnvSpec) -> Report {
    let checked = check_within(registry, spec, None, &|_| {});
    let (mut report, _) = checked.unwrap_or_else(|e| {
        let mut report = Report { env: spec.name.clone(), ..Report::default() };
        report.add(Severity::Error, format!("it cannot be made: {e}"));
        (report, None)
    });
    if report.steps > 0 {
        report.add_drawing(check_drawing(registry, spec, None, &|_| {}));
    }
    report
}

/// Draws the environment, made for that, in two episodes and for about `time`. What goes wrong is a note: trainings draw nothing.
fn check_drawing(
    registry: &Registry,
    spec: &EnvSpec,
    time: Option<Duration>,
    begin: &dyn Fn(String),
) -> Report {
    let until = time.and_then(|time| Instant::now().checked_add(time));
    let mut report = Report { env: spec.name.clone(), ..Report::default() };
    begin("making it to be drawn".to_owned());
    match trial::guard(|| registry.build_drawn(spec)) {
        Ok(env) => {
            let mut trial = Trial::new(env, begin);
            trial.drawn = true;
            trial.record(1, DRAWN_STEPS, until);
            report.frame = trial.frame;
            for (_, severity, message) in trial.findings.drain(..).filter(|(kind, ..)| *kind == "picture") {
                report.add(severity, message);
            }
        }
        Err(e) => report.add(Severity::Note, format!("it cannot be made to be drawn: {e}")),
    }
    report
}

/// As [`check`] without drawing, for about `time`, calling `begin` before everything that the environment is used for. Also returns
/// what the environment showed if it showed the same every time, for a comparison with another process.
///
/// # Errors
/// The environment cannot be made.
fn check_within(
    registry: &Registry,
    spec: &EnvSpec,
    time: Option<Duration>,
    begin: &dyn Fn(String),
) -> Result<(Report, Option<Record>), RegistryError> {
    let mut check = Check {
        report: Report { env: spec.name.clone(), ..Report::default() },
        start: Instant::now(),
        time,
        missed: Vec::new(),
        shown: None,
    };
    let build = || {
        begin("making it".to_owned());
        trial::guard(|| registry.build(spec)).map(|env| Trial::new(env, begin))
    };
    let mut first = build()?;
    let mut second = check.has_time("a second environment").then(build);
    if let Some(Err(e)) = &second {
        let message = format!(
            "it cannot be made a second time in one process; set `workers` to the number of `rows`, and \
             `evaluation.episodes` to no more, so that each has a process of its own: {e}"
        );
        check.report.add(Severity::Warning, message);
    }
    if check.spaces(&first) {
        check.runs(&mut first, second.as_mut().and_then(|second| second.as_mut().ok()));
        if first.findings.iter().all(|(kind, ..)| !matches!(*kind, "reset" | "step")) {
            check.call(&mut first);
        }
    }
    let mut known = Vec::new();
    for trial in std::iter::once(&mut first).chain(second.iter_mut().flatten()) {
        trial.finish();
        check.report.steps += trial.steps;
        check.report.episodes += trial.episodes;
        for (kind, severity, message) in trial.findings.drain(..) {
            if !known.contains(&kind) {
                known.push(kind);
                check.report.add(severity, message);
            }
        }
    }
    begin("closing it".to_owned());
    for mut env in std::iter::once(first.env).chain(second.into_iter().flatten().map(|second| second.env)) {
        let begun = Instant::now();
        let closed = trial::guard(|| env.close());
        if let Some(message) = closing(&closed, begun.elapsed()) {
            check.report.add(Severity::Warning, message);
            break;
        }
    }
    Ok(check.finish())
}

/// What is to be known of a `close` that ended so after this time, if anything.
fn closing(closed: &Result<(), EnvError>, took: Duration) -> Option<String> {
    if let Err(e) = closed {
        return Some(format!("close failed, which a training reports at its end: {e}"));
    }
    let seconds = took.as_secs_f64();
    (took > EXIT_TIMEOUT).then(|| {
        format!(
            "close took {seconds:.1} s: at the end of a training a worker is killed {EXIT_TIMEOUT:?} after it was asked to close its rows"
        )
    })
}

/// A check under way.
struct Check {
    report: Report,
    start: Instant,
    time: Option<Duration>,
    /// What there was no time for.
    missed: Vec<String>,
    /// What the environment showed, the same every time.
    shown: Option<Record>,
}

impl Check {
    /// When this part of the time is over.
    fn after(&self, part: u32) -> Option<Instant> {
        self.time.and_then(|time| self.start.checked_add(time / part))
    }

    /// Whether there is time left for this; it is noted when there is none.
    fn has_time(&mut self, what: &str) -> bool {
        let left = !is_past(self.after(1));
        if !left {
            self.missed.push(what.to_owned());
        }
        left
    }

    fn finish(mut self) -> (Report, Option<Record>) {
        if let (Some(time), false) = (self.time, self.missed.is_empty()) {
            let missed = self.missed.join("; ");
            let message = format!("the environment is slow: in {time:?} there was no time for: {missed}");
            self.report.add(Severity::Note, message);
        }
        (self.report, self.shown)
    }

    /// Whether the spaces allow for anything further.
    fn spaces(&mut self, trial: &Trial<'_>) -> bool {
        let (observation, action) = (trial.env.observation_space(), trial.env.action_space());
        let mut wrong = Vec::new();
        for (what, space) in [("observation", observation), ("action", action)] {
            if let Err(SpaceError { space, reason, .. }) = space.check() {
                wrong.push(format!("the {what} space {space} is invalid: {reason}"));
            }
        }
        if let (true, Err(e)) = (wrong.is_empty(), &trial.block) {
            wrong.push(e.to_string());
        }
        for (_, leaf) in observation.leaves() {
            if let Space::Box { dtype: Dtype::U8, low, high, .. } = leaf
                && low.iter().chain(high).any(|x| !(0.0..=255.0).contains(x))
            {
                let message =
                    "the observation space has bytes with bounds outside 0..255, which no byte reaches";
                self.report.add(Severity::Warning, message);
                break;
            }
        }
        for (_, leaf) in action.leaves() {
            if let Space::Box { dtype: Dtype::U8 | Dtype::F64, .. } = leaf {
                wrong.push(format!("the action space has {leaf}; actions are f32 numbers"));
            }
        }
        let fine = wrong.is_empty();
        for message in wrong {
            self.report.add(Severity::Error, message);
        }
        if let Some(message) = action_scale_warning(action, ActionScaling::Rescale, 1.0).filter(|_| fine) {
            self.report.add(Severity::Warning, message);
        }
        fine
    }

    /// Environments run with the same and other seeds, and the same actions. What matters most comes first, as time may run out.
    fn runs(&mut self, first: &mut Trial<'_>, second: Option<&mut Trial<'_>>) {
        let most = STEPS.min((NUMBERS / first.env.observation_space().len()).max(10) as u64);
        let run = first.record(1, most, self.after(FIRST_PART));
        self.actions(first);
        let Some(run) = run else { return };
        let steps = run.steps();
        if steps < most {
            self.missed.push(format!("{} of the {most} steps that are compared", most - steps));
        }
        let same = self.repeats(&run, first, second);
        if self.has_time("another seed")
            && let Some(different) = first.record(2, steps, self.after(1))
        {
            self.seeds(&run, &different);
        }
        self.ends(first, &run);
        self.shown = same.then_some(run);
    }

    /// Whether the same seed and actions show the same again, here and in a second environment.
    fn repeats(&mut self, run: &Record, first: &mut Trial<'_>, second: Option<&mut Trial<'_>>) -> bool {
        let steps = run.steps();
        if !self.has_time("the same seed again") {
            return true;
        }
        let Some(again) = first.record(1, steps, self.after(1)) else { return false };
        if let Some(difference) = run.difference(&again) {
            if difference.unwritten {
                self.report.add(Severity::Error, format!("{} was not written", difference.place));
            } else {
                let than = "than the last time";
                let cause = "something survives a reset or comes from elsewhere than the seed";
                self.report.add(Severity::Warning, difference.message(than, cause));
            }
            return false;
        }
        drop(again);
        let Some(second) = second else { return true };
        if self.has_time("the same seed in a second environment")
            && let Some(other) = second.record(1, steps, self.after(1))
            && let Some(difference) = run.difference(&other)
        {
            let than = "than in a second environment";
            let cause = "something comes from elsewhere than the seed";
            self.report.add(Severity::Warning, difference.message(than, cause));
            return false;
        }
        true
    }

    fn seeds(&mut self, run: &Record, different: &Record) {
        if run.difference(different).is_none() {
            let message = format!(
                "seeds 1 and 2 bring the same episodes in {} steps: every row and every training sees the same starts, and an \
                 evaluation of many episodes says no more than one; use the seed of `reset` if chance is meant",
                run.steps()
            );
            self.report.add(Severity::Warning, message);
        } else if run.starts.len() > 1
            && run.starts.windows(2).all(|pair| pair[0] == pair[1])
            && run.starts[0] != different.starts[0]
        {
            self.report.add(
                Severity::Warning,
                "a reset without a seed brings the same start again, so each row learns from one start alone: it should go on with \
                 the generator",
            );
        }
    }

    fn ends(&mut self, trial: &mut Trial<'_>, run: &Record) {
        if run.ends > 1 && run.ends == run.steps() {
            let message = "every episode ended with its first step: nothing is learned of what comes later";
            self.report.add(Severity::Warning, message);
        }
        if run.ends > 0 || !self.has_time(&format!("an end within {LONGEST} steps")) {
            return;
        }
        match trial.outlasts(3, LONGEST, self.after(1)) {
            Some(steps) if steps < LONGEST => {
                self.missed.push(format!("an end within {LONGEST} steps (none in {steps})"));
            }
            Some(_) => {
                let message = format!(
                    "no end within {LONGEST} random steps: without ends there are no returns to report, and evaluations cut \
                     episodes off: consider `env.time_limit`"
                );
                self.report.add(Severity::Warning, message);
            }
            None => {}
        }
    }

    /// Every choice, or the bounds of continuous actions, as far as time goes.
    fn actions(&mut self, trial: &mut Trial<'_>) {
        let edges: Vec<(Vec<i64>, Vec<f32>)> = match trial.env.action_space() {
            Space::Discrete { n } => {
                (0..*n.min(&CHOICES)).map(|choice| (vec![choice as i64], vec![])).collect()
            }
            space => edges(space),
        };
        for (tried, (discrete, continuous)) in edges.iter().enumerate() {
            let left = edges.len() - tried;
            if !self.has_time(&format!("{left} of {} actions at the edge of the action space", edges.len())) {
                return;
            }
            if let Some(failure) = trial.try_action(discrete, continuous) {
                self.report.add(Severity::Error, failure);
            }
        }
    }

    /// An unknown name must be refused as one.
    fn call(&mut self, trial: &mut Trial<'_>) {
        let name = "no_such_method";
        trial.begin("calling a method that it may not have");
        let answer = match trial::guard(|| trial.env.call(name, &serde_json::Value::Null)) {
            Err(EnvError::NoMethod(_)) => return,
            Err(e) => format!("failed with \"{e}\""),
            Ok(answer) => format!("answered {answer}"),
        };
        let message = format!("call({name:?}) {answer}; EnvError::NoMethod is expected");
        self.report.add(Severity::Note, message);
    }
}

/// The first choices with the lower bounds, and the last choices with the upper bounds.
fn edges(space: &Space) -> Vec<(Vec<i64>, Vec<f32>)> {
    let (mut least, mut most) = ((vec![0; space.choices_len()], vec![]), (vec![], vec![]));
    for (_, leaf) in space.leaves() {
        match leaf {
            Space::Discrete { n } => most.0.push(*n as i64 - 1),
            Space::MultiDiscrete { n } => most.0.extend(n.iter().map(|&n| n as i64 - 1)),
            Space::MultiBinary { n } => most.0.extend(vec![1; *n]),
            Space::Box { low, high, .. } => {
                let finite =
                    |bounds: &[f32]| -> Vec<f32> { bounds.iter().map(|b| b.clamp(-1e3, 1e3)).collect() };
                least.1.extend(finite(low));
                most.1.extend(finite(high));
            }
            Space::Dict(_) | Space::Tuple(_) => {}
        }
    }
    vec![least, most]
}
