//! Parameters that tasks share, under Gymnasium's names.

use serde::{Deserialize, Serialize};

use super::math::square_sum;

/// The model, how long a step is, and how it is looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelParams {
    /// A built-in model, or the path of an MJCF file.
    pub xml_file: String,
    /// Steps of the simulator in one of the environment.
    pub frame_skip: u32,
    /// Pictures.
    #[serde(flatten)]
    pub picture: PictureParams,
}

impl ModelParams {
    pub(super) fn new(xml_file: &str, frame_skip: u32) -> Self {
        Self { xml_file: xml_file.to_owned(), frame_skip, picture: PictureParams::default() }
    }
}

/// What pictures show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PictureParams {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// A camera of the model, by its index; −1, like none, is the free camera.
    pub camera_id: Option<i32>,
    /// A camera of the model, by its name.
    pub camera_name: Option<String>,
    /// The free camera.
    pub default_camera_config: CameraParams,
}

impl Default for PictureParams {
    fn default() -> Self {
        Self {
            width: 480,
            height: 480,
            camera_id: None,
            camera_name: None,
            default_camera_config: CameraParams::default(),
        }
    }
}

/// The free camera; by default the whole model is in the picture.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CameraParams {
    /// From the eye to what is looked at, in m.
    pub distance: Option<f64>,
    /// Where it looks, seen from above, in degrees: 0 is along x, 90 along y.
    pub azimuth: Option<f64>,
    /// How far it looks up, in degrees.
    pub elevation: Option<f64>,
    /// What is looked at in the model's initial state: x, y, z in m.
    pub lookat: Option<[f64; 3]>,
    /// Body that the camera goes with along the ground; 0, the world, and −1 keep it where it is.
    pub trackbodyid: Option<i32>,
}

/// What counts for all that shall get ahead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunParams {
    /// Reward for each m/s ahead.
    pub forward_reward_weight: f64,
    /// Cost of the sum of the squared controls.
    pub ctrl_cost_weight: f64,
    /// How far starts are spread around the model's initial state.
    pub reset_noise_scale: f64,
    /// Whether observations leave out where along the ground the body is.
    pub exclude_current_positions_from_observation: bool,
}

impl RunParams {
    /// Reward for being as fast as this, in m/s.
    pub(super) fn forward_reward(&self, velocity: f64) -> f64 {
        self.forward_reward_weight * velocity
    }

    /// What an action costs; a 32-bit number, as in Gymnasium, where actions are.
    pub(super) fn control_cost(&self, action: &[f32]) -> f64 {
        f64::from(self.ctrl_cost_weight as f32 * square_sum(action))
    }

    /// The positions to be shown, the first `hidden` of which may be left out.
    pub(super) fn shown<'a, T>(&self, qpos: &'a [T], hidden: usize) -> &'a [T] {
        if self.exclude_current_positions_from_observation { &qpos[hidden..] } else { qpos }
    }
}

/// What counts for all that can fall.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HealthParams {
    /// Reward for every step in good health.
    pub healthy_reward: f64,
    /// Whether bad health ends the episode.
    pub terminate_when_unhealthy: bool,
    /// Heights of the torso in good health, in m.
    pub healthy_z_range: Bounds,
}

impl HealthParams {
    /// Reward for health, and whether the lack of it ends the episode.
    pub(super) fn judge(&self, healthy: bool) -> (f64, bool) {
        (if healthy { self.healthy_reward } else { 0.0 }, !healthy && self.terminate_when_unhealthy)
    }
}

/// A lowest and a highest number, written `[low, high]`; null is none: `[0.7, null]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "[Option<f64>; 2]", into = "[Option<f64>; 2]")]
pub struct Bounds {
    /// −∞ where there is none.
    pub low: f64,
    /// +∞ where there is none.
    pub high: f64,
}

impl Bounds {
    pub(super) const NONE: Self = Self::new(f64::NEG_INFINITY, f64::INFINITY);

    pub(super) const fn new(low: f64, high: f64) -> Self {
        Self { low, high }
    }

    /// Whether `x` is between the bounds and neither of them.
    pub(super) fn enclose(self, x: f64) -> bool {
        self.low < x && x < self.high
    }

    /// `x`, or the bound that it lies beyond.
    pub(super) fn clip(self, x: f64) -> f64 {
        let x = if x < self.low { self.low } else { x };
        if x > self.high { self.high } else { x }
    }
}

impl From<[Option<f64>; 2]> for Bounds {
    fn from([low, high]: [Option<f64>; 2]) -> Self {
        Self::new(low.unwrap_or(f64::NEG_INFINITY), high.unwrap_or(f64::INFINITY))
    }
}

impl From<Bounds> for [Option<f64>; 2] {
    fn from(Bounds { low, high }: Bounds) -> Self {
        [low, high].map(|bound| bound.is_finite().then_some(bound))
    }
}
