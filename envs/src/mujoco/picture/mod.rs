//! What a model looks like, seen by a camera that goes with it.
//!
//! `MuJoCo` draws where there is OpenGL; elsewhere its solids are drawn here, plainly.

#[cfg(test)]
mod tests;

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use mujoco_rs::wrappers::mj_model::{MjtGeomBase, MjtJoint, MjtObjBase};
use mujoco_rs::wrappers::mj_visualization::MjvCamera;

use super::gl::Offscreen;
use super::params::{CameraParams, PictureParams};
use super::simulator::Simulator;
use crate::draw::scene::{Camera, Shape, Solid, Vector, scene};
use crate::{EnvError, Frame};

/// What shall move, or else carry what moves: the first body after the world.
const MAIN: usize = 1;
/// Pixels that the longest side may have.
const LONGEST_SIDE: u32 = 4096;

/// How a model is looked at, chosen from its initial state.
pub(super) struct Picture {
    camera: MjvCamera,
    /// Vertical field of view, in rad.
    view: f64,
    /// Pixels from left to right, and from top to bottom.
    size: [u32; 2],
    /// Height of the floor, if there is one.
    floor: Option<f64>,
    /// The body that the camera goes with, and where it was when the camera was set up.
    followed: Option<(usize, Vector)>,
    /// Where it is filmed, from the first picture on.
    offscreen: OnceCell<Option<Rc<RefCell<Offscreen>>>>,
}

impl Picture {
    /// # Errors
    /// [`EnvError::Params`] when there is no such size, camera or body.
    pub(super) fn new(params: &PictureParams, simulator: &Simulator) -> Result<Self, EnvError> {
        let wrong = |message| EnvError::Params { name: String::new(), message };
        let size = [params.width, params.height];
        if size.iter().any(|side| !(1..=LONGEST_SIDE).contains(side)) {
            let [width, height] = size;
            return Err(wrong(format!(
                "width and height are {width} and {height}, and can be 1 to {LONGEST_SIDE}"
            )));
        }
        let model = simulator.model();
        let mut planes = model.geom_type().iter().zip(simulator.data().geom_xpos());
        let floor = planes.find(|(kind, _)| **kind == MjtGeomBase::mjGEOM_PLANE).map(|(_, place)| place[2]);
        let (camera, degrees, followed) = if let Some(camera) =
            named_camera(params, simulator).map_err(wrong)?
        {
            if params.default_camera_config != CameraParams::default() {
                let message = "default_camera_config is for the free camera, but another camera is chosen";
                return Err(wrong(message.to_owned()));
            }
            let distance = model.stat().extent;
            let fixed = MjvCamera { distance, ..MjvCamera::new_fixed(camera) };
            (fixed, model.cam_fovy()[camera], None)
        } else {
            let config = &params.default_camera_config;
            if let Some(distance) = config.distance.filter(|distance| *distance <= 0.0) {
                let message =
                    format!("default_camera_config: distance is {distance}, and must be more than 0 m");
                return Err(wrong(message));
            }
            let followed = followed(config, simulator).map_err(wrong)?;
            (free_camera(config, simulator), f64::from(model.vis().global.fovy), followed)
        };
        Ok(Self { camera, view: degrees.to_radians(), size, floor, followed, offscreen: OnceCell::new() })
    }

    /// The present state.
    pub(super) fn draw(&self, simulator: &mut Simulator) -> Frame {
        let camera = self.camera(simulator);
        let offscreen = self.offscreen.get_or_init(|| Offscreen::of(simulator.model()).ok());
        let filmed = offscreen
            .as_ref()
            .and_then(|offscreen| offscreen.borrow_mut().draw(camera, self.size, simulator).ok());
        filmed.unwrap_or_else(|| self.draw_plainly(simulator))
    }

    /// As [`Self::draw`], the same on every machine.
    pub(super) fn draw_plainly(&self, simulator: &Simulator) -> Frame {
        let camera = self.camera(simulator);
        let (eye, forward, up, right) = camera.frame(simulator.data());
        let camera = Camera {
            eye,
            axes: [right, up, forward],
            distance: camera.distance,
            view: self.view,
            size: self.size,
        };
        scene(&camera, self.floor, solids(simulator).collect())
    }

    /// Where the camera is now.
    fn camera(&self, simulator: &Simulator) -> MjvCamera {
        let mut camera = self.camera.clone();
        if let Some((body, from)) = self.followed {
            let now = simulator.body_position(body);
            // Not upwards: jumps shall be seen.
            for axis in [0, 1] {
                camera.lookat[axis] += now[axis] - from[axis];
            }
        }
        camera
    }
}

