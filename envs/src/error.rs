//! The one error of this crate.

use serde::{Deserialize, Serialize};

use crate::worker::Share;
use crate::{Phase, Place, TooLittleMemory};

/// What went wrong in an environment or in a batch of them.
///
/// It can be sent from one process to another.
#[derive(Debug, Clone, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum EnvError {
    /// The environment itself reported a problem, in its own words.
    #[error("{0}")]
    Failed(String),
    /// What computes the environment has ended; nothing but a new one can be used.
    #[error("{0}")]
    Died(String),
    /// No environment has this name.
    #[error("no environment is called `{name}`; {}", meant(.suggestion.as_deref()))]
    UnknownName {
        /// The requested name.
        name: String,
        /// What was probably meant.
        suggestion: Option<String>,
    },
    /// This program could have been built with the environment, and was not.
    #[error("{name} is not built in: {remedy}")]
    NotBuiltIn {
        /// The requested name.
        name: String,
        /// What to type to have it.
        remedy: String,
    },
    /// The parameters of an environment or wrapper do not fit it.
    #[error("parameters of {name}: {message}")]
    Params {
        /// Environment or wrapper.
        name: String,
        /// What is wrong and what would be right.
        message: String,
    },
    /// A wrapper or batch cannot work with this space.
    #[error("{what} cannot work with {space}: {reason}")]
    Space {
        /// Who refuses.
        what: String,
        /// The space as text.
        space: String,
        /// Why.
        reason: String,
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
        cause: Box<EnvError>,
        /// Backtrace of a panic; empty for an error that was returned.
        backtrace: String,
    },
    /// A worker process was lost, with all that is known about where it stood.
    #[error("{}", lost_text(.share, *.pid, .how, .place, *.seed, .action))]
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
    },
    /// One worker more was lost than may be replaced.
    #[error("{at_most} lost workers may be replaced, and this was one more: {last}")]
    TooManyLosses {
        /// Losses that are allowed.
        at_most: usize,
        /// The last one.
        last: Box<EnvError>,
    },
    /// The process that all workers are forked from is gone, and the workers with it.
    #[error("the zygote, from which workers are forked, {0}")]
    Zygote(String),
    /// The requested workers are impossible.
    #[error("workers: {0}")]
    Workers(String),
    /// A batch that has failed or was closed is used again.
    #[error("the batch cannot continue: {0}")]
    Ended(String),
    /// The environment has no method or attribute of this name.
    #[error("no method or attribute {0:?}")]
    NoMethod(String),
    /// The environment never draws itself, for this reason.
    #[error("it draws no pictures: {0}")]
    NoRender(String),
    /// There is no picture of the present state; of another one there may be.
    #[error("there is no picture of this state")]
    NoPicture,
    /// An environment could not be made in a process that has others of its kind.
    #[error(
        "row {row} cannot be made beside other rows of its process; where a process can have only one of them, set `workers` to the \
         number of `rows`, and `evaluation.episodes` to no more: {cause}"
    )]
    Beside {
        /// Row of the batch.
        row: usize,
        /// What its constructor returned.
        cause: Box<EnvError>,
    },
}

impl EnvError {
    /// An environment's own message.
    pub fn failed(message: impl std::fmt::Display) -> Self {
        Self::Failed(message.to_string())
    }

    /// This error of a constructor, of `row` in a process whose first row is `first`.
    pub(crate) fn beside(self, row: usize, first: usize) -> Self {
        if row == first { self } else { Self::Beside { row, cause: Box::new(self) } }
    }

    /// Whether the environment cannot be used any more.
    pub fn is_death(&self) -> bool {
        match self {
            Self::Died(_) => true,
            Self::Row { cause, .. } | Self::Beside { cause, .. } => cause.is_death(),
            _ => false,
        }
    }
}

fn meant(name: Option<&str>) -> String {
    match name {
        Some(name) => format!("did you mean `{name}`?"),
        None => "`phalanx envs list` shows those that are known".to_owned(),
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
        Phase::Reset => {
            format!("row {row}: worker {pid} {how} in the reset of episode {episode} (seed {seed})")
        }
        Phase::Step => format!("row {row}: worker {pid} {how} {at}{}", action_text(action)),
        Phase::Close => format!("row {row}: worker {pid} {how} while it closed the environment"),
        Phase::Call | Phase::Render => format!("row {row}: worker {pid} {how} in a {phase} {at}"),
    }
}
