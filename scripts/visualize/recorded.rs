//! An environment that keeps a picture of every state.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use phalanx_envs::wrappers::Wrapper;
use phalanx_envs::{Action, Env, EnvError, Frame, Row, Step};

/// Pictures on their way from the environment to the video: at most the last of an episode and the first of the next.
#[derive(Default)]
pub(super) struct FrameQueue {
    pub pictures: VecDeque<Result<Frame, EnvError>>,
    pub frames_per_second: f64,
}

/// An environment that is drawn after every reset and every step.
pub(super) struct Recorded {
    pub inner: Box<dyn Env>,
    pub queue: Arc<Mutex<FrameQueue>>,
}

impl Recorded {
    fn record(&mut self) {
        let picture = self.inner.render();
        let mut queue = lock(&self.queue);
        queue.frames_per_second = self.inner.frames_per_second();
        queue.pictures.push_back(picture);
    }
}

impl Wrapper for Recorded {
    fn inner(&self) -> &dyn Env {
        &*self.inner
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut *self.inner
    }

    fn on_reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        self.inner.reset(seed, observation)?;
        self.record();
        Ok(())
    }

    fn on_step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        let step = self.inner.step(action, observation)?;
        self.record();
        Ok(step)
    }
}

/// The queue stays whole whatever panics: pictures are pushed and popped one by one.
pub(super) fn lock(queue: &Mutex<FrameQueue>) -> MutexGuard<'_, FrameQueue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}
