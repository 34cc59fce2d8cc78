//! Hopper-v5 and Walker2d-v5: get ahead on one leg or two without falling.

use serde::{Deserialize, Serialize};

use super::env::Task;
use super::math::add_uniform;
use super::params::{Bounds, HealthParams, ModelParams, RunParams};
use super::simulator::Simulator;
use crate::Generator;

/// Velocities are shown up to this, in m/s and rad/s.
const SHOWN_VELOCITY: Bounds = Bounds::new(-10.0, 10.0);

/// Parameters of [`Walker`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WalkerParams {
    /// The model.
    #[serde(flatten)]
    pub model: ModelParams,
    /// Reward, cost and start.
    #[serde(flatten)]
    pub run: RunParams,
    /// Health.
    #[serde(flatten)]
    pub health: HealthParams,
    /// Lean of the torso in good health, in rad.
    pub healthy_angle_range: Bounds,
    /// Every other position and every velocity in good health. Gymnasium has it for Hopper-v5 alone.
    pub healthy_state_range: Bounds,
}

impl WalkerParams {
    /// Those of Hopper-v5.
    pub fn hopper() -> Self {
        Self {
            model: ModelParams::new("hopper.xml", 4),
            run: RunParams {
                forward_reward_weight: 1.0,
                ctrl_cost_weight: 1e-3,
                reset_noise_scale: 5e-3,
                exclude_current_positions_from_observation: true,
            },
            health: HealthParams {
                healthy_reward: 1.0,
                terminate_when_unhealthy: true,
                healthy_z_range: Bounds::new(0.7, f64::INFINITY),
            },
            healthy_angle_range: Bounds::new(-0.2, 0.2),
            healthy_state_range: Bounds::new(-100.0, 100.0),
        }
    }

    /// Those of Walker2d-v5.
    pub fn walker2d() -> Self {
        let Self { run, health, .. } = Self::hopper();
        Self {
            model: ModelParams::new("walker2d_v5.xml", 4),
            run,
            health: HealthParams { healthy_z_range: Bounds::new(0.8, 2.0), ..health },
            healthy_angle_range: Bounds::new(-1.0, 1.0),
            healthy_state_range: Bounds::NONE,
        }
    }
}

/// A planar walker.
///
/// Observation: positions of the joints, without the one along the ground by default, then their velocities within
/// ±10. Reward: velocity in m/s and health, less the price of the action. It terminates where it fell.
pub struct Walker(pub WalkerParams);

impl Walker {
    fn is_healthy(&self, simulator: &Simulator) -> bool {
        let (qpos, qvel) = (simulator.qpos(), simulator.qvel());
        let Self(WalkerParams { health, healthy_angle_range, healthy_state_range, .. }) = self;
        qpos[2..].iter().chain(qvel).all(|&x| healthy_state_range.enclose(x))
            && health.healthy_z_range.enclose(qpos[1])
            && healthy_angle_range.enclose(qpos[2])
    }
}

impl Task for Walker {
    const NEEDS: [usize; 2] = [3, 1];

    fn start(&self, simulator: &mut Simulator, generator: &mut Generator) {
        let scale = self.0.run.reset_noise_scale;
        add_uniform(simulator.qpos_mut(), scale, generator);
        add_uniform(simulator.qvel_mut(), scale, generator);
    }

    fn observe(&self, simulator: &Simulator, observation: &mut Vec<f64>) {
        observation.extend(self.0.run.shown(simulator.qpos(), 1));
        observation.extend(simulator.qvel().iter().map(|&v| SHOWN_VELOCITY.clip(v)));
    }

    fn units(&self, simulator: &Simulator) -> Vec<&'static str> {
        let [position, velocity] = simulator.units();
        [self.0.run.shown(&position, 1), &velocity].concat()
    }

    fn progress(&self, simulator: &Simulator) -> f64 {
        simulator.qpos()[0]
    }

    fn judge(&self, simulator: &Simulator, action: &[f32], velocity: f64) -> (f64, bool) {
        let WalkerParams { run, health, .. } = &self.0;
        let (health, terminated) = health.judge(self.is_healthy(simulator));
        (run.forward_reward(velocity) + health - run.control_cost(action), terminated)
    }
}
