//! The parameters of a remote environment that are not the simulator's.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::{EnvError, Params};

/// Their names.
const RESERVED: [&str; 3] = ["start_deadline", "step_deadline", "restart"];

/// As typed.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Typed {
    start_deadline: f64,
    step_deadline: f64,
    restart: bool,
}

impl Default for Typed {
    fn default() -> Self {
        Self { start_deadline: 60.0, step_deadline: 60.0, restart: false }
    }
}

/// How patient one is with a simulator.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long it may take to start, and for a reset.
    pub start_deadline: Duration,
    /// How long it may take for a step, and for a picture.
    pub step_deadline: Duration,
    /// Whether a reset starts one that has ended again.
    pub restart: bool,
}

impl Settings {
    /// Takes them out of the parameters; returns what is left as JSON.
    pub fn take(params: &Params) -> Result<(Self, String), EnvError> {
        let reserved = |name: &str| RESERVED.contains(&name);
        let (typed, rest) = params.0.clone().into_iter().partition(|(name, _)| reserved(name));
        let Typed { start_deadline, step_deadline, restart } = Params(typed).parse()?;
        let settings = Self {
            start_deadline: seconds("start_deadline", start_deadline)?,
            step_deadline: seconds("step_deadline", step_deadline)?,
            restart,
        };
        Ok((settings, Value::Object(rest).to_string()))
    }
}

fn seconds(name: &str, seconds: f64) -> Result<Duration, EnvError> {
    // A year is for ever; more would overflow the clock.
    if seconds > 0.0 && seconds <= 3.2e7 {
        return Ok(Duration::from_secs_f64(seconds));
    }
    let message = format!("{name} is {seconds}: it is a number of seconds above 0 and up to a year");
    Err(EnvError::Params { name: String::new(), message })
}
