//! Accepts any numbers as an action and clips them, so that a Gaussian policy can ignore the bounds.

use super::{Wrapper, float_bounds};
use crate::{Action, Env, EnvError, Row, Space, Step};

/// Takes actions without bounds and clips them to those of the environment.
pub struct ClipAction {
    inner: Box<dyn Env>,
    action_space: Space,
    low: Vec<f32>,
    high: Vec<f32>,
    clipped: Vec<f32>,
}

impl ClipAction {
    /// `inner` with an unbounded action space of the same shape.
    ///
    /// # Errors
    /// [`EnvError::Space`] when actions are choices.
    pub fn new(inner: Box<dyn Env>) -> Result<Self, EnvError> {
        let space = inner.action_space();
        let (low, high) = float_bounds(space, "clip_action")?;
        let (low, high) = (low.to_vec(), high.to_vec());
        let action_space = Space::unbounded(space.len()).with_shape(space.shape());
        Ok(Self { inner, action_space, clipped: vec![0.0; low.len()], low, high })
    }

    fn clip(&mut self, action: Action<'_>) {
        let bounds = self.low.iter().zip(&self.high);
        for ((clipped, given), (&low, &high)) in self.clipped.iter_mut().zip(action.continuous()).zip(bounds)
        {
            *clipped = given.clamp(low, high);
        }
    }
}

impl Wrapper for ClipAction {
    fn inner(&self) -> &dyn Env {
        &*self.inner
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut *self.inner
    }

    fn outer_action_space(&self) -> &Space {
        &self.action_space
    }

    fn on_prepare(&mut self, action: Action<'_>) -> Result<(), EnvError> {
        self.clip(action);
        self.inner.prepare(Action::Box(&self.clipped))
    }

    fn on_step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        self.clip(action);
        self.inner.step(Action::Box(&self.clipped), observation)
    }
}
