//! InvertedPendulum-v5 and InvertedDoublePendulum-v5: one pole or two, kept upright on a cart.

use serde::{Deserialize, Serialize};

use super::env::Task;
use super::math::{add_gaussian, add_uniform};
use super::params::{Bounds, ModelParams};
use super::simulator::Simulator;
use crate::{EnvError, Generator};

/// A pole that leans further has fallen, in rad.
const ANGLE_LIMIT: f64 = 0.2;
/// Velocities and the force of the track's end are shown up to this, in m/s, rad/s and N.
const SHOWN: Bounds = Bounds::new(-10.0, 10.0);

/// Parameters of [`InvertedPendulum`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InvertedPendulumParams {
    /// The model.
    #[serde(flatten)]
    pub model: ModelParams,
    /// How far starts are spread around the upright.
    pub reset_noise_scale: f64,
}

impl Default for InvertedPendulumParams {
    fn default() -> Self {
        Self { model: ModelParams::new("inverted_pendulum.xml", 2), reset_noise_scale: 0.01 }
    }
}

/// InvertedPendulum-v5: a pole on a cart.
///
/// Observation, `[4]`: place of the cart (m), angle of the pole (rad, 0 is upright), and their velocities. Reward: 1 for
/// every step but the one with which the pole leans more than 0.2 rad, which terminates.
pub struct InvertedPendulum(pub InvertedPendulumParams);

impl Task for InvertedPendulum {
    const NEEDS: [usize; 2] = [2, 2];

    fn start(&self, simulator: &mut Simulator, generator: &mut Generator) {
        let scale = self.0.reset_noise_scale;
        add_uniform(simulator.qpos_mut(), scale, generator);
        add_uniform(simulator.qvel_mut(), scale, generator);
    }

    fn observe(&self, simulator: &Simulator, observation: &mut Vec<f64>) {
        observation.extend(simulator.qpos());
        observation.extend(simulator.qvel());
    }

    fn units(&self, simulator: &Simulator) -> Vec<&'static str> {
        simulator.units().concat()
    }

    fn judge(&self, simulator: &Simulator, _action: &[f32], _velocity: f64) -> (f64, bool) {
        let (qpos, qvel) = (simulator.qpos(), simulator.qvel());
        let upright = qpos[1].abs() <= ANGLE_LIMIT && qpos.iter().chain(qvel).all(|x| x.is_finite());
        (f64::from(u8::from(upright)), !upright)
    }
}

/// Parameters of [`InvertedDoublePendulum`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InvertedDoublePendulumParams {
    /// The model.
    #[serde(flatten)]
    pub model: ModelParams,
    /// Reward for every step that does not terminate.
    pub healthy_reward: f64,
    /// How far starts are spread around the upright.
    pub reset_noise_scale: f64,
}

impl Default for InvertedDoublePendulumParams {
    fn default() -> Self {
        Self {
            model: ModelParams::new("inverted_double_pendulum.xml", 5),
            healthy_reward: 10.0,
            reset_noise_scale: 0.1,
        }
    }
}

/// InvertedDoublePendulum-v5: a pole on a pole on a cart.
///
/// Observation, `[9]`: place of the cart (m), sines, then cosines of the two joints, the three velocities within ±10, and
/// the force of the track's end on the cart within ±10 N. Reward: health, less 0.01·x² + (z − 2)² of the tip (m) and
/// 0.001·v₁² + 0.005·v₂² of the joints (rad/s). It terminates when the tip is no higher than 1 m.
pub struct InvertedDoublePendulum(InvertedDoublePendulumParams);

impl InvertedDoublePendulum {
    /// Two poles of this model, whose first site is the tip.
    ///
    /// # Errors
    /// [`EnvError::Params`] when the model has no site.
    pub fn new(params: InvertedDoublePendulumParams, simulator: &Simulator) -> Result<Self, EnvError> {
        if simulator.data().site_xpos().is_empty() {
            let message = "the model has no site, and its first one is the tip of the poles".to_owned();
            return Err(EnvError::Params { name: String::new(), message });
        }
        Ok(Self(params))
    }
}

impl Task for InvertedDoublePendulum {
    const NEEDS: [usize; 2] = [1, 3];

    fn start(&self, simulator: &mut Simulator, generator: &mut Generator) {
        let scale = self.0.reset_noise_scale;
        add_uniform(simulator.qpos_mut(), scale, generator);
        add_gaussian(simulator.qvel_mut(), scale, generator);
    }

    fn observe(&self, simulator: &Simulator, observation: &mut Vec<f64>) {
        let qpos = simulator.qpos();
        observation.push(qpos[0]);
        observation.extend(qpos[1..].iter().map(|angle| angle.sin()));
        observation.extend(qpos[1..].iter().map(|angle| angle.cos()));
        observation.extend(simulator.qvel().iter().map(|&v| SHOWN.clip(v)));
        observation.push(SHOWN.clip(simulator.data().qfrc_constraint()[0]));
    }

    fn units(&self, simulator: &Simulator) -> Vec<&'static str> {
        let [position, velocity] = simulator.units();
        [&position[..1], &["1"].repeat(2 * (position.len() - 1)), &velocity, &["N"]].concat()
    }

    fn judge(&self, simulator: &Simulator, _action: &[f32], _velocity: f64) -> (f64, bool) {
        let [x, _, z] = simulator.data().site_xpos()[0];
        let (v1, v2) = (simulator.qvel()[1], simulator.qvel()[2]);
        let terminated = z <= 1.0;
        let alive = if terminated { 0.0 } else { self.0.healthy_reward };
        let distance = 0.01 * (x * x) + (z - 2.0) * (z - 2.0);
        let speed = 1e-3 * (v1 * v1) + 5e-3 * (v2 * v2);
        (alive - distance - speed, terminated)
    }
}
