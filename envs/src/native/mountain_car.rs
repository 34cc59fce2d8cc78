//! MountainCar-v0: a car too weak for the hill must swing itself up.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{UNSEEDED, call_state, uniform};
use crate::{Action, Env, EnvError, Episode, Frame, Generator, Row, Space, Step, draw, generator};

/// Left wall; no unit.
pub(crate) const MIN_POSITION: f64 = -1.2;
/// Right end of the track.
pub(crate) const MAX_POSITION: f64 = 0.6;
/// Track units a step.
pub(crate) const MAX_SPEED: f64 = 0.07;
/// Top of the right hill.
pub(crate) const GOAL_POSITION: f64 = 0.5;
const FORCE: f64 = 0.001;
/// Pull of the slope where it is steepest, in track units a step².
pub(crate) const GRAVITY: f64 = 0.0025;

/// Parameters of [`MountainCar`] and [`MountainCarContinuous`](super::MountainCarContinuous).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MountainCarParams {
    /// The car must be at least this fast at the goal, in track units a step.
    pub goal_velocity: f64,
}

/// Bounds of position and velocity, which both mountain cars share.
pub(super) fn observation_space() -> Space {
    Space::boxed(&[MIN_POSITION as f32, -MAX_SPEED as f32], &[MAX_POSITION as f32, MAX_SPEED as f32])
}

/// MountainCar-v0.
///
/// Observation: position, velocity. Action: 0 pushes left, 1 rolls, 2 pushes right. Reward: −1 a step.
/// # Source
/// Moore 1990, with Gymnasium's constants.
pub struct MountainCar {
    /// Position, velocity.
    pub(crate) state: [f64; 2],
    params: MountainCarParams,
    generator: Generator,
    observation_space: Space,
    action_space: Space,
}

impl MountainCar {
    /// A car in the valley, to be reset.
    pub fn new(params: MountainCarParams) -> Self {
        Self {
            state: [0.0; 2],
            params,
            generator: generator(UNSEEDED),
            observation_space: observation_space(),
            action_space: Space::Discrete { n: 3 },
        }
    }

    fn observe(&self, observation: Row<'_>) {
        observation.f32().copy_from_slice(&self.state.map(|x| x as f32));
    }
}

impl Env for MountainCar {
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
        self.state = [uniform(&mut self.generator, -0.6, -0.4), 0.0];
        self.observe(observation);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        let [position, velocity] = self.state;
        let push = (action.discrete() as f64 - 1.0) * FORCE;
        let velocity = velocity + (push + (3.0 * position).cos() * -GRAVITY);
        let velocity = velocity.clamp(-MAX_SPEED, MAX_SPEED);
        let position = (position + velocity).clamp(MIN_POSITION, MAX_POSITION);
        let velocity = if position == MIN_POSITION { velocity.max(0.0) } else { velocity };
        self.state = [position, velocity];
        self.observe(observation);

        let arrived = position >= GOAL_POSITION && velocity >= self.params.goal_velocity;
        let episode = if arrived { Episode::Terminated } else { Episode::Running };
        Ok(Step { reward: -1.0, episode })
    }

    fn render(&mut self) -> Result<Frame, EnvError> {
        Ok(draw::mountain_car(self.state[0], GOAL_POSITION))
    }

    fn frames_per_second(&self) -> f64 {
        30.0
    }

    fn call(&mut self, name: &str, arguments: &Value) -> Result<Value, EnvError> {
        match name {
            "units" => Ok(json!({"observation": "1"})),
            _ => call_state(&mut self.state, name, arguments),
        }
    }
}
