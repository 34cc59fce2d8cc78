//! Recall-v0: name the cue that was shown some steps ago. Only a policy with memory can.

use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::{UNSEEDED, lit};
use crate::{Action, Env, EnvError, Episode, Frame, Generator, Row, Space, Step, generator};

/// Parameters of [`Recall`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecallParams {
    /// Cues to tell apart, at least 2.
    pub choices: usize,
    /// Steps between a cue and the action that names it.
    pub delay: usize,
    /// Steps of an episode, more than the delay.
    pub length: usize,
}

impl Default for RecallParams {
    fn default() -> Self {
        Self { choices: 4, delay: 3, length: 32 }
    }
}

/// Recall-v0.
///
/// Observation: a 1 at the present cue among zeros, `[choices]`; zeros after the last step. Action: the cue of `delay` steps ago.
/// Reward: 1/(length − delay) for each right action once there is such a cue, so that returns lie in [0, 1]. A policy that does not remember
/// reaches 1/choices on average.
pub struct Recall {
    params: RecallParams,
    cues: Vec<usize>,
    step: usize,
    generator: Generator,
    observation_space: Space,
    action_space: Space,
}

impl Recall {
    /// The task, to be reset.
    ///
    /// # Errors
    /// [`EnvError::Params`] when there are fewer than 2 choices, or no step after the delay.
    pub fn new(params: RecallParams) -> Result<Self, EnvError> {
        let RecallParams { choices, delay, length } = params;
        if choices < 2 || length <= delay {
            let message = "at least 2 choices are needed, and a length above the delay".to_owned();
            return Err(EnvError::Params { name: "Recall-v0".to_owned(), message });
        }
        Ok(Self {
            params,
            cues: Vec::with_capacity(length),
            step: 0,
            generator: generator(UNSEEDED),
            observation_space: Space::boxed(&vec![0.0; choices], &vec![1.0; choices]),
            action_space: Space::Discrete { n: choices },
        })
    }

    fn observe(&self, observation: Row<'_>) {
        let row = observation.f32();
        row.fill(0.0);
        if let Some(&cue) = self.cues.get(self.step) {
            row[cue] = 1.0;
        }
    }
}

impl Env for Recall {
    fn observation_space(&self) -> &Space {
        &self.observation_space
    }

    fn action_space(&self) -> &Space {
        &self.action_space
    }

    fn reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        if let Some(seed) = seed {
            self.generator = generator(seed);
        }
        self.cues.clear();
        self.cues
            .extend((0..self.params.length).map(|_| self.generator.random_range(0..self.params.choices)));
        self.step = 0;
        self.observe(observation);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        let RecallParams { delay, length, .. } = self.params;
        let right = self.step >= delay && self.cues[self.step - delay] == action.discrete();
        self.step += 1;
        self.observe(observation);
        let reward = if right { 1.0 / (length - delay) as f32 } else { 0.0 };
        let episode = if self.step == length { Episode::Terminated } else { Episode::Running };
        Ok(Step { reward, episode })
    }

    /// A square for each cue; the present one is lit.
    fn render(&mut self) -> Result<Frame, EnvError> {
        let cue = self.cues.get(self.step).copied();
        Ok(lit((0..self.params.choices).map(|i| if Some(i) == cue { 255 } else { 40 })))
    }
}
