//! Acrobot-v1: two links hang from a pivot; the joint between them must swing the tip above a line.

use std::f64::consts::{FRAC_PI_2, PI, TAU};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{UNSEEDED, call_state, uniform};
use crate::{Action, Env, EnvError, Episode, Frame, Generator, Row, Space, Step, draw, generator};

/// rad/s.
const MAX_SPEED: [f64; 2] = [4.0 * PI, 9.0 * PI];
/// m/s².
const GRAVITY: f64 = 9.8;
/// m, of each link.
const LENGTH: f64 = 1.0;
/// kg, of each link.
const MASS: f64 = 1.0;
/// Centre of mass along each link, in m.
const CENTRE: f64 = 0.5;
/// Moment of inertia of each link, in kg·m².
const INERTIA: f64 = 1.0;

/// Which equations of motion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Equations {
    /// Those of the book, which the experiments of the paper used too.
    #[default]
    Book,
    /// Those printed in the paper, where a term is missing.
    Nips,
}

/// Parameters of [`Acrobot`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AcrobotParams {
    /// Equations of motion: `book` or `nips`.
    pub book_or_nips: Equations,
    /// Up to this much is added to the torque or taken from it, in N·m.
    pub torque_noise_max: f64,
    /// Seconds of one step, in (0, 1].
    pub dt: f64,
}

impl Default for AcrobotParams {
    fn default() -> Self {
        Self { book_or_nips: Equations::Book, torque_noise_max: 0.0, dt: 0.2 }
    }
}

/// Acrobot-v1.
///
/// Observation: cosine and sine of both angles (0 hangs straight; the second is relative to the first link), both
/// angular velocities (rad/s). Action: torque −1, 0 or 1 N·m. Reward: −1 a step, 0 for the one that arrives.
/// # Source
/// Sutton 1996; Sutton & Barto 2018 §11, with Gymnasium's constants.
pub struct Acrobot {
    /// First angle, second angle, their velocities.
    pub(crate) state: [f64; 4],
    params: AcrobotParams,
    generator: Generator,
    observation_space: Space,
    action_space: Space,
}

impl Acrobot {
    /// Two links, to be reset.
    ///
    /// # Errors
    /// [`EnvError::Params`] when a parameter lies outside its range.
    pub fn new(params: AcrobotParams) -> Result<Self, EnvError> {
        let wrong = |message: String| Err(EnvError::Params { name: String::new(), message });
        if !(params.dt > 0.0 && params.dt <= 1.0) {
            return wrong(format!("dt must lie in (0, 1] seconds, not {}", params.dt));
        }
        if params.torque_noise_max < 0.0 {
            return wrong(format!(
                "torque_noise_max must not be negative, as {} is",
                params.torque_noise_max
            ));
        }
        let high = [1.0, 1.0, 1.0, 1.0, MAX_SPEED[0] as f32, MAX_SPEED[1] as f32];
        Ok(Self {
            state: [0.0; 4],
            params,
            generator: generator(UNSEEDED),
            observation_space: Space::boxed(&high.map(|h| -h), &high),
            action_space: Space::Discrete { n: 3 },
        })
    }

    fn observe(&self, observation: Row<'_>) {
        let [theta1, theta2, velocity1, velocity2] = self.state;
        let ((sin1, cos1), (sin2, cos2)) = (theta1.sin_cos(), theta2.sin_cos());
        let numbers = [cos1, sin1, cos2, sin2, velocity1, velocity2];
        observation.f32().copy_from_slice(&numbers.map(|x| x as f32));
    }

    /// Time derivative of the state under `torque`.
    fn derivative(&self, [theta1, theta2, velocity1, velocity2]: [f64; 4], torque: f64) -> [f64; 4] {
        let (sin2, cos2) = theta2.sin_cos();
        let coupling = MASS * LENGTH * CENTRE;
        let d1 = MASS * (CENTRE * CENTRE)
            + MASS * (LENGTH * LENGTH + CENTRE * CENTRE + 2.0 * LENGTH * CENTRE * cos2)
            + INERTIA
            + INERTIA;
        let d2 = MASS * (CENTRE * CENTRE + LENGTH * CENTRE * cos2) + INERTIA;
        let phi2 = MASS * CENTRE * GRAVITY * (theta1 + theta2 - FRAC_PI_2).cos();
        let phi1 = -coupling * (velocity2 * velocity2) * sin2 - 2.0 * coupling * velocity2 * velocity1 * sin2
            + (MASS * CENTRE + MASS * LENGTH) * GRAVITY * (theta1 - FRAC_PI_2).cos()
            + phi2;
        let centrifugal = match self.params.book_or_nips {
            Equations::Book => coupling * (velocity1 * velocity1) * sin2,
            Equations::Nips => 0.0,
        };
        let acceleration2 = (torque + d2 / d1 * phi1 - centrifugal - phi2)
            / (MASS * (CENTRE * CENTRE) + INERTIA - d2 * d2 / d1);
        let acceleration1 = -(d2 * acceleration2 + phi1) / d1;
        [velocity1, velocity2, acceleration1, acceleration2]
    }

    /// The state after one step of fourth-order Runge-Kutta.
    fn integrate(&self, torque: f64) -> [f64; 4] {
        let (state, dt) = (self.state, self.params.dt);
        let ahead = |k: [f64; 4], h: f64| std::array::from_fn(|i| state[i] + h * k[i]);
        let k1 = self.derivative(state, torque);
        let k2 = self.derivative(ahead(k1, dt / 2.0), torque);
        let k3 = self.derivative(ahead(k2, dt / 2.0), torque);
        let k4 = self.derivative(ahead(k3, dt), torque);
        std::array::from_fn(|i| state[i] + dt / 6.0 * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]))
    }
}

/// The same angle in [−π, π].
fn wrap(angle: f64) -> f64 {
    // A step turns a link by less than four rounds; only a state set from outside lies further off.
    let mut angle = if angle.abs() > 4.0 * TAU { angle % TAU } else { angle };
    while angle > PI {
        angle -= TAU;
    }
    while angle < -PI {
        angle += TAU;
    }
    angle
}

impl Env for Acrobot {
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
        // Gymnasium rounds the start, and only the start, to 32 bits.
        self.state = std::array::from_fn(|_| uniform(&mut self.generator, -0.1, 0.1) as f32 as f64);
        self.observe(observation);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        let noise = self.params.torque_noise_max;
        let mut torque = action.discrete() as f64 - 1.0;
        if noise > 0.0 {
            torque += uniform(&mut self.generator, -noise, noise);
        }
        let [theta1, theta2, velocity1, velocity2] = self.integrate(torque);
        let [limit1, limit2] = MAX_SPEED;
        let (theta1, theta2) = (wrap(theta1), wrap(theta2));
        self.state = [theta1, theta2, velocity1.clamp(-limit1, limit1), velocity2.clamp(-limit2, limit2)];
        self.observe(observation);

        let arrived = -theta1.cos() - (theta2 + theta1).cos() > 1.0;
        let (reward, episode) = if arrived { (0.0, Episode::Terminated) } else { (-1.0, Episode::Running) };
        Ok(Step { reward, episode })
    }

    fn render(&mut self) -> Result<Frame, EnvError> {
        Ok(draw::acrobot(self.state[0], self.state[1]))
    }

    fn frames_per_second(&self) -> f64 {
        15.0
    }

    fn call(&mut self, name: &str, arguments: &Value) -> Result<Value, EnvError> {
        match name {
            "units" => Ok(json!({"observation": ["1", "1", "1", "1", "rad/s", "rad/s"]})),
            _ => call_state(&mut self.state, name, arguments),
        }
    }
}
