//! Shows past observations beside the present one: enough to derive velocities from positions.

use super::frames::Frames;
use super::{Wrapper, one_array};
use crate::{Action, Env, EnvError, Labels, Row, Space, SpaceError, Step};

/// The oldest observation that can be shown, in steps.
const OLDEST: usize = 10_000;

/// Shows the observations of several times at once, in the order of `past`: 0 is now, 2 is two steps ago.
///
/// They are stacked along a new first axis, or with `flatten` joined along the present first one. Before an episode
/// is that old, its first observation stands in.
pub struct FrameHistory {
    inner: Box<dyn Env>,
    past: Vec<usize>,
    observation_space: Space,
    frames: Frames,
    /// Place of the present observation among `frames`.
    now: usize,
}

impl FrameHistory {
    /// `inner` with the observations of the times in `past`.
    ///
    /// # Errors
    /// [`EnvError::Params`] unless `past` contains 0 and no age above 10 000; [`EnvError::Space`] when `flatten` meets a scalar.
    pub fn new(inner: Box<dyn Env>, past: &[usize], flatten: bool) -> Result<Self, EnvError> {
        let oldest = past.iter().copied().max().unwrap_or(0);
        if !past.contains(&0) || oldest > OLDEST {
            let message = format!(
                "past must contain 0, the present observation, and nothing above {OLDEST}; it is {past:?}"
            );
            return Err(EnvError::Params { name: "frame_history".to_owned(), message });
        }
        let inner = one_array(inner);
        let space = inner.observation_space();
        let refuse = |reason: &str| SpaceError::new("frame_history", space, reason).into();
        let Space::Box { shape, low, high, dtype } = space else {
            let fields: Vec<_> = space.leaves().into_iter().map(|(path, _)| path).collect();
            return Err(refuse(&format!(
                "it has the fields {fields:?}: name one of them with `field`, or put the wrapper `flatten` before it"
            )));
        };
        let shape = match (flatten, shape.as_slice()) {
            (false, shape) => [&[past.len()], shape].concat(),
            (true, [first, rest @ ..]) => [&[past.len() * first], rest].concat(),
            (true, []) => return Err(refuse("a scalar has no axis to join: use flatten: false")),
        };
        let observation_space =
            Space::Box { shape, low: low.repeat(past.len()), high: high.repeat(past.len()), dtype: *dtype };
        let frames = Frames::new(space, oldest + 1, "frame_history")?;
        Ok(Self { past: past.to_vec(), observation_space, frames, now: 0, inner })
    }

    fn show(&self, mut observation: Row<'_>) {
        for (i, age) in self.past.iter().enumerate() {
            let count = self.frames.count;
            self.frames.copy((self.now + count - age) % count, i, &mut observation);
        }
    }
}

impl Wrapper for FrameHistory {
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
        let mut labels = self.inner.labels()?;
        let unit = &mut labels.observation[0].unit;
        if unit.len() > 1 {
            *unit = vec![&unit[..]; self.past.len()].concat();
        }
        Ok(labels)
    }

    fn on_reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        self.now = 0;
        self.inner.reset(seed, self.frames.row(0))?;
        self.frames.repeat_first();
        self.show(observation);
        Ok(())
    }

    fn on_step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        self.now = (self.now + 1) % self.frames.count;
        let step = self.inner.step(action, self.frames.row(self.now))?;
        self.show(observation);
        Ok(step)
    }
}
