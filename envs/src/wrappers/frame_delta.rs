//! Shows how observations change instead of what they are.

use super::{Wrapper, float_bounds, one_array};
use crate::{Action, Env, EnvError, Row, Space, Step};

/// Shows the difference to the observation before; a reset shows the first observation itself.
///
/// The space holds both: from `low − high` to `high − low`, widened to `low..high` where that lies outside.
pub struct FrameDelta {
    inner: Box<dyn Env>,
    observation_space: Space,
    last: Vec<f32>,
}

impl FrameDelta {
    /// `inner` with differences for observations.
    ///
    /// # Errors
    /// [`EnvError::Space`] when observations are bytes, which have no negative differences.
    pub fn new(inner: Box<dyn Env>) -> Result<Self, EnvError> {
        let inner = one_array(inner);
        let space = inner.observation_space();
        let (low, high) = float_bounds(space, "frame_delta")?;
        let pairs = || low.iter().zip(high);
        let observation_space = Space::boxed(
            &pairs().map(|(l, h)| (l - h).min(*l)).collect::<Vec<_>>(),
            &pairs().map(|(l, h)| (h - l).max(*h)).collect::<Vec<_>>(),
        )
        .with_shape(space.shape());
        Ok(Self { last: vec![0.0; space.len()], observation_space, inner })
    }
}

impl Wrapper for FrameDelta {
    fn inner(&self) -> &dyn Env {
        &*self.inner
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut *self.inner
    }

    fn outer_observation_space(&self) -> &Space {
        &self.observation_space
    }

    fn on_reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        let row = observation.f32();
        self.inner.reset(seed, Row::F32(row))?;
        self.last.copy_from_slice(row);
        Ok(())
    }

    fn on_step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        let row = observation.f32();
        let step = self.inner.step(action, Row::F32(row))?;
        for (shown, last) in row.iter_mut().zip(&mut self.last) {
            let now = *shown;
            *shown -= *last;
            *last = now;
        }
        Ok(step)
    }
}
