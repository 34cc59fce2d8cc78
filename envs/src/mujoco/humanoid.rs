//! Humanoid-v5: walk upright.

use serde::{Deserialize, Serialize};

use super::env::Task;
use super::math::add_uniform;
use super::params::{Bounds, HealthParams, ModelParams, RunParams};
use super::simulator::Simulator;
use crate::Generator;

/// Velocities of the free joint that carries the torso; no actuator acts on them.
const FREE: usize = 6;

/// Parameters of [`Humanoid`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools)] // Gymnasium's
pub struct HumanoidParams {
    /// The model.
    #[serde(flatten)]
    pub model: ModelParams,
    /// Reward, cost and start.
    #[serde(flatten)]
    pub run: RunParams,
    /// Health.
    #[serde(flatten)]
    pub health: HealthParams,
    /// Cost of the sum of the squared forces and torques from outside.
    pub contact_cost_weight: f64,
    /// Contacts cost no less and no more than these.
    pub contact_cost_range: Bounds,
    /// Whether observations show mass and inertia of the bodies.
    pub include_cinert_in_observation: bool,
    /// Whether observations show velocities of the bodies.
    pub include_cvel_in_observation: bool,
    /// Whether observations show forces of the actuators on the joints.
    pub include_qfrc_actuator_in_observation: bool,
    /// Whether observations show forces and torques from outside.
    pub include_cfrc_ext_in_observation: bool,
}

impl Default for HumanoidParams {
    fn default() -> Self {
        Self {
            model: ModelParams::new("humanoid.xml", 5),
            run: RunParams {
                forward_reward_weight: 1.25,
                ctrl_cost_weight: 0.1,
                reset_noise_scale: 1e-2,
                exclude_current_positions_from_observation: true,
            },
            health: HealthParams {
                healthy_reward: 5.0,
                terminate_when_unhealthy: true,
                healthy_z_range: Bounds::new(1.0, 2.0),
            },
            contact_cost_weight: 5e-7,
            contact_cost_range: Bounds::new(f64::NEG_INFINITY, 10.0),
            include_cinert_in_observation: true,
            include_cvel_in_observation: true,
            include_qfrc_actuator_in_observation: true,
            include_cfrc_ext_in_observation: true,
        }
    }
}

/// A body on two legs, with arms.
///
/// Observation: positions of the joints, without the two along the ground by default, their velocities, then for each
/// body but the world inertia (10 numbers) and velocity (6), the actuators' torques on the joints, and for each body torque
/// and force from outside (6). Reward: velocity of the centre of mass in m/s and health, less the price of action and
/// contacts. It terminates where it fell.
pub struct Humanoid(pub HumanoidParams);

impl Task for Humanoid {
    const NEEDS: [usize; 2] = [3, FREE];
    const CONTACT_FORCES: bool = true;

    fn start(&self, simulator: &mut Simulator, generator: &mut Generator) {
        let scale = self.0.run.reset_noise_scale;
        add_uniform(simulator.qpos_mut(), scale, generator);
        add_uniform(simulator.qvel_mut(), scale, generator);
    }

    fn observe(&self, simulator: &Simulator, observation: &mut Vec<f64>) {
        let (params, data) = (&self.0, simulator.data());
        observation.extend(params.run.shown(simulator.qpos(), 2));
        observation.extend(simulator.qvel());
        if params.include_cinert_in_observation {
            observation.extend(data.cinert()[1..].iter().flatten());
        }
        if params.include_cvel_in_observation {
            observation.extend(data.cvel()[1..].iter().flatten());
        }
        if params.include_qfrc_actuator_in_observation {
            observation.extend(&data.qfrc_actuator()[FREE..]);
        }
        if params.include_cfrc_ext_in_observation {
            observation.extend(data.cfrc_ext()[1..].iter().flatten());
        }
    }

    fn units(&self, simulator: &Simulator) -> Vec<&'static str> {
        let (params, bodies) = (&self.0, simulator.data().cvel().len() - 1);
        let [position, velocity] = simulator.units();
        let mut units = [params.run.shown(&position, 2), &velocity].concat();
        if params.include_cinert_in_observation {
            let inertia = [&["kg·m²"; 6][..], &["kg·m"; 3], &["kg"]].concat();
            units.extend(inertia.repeat(bodies));
        }
        if params.include_cvel_in_observation {
            units.extend([["rad/s"; 3], ["m/s"; 3]].concat().repeat(bodies));
        }
        if params.include_qfrc_actuator_in_observation {
            units.extend(["N·m"].repeat(simulator.data().qfrc_actuator().len() - FREE));
        }
        if params.include_cfrc_ext_in_observation {
            units.extend([["N·m"; 3], ["N"; 3]].concat().repeat(bodies));
        }
        units
    }

    /// The centre of mass.
    fn progress(&self, simulator: &Simulator) -> f64 {
        let masses = simulator.model().body_mass();
        let weighted = masses.iter().zip(simulator.data().xipos()).map(|(mass, place)| mass * place[0]);
        weighted.sum::<f64>() / masses.iter().sum::<f64>()
    }

    fn judge(&self, simulator: &Simulator, _action: &[f32], velocity: f64) -> (f64, bool) {
        let HumanoidParams { run, health, contact_cost_weight, contact_cost_range, .. } = &self.0;
        let squares = |numbers: &[f64]| numbers.iter().map(|x| x * x).sum::<f64>();
        let data = simulator.data();
        let (health, terminated) = health.judge(health.healthy_z_range.enclose(simulator.qpos()[2]));
        // Of the controls that the simulator holds, which are 64-bit numbers.
        let control_cost = run.ctrl_cost_weight * squares(data.ctrl());
        let contact_cost = contact_cost_weight * squares(data.cfrc_ext().as_flattened());
        let costs = control_cost + contact_cost_range.clip(contact_cost);
        (run.forward_reward(velocity) + health - costs, terminated)
    }
}
