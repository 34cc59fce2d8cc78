//! How many workers there are, how long they may take, and what happens when one is lost.

use std::str::FromStr;
use std::thread::available_parallelism;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::link::EXIT_TIMEOUT;
use crate::{ActionScaling, BatchError};

/// Processes that step the environments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Workers {
    /// Chosen at the start by timing the environment: as many as make it faster, or none.
    #[default]
    #[serde(with = "auto")]
    #[schemars(with = "AutoWord")]
    Auto,
    /// This number; 0 steps the environments in the learner's process.
    Count(usize),
}

/// The word `auto`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum AutoWord {
    Auto,
}

mod auto {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::AutoWord;

    pub fn serialize<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
        AutoWord::Auto.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
        AutoWord::deserialize(deserializer).map(|AutoWord::Auto| ())
    }
}

impl FromStr for Workers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            _ => text.parse().map(Self::Count).map_err(|_| "expected `auto` or a number".to_owned()),
        }
    }
}

impl std::fmt::Display for Workers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Count(n) => write!(f, "{n}"),
        }
    }
}

/// What to do when a worker dies, panics or does not answer in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OnWorkerLoss {
    /// Stop with an error that has row, step and action.
    #[default]
    Fail,
    /// Replace the worker; the running episodes of its rows are truncated.
    Respawn {
        /// Number of workers that may be replaced in a training.
        #[schemars(range(min = 1))]
        at_most: usize,
    },
}

/// Deadlines of workers in seconds, and what to do when one is lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerOptions {
    /// How many workers there are; configurations have this setting beside these options, not among them.
    #[serde(skip)]
    pub workers: Workers,
    /// Whether workers continue without waiting for each other, half of their rows at a time; `None` where there are workers. Values
    /// are the same bits. Configurations have this setting beside these options, too.
    #[serde(skip)]
    pub pipelined: Option<bool>,
    /// What becomes of the numbers of actions; configurations have this setting beside these options, too.
    #[serde(skip)]
    pub action_scaling: ActionScaling,
    /// Cores that this learner and its workers have; `None`: all of the machine. No setting: where several ranks of a training are on one machine, each has
    /// its part.
    #[serde(skip)]
    pub cores: Option<usize>,
    /// What to do when a worker is lost.
    pub on_worker_loss: OnWorkerLoss,
    /// Seconds that a worker may take to step its rows once.
    #[schemars(extend("exclusiveMinimum" = 0.0), range(max = 3.2e7))]
    pub step_deadline: f64,
    /// Seconds that a worker may take for any other command: reset, replay, call, render.
    #[schemars(extend("exclusiveMinimum" = 0.0), range(max = 3.2e7))]
    pub command_deadline: f64,
    /// Seconds that a worker may take to make its environments.
    #[schemars(extend("exclusiveMinimum" = 0.0), range(max = 3.2e7))]
    pub construct_deadline: f64,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            workers: Workers::default(),
            pipelined: None,
            action_scaling: ActionScaling::Clip,
            cores: None,
            on_worker_loss: OnWorkerLoss::default(),
            step_deadline: 60.0,
            command_deadline: 60.0,
            construct_deadline: 300.0,
        }
    }
}

/// The options, checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    pub step: Limit,
    pub command: Limit,
    pub construct: Limit,
}

/// How long a worker may take for something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    pub time: Duration,
    /// The setting that allows more; none of a limit that is fixed.
    pub setting: Option<&'static str>,
}

impl Limit {
    /// For the last message of a worker, and its end.
    pub const EXIT: Self = Self { time: EXIT_TIMEOUT, setting: None };
}

impl WorkerOptions {
    pub(super) fn cores(&self) -> usize {
        self.cores.unwrap_or_else(|| available_parallelism().map_or(1, usize::from))
    }

    pub(super) fn deadlines(&self) -> Result<Deadlines, BatchError> {
        let checked = |name: &'static str, seconds: f64| {
            // A year is for ever; more would overflow the clock.
            if seconds > 0.0 && seconds <= 3.2e7 {
                Ok(Limit { time: Duration::from_secs_f64(seconds), setting: Some(name) })
            } else {
                Err(BatchError::Workers(format!(
                    "{name} is {seconds}: it is a number of seconds above 0 and up to a year"
                )))
            }
        };
        Ok(Deadlines {
            step: checked("step_deadline", self.step_deadline)?,
            command: checked("command_deadline", self.command_deadline)?,
            construct: checked("construct_deadline", self.construct_deadline)?,
        })
    }
}
