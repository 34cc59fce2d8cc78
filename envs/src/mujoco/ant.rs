//! Ant-v5: get ahead on four legs.

use serde::{Deserialize, Serialize};

use super::env::Task;
use super::math::{add_gaussian, add_uniform};
use super::params::{Bounds, HealthParams, ModelParams, RunParams};
use super::simulator::Simulator;
use crate::{EnvError, Generator};

/// Parameters of [`Ant`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AntParams {
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
    /// Forces (N) and torques (N·m) count and are shown within these.
    pub contact_force_range: Bounds,
    /// The body that shall get ahead: its index or its name.
    pub main_body: Body,
    /// Whether observations show forces and torques from outside.
    pub include_cfrc_ext_in_observation: bool,
}

impl Default for AntParams {
    fn default() -> Self {
        Self {
            model: ModelParams::new("ant.xml", 5),
            run: RunParams {
                forward_reward_weight: 1.0,
                ctrl_cost_weight: 0.5,
                reset_noise_scale: 0.1,
                exclude_current_positions_from_observation: true,
            },
            health: HealthParams {
                healthy_reward: 1.0,
                terminate_when_unhealthy: true,
                healthy_z_range: Bounds::new(0.2, 1.0),
            },
            contact_cost_weight: 5e-4,
            contact_force_range: Bounds::new(-1.0, 1.0),
            main_body: Body::Index(1),
            include_cfrc_ext_in_observation: true,
        }
    }
}

/// A body of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Body {
    /// By its index; 0 is the world.
    Index(usize),
    /// By its name.
    Name(String),
}

/// A four-legged body.
///
/// Observation: positions of the joints, without the two along the ground by default, their velocities, and the
/// clipped torques and forces from outside on each body but the world. Reward: velocity of the main body in m/s and health,
/// less the price of action and contacts. It terminates where it fell or jumped too high.
pub struct Ant {
    params: AntParams,
    main_body: usize,
}

impl Ant {
    /// An ant on this model.
    ///
    /// # Errors
    /// [`EnvError::Params`] when the model lacks the main body.
    pub fn new(params: AntParams, simulator: &Simulator) -> Result<Self, EnvError> {
        let main_body = match &params.main_body {
            Body::Name(name) => simulator.body(name)?,
            Body::Index(index) if *index < simulator.data().xpos().len() => *index,
            Body::Index(index) => {
                let message = format!(
                    "main_body is {index}: the model's bodies are 0 to {}",
                    simulator.data().xpos().len() - 1
                );
                return Err(EnvError::Params { name: String::new(), message });
            }
        };
        Ok(Self { params, main_body })
    }

    fn is_healthy(&self, simulator: &Simulator) -> bool {
        let Bounds { low, high } = self.params.health.healthy_z_range;
        let (qpos, qvel) = (simulator.qpos(), simulator.qvel());
        qpos.iter().chain(qvel).all(|x| x.is_finite()) && (low..=high).contains(&qpos[2])
    }

    /// Clipped torque and force on each body from this one on.
    fn contact_forces<'a>(
        &'a self,
        simulator: &'a Simulator,
        first: usize,
    ) -> impl Iterator<Item = f64> + 'a {
        let forces = &simulator.data().cfrc_ext()[first..];
        forces.iter().flatten().map(|&force| self.params.contact_force_range.clip(force))
    }
}

impl Task for Ant {
    const NEEDS: [usize; 2] = [3, 1];
    const CONTACT_FORCES: bool = true;

    fn start(&self, simulator: &mut Simulator, generator: &mut Generator) {
        let scale = self.params.run.reset_noise_scale;
        add_uniform(simulator.qpos_mut(), scale, generator);
        add_gaussian(simulator.qvel_mut(), scale, generator);
    }

    fn observe(&self, simulator: &Simulator, observation: &mut Vec<f64>) {
        observation.extend(self.params.run.shown(simulator.qpos(), 2));
        observation.extend(simulator.qvel());
        if self.params.include_cfrc_ext_in_observation {
            observation.extend(self.contact_forces(simulator, 1));
        }
    }

    fn units(&self, simulator: &Simulator) -> Vec<&'static str> {
        let [position, velocity] = simulator.units();
        let forces = if self.params.include_cfrc_ext_in_observation {
            self.contact_forces(simulator, 1).count()
        } else {
            0
        };
        let force = ["N·m", "N·m", "N·m", "N", "N", "N"].repeat(forces / 6);
        [self.params.run.shown(&position, 2), &velocity, &force].concat()
    }

    fn progress(&self, simulator: &Simulator) -> f64 {
        simulator.body_position(self.main_body)[0]
    }

    fn judge(&self, simulator: &Simulator, action: &[f32], velocity: f64) -> (f64, bool) {
        let AntParams { run, health, contact_cost_weight, .. } = &self.params;
        let (health, terminated) = health.judge(self.is_healthy(simulator));
        let contact_cost =
            contact_cost_weight * self.contact_forces(simulator, 0).map(|force| force * force).sum::<f64>();
        let costs = run.control_cost(action) + contact_cost;
        (run.forward_reward(velocity) + health - costs, terminated)
    }
}
