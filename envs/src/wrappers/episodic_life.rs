//! Reports lost lives to the learner, so that a loss counts at once and not only at the end of the game.

use super::Wrapper;
use crate::{Action, Env, EnvError, Episode, Row, Step};

/// Leaves the episode with [`Episode::LifeLost`] when a step costs a life; the game continues.
///
/// The number of lives is [`Env::lives`].
pub struct EpisodicLife {
    inner: Box<dyn Env>,
    lives: u64,
}

impl EpisodicLife {
    /// `inner`, whose lives are counted.
    pub fn new(inner: Box<dyn Env>) -> Self {
        Self { inner, lives: 0 }
    }

    fn count(&mut self) -> Result<u64, EnvError> {
        self.inner.lives()?.ok_or_else(|| {
            EnvError::failed(
                "episodic_life: the environment has no `lives` in its info: take this wrapper out",
            )
        })
    }
}

impl Wrapper for EpisodicLife {
    fn inner(&self) -> &dyn Env {
        &*self.inner
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut *self.inner
    }

    fn on_reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        self.inner.reset(seed, observation)?;
        self.lives = self.count()?;
        Ok(())
    }

    fn on_step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        let mut step = self.inner.step(action, observation)?;
        if step.episode == Episode::Running {
            let lives = self.count()?;
            if lives < self.lives {
                step.episode = Episode::LifeLost;
            }
            self.lives = lives;
        }
        Ok(step)
    }
}
