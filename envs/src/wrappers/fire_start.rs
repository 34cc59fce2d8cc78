//! Starts games that wait until a button is pressed.

use super::Wrapper;
use crate::{Action, Env, EnvError, Episode, Row, Space, Step};

/// Takes a given action at the start of each episode and after each lost life ([`Episode::LifeLost`]).
///
/// The policy sees what stands after it. The reward is added to that of the step that lost the life; at the start of an
/// episode it is not shown. Should the action end the episode at its start, another one is begun without it.
pub struct FireStart {
    inner: Box<dyn Env>,
    action: usize,
}

impl FireStart {
    /// `inner`, started by `action`.
    ///
    /// # Errors
    /// [`EnvError::Params`] when the action is none of a discrete space.
    pub fn new(inner: Box<dyn Env>, action: usize) -> Result<Self, EnvError> {
        match inner.action_space() {
            Space::Discrete { n } if action < *n => Ok(Self { inner, action }),
            space => {
                let message = format!("action {action} is not in the action space {space}");
                Err(EnvError::Params { name: "fire_start".to_owned(), message })
            }
        }
    }
}

impl Wrapper for FireStart {
    fn inner(&self) -> &dyn Env {
        &*self.inner
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut *self.inner
    }

    fn on_reset(&mut self, seed: Option<u64>, mut observation: Row<'_>) -> Result<(), EnvError> {
        self.inner.reset(seed, observation.again())?;
        if self.inner.step(Action::Discrete(self.action), observation.again())?.episode.is_over() {
            self.inner.reset(None, observation)?;
        }
        Ok(())
    }

    fn on_step(&mut self, action: Action<'_>, mut observation: Row<'_>) -> Result<Step, EnvError> {
        let lost = self.inner.step(action, observation.again())?;
        if lost.episode != Episode::LifeLost {
            return Ok(lost);
        }
        let fired = self.inner.step(Action::Discrete(self.action), observation)?;
        let episode = if fired.episode.is_over() { fired.episode } else { Episode::LifeLost };
        Ok(Step { reward: lost.reward + fired.reward, episode })
    }
}
