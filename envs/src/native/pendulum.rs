//! Pendulum-v1: swing a pendulum up and hold it there, with as little torque as possible.

use std::f64::consts::{PI, TAU};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{UNSEEDED, call_state, uniform};
use crate::{Action, Env, EnvError, Episode, Frame, Generator, Row, Space, Step, draw, generator};

/// rad/s.
const MAX_SPEED: f64 = 8.0;
/// N·m.
pub(crate) const MAX_TORQUE: f32 = 2.0;
/// Seconds of one step.
const DT: f64 = 0.05;

/// Parameters of [`Pendulum`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PendulumParams {
    /// Acceleration of gravity, in m/s².
    pub g: f64,
}

impl Default for PendulumParams {
    fn default() -> Self {
        Self { g: 10.0 }
    }
}

/// Pendulum-v1: a rod of 1 m and 1 kg.
///
/// Observation: cosine and sine of the angle (0 is upright), angular velocity (rad/s). Action: torque (N·m), clipped to
/// [−2, 2]. Reward: −(angle² + 0.1·velocity² + 0.001·torque²), of the state before the step. It never terminates.
pub struct Pendulum {
    /// Angle, not wrapped, and angular velocity.
    pub(crate) state: [f64; 2],
    /// Torque of the last step, for the picture; `None` before the first.
    pub(crate) last_torque: Option<f32>,
    params: PendulumParams,
    generator: Generator,
    observation_space: Space,
    action_space: Space,
}

impl Pendulum {
    /// A pendulum, to be reset.
    pub fn new(params: PendulumParams) -> Self {
        let high = [1.0, 1.0, MAX_SPEED as f32];
        Self {
            state: [0.0; 2],
            last_torque: None,
            params,
            generator: generator(UNSEEDED),
            observation_space: Space::boxed(&high.map(|h| -h), &high),
            action_space: Space::boxed(&[-MAX_TORQUE], &[MAX_TORQUE]),
        }
    }

    fn observe(&self, observation: Row<'_>) {
        let [theta, theta_dot] = self.state;
        let (sin, cos) = theta.sin_cos();
        observation.f32().copy_from_slice(&[cos as f32, sin as f32, theta_dot as f32]);
    }
}

impl Env for Pendulum {
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
        self.state = [uniform(&mut self.generator, -PI, PI), uniform(&mut self.generator, -1.0, 1.0)];
        self.last_torque = None;
        self.observe(observation);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        let [theta, theta_dot] = self.state;
        // The torque is a 32-bit number, and so is what is computed from it alone.
        let torque = action.continuous()[0].clamp(-MAX_TORQUE, MAX_TORQUE);
        self.last_torque = Some(torque);
        let angle = (theta + PI).rem_euclid(TAU) - PI;
        let cost = angle * angle + 0.1 * (theta_dot * theta_dot) + (0.001 * (torque * torque)) as f64;
        let acceleration = 3.0 * self.params.g / 2.0 * theta.sin() + (3.0 * torque) as f64;
        let theta_dot = (theta_dot + acceleration * DT).clamp(-MAX_SPEED, MAX_SPEED);
        self.state = [theta + theta_dot * DT, theta_dot];
        self.observe(observation);
        Ok(Step { reward: -cost as f32, episode: Episode::Running })
    }

    fn render(&mut self) -> Result<Frame, EnvError> {
        Ok(draw::pendulum(self.state[0], self.last_torque.map(f64::from)))
    }

    fn frames_per_second(&self) -> f64 {
        30.0
    }

    fn call(&mut self, name: &str, arguments: &Value) -> Result<Value, EnvError> {
        match name {
            "units" => Ok(json!({"observation": ["1", "1", "rad/s"], "action": "N·m"})),
            _ => call_state(&mut self.state, name, arguments),
        }
    }
}
