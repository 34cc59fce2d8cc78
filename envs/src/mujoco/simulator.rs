//! A model with its state: all that environments see of `MuJoCo`.

use std::rc::Rc;

use mujoco_rs::wrappers::mj_model::{MjtJoint, MjtObjBase};
use mujoco_rs::wrappers::{MjData, MjModel};

use super::models;
use super::params::ModelParams;
use crate::{EnvError, Space};

/// A simulated model. Units are SI: m, kg, s, rad, N, N·m.
pub struct Simulator {
    data: MjData<Rc<MjModel>>,
    frame_skip: u32,
    contact_forces: bool,
}

impl Simulator {
    /// The model that `params` name, at its initial state.
    ///
    /// With `contact_forces`, every step also computes `cfrc_ext`, the force that acts on each body from outside.
    ///
    /// # Errors
    /// [`EnvError::Params`] when the model cannot be had, has no actuator, or would never be stepped.
    pub fn new(params: &ModelParams, contact_forces: bool) -> Result<Self, EnvError> {
        let wrong = |message: String| Err(EnvError::Params { name: String::new(), message });
        let ModelParams { xml_file, frame_skip, .. } = params;
        if *frame_skip == 0 {
            return wrong(
                "frame_skip is 0: at least one step of the simulator is one of the environment".to_owned(),
            );
        }
        let model = models::load(params)?;
        if model.nu() == 0 {
            return wrong(format!("xml_file {xml_file:?}: the model has no actuator"));
        }
        let mut data = MjData::try_new(model).map_err(EnvError::failed)?;
        data.forward();
        Ok(Self { data, frame_skip: *frame_skip, contact_forces })
    }

    /// `MuJoCo`'s data, with all its numbers.
    pub fn data(&self) -> &MjData<Rc<MjModel>> {
        &self.data
    }

    /// For `MuJoCo`'s renderer, which writes into its scratch memory.
    pub(super) fn data_mut(&mut self) -> &mut MjData<Rc<MjModel>> {
        &mut self.data
    }

    /// The model, shared with other rows.
    pub fn model(&self) -> &MjModel {
        self.data.model()
    }

    /// Positions of the joints, `[nq]`.
    pub fn qpos(&self) -> &[f64] {
        self.data.qpos()
    }

    /// Velocities of the joints, `[nv]`.
    pub fn qvel(&self) -> &[f64] {
        self.data.qvel()
    }

    /// Units of the positions and of the velocities of the joints, `[nq]` and `[nv]`.
    pub fn units(&self) -> [Vec<&'static str>; 2] {
        let joints = || self.model().jnt_type().iter();
        // A quaternion has no unit.
        let position = |joint: &MjtJoint| match joint {
            MjtJoint::mjJNT_FREE => &["m", "m", "m", "1", "1", "1", "1"][..],
            MjtJoint::mjJNT_BALL => &["1"; 4],
            MjtJoint::mjJNT_SLIDE => &["m"],
            MjtJoint::mjJNT_HINGE => &["rad"],
        };
        let velocity = |joint: &MjtJoint| match joint {
            MjtJoint::mjJNT_FREE => &["m/s", "m/s", "m/s", "rad/s", "rad/s", "rad/s"][..],
            MjtJoint::mjJNT_BALL => &["rad/s"; 3],
            MjtJoint::mjJNT_SLIDE => &["m/s"],
            MjtJoint::mjJNT_HINGE => &["rad/s"],
        };
        [joints().flat_map(position).copied().collect(), joints().flat_map(velocity).copied().collect()]
    }

    /// Positions to be set, `[nq]`, before [`Self::forward`].
    pub fn qpos_mut(&mut self) -> &mut [f64] {
        self.data.qpos_mut()
    }

    /// Velocities to be set, `[nv]`, before [`Self::forward`].
    pub fn qvel_mut(&mut self) -> &mut [f64] {
        self.data.qvel_mut()
    }

    /// Where the frame of a body is, in m; one step of the simulator behind [`Self::qpos`].
    pub fn body_position(&self, body: usize) -> [f64; 3] {
        self.data.xpos()[body]
    }

    /// Index of the body of this name.
    ///
    /// # Errors
    /// [`EnvError::Params`] when the model has none.
    pub fn body(&self, name: &str) -> Result<usize, EnvError> {
        self.model().name_to_id(MjtObjBase::mjOBJ_BODY, name).ok_or_else(|| EnvError::Params {
            name: String::new(),
            message: format!("the model has no body called {name:?}"),
        })
    }

    /// Seconds of one step of the environment.
    pub fn dt(&self) -> f64 {
        self.model().opt().timestep * f64::from(self.frame_skip)
    }

    /// Control ranges of the actuators.
    pub fn action_space(&self) -> Space {
        let ranges = self.model().actuator_ctrlrange();
        let (low, high): (Vec<f32>, Vec<f32>) = ranges.iter().map(|r| (r[0] as f32, r[1] as f32)).unzip();
        Space::boxed(&low, &high)
    }

    /// Back to the model's initial state, without [`Self::forward`].
    pub fn reset(&mut self) {
        self.data.reset();
    }

    /// Computes everything that follows from positions and velocities, without time passing.
    pub fn forward(&mut self) {
        self.data.forward();
    }

    /// Lets one step of the environment pass; `action` holds one control for each actuator.
    ///
    /// A control beyond an actuator's range acts as its bound does. A state that is no longer finite makes `MuJoCo` warn
    /// and start anew from its initial one.
    pub fn advance(&mut self, action: &[f32]) {
        for (control, &number) in self.data.ctrl_mut().iter_mut().zip(action) {
            *control = f64::from(number);
        }
        for _ in 0..self.frame_skip {
            self.data.step();
        }
        if self.contact_forces {
            self.data.rne_post_constraint();
        }
    }
}