/// Index of the chosen camera of the model, if any.
fn named_camera(params: &PictureParams, simulator: &Simulator) -> Result<Option<usize>, String> {
    let model = simulator.model();
    let names: Vec<_> = (0..model.ncam() as usize)
        .map(|camera| model.id_to_name(MjtObjBase::mjOBJ_CAMERA, camera).unwrap_or_default())
        .collect();
    match (params.camera_id, &params.camera_name) {
        (Some(_), Some(_)) => Err("camera_id and camera_name are both given: set one of them".to_owned()),
        (None | Some(-1), None) => Ok(None),
        (Some(id), None) => {
            usize::try_from(id).ok().filter(|&id| id < names.len()).map(Some).ok_or_else(|| {
                format!("camera_id is {id}, and the model has {} cameras; −1 is the free one", names.len())
            })
        }
        (None, Some(name)) => names.iter().position(|known| known == name).map(Some).ok_or_else(|| {
            format!("camera_name: the model has no camera called {name:?}, its cameras are {names:?}")
        }),
    }
}

/// A camera that has all of the model in view, changed by `config`.
fn free_camera(config: &CameraParams, simulator: &Simulator) -> MjvCamera {
    let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    for solid in solids(simulator) {
        let reach = solid.reach();
        for axis in 0..3 {
            low[axis] = low[axis].min(solid.place[axis] - reach[axis]);
            high[axis] = high[axis].max(solid.place[axis] + reach[axis]);
        }
    }
    let [width, depth, height] = [0, 1, 2].map(|axis| (high[axis] - low[axis]).max(0.0));
    let is_flat = height < 0.35 * width.max(depth);
    // Of a model without anything to be seen, the origin.
    let middle = |axis: usize| Some(f64::midpoint(low[axis], high[axis])).filter(|x| x.is_finite());
    MjvCamera {
        lookat: config.lookat.unwrap_or_else(|| [0, 1, 2].map(|axis| middle(axis).unwrap_or(0.0))),
        distance: config.distance.unwrap_or_else(|| 2.0 * width.max(depth).max(height).max(0.1)),
        azimuth: config.azimuth.unwrap_or(90.0),
        elevation: config.elevation.unwrap_or(if is_flat { -70.0 } else { -20.0 }),
        ..MjvCamera::default()
    }
}

/// The body that the free camera goes with, and where it is.
fn followed(config: &CameraParams, simulator: &Simulator) -> Result<Option<(usize, Vector)>, String> {
    let bodies = simulator.data().xpos().len();
    let body = match config.trackbodyid {
        None => goes_far(simulator).then_some(MAIN),
        Some(-1) => None,
        Some(body) => Some(usize::try_from(body).ok().filter(|&body| body < bodies).ok_or_else(|| {
            format!(
                "default_camera_config: trackbodyid is {body}, and the model has bodies 0 to {}",
                bodies - 1
            )
        })?),
    };
    Ok(body.map(|body| (body, simulator.body_position(body))))
}

/// Whether nothing keeps the main body where it is: it is free, or slides without limits.
fn goes_far(simulator: &Simulator) -> bool {
    let model = simulator.model();
    let joints = model.jnt_type().iter().zip(model.jnt_limited()).zip(model.jnt_bodyid());
    joints.filter(|(_, body)| **body == MAIN as i32).any(|((kind, limited), _)| match kind {
        MjtJoint::mjJNT_FREE => true,
        MjtJoint::mjJNT_SLIDE => !*limited,
        _ => false,
    })
}

/// Everything that can be drawn: no planes, meshes or height fields, nothing invisible.
fn solids(simulator: &Simulator) -> impl Iterator<Item = Solid> {
    let (model, data) = (simulator.model(), simulator.data());
    let kinds = model.geom_type().iter().zip(model.geom_size()).zip(model.geom_rgba());
    let places = data.geom_xpos().iter().zip(data.geom_xmat());
    kinds.zip(places).filter_map(|(((kind, size), rgba), (place, matrix))| {
        let shape = match kind {
            MjtGeomBase::mjGEOM_SPHERE => Shape::Sphere { radius: size[0] },
            MjtGeomBase::mjGEOM_CAPSULE => Shape::Capsule { radius: size[0], half: size[1] },
            MjtGeomBase::mjGEOM_CYLINDER => Shape::Cylinder { radius: size[0], half: size[1] },
            MjtGeomBase::mjGEOM_BOX => Shape::Cuboid { halves: *size },
            _ => return None,
        };
        // The matrix is row-major, and its columns are the axes.
        let axes = [0, 1, 2].map(|column| [0, 1, 2].map(|row| matrix[3 * row + column]));
        let colour = [rgba[0], rgba[1], rgba[2]].map(|c| (255.0 * c.clamp(0.0, 1.0)) as u8);
        (rgba[3] > 0.0).then_some(Solid { shape, place: *place, axes, colour })
    })
}
