//! Environments whose pictures are shown in another way.

use super::Wrapper;
use crate::{Action, Dtype, Env, EnvError, Label, Labels, Row, Space, Step};

/// What is made of a picture: bytes of bytes.
pub trait Retouch {
    /// Fills `shown` from `picture`, both row-major.
    fn retouch(&mut self, picture: &[u8], shown: &mut [u8]);
}

/// An environment of bytes, retouched.
pub struct Retouched<R> {
    inner: Box<dyn Env>,
    observation_space: Space,
    picture: Vec<u8>,
    retouch: R,
}

impl<R: Retouch> Retouched<R> {
    /// `inner`, whose observations are bytes, shown as bytes of `shape`.
    pub(super) fn of(inner: Box<dyn Env>, shape: Vec<usize>, retouch: R) -> Self {
        let count = shape.iter().product();
        let (low, high) = (vec![0.0; count], vec![255.0; count]);
        let observation_space = Space::Box { shape, low, high, dtype: Dtype::U8 };
        Self { picture: vec![0; inner.observation_space().len()], observation_space, retouch, inner }
    }
}

impl<R: Retouch> Wrapper for Retouched<R> {
    fn inner(&self) -> &dyn Env {
        &*self.inner
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut *self.inner
    }

    fn outer_observation_space(&self) -> &Space {
        &self.observation_space
    }

    fn outer_labels(&mut self) -> Result<Labels, EnvError> {
        Ok(Labels { observation: vec![Label::default()], ..self.inner.labels()? })
    }

    fn on_reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        self.inner.reset(seed, Row::U8(&mut self.picture))?;
        self.retouch.retouch(&self.picture, observation.u8());
        Ok(())
    }

    fn on_step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        let step = self.inner.step(action, Row::U8(&mut self.picture))?;
        self.retouch.retouch(&self.picture, observation.u8());
        Ok(step)
    }
}
