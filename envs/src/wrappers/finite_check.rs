//! Stops at the first number that is none, before it spoils a normaliser or a network.

use super::Wrapper;
use crate::{Action, Env, EnvError, Row, Step};

/// Fails when a reward or an element of an observation is infinite or not a number, and names it.
pub struct FiniteCheck {
    inner: Box<dyn Env>,
}

impl FiniteCheck {
    /// `inner`, checked.
    pub fn new(inner: Box<dyn Env>) -> Self {
        Self { inner }
    }
}

fn check(row: &Row<'_>) -> Result<(), EnvError> {
    let Row::F32(row) = row else { return Ok(()) };
    match row.iter().position(|x| !x.is_finite()) {
        None => Ok(()),
        Some(i) => Err(EnvError::failed(format!("observation[{i}] is {}: not a finite number", row[i]))),
    }
}

impl Wrapper for FiniteCheck {
    fn inner(&self) -> &dyn Env {
        &*self.inner
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut *self.inner
    }

    fn on_reset(&mut self, seed: Option<u64>, mut observation: Row<'_>) -> Result<(), EnvError> {
        self.inner.reset(seed, observation.again())?;
        check(&observation)
    }

    fn on_step(&mut self, action: Action<'_>, mut observation: Row<'_>) -> Result<Step, EnvError> {
        let step = self.inner.step(action, observation.again())?;
        if !step.reward.is_finite() {
            return Err(EnvError::failed(format!("the reward is {}: not a finite number", step.reward)));
        }
        check(&observation)?;
        Ok(step)
    }
}
