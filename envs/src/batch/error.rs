//! The error of a batch of environments and its workers.

use serde::{Deserialize, Serialize};

use crate::worker::Share;
use crate::{EnvError, Phase, Place, RegistryError, SpaceError, TooLittleMemory};

/// What a batch of environments and its worker processes report.
///
/// It can be sent from one process to another.
#[derive(Debug, Clone, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum BatchError {
    /// No environment could be made.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// An environment could not be made in a process that has others of its kind.
    #[error(
        "row {row} cannot be made beside other rows of its process; where a process can have only one of them, set `workers` to the \
         number of `rows`, and `evaluation.episodes` to no more: {cause}"
    )]
    Beside {
        /// Row of the batch.
        row: usize,
        /// Why it could not be made.
        cause: RegistryError,
    },
    /// A batch cannot have a space, or its rows have different ones.
    #[error(transparent)]
    Space(#[from] SpaceError),
    /// Environments that another process steps.
    #[error("{0}")]
    Elsewhere(String),
    /// A batch without rows was requested.
    #[error("a batch needs at least one row")]
    NoRows,
    /// A block without rows or steps was requested.
    #[error("a rollout of {rows} rows × {steps} steps: both must be at least 1")]
    Size {
        /// Rows.
        rows: usize,
        /// Steps of a row.
        steps: usize,
    },
    /// The memory of a batch is more than this process can have.
    #[error(
        "a rollout of {rows} rows × {steps} steps takes {cause}; lower `rows` or the length of `rollout`"
    )]
    Memory {
        /// Rows.
        rows: usize,
        /// Steps of a row.
        steps: usize,
        /// Both sizes.
        cause: TooLittleMemory,
    },
    /// The requested workers are impossible.
    #[error("workers: {0}")]
    Workers(String),
    /// A row was named that the batch does not have.
    #[error("there is no row {row}: the batch has {rows}")]
    UnknownRow {
        /// The row.
        row: usize,
        /// Rows of the batch.
        rows: usize,
    },
    /// An action lies outside the action space.
    #[error("row {row}: action {action} lies outside the action space {space}")]
    Action {
        /// Row of the batch.
        row: usize,
        /// The action as text.
        action: String,
        /// The space as text.
        space: String,
    },
    /// Running episodes cannot be replayed because they are those of another batch.
    #[error("{0}")]
    Replay(String),
    /// An environment of a batch failed, with all that is known about it.
    #[error(
        "row {row}: {phase} failed at step {step} of episode {episode} (seed {seed}){}: {cause}{}",
        action_text(.action),
        backtrace_text(.backtrace)
    )]
    Row {
        /// Row of the batch.
        row: usize,
        /// `new`, `reset`, `step`, `render`, `call` or `close`.
        phase: String,
        /// Step within the episode.
        step: u64,
        /// Episode of the row, counted from 0.
        episode: u64,
        /// Seed of that episode.
        seed: u64,
        /// Last action as text; empty when it was not stepping.
        action: String,
        /// The environment's error, or the message of its panic.
        cause: EnvError,
        /// Backtrace of a panic; empty for an error that was returned.
        backtrace: String,
    },
    /// A worker process was lost, with all that is known about where it stood.
    #[error("{}{remedy}", lost_text(.share, *.pid, .how, .place, *.seed, .action))]
    Lost {
        /// Its rows.
        share: Share,
        /// Its process.
        pid: i32,
        /// How it was lost: `died (signal 9, SIGKILL)`, `did not answer within 60s and was killed`.
        how: String,
        /// What it was doing.
        place: Place,
        /// Seed of the episode it was at.
        seed: u64,
        /// Last action as text; empty when it was not stepping.
        action: String,
        /// The setting that would have let it live; empty for one that died by itself.
        remedy: String,
    },
    /// A worker was lost that timed an environment.
    #[error("{env} was timed to choose the number of workers (`workers: auto`): {cause}")]
    Timing {
        /// Name of the environment.
        env: String,
        /// How it was lost.
        cause: Box<BatchError>,
    },
    /// One worker more was lost than may be replaced.
    #[error("{at_most} lost workers may be replaced, and this was one more: {last}")]
    TooManyLosses {
        /// Losses that are allowed.
        at_most: usize,
        /// The last one.
        last: Box<BatchError>,
    },
    /// The process that all workers are forked from is gone, and the workers with it.
    #[error("the zygote, from which workers are forked, {0}")]
    Zygote(String),
    /// A message between the learner and a worker cannot be written or read.
    #[error("{0}")]
    Message(String),
    /// A batch that has failed or was closed is used again.
    #[error("the batch cannot continue: {0}")]
    Ended(String),
}

