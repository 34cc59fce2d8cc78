//! Reacher-v5 and Pusher-v5: an arm that touches a point, and one that pushes a cylinder to a place.

use serde::{Deserialize, Serialize};

use super::env::Task;
use super::math::{add_uniform, distance, square_sum};
use super::params::ModelParams;
use super::simulator::Simulator;
use crate::native::uniform;
use crate::{EnvError, Generator};

/// Velocities of the arm at the start lie within this, in rad/s.
const START_VELOCITY: f64 = 0.005;

/// Parameters of [`Reacher`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReacherParams {
    /// The model.
    #[serde(flatten)]
    pub model: ModelParams,
    /// Cost of each m between fingertip and target.
    pub reward_dist_weight: f64,
    /// Cost of the sum of the squared controls.
    pub reward_control_weight: f64,
}

impl Default for ReacherParams {
    fn default() -> Self {
        Self {
            model: ModelParams::new("reacher.xml", 2),
            reward_dist_weight: 1.0,
            reward_control_weight: 1.0,
        }
    }
}

/// Reacher-v5: two links on a table, and a target to be touched.
///
/// Observation, `[10]`: cosines and sines of the two joints, place of the target (m), velocities of the joints (rad/s), and
/// the way from target to fingertip (m). Reward: their distance and the price of the action, both negative. It never
/// terminates.
pub struct Reacher {
    params: ReacherParams,
    fingertip: usize,
    target: usize,
}

impl Reacher {
    /// A reacher on this model.
    ///
    /// # Errors
    /// [`EnvError::Params`] when the model lacks a body that it needs.
    pub fn new(params: ReacherParams, simulator: &Simulator) -> Result<Self, EnvError> {
        Ok(Self { params, fingertip: simulator.body("fingertip")?, target: simulator.body("target")? })
    }
}

impl Task for Reacher {
    const NEEDS: [usize; 2] = [4, 4];

    fn start(&self, simulator: &mut Simulator, generator: &mut Generator) {
        add_uniform(simulator.qpos_mut(), 0.1, generator);
        let target = draw([(-0.2, 0.2); 2], |x, y| x.hypot(y) < 0.2, generator);
        last(simulator.qpos_mut(), 2).copy_from_slice(&target);
        add_uniform(simulator.qvel_mut(), START_VELOCITY, generator);
        last(simulator.qvel_mut(), 2).fill(0.0);
    }

    fn observe(&self, simulator: &Simulator, observation: &mut Vec<f64>) {
        let (qpos, qvel) = (simulator.qpos(), simulator.qvel());
        let (tip, target) = (simulator.body_position(self.fingertip), simulator.body_position(self.target));
        observation.extend(qpos[..2].iter().map(|angle| angle.cos()));
        observation.extend(qpos[..2].iter().map(|angle| angle.sin()));
        observation.extend(&qpos[2..]);
        observation.extend(&qvel[..2]);
        observation.extend([tip[0] - target[0], tip[1] - target[1]]);
    }

    fn units(&self, simulator: &Simulator) -> Vec<&'static str> {
        let [position, velocity] = simulator.units();
        [&["1"; 4], &position[2..], &velocity[..2], &["m"; 2]].concat()
    }

    fn judge(&self, simulator: &Simulator, action: &[f32], _velocity: f64) -> (f64, bool) {
        let ReacherParams { reward_dist_weight, reward_control_weight, .. } = self.params;
        let (tip, target) = (simulator.body_position(self.fingertip), simulator.body_position(self.target));
        (-distance(tip, target) * reward_dist_weight + control(action, reward_control_weight), false)
    }
}

/// Parameters of [`Pusher`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PusherParams {
    /// The model.
    #[serde(flatten)]
    pub model: ModelParams,
    /// Cost of each m between hand and cylinder.
    pub reward_near_weight: f64,
    /// Cost of each m between cylinder and goal.
    pub reward_dist_weight: f64,
    /// Cost of the sum of the squared controls.
    pub reward_control_weight: f64,
}

impl Default for PusherParams {
    fn default() -> Self {
        Self {
            model: ModelParams::new("pusher_v5.xml", 5),
            reward_near_weight: 0.5,
            reward_dist_weight: 1.0,
            reward_control_weight: 0.1,
        }
    }
}

/// Pusher-v5: an arm of seven joints, a cylinder, and where it shall be pushed.
///
/// Observation, `[23]`: positions (rad) and velocities (rad/s) of the seven joints, then places of hand, cylinder and goal
/// (m). Reward: the distances hand to cylinder and cylinder to goal and the price of the action, all negative. It never
/// terminates.
pub struct Pusher {
    params: PusherParams,
    hand: usize,
    cylinder: usize,
    goal: usize,
}

impl Pusher {
    /// A pusher on this model.
    ///
    /// # Errors
    /// [`EnvError::Params`] when the model lacks a body that it needs.
    pub fn new(params: PusherParams, simulator: &Simulator) -> Result<Self, EnvError> {
        let body = |name| simulator.body(name);
        Ok(Self { params, hand: body("tips_arm")?, cylinder: body("object")?, goal: body("goal")? })
    }
}

impl Task for Pusher {
    const NEEDS: [usize; 2] = [7, 7];

    fn start(&self, simulator: &mut Simulator, generator: &mut Generator) {
        let [x, y] = draw([(-0.3, 0.0), (-0.2, 0.2)], |x, y| x.hypot(y) > 0.17, generator);
        last(simulator.qpos_mut(), 4).copy_from_slice(&[x, y, 0.0, 0.0]);
        add_uniform(simulator.qvel_mut(), START_VELOCITY, generator);
        last(simulator.qvel_mut(), 4).fill(0.0);
    }

    fn observe(&self, simulator: &Simulator, observation: &mut Vec<f64>) {
        observation.extend(&simulator.qpos()[..7]);
        observation.extend(&simulator.qvel()[..7]);
        for body in [self.hand, self.cylinder, self.goal] {
            observation.extend(simulator.body_position(body));
        }
    }

    fn units(&self, simulator: &Simulator) -> Vec<&'static str> {
        let [position, velocity] = simulator.units();
        [&position[..7], &velocity[..7], &["m"; 9]].concat()
    }

    fn judge(&self, simulator: &Simulator, action: &[f32], _velocity: f64) -> (f64, bool) {
        let PusherParams { reward_near_weight, reward_dist_weight, reward_control_weight, .. } = self.params;
        let [hand, cylinder, goal] =
            [self.hand, self.cylinder, self.goal].map(|body| simulator.body_position(body));
        let near = -distance(cylinder, hand) * reward_near_weight;
        let dist = -distance(cylinder, goal) * reward_dist_weight;
        (dist + control(action, reward_control_weight) + near, false)
    }
}

/// What an action is worth: nothing or less; a 32-bit number, as in Gymnasium, where actions are.
fn control(action: &[f32], weight: f64) -> f64 {
    f64::from(-square_sum(action) * weight as f32)
}

/// The last `n` numbers.
fn last(numbers: &mut [f64], n: usize) -> &mut [f64] {
    let first = numbers.len() - n;
    &mut numbers[first..]
}

/// A point within these ranges, drawn until it fits.
fn draw(ranges: [(f64, f64); 2], fits: fn(f64, f64) -> bool, generator: &mut Generator) -> [f64; 2] {
    loop {
        let [x, y] = ranges.map(|(low, high)| uniform(generator, low, high));
        if fits(x, y) {
            return [x, y];
        }
    }
}
