//! Repeats every action: fewer decisions a second for tasks whose simulator runs faster than a policy need think.

use super::Wrapper;
use crate::{Action, Env, EnvError, Row, Step};

/// Takes each action several times and adds up the rewards; ends with the episode if that ends sooner.
///
/// The observation is that of the last step taken; those between are not shown.
pub struct ActionRepeat {
    inner: Box<dyn Env>,
    times: u32,
}

impl ActionRepeat {
    /// `inner` with every action taken `times` times.
    ///
    /// # Errors
    /// [`EnvError::Params`] when `times` is 0.
    pub fn new(inner: Box<dyn Env>, times: u32) -> Result<Self, EnvError> {
        if times == 0 {
            let message = "times must be at least 1".to_owned();
            return Err(EnvError::Params { name: "action_repeat".to_owned(), message });
        }
        Ok(Self { inner, times })
    }
}

impl Wrapper for ActionRepeat {
    fn inner(&self) -> &dyn Env {
        &*self.inner
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut *self.inner
    }

    fn on_step(&mut self, action: Action<'_>, mut observation: Row<'_>) -> Result<Step, EnvError> {
        let mut total = self.inner.step(action, observation.again())?;
        for _ in 1..self.times {
            if total.episode.is_over() {
                break;
            }
            let step = self.inner.step(action, observation.again())?;
            total = Step { reward: total.reward + step.reward, ..step };
        }
        Ok(total)
    }

    fn outer_frames_per_second(&self) -> f64 {
        self.inner.frames_per_second() / f64::from(self.times)
    }
}
