//! Bounds rewards, so that one learning rate does for games whose points differ by orders of magnitude.

use super::Wrapper;
use crate::{Action, Env, EnvError, Row, Step};

/// Clips each reward to ±`limit`.
///
/// Mnih et al. 2015 take its sign instead: with a limit of 1 that is the same wherever rewards are whole numbers.
pub struct ClipReward {
    inner: Box<dyn Env>,
    limit: f32,
}

impl ClipReward {
    /// `inner` with rewards within ±`limit`, in reward units.
    ///
    /// # Errors
    /// [`EnvError::Params`] when the limit is not positive.
    pub fn new(inner: Box<dyn Env>, limit: f32) -> Result<Self, EnvError> {
        if limit > 0.0 {
            return Ok(Self { inner, limit });
        }
        let message = format!("limit must be positive, not {limit}");
        Err(EnvError::Params { name: "clip_reward".to_owned(), message })
    }
}

impl Wrapper for ClipReward {
    fn inner(&self) -> &dyn Env {
        &*self.inner
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut *self.inner
    }

    fn on_step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        let step = self.inner.step(action, observation)?;
        Ok(Step { reward: step.reward.clamp(-self.limit, self.limit), ..step })
    }
}
