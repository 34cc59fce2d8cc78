//! Gymnasium's `MuJoCo` environments, version 5, on `MuJoCo` itself: the same numbers without Python.
//!
//! Observations, rewards, ends, starts and parameters are those of Gymnasium 1.4.0, models included (`models/README.md`);
//! `tests/golden.rs` holds them to its recorded trajectories. Pictures have Gymnasium's size, cameras by id and name, and
//! `default_camera_config`, which starts from a camera of our own that has the whole model in view; `render_mode`, `max_geom` and
//! `visual_options` are left out. Start states come from this crate's generator, so a seed starts another episode here than
//! there. Time limits are not in here: the registry adds them.
//!
//! A [`Task`] defines the observation and the reward of a model; [`Mujoco`] makes an environment of it, and would of
//! yours: `Mujoco::new(&model, |simulator| Ok(MyTask))`.
//!
//! Places of bodies and forces from outside are those of the last step of the simulator, positions and velocities of joints
//! those after it, as `MuJoCo` leaves them and Gymnasium reads them.

mod ant;
mod arm;
mod env;
mod gl;
mod humanoid;
mod log;
mod math;
mod models;
mod params;
mod pendulum;
mod picture;
mod runner;
mod simulator;
#[cfg(test)]
mod tests;
mod walker;

pub use ant::{Ant, AntParams, Body};
pub use arm::{Pusher, PusherParams, Reacher, ReacherParams};
pub use env::{Mujoco, Task};
pub use gl::renderer;
pub use humanoid::{Humanoid, HumanoidParams};
pub use params::{Bounds, CameraParams, HealthParams, ModelParams, PictureParams, RunParams};
pub use pendulum::{
    InvertedDoublePendulum, InvertedDoublePendulumParams, InvertedPendulum, InvertedPendulumParams,
};
pub use runner::{Runner, RunnerParams};
pub use simulator::Simulator;
pub use walker::{Walker, WalkerParams};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Entry, EnvError, Registry};

/// Adds these environments with Gymnasium's time limits.
pub(crate) fn register(registry: Registry) -> Registry {
    registry
        .with_entry(
            "Ant-v5",
            entry(AntParams::default(), |p| Mujoco::new(&p.model.clone(), |s| Ant::new(p, s)))
                .summary("run on four legs")
                .time_limit(1000),
        )
        .with_entry(
            "HalfCheetah-v5",
            entry(RunnerParams::half_cheetah(), |p| {
                Mujoco::new(&p.model, |_| Ok(Runner::half_cheetah(p.run)))
            })
            .summary("run as a flat cheetah of six joints")
            .time_limit(1000),
        )
        .with_entry(
            "Hopper-v5",
            entry(WalkerParams::hopper(), |p| Mujoco::new(&p.model.clone(), |_| Ok(Walker(p))))
                .summary("hop ahead on one leg")
                .time_limit(1000),
        )
        .with_entry(
            "Humanoid-v5",
            entry(HumanoidParams::default(), |p| Mujoco::new(&p.model.clone(), |_| Ok(Humanoid(p))))
                .summary("walk upright")
                .time_limit(1000),
        )
        .with_entry(
            "InvertedDoublePendulum-v5",
            entry(InvertedDoublePendulumParams::default(), |p| {
                Mujoco::new(&p.model.clone(), |s| InvertedDoublePendulum::new(p, s))
            })
            .summary("keep a pole on a pole on a cart upright")
            .time_limit(1000),
        )
        .with_entry(
            "InvertedPendulum-v5",
            entry(InvertedPendulumParams::default(), |p| {
                Mujoco::new(&p.model.clone(), |_| Ok(InvertedPendulum(p)))
            })
            .summary("keep a pole on a cart upright")
            .time_limit(1000),
        )
        .with_entry(
            "Pusher-v5",
            entry(PusherParams::default(), |p| Mujoco::new(&p.model.clone(), |s| Pusher::new(p, s)))
                .summary("push a cylinder to its goal with an arm of seven joints")
                .time_limit(100),
        )
        .with_entry(
            "Reacher-v5",
            entry(ReacherParams::default(), |p| Mujoco::new(&p.model.clone(), |s| Reacher::new(p, s)))
                .summary("touch a target with an arm of two joints")
                .time_limit(50),
        )
        .with_entry(
            "Swimmer-v5",
            entry(RunnerParams::swimmer(), |p| Mujoco::new(&p.model, |_| Ok(Runner::swimmer(p.run))))
                .summary("swim ahead by bending two joints")
                .time_limit(1000),
        )
        .with_entry(
            "Walker2d-v5",
            entry(WalkerParams::walker2d(), |p| Mujoco::new(&p.model.clone(), |_| Ok(Walker(p))))
                .summary("walk on two legs, in a plane")
                .time_limit(1000),
        )
}

/// An entry whose parameters are `defaults`, unless the user sets them.
fn entry<P, T>(defaults: P, make: fn(P) -> Result<Mujoco<T>, EnvError>) -> Entry
where
    P: Serialize + DeserializeOwned + Send + Sync + 'static,
    T: Task + 'static,
{
    let shown = crate::Params::of(&defaults);
    Entry::new(move |params| Ok(Box::new(make(params.parse_over(&defaults)?)?))).params(&shown)
}
