//! CartPole-v1: a pole on a cart is kept upright by pushing the cart left or right.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{UNSEEDED, call_state, uniform};
use crate::{Action, Env, EnvError, Episode, Frame, Generator, Row, Space, Step, draw, generator};

/// m/s².
const GRAVITY: f64 = 9.8;
/// kg.
const CART_MASS: f64 = 1.0;
/// kg.
const POLE_MASS: f64 = 0.1;
/// kg.
const TOTAL_MASS: f64 = POLE_MASS + CART_MASS;
/// Half the pole, in m.
const HALF_LENGTH: f64 = 0.5;
/// kg·m.
const POLE_MOMENT: f64 = POLE_MASS * HALF_LENGTH;
/// N.
const FORCE: f64 = 10.0;
/// Seconds of one step.
const TAU: f64 = 0.02;
/// The track ends here, in m from its middle.
pub(crate) const POSITION_LIMIT: f64 = 2.4;
/// A pole that leans further has fallen, in rad: 12°.
pub(crate) const ANGLE_LIMIT: f64 = 12.0 * 2.0 * std::f64::consts::PI / 360.0;

/// Parameters of [`CartPole`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CartPoleParams {
    /// Reward 0 a step and −1 for the fall, instead of 1 a step.
    pub sutton_barto_reward: bool,
}

/// CartPole-v1.
///
/// Observation: position of the cart (m), its velocity (m/s), angle of the pole (rad, 0 is upright), its velocity
/// (rad/s). Action: 0 pushes left, 1 pushes right.
/// # Source
/// Barto, Sutton, Anderson 1983, with Gymnasium's constants.
pub struct CartPole {
    /// Position, velocity, angle, angular velocity.
    pub(crate) state: [f64; 4],
    params: CartPoleParams,
    generator: Generator,
    observation_space: Space,
    action_space: Space,
}

impl CartPole {
    /// A cart with its pole, to be reset.
    pub fn new(params: CartPoleParams) -> Self {
        let high = [2.0 * POSITION_LIMIT as f32, f32::INFINITY, (2.0 * ANGLE_LIMIT) as f32, f32::INFINITY];
        Self {
            state: [0.0; 4],
            params,
            generator: generator(UNSEEDED),
            observation_space: Space::boxed(&high.map(|h| -h), &high),
            action_space: Space::Discrete { n: 2 },
        }
    }

    fn observe(&self, observation: Row<'_>) {
        observation.f32().copy_from_slice(&self.state.map(|x| x as f32));
    }
}

impl Env for CartPole {
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
        self.state = std::array::from_fn(|_| uniform(&mut self.generator, -0.05, 0.05));
        self.observe(observation);
        Ok(())
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // with its time limit it is one call
    fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        let [x, x_dot, theta, theta_dot] = self.state;
        let force = if action.discrete() == 1 { FORCE } else { -FORCE };
        let (sin, cos) = sin_cos(theta);
        let push = (force + POLE_MOMENT * (theta_dot * theta_dot) * sin) / TOTAL_MASS;
        let theta_acc =
            (GRAVITY * sin - cos * push) / (HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * (cos * cos) / TOTAL_MASS));
        let x_acc = push - POLE_MOMENT * theta_acc * cos / TOTAL_MASS;
        let x = x + TAU * x_dot;
        let theta = theta + TAU * theta_dot;
        self.state = [x, x_dot + TAU * x_acc, theta, theta_dot + TAU * theta_acc];
        self.observe(observation);

        let fallen = !(x.abs() <= POSITION_LIMIT && theta.abs() <= ANGLE_LIMIT);
        let reward = match (self.params.sutton_barto_reward, fallen) {
            (false, _) => 1.0,
            (true, false) => 0.0,
            (true, true) => -1.0,
        };
        let episode = if fallen { Episode::Terminated } else { Episode::Running };
        Ok(Step { reward, episode })
    }

    fn render(&mut self) -> Result<Frame, EnvError> {
        Ok(draw::cart_pole(self.state[0], self.state[2]))
    }

    fn frames_per_second(&self) -> f64 {
        50.0
    }

    fn call(&mut self, name: &str, arguments: &Value) -> Result<Value, EnvError> {
        match name {
            "units" => Ok(json!({"observation": ["m", "m/s", "rad", "rad/s"]})),
            _ => call_state(&mut self.state, name, arguments),
        }
    }
}

/// Sine and cosine, within a unit in the last place.
///
/// Poles lean little, so the polynomials of fdlibm's kernels do without a call into the C library, which first has to
/// find out how large the angle is.
#[inline]
fn sin_cos(x: f64) -> (f64, f64) {
    if x.abs() > std::f64::consts::FRAC_PI_4 {
        return x.sin_cos();
    }
    let z = x * x;
    let w = z * z;
    let sin = 8.333_333_333_322_49e-3
        + z * (-1.984_126_982_985_795e-4 + z * 2.755_731_370_707_007e-6)
        + z * w * (-2.505_076_025_340_686_3e-8 + z * 1.589_690_995_211_55e-10);
    let sin = x + x * z * (-1.666_666_666_666_663_2e-1 + z * sin);
    let cos = z * (4.166_666_666_666_66e-2 + z * (-1.388_888_888_887_411e-3 + z * 2.480_158_728_947_673e-5))
        + w * w
            * (-2.755_731_435_139_066_3e-7
                + z * (2.087_572_321_298_175e-9 + z * -1.135_964_755_778_819_5e-11));
    let most = 1.0 - 0.5 * z;
    (sin, most + ((1.0 - most - 0.5 * z) + z * cos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sines_and_cosines_are_the_standard_librarys_to_the_last_place() {
        for i in -100_000..=100_000 {
            let x = f64::from(i) * 1e-5;
            let (sin, cos) = sin_cos(x);
            assert!((sin - x.sin()).abs() <= f64::EPSILON * x.sin().abs(), "sin {x}");
            assert!((cos - x.cos()).abs() <= f64::EPSILON * x.cos().abs(), "cos {x}");
        }
    }
}
