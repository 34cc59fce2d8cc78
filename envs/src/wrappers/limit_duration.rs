//! Time limits: an episode that lasts too long is cut off, and what came after it still has a value.

use serde_json::{Value, json};

use super::{Boxed, Wrapper};
use crate::{Action, Env, EnvError, Episode, Row, Step};

/// Truncates an episode after a number of steps.
///
/// A step that the task itself ends is terminated even if it is the last one allowed. Stepping on after an end is an
/// error until the next reset. `call("elapsed_steps", null)` returns the steps of the episode so far.
///
/// What it limits is a parameter, so that an environment and its time limit are one call for the batch.
pub struct LimitDuration<E = Boxed> {
    inner: E,
    limit: u32,
    elapsed: u32,
    running: bool,
}

impl<E: Env> LimitDuration<E> {
    /// `inner` with episodes of at most `limit` steps.
    ///
    /// # Errors
    /// [`EnvError::Params`] when `limit` is 0.
    pub fn new(inner: E, limit: u32) -> Result<Self, EnvError> {
        if limit == 0 {
            let message = "steps must be at least 1".to_owned();
            return Err(EnvError::Params { name: "limit_duration".to_owned(), message });
        }
        Ok(Self { inner, limit, elapsed: 0, running: false })
    }
}

impl<E: Env> Wrapper for LimitDuration<E> {
    fn inner(&self) -> &dyn Env {
        &self.inner
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut self.inner
    }

    fn on_reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        self.inner.reset(seed, observation)?;
        self.elapsed = 0;
        self.running = true;
        Ok(())
    }

    #[inline]
    fn on_step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        if !self.running {
            return Err(EnvError::failed("no episode is running: reset the environment before stepping it"));
        }
        let mut step = self.inner.step(action, observation)?;
        self.elapsed += 1;
        if !step.episode.is_over() && self.elapsed >= self.limit {
            step.episode = Episode::Truncated;
        }
        self.running = !step.episode.is_over();
        Ok(step)
    }

    fn on_call(&mut self, name: &str, arguments: &Value) -> Result<Value, EnvError> {
        match name {
            "elapsed_steps" => Ok(json!(self.elapsed)),
            _ => self.inner.call(name, arguments),
        }
    }
}
