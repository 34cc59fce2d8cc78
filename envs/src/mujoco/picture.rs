//! What a model looks like, seen by a camera that goes with it.
//!
//! `MuJoCo` draws where there is OpenGL; elsewhere its solids are drawn here, plainly.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use mujoco_rs::wrappers::mj_model::{MjtGeomBase, MjtJoint};

use super::gl::Studio;
use super::simulator::Simulator;
use crate::Frame;
use crate::draw::scene::{Camera, Shape, Solid, Vector, scene};

/// What shall move, or else carry what moves: the first body after the world.
const MAIN: usize = 1;

/// How a model is looked at, chosen from its initial state.
pub(super) struct Picture {
    camera: Camera,
    /// Height of the floor, if there is one.
    floor: Option<f64>,
    /// Where the main body was when the camera was set up, if the camera goes with it.
    followed_from: Option<Vector>,
    /// Where it is filmed, from the first picture on.
    studio: OnceCell<Option<Rc<RefCell<Studio>>>>,
}

impl Picture {
    pub(super) fn new(simulator: &Simulator) -> Self {
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
        let camera = Camera {
            look_at: [0, 1, 2].map(|axis| middle(axis).unwrap_or(0.0)),
            distance: 2.0 * width.max(depth).max(height).max(0.1),
            decline: if is_flat { 1.2 } else { 0.35 },
        };
        let model = simulator.model();
        let mut planes = model.geom_type().iter().zip(simulator.data().geom_xpos());
        let floor = planes.find(|(kind, _)| **kind == MjtGeomBase::mjGEOM_PLANE).map(|(_, place)| place[2]);
        let followed_from = goes_far(simulator).then(|| simulator.body_position(MAIN));
        Self { camera, floor, followed_from, studio: OnceCell::new() }
    }

    /// The present state, 480 × 480 pixels.
    pub(super) fn draw(&self, simulator: &mut Simulator) -> Frame {
        let camera = self.camera(simulator);
        let studio = self.studio.get_or_init(|| Studio::of(simulator.model()).ok());
        let filmed = studio.as_ref().and_then(|studio| studio.borrow_mut().draw(&camera, simulator).ok());
        filmed.unwrap_or_else(|| self.draw_plainly(simulator))
    }

    /// As [`Self::draw`], the same on every machine.
    pub(super) fn draw_plainly(&self, simulator: &Simulator) -> Frame {
        scene(&self.camera(simulator), self.floor, solids(simulator).collect())
    }

    /// Where the camera is now.
    fn camera(&self, simulator: &Simulator) -> Camera {
        let mut camera = self.camera;
        if let Some(from) = self.followed_from {
            let now = simulator.body_position(MAIN);
            // Not upwards: jumps shall be seen.
            for axis in [0, 1] {
                camera.look_at[axis] += now[axis] - from[axis];
            }
        }
        camera
    }
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
