//! Where a model is filmed: `MuJoCo`'s own scene, drawn into a frame buffer.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::OnceLock;

use mujoco_rs::wrappers::MjModel;
use mujoco_rs::wrappers::mj_rendering::{MjrContext, MjrRectangle};
use mujoco_rs::wrappers::mj_visualization::{MjvCamera, MjvOption, MjvPerturb, MjvScene};

use super::super::simulator::Simulator;
use super::{CHOICE, Context, Driver, platform};
use crate::Frame;

/// What a scene may hold besides the solids of the model: sites, tendons, lights.
const EXTRAS: usize = 1000;
/// More textures than this, or more materials, end the process.
const MOST: i64 = 990;

thread_local! {
    /// Studios in use on this thread, by the address of their model. Whoever has one has its model, too, so the address is
    /// that of no other while a offscreen can be had.
    static IN_USE: RefCell<HashMap<*const MjModel, Weak<RefCell<Offscreen>>>> = RefCell::default();
}

/// What OpenGL without a graphics card calls itself.
const SOFTWARE: [&str; 3] = ["llvmpipe", "softpipe", "SwiftShader"];

/// What has been reported about the first picture.
static RENDERER: OnceLock<String> = OnceLock::new();

/// What drew the first picture of this process, or why it was drawn plainly; `None` before it.
pub fn renderer() -> Option<&'static str> {
    RENDERER.get().map(String::as_str)
}

/// The scene of a model, and its textures and meshes in OpenGL.
pub(in super::super) struct Offscreen {
    scene: MjvScene,
    renderer: MjrContext,
    /// Ends last.
    context: Box<dyn Context>,
}

impl Offscreen {
    /// The offscreen that all rows of this model share on this thread, or why there is none.
    pub(in super::super) fn of(model: &MjModel) -> Result<Rc<RefCell<Self>>, String> {
        let address: *const MjModel = model;
        if let Some(offscreen) = IN_USE.with_borrow(|studios| studios.get(&address).and_then(Weak::upgrade)) {
            return Ok(offscreen);
        }
        let offscreen = Self::new(model);
        let note = offscreen
            .as_ref()
            .map_or_else(|reason| format!("Phalanx, without OpenGL ({reason})"), |(_, by)| by.clone());
        RENDERER.get_or_init(|| note);
        let offscreen = Rc::new(RefCell::new(offscreen?.0));
        IN_USE.with_borrow_mut(|studios| {
            studios.retain(|_, offscreen| offscreen.strong_count() > 0);
            studios.insert(address, Rc::downgrade(&offscreen));
        });
        Ok(offscreen)
    }

    /// With what it draws by.
    fn new(model: &MjModel) -> Result<(Self, String), String> {
        let platform = platform()?;
        let context = platform.context()?;
        let driver = Driver::of(platform)?;
        driver.check()?;
        let (shadow, most) = (model.vis().quality.shadowsize, driver.largest_texture());
        if shadow > most {
            return Err(format!("the model's shadows are of {shadow} pixels, and {most} are possible"));
        }
        let (global, most) = (&model.vis().global, driver.largest_picture());
        let side = global.offwidth.max(global.offheight);
        if side > most {
            return Err(format!("pictures are of {side} pixels, and {most} are possible"));
        }
        if model.ntex() > MOST || model.nmat() > MOST {
            return Err(format!("the model has more than {MOST} textures or materials"));
        }
        // SAFETY: the context is current, and is made so before this value is dropped. It has what MuJoCo needs.
        let mut renderer = unsafe { MjrContext::new(model) };
        renderer.offscreen();
        let scene = MjvScene::new(model, model.ngeom() as usize + EXTRAS);
        let card = driver.text(Driver::RENDERER);
        let hint = if SOFTWARE.iter().any(|name| card.contains(name)) {
            format!(" on the processor; {CHOICE}=off draws plain pictures in less time")
        } else {
            String::new()
        };
        let by = format!("MuJoCo, {} ({card}){hint}", platform.name());
        Ok((Self { scene, renderer, context }, by))
    }

    /// The present state, with as many pixels as the model has room for.
    pub(in super::super) fn draw(
        &mut self,
        mut camera: MjvCamera,
        [width, height]: [u32; 2],
        simulator: &mut Simulator,
    ) -> Result<Frame, String> {
        self.context.make_current()?;
        let (options, hand) = (MjvOption::default(), MjvPerturb::default());
        self.scene.update(simulator.data_mut(), &options, &hand, &mut camera);
        let whole = MjrRectangle::new(0, 0, width as i32, height as i32);
        self.renderer.offscreen();
        self.scene.render(&whole, &self.renderer);
        let line = 3 * width as usize;
        let mut upwards = vec![0; line * height as usize];
        self.renderer.read_pixels(Some(&mut upwards), None, &whole).map_err(|e| e.to_string())?;
        // OpenGL begins at the bottom.
        let pixels = upwards.chunks_exact(line).rev().flatten().copied().collect();
        Ok(Frame { width, height, pixels })
    }
}

impl Drop for Offscreen {
    fn drop(&mut self) {
        // What is dropped after this belongs to the context. Where it is lost, so is all that it held.
        let _ = self.context.make_current();
    }
}
