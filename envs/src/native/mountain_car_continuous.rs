//! MountainCarContinuous-v0: the mountain car with a motor that costs what it uses.

use serde_json::{Value, json};

use super::mountain_car::{
    GRAVITY, MAX_POSITION, MAX_SPEED, MIN_POSITION, MountainCarParams, observation_space,
};
use super::{UNSEEDED, call_state, uniform};
use crate::{Action, Env, EnvError, Episode, Frame, Generator, Row, Space, Step, draw, generator};

/// Where the flag stands: lower than in the discrete task.
pub(crate) const GOAL_POSITION: f64 = 0.45;
/// Track units a step² at full throttle.
const POWER: f64 = 0.0015;

/// MountainCarContinuous-v0.
///
/// Observation: position, velocity. Action: throttle, clipped to [−1, 1] (but paid for unclipped).
/// Reward: −0.1·action² a step, and 100 on arrival.
///
/// Gymnasium keeps the state in 64 bits after a reset and in 32 bits after every step; so does this one, whose
/// numbers are therefore rounded to 32 bits whenever they already fit into them.
pub struct MountainCarContinuous {
    /// Position, velocity.
    pub(crate) state: [f64; 2],
    params: MountainCarParams,
    generator: Generator,
    observation_space: Space,
    action_space: Space,
}

impl MountainCarContinuous {
    /// A car in the valley, to be reset.
    pub fn new(params: MountainCarParams) -> Self {
        Self {
            state: [0.0; 2],
            params,
            generator: generator(UNSEEDED),
            observation_space: observation_space(),
            action_space: Space::boxed(&[-1.0], &[1.0]),
        }
    }

    fn observe(&self, observation: Row<'_>) {
        observation.f32().copy_from_slice(&self.state.map(|x| x as f32));
    }
}

/// `x` as a 32-bit float holds it.
fn single(x: f64) -> f64 {
    x as f32 as f64
}

impl Env for MountainCarContinuous {
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
        let is_single = position == single(position) && velocity == single(velocity);
        let round = |x: f64| if is_single { single(x) } else { x };
        let throttle = action.continuous()[0];
        let slope = GRAVITY * round(3.0 * position).cos();
        // A throttle within its bounds is a 32-bit number and makes the sum one; a clipped one is a 64-bit number.
        let push = if throttle.abs() <= 1.0 {
            single(single(throttle as f64 * single(POWER)) - single(slope))
        } else {
            POWER.copysign(throttle as f64) - slope
        };
        let max_speed = round(MAX_SPEED);
        let velocity = round(velocity + round(push)).clamp(-max_speed, max_speed);
        let position = round(position + velocity).clamp(round(MIN_POSITION), round(MAX_POSITION));
        let velocity = if position == round(MIN_POSITION) { velocity.max(0.0) } else { velocity };

        let goal = round(GOAL_POSITION);
        let arrived = position >= goal && velocity >= round(self.params.goal_velocity);
        self.state = [single(position), single(velocity)];
        self.observe(observation);
        let bonus = if arrived { 100.0 } else { 0.0 };
        let reward = bonus - (throttle as f64).powi(2) * 0.1;
        let episode = if arrived { Episode::Terminated } else { Episode::Running };
        Ok(Step { reward: reward as f32, episode })
    }

    fn render(&mut self) -> Result<Frame, EnvError> {
        Ok(draw::mountain_car(self.state[0], GOAL_POSITION))
    }

    fn frames_per_second(&self) -> f64 {
        30.0
    }

    fn call(&mut self, name: &str, arguments: &Value) -> Result<Value, EnvError> {
        match name {
            "units" => Ok(json!({"observation": "1", "action": "1"})),
            _ => call_state(&mut self.state, name, arguments),
        }
    }
}
