//! HalfCheetah-v5 and Swimmer-v5: get ahead and spend little on it; nothing can fall.

use serde::{Deserialize, Serialize};

use super::env::Task;
use super::math::{add_gaussian, add_uniform};
use super::params::{ModelParams, RunParams};
use super::simulator::Simulator;
use crate::Generator;

/// Parameters of [`Runner`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunnerParams {
    /// The model.
    #[serde(flatten)]
    pub model: ModelParams,
    /// Reward, cost and start.
    #[serde(flatten)]
    pub run: RunParams,
}

impl RunnerParams {
    /// Those of HalfCheetah-v5.
    pub fn half_cheetah() -> Self {
        Self {
            model: ModelParams::new("half_cheetah.xml", 5),
            run: RunParams {
                forward_reward_weight: 1.0,
                ctrl_cost_weight: 0.1,
                reset_noise_scale: 0.1,
                exclude_current_positions_from_observation: true,
            },
        }
    }

    /// Those of Swimmer-v5.
    pub fn swimmer() -> Self {
        let Self { run, .. } = Self::half_cheetah();
        Self { model: ModelParams::new("swimmer.xml", 4), run: RunParams { ctrl_cost_weight: 1e-4, ..run } }
    }
}

/// Something that gets ahead along x.
///
/// Observation: positions of the joints, without those along the ground by default, then their velocities. Reward:
/// velocity in m/s, less the price of the action. It never terminates.
pub struct Runner {
    params: RunParams,
    /// Number of positions along the ground: the first ones.
    ground: usize,
    add_velocity_noise: fn(&mut [f64], f64, &mut Generator),
}

impl Runner {
    /// HalfCheetah-v5: a two-legged slice of a cheetah on a straight track.
    pub fn half_cheetah(params: RunParams) -> Self {
        Self { params, ground: 1, add_velocity_noise: add_gaussian }
    }

    /// Swimmer-v5: three links in a viscous plane.
    pub fn swimmer(params: RunParams) -> Self {
        Self { params, ground: 2, add_velocity_noise: add_uniform }
    }
}

impl Task for Runner {
    const NEEDS: [usize; 2] = [2, 1];

    fn start(&self, simulator: &mut Simulator, generator: &mut Generator) {
        let scale = self.params.reset_noise_scale;
        add_uniform(simulator.qpos_mut(), scale, generator);
        (self.add_velocity_noise)(simulator.qvel_mut(), scale, generator);
    }

    fn observe(&self, simulator: &Simulator, observation: &mut Vec<f64>) {
        observation.extend(self.params.shown(simulator.qpos(), self.ground));
        observation.extend(simulator.qvel());
    }

    fn units(&self, simulator: &Simulator) -> Vec<&'static str> {
        let [position, velocity] = simulator.units();
        [self.params.shown(&position, self.ground), &velocity].concat()
    }

    fn progress(&self, simulator: &Simulator) -> f64 {
        simulator.qpos()[0]
    }

    fn judge(&self, _simulator: &Simulator, action: &[f32], velocity: f64) -> (f64, bool) {
        (self.params.forward_reward(velocity) - self.params.control_cost(action), false)
    }
}
