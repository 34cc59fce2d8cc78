//! Repeats every action: fewer decisions a second for tasks whose simulator runs faster than a policy need think.

use super::frames::Frames;
use super::{Wrapper, one_array};
use crate::{Action, Env, EnvError, Episode, Row, Step};

/// Takes each action several times and adds up the rewards; ends sooner with the episode, or with a life lost inside.
///
/// The observation is that of the last step taken, or with `max_pool` the larger of each element in the last two: what
/// flickers, as sprites of the Atari 2600 do in every other frame, is always seen. Those before are not shown.
pub struct ActionRepeat {
    inner: Box<dyn Env>,
    times: u32,
    /// The observation before the last, where it is needed.
    before: Option<Frames>,
}

impl ActionRepeat {
    /// `inner` with every action taken `times` times.
    ///
    /// # Errors
    /// [`EnvError::Params`] when `times` is 0.
    pub fn new(inner: Box<dyn Env>, times: u32, max_pool: bool) -> Result<Self, EnvError> {
        if times == 0 {
            let message = "times must be at least 1".to_owned();
            return Err(EnvError::Params { name: "action_repeat".to_owned(), message });
        }
        let inner = if max_pool { one_array(inner) } else { inner };
        let before =
            max_pool.then(|| Frames::new(inner.observation_space(), 1, "action_repeat")).transpose()?;
        Ok(Self { inner, times, before })
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
        let mut taken = 1;
        while taken < self.times && total.episode == Episode::Running {
            if let Some(before) = &mut self.before {
                before.keep(&observation);
            }
            let step = self.inner.step(action, observation.again())?;
            total = Step { reward: total.reward + step.reward, ..step };
            taken += 1;
        }
        if let Some(before) = self.before.as_ref().filter(|_| taken > 1) {
            before.maximum(&mut observation);
        }
        Ok(total)
    }

    fn outer_frames_per_second(&self) -> f64 {
        self.inner.frames_per_second() / f64::from(self.times)
    }
}
