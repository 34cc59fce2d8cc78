//! Environments around environments.
//!
//! A [`Wrapper`] changes what it must of the environment inside and passes the rest on. Users name wrappers in the
//! order of their application, innermost first; [`WrapperSpec`] is that list's entry. None allocates while stepping.

mod limit_duration;

pub use limit_duration::LimitDuration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Action, Env, EnvError, Frame, Row, Space, Step};

/// An environment around another: only what changes is written, the rest is passed on.
pub trait Wrapper {
    /// The environment inside.
    fn inner(&self) -> &dyn Env;

    /// The environment inside, to be stepped.
    fn inner_mut(&mut self) -> &mut dyn Env;

    /// Where the observations shown come from.
    fn outer_observation_space(&self) -> &Space {
        self.inner().observation_space()
    }

    /// Where the actions taken come from.
    fn outer_action_space(&self) -> &Space {
        self.inner().action_space()
    }

    /// [`Env::reset`] as seen from outside.
    ///
    /// # Errors
    /// Those of the environment inside, and the wrapper's own.
    fn on_reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        self.inner_mut().reset(seed, observation)
    }

    /// [`Env::step`] as seen from outside.
    ///
    /// # Errors
    /// Those of the environment inside, and the wrapper's own.
    fn on_step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        self.inner_mut().step(action, observation)
    }

    /// [`Env::call`] as seen from outside.
    ///
    /// # Errors
    /// Those of the environment inside, and the wrapper's own.
    fn on_call(&mut self, name: &str, arguments: &Value) -> Result<Value, EnvError> {
        self.inner_mut().call(name, arguments)
    }
}

impl<W: Wrapper> Env for W {
    fn observation_space(&self) -> &Space {
        self.outer_observation_space()
    }

    fn action_space(&self) -> &Space {
        self.outer_action_space()
    }

    fn reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        self.on_reset(seed, observation)
    }

    fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        self.on_step(action, observation)
    }

    fn render(&mut self) -> Option<Frame> {
        self.inner_mut().render()
    }

    fn frames_per_second(&self) -> f64 {
        self.inner().frames_per_second()
    }

    fn call(&mut self, name: &str, arguments: &Value) -> Result<Value, EnvError> {
        self.on_call(name, arguments)
    }
}

/// One wrapper as typed by the user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum WrapperSpec {
    /// Truncates an episode after so many steps.
    LimitDuration {
        /// Steps, as counted where the wrapper sits; at least 1.
        steps: u32,
    },
}

impl WrapperSpec {
    /// Puts this wrapper around `env`.
    ///
    /// # Errors
    /// [`EnvError::Space`] or [`EnvError::Params`] when it does not fit.
    pub fn wrap(&self, env: Box<dyn Env>) -> Result<Box<dyn Env>, EnvError> {
        Ok(match self {
            Self::LimitDuration { steps } => Box::new(LimitDuration::new(env, *steps)?),
        })
    }

    /// One of each kind.
    #[cfg(test)]
    pub(crate) fn examples() -> Vec<Self> {
        vec![Self::LimitDuration { steps: 7 }]
    }
}
