//! Progress of the training, printed on the terminal.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};

use super::{LogError, Logger};
use crate::{Record, digits};

/// Plain lines come this often, or when so much of the training is done.
const PAUSE: Duration = Duration::from_secs(2);
const SHARE: f64 = 0.05;

/// A progress bar on a terminal, now and then a line elsewhere; both on standard error.
///
/// No thread draws the bar, so it moves with the iterations.
pub struct Console {
    steps: u64,
    bar: Option<ProgressBar>,
    shown: (u64, Instant),
    began: (u64, Instant),
    evaluation: Option<f64>,
}

impl Console {
    /// A training of `steps` steps, of which `taken` were taken by an earlier process.
    pub fn new(steps: u64, taken: u64) -> Self {
        let bar = stderr().is_terminal().then(|| bar(steps).with_position(taken));
        let now = (taken, Instant::now());
        Self { steps, bar, shown: now, began: now, evaluation: None }
    }

    /// Calls `print`, which may print above the bar.
    pub fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Takes the bar away and leaves the last line.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.abandon();
        }
    }

    fn is_due(&self, step: u64) -> bool {
        let (shown, time) = self.shown;
        let share = (step - shown.min(step)) as f64 / self.steps as f64;
        step >= self.steps || time.elapsed() >= PAUSE && share > 0.0 || share >= SHARE
    }
}

impl Logger for Console {
    fn record(&mut self, record: &Record) -> Result<(), LogError> {
        self.evaluation = record.get("evaluation_return_mean").or(self.evaluation);
        let text = summary(record, self.evaluation);
        if let Some(bar) = &self.bar {
            bar.set_position(record.step);
            bar.set_message(text);
        } else if self.is_due(record.step) {
            let (began, time) = self.began;
            let speed = (record.step - began) as f64 / time.elapsed().as_secs_f64();
            self.shown = (record.step, Instant::now());
            print(&line(record.step, self.steps, speed, &text));
        }
        Ok(())
    }
}

/// A closed standard error must not end a training.
fn print(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}

fn bar(steps: u64) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{bar:24.cyan/dim} {human_pos}/{human_len} steps  {rate} steps/s  {msg}  {eta} left",
    );
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    let rate = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
        let _ = write!(text, "{}", HumanCount(state.per_sec() as u64));
    };
    ProgressBar::new(steps).with_style(style.with_key("rate", rate))
}

fn summary(record: &Record, evaluation: Option<f64>) -> String {
    let mean = record.get("episode_return_mean").filter(|mean| mean.is_finite());
    let mean = mean.map_or_else(|| "no episode yet".to_owned(), |mean| format!("return {}", digits(mean, 1)));
    evaluation
        .map_or_else(|| mean.clone(), |evaluation| format!("{mean}  evaluation {}", digits(evaluation, 1)))
}

/// `speed` in steps a second.
fn line(step: u64, steps: u64, speed: f64, summary: &str) -> String {
    // The last iteration is a whole one.
    let share = (100.0 * step as f64 / steps as f64).min(100.0);
    let left = steps.saturating_sub(step) as f64 / speed;
    let left = if left.is_finite() { format!("{left:.0} s left") } else { "time left unknown".to_owned() };
    format!("{step}/{steps} steps ({share:.0} %)  {speed:.0} steps/s  {summary}  {left}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_how_fast_how_well_and_how_long_yet() {
        let mut record = Record::new(25_000);
        record.push("episode_return_mean", f64::NAN);
        assert_eq!(summary(&record, None), "no episode yet");
        record.values[0].1 = 123.45;
        assert_eq!(
            line(25_000, 100_000, 5_000.0, &summary(&record, Some(200.0))),
            "25000/100000 steps (25 %)  5000 steps/s  return 123.5  evaluation 200.0  15 s left"
        );
        record.values[0].1 = 0.0004;
        assert_eq!(summary(&record, Some(-0.012)), "return 0.00040  evaluation -0.012");
    }

    #[test]
    fn lines_are_few() {
        let mut console = Console { bar: None, ..Console::new(1_000, 0) };
        assert!(!console.is_due(49) && console.is_due(50) && console.is_due(1_000));
        console.shown = (940, Instant::now());
        assert!(!console.is_due(980) && console.is_due(1_000));
    }
}
