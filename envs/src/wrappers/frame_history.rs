//! Shows past observations beside the present one: enough to tell velocities from positions.

use super::Wrapper;
use crate::{Action, Dtype, Env, EnvError, Row, Space, Step};

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
        let space = inner.observation_space();
        let refuse = |reason: &str| EnvError::Space {
            what: "frame_history".to_owned(),
            space: space.to_string(),
            reason: reason.to_owned(),
        };
        let Space::Box { shape, low, high, dtype } = space else {
            return Err(refuse("observations are arrays of numbers"));
        };
        let shape = match (flatten, shape.as_slice()) {
            (false, shape) => [&[past.len()], shape].concat(),
            (true, [first, rest @ ..]) => [&[past.len() * first], rest].concat(),
            (true, []) => return Err(refuse("a scalar has no axis to join: use flatten: false")),
        };
        let observation_space =
            Space::Box { shape, low: low.repeat(past.len()), high: high.repeat(past.len()), dtype: *dtype };
        let frames = Frames::new(*dtype, oldest + 1, space.len());
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

/// Observations of either element type, one after the other.
struct Frames {
    numbers: Numbers,
    count: usize,
    len: usize,
}

enum Numbers {
    F32(Vec<f32>),
    U8(Vec<u8>),
}

impl Frames {
    fn new(dtype: Dtype, count: usize, len: usize) -> Self {
        let numbers = match dtype {
            Dtype::F32 => Numbers::F32(vec![0.0; count * len]),
            Dtype::U8 => Numbers::U8(vec![0; count * len]),
        };
        Self { numbers, count, len }
    }

    fn row(&mut self, frame: usize) -> Row<'_> {
        let range = frame * self.len..(frame + 1) * self.len;
        match &mut self.numbers {
            Numbers::F32(numbers) => Row::F32(&mut numbers[range]),
            Numbers::U8(numbers) => Row::U8(&mut numbers[range]),
        }
    }

    fn repeat_first(&mut self) {
        for frame in 1..self.count {
            match &mut self.numbers {
                Numbers::F32(numbers) => numbers.copy_within(..self.len, frame * self.len),
                Numbers::U8(numbers) => numbers.copy_within(..self.len, frame * self.len),
            }
        }
    }

    /// Copies a frame to the `place`th of a row.
    fn copy(&self, frame: usize, place: usize, row: &mut Row<'_>) {
        let from = frame * self.len..(frame + 1) * self.len;
        let to = place * self.len..(place + 1) * self.len;
        match (&self.numbers, row) {
            (Numbers::F32(numbers), Row::F32(row)) => row[to].copy_from_slice(&numbers[from]),
            (Numbers::U8(numbers), Row::U8(row)) => row[to].copy_from_slice(&numbers[from]),
            _ => panic!("the row's elements are not those of the observation space"),
        }
    }
}