impl BatchError {
    /// The error of a constructor, of `row` in a process whose first row is `first`.
    pub(crate) fn of_constructor(cause: RegistryError, row: usize, first: usize) -> Self {
        if row == first { Self::Registry(cause) } else { Self::Beside { row, cause } }
    }

    /// A message that cannot be written or read, for this reason.
    pub(crate) fn message(reason: impl std::fmt::Display) -> Self {
        Self::Message(reason.to_string())
    }

    /// Whether what computes the environment has ended.
    pub(crate) fn is_death(&self) -> bool {
        match self {
            Self::Row { cause, .. } => cause.is_death(),
            Self::Registry(cause) | Self::Beside { cause, .. } => cause.is_death(),
            _ => false,
        }
    }
}

fn backtrace_text(backtrace: &str) -> String {
    if backtrace.is_empty() { String::new() } else { format!("\n{backtrace}") }
}

fn action_text(action: &str) -> String {
    if action.is_empty() { String::new() } else { format!(", last action {action}") }
}

fn lost_text(share: &Share, pid: i32, how: &str, place: &Place, seed: u64, action: &str) -> String {
    let Place { row, phase, episode, step } = place;
    let at = format!("at step {step} of episode {episode} (seed {seed})");
    match phase {
        Phase::Idle => format!("{share}: worker {pid} {how} while it waited"),
        Phase::New => format!("row {row}: worker {pid} {how} while it made the environment"),
        Phase::MaskReset => format!(
            "row {row}: worker {pid} {how} while it made the environment, in a {phase} (`masks: false` looks for none)"
        ),
        Phase::Reset => {
            format!("row {row}: worker {pid} {how} in the reset of episode {episode} (seed {seed})")
        }
        Phase::Step => format!("row {row}: worker {pid} {how} {at}{}", action_text(action)),
        Phase::Close => format!("row {row}: worker {pid} {how} while it closed the environment"),
        Phase::Call | Phase::Render => format!("row {row}: worker {pid} {how} in a {phase} {at}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{BatchEnv, EnvSpec, LocalBatch, Registry};

    #[test]
    fn impossible_requests_are_answered_in_words() {
        let make = |name, rows, steps| {
            LocalBatch::new(&Registry::probes(), &EnvSpec::named(name), rows, steps, 0)
                .map_err(|e| e.to_string())
        };
        assert_eq!(make("probe/constant-reward", 0, 1).err().unwrap(), "a batch needs at least one row");
        assert_eq!(
            make("probe/constant-reward", 2, 0).err().unwrap(),
            "a rollout of 2 rows × 0 steps: both must be at least 1"
        );
        let unknown = "no environment is called `xyz`; `phalanx envs list` shows those that are known";
        assert_eq!(make("xyz", 1, 1).err().unwrap(), unknown);
        let mut batch = make("probe/constant-reward", 2, 1).unwrap();
        let error = batch.reset(Some(&[1, 2])).unwrap_err().to_string();
        assert_eq!(error, "there is no row 2: the batch has 2");
    }

    #[test]
    fn an_error_of_a_constructor_is_the_registrys_or_names_the_row_beside_others() {
        let cause = || RegistryError::from(EnvError::failed("the simulator runs once"));
        let first = BatchError::of_constructor(cause(), 4, 4);
        assert_eq!(first.to_string(), "the simulator runs once");
        let beside = BatchError::of_constructor(cause(), 5, 4).to_string();
        assert!(beside.starts_with("row 5 cannot be made beside other rows of its process; "), "{beside}");
        assert!(beside.ends_with("to no more: the simulator runs once"), "{beside}");
    }

    #[test]
    fn the_death_of_an_environment_is_found_in_every_error_that_has_one() {
        let died = || EnvError::Died("exit code 3".to_owned());
        let at_row = |cause| BatchError::Row {
            row: 0,
            phase: "step".to_owned(),
            step: 0,
            episode: 0,
            seed: 0,
            action: String::new(),
            cause,
            backtrace: String::new(),
        };
        for cause in [died(), EnvError::failed("exit code 3")] {
            let is_death = cause.is_death();
            assert_eq!(BatchError::of_constructor(cause.clone().into(), 0, 0).is_death(), is_death);
            assert_eq!(BatchError::of_constructor(cause.clone().into(), 1, 0).is_death(), is_death);
            assert_eq!(at_row(cause).is_death(), is_death);
        }
        assert!(died().is_death() && !BatchError::NoRows.is_death());
    }
}
