//! Varies where episodes begin, for tasks that always start in the same place.

use rand::RngExt;

use super::Wrapper;
use crate::{Action, Env, EnvError, Generator, Row, Space, generator};

/// Episodes that may end during their random start before that is an error.
const MOST_RESETS: u32 = 100;
/// Sets the stream of this wrapper apart from the environment's, which has the same seed.
const STREAM: u64 = 0x5261_6E64_5374_6172;

/// Takes 0 to `max_steps − 1` random actions after every reset, a new number each time.
///
/// Numbers and actions come from a generator of the wrapper's own, seeded by the episode's seed. When the episode ends
/// meanwhile, another one is begun in its place. The rewards of these steps are not shown; a time limit inside counts
/// the steps.
pub struct RandomStart {
    inner: Box<dyn Env>,
    max_steps: u32,
    generator: Generator,
    action_space: Space,
    choices: Vec<i64>,
    numbers: Vec<f32>,
}

impl RandomStart {
    /// `inner` with a random start of fewer than `max_steps` steps.
    ///
    /// # Errors
    /// [`EnvError::Params`] when `max_steps` is 0.
    pub fn new(inner: Box<dyn Env>, max_steps: u32) -> Result<Self, EnvError> {
        if max_steps == 0 {
            let message = "max_steps must be at least 1".to_owned();
            return Err(EnvError::Params { name: "random_start".to_owned(), message });
        }
        let action_space = inner.action_space().clone();
        let (choices, numbers) = (vec![0; action_space.choices_len()], vec![0.0; action_space.numbers_len()]);
        Ok(Self { inner, max_steps, generator: generator(STREAM), action_space, choices, numbers })
    }

    /// Takes `steps` random actions; `false` when the episode ended meanwhile.
    fn wander(&mut self, steps: u32, mut observation: Row<'_>) -> Result<bool, EnvError> {
        for _ in 0..steps {
            let seen = observation.again().into();
            self.action_space.sample_legal(&mut self.generator, seen, &mut self.choices, &mut self.numbers);
            let action = Action::of(&self.action_space, &self.choices, &self.numbers);
            if self.inner.step(action, observation.again())?.episode.is_over() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Wrapper for RandomStart {
    fn inner(&self) -> &dyn Env {
        &*self.inner
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut *self.inner
    }

    fn on_reset(&mut self, seed: Option<u64>, mut observation: Row<'_>) -> Result<(), EnvError> {
        if let Some(seed) = seed {
            self.generator = generator(seed ^ STREAM);
        }
        let mut seed = seed;
        for _ in 0..MOST_RESETS {
            self.inner.reset(seed.take(), observation.again())?;
            let steps = self.generator.random_range(0..self.max_steps);
            if self.wander(steps, observation.again())? {
                return Ok(());
            }
        }
        Err(EnvError::failed(format!(
            "random_start: {MOST_RESETS} episodes in turn ended within fewer than {} random steps: choose a smaller \
             max_steps",
            self.max_steps
        )))
    }
}
