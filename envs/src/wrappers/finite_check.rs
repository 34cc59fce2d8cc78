//! Stops at the first number that is none, before it spoils a normaliser or a network.

use super::Wrapper;
use crate::{Action, Elements, Env, EnvError, Row, Step};

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

fn check(shown: Elements<'_>) -> Result<(), EnvError> {
    match shown.non_finite() {
        None => Ok(()),
        Some((element, x)) => {
            Err(EnvError::failed(format!("observation{element} is {x}: not a finite number")))
        }
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
        check(observation.into())
    }

    fn on_step(&mut self, action: Action<'_>, mut observation: Row<'_>) -> Result<Step, EnvError> {
        let step = self.inner.step(action, observation.again())?;
        if !step.reward.is_finite() {
            return Err(EnvError::failed(format!("the reward is {}: not a finite number", step.reward)));
        }
        check(observation.into())?;
        Ok(step)
    }
}
