//! Environments around environments.
//!
//! A [`Wrapper`] changes what it must of the environment inside and passes the rest on. Users name wrappers in the
//! order of their application, innermost first; [`WrapperSpec`] is that list's entry. None allocates while stepping, but for
//! the answer to the call that [`EpisodicLife`] makes.

mod action_repeat;
mod atari;
mod clip_action;
mod clip_reward;
mod episodic_life;
mod finite_check;
mod fire_start;
mod flatten;
mod frame_delta;
mod frame_history;
mod frames;
mod grayscale;
mod inside;
mod limit_duration;
mod one_field;
mod pictures;
mod random_start;
mod range_normalize;
mod resize;
mod select;
mod spec;
#[cfg(test)]
mod tests;

pub use action_repeat::ActionRepeat;
pub use atari::AtariSettings;
pub use clip_action::ClipAction;
pub use clip_reward::ClipReward;
pub use episodic_life::EpisodicLife;
pub use finite_check::FiniteCheck;
pub use fire_start::FireStart;
pub use flatten::Flatten;
pub use frame_delta::FrameDelta;
pub use frame_history::FrameHistory;
pub use grayscale::Grayscale;
pub use limit_duration::LimitDuration;
pub use random_start::RandomStart;
pub use range_normalize::RangeNormalize;
pub use resize::Resize;
pub use select::{Select, Selected};
pub use spec::WrapperSpec;

use serde_json::Value;

use crate::{Action, Dtype, Env, EnvError, Frame, Labels, Row, Space, SpaceError, Step};

/// An environment around another: only what changes is written, the rest is passed on.
pub trait Wrapper {
    /// The environment inside.
    fn inner(&self) -> &dyn Env;

    /// The environment inside, to be stepped.
    fn inner_mut(&mut self) -> &mut dyn Env;

    /// Where the observations shown come from.
    fn outer_observation_space(&self) -> &Space {
        self.inner().observation_space()
    }

    /// Where the actions taken come from.
    fn outer_action_space(&self) -> &Space {
        self.inner().action_space()
    }

    /// [`Env::reset`] as seen from outside.
    ///
    /// # Errors
    /// Those of the environment inside, and the wrapper's own.
    fn on_reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        self.inner_mut().reset(seed, observation)
    }

    /// [`Env::step`] as seen from outside.
    ///
    /// # Errors
    /// Those of the environment inside, and the wrapper's own.
    fn on_step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        self.inner_mut().step(action, observation)
    }

    /// [`Env::prepare`] as seen from outside: a wrapper that changes actions passes the changed one on.
    ///
    /// # Errors
    /// Those of the environment inside.
    fn on_prepare(&mut self, action: Action<'_>) -> Result<(), EnvError> {
        self.inner_mut().prepare(action)
    }

    /// [`Env::prepare_reset`] as seen from outside: a wrapper that changes seeds passes the changed one on.
    ///
    /// # Errors
    /// Those of the environment inside.
    fn on_prepare_reset(&mut self, seed: Option<u64>) -> Result<(), EnvError> {
        self.inner_mut().prepare_reset(seed)
    }

    /// [`Env::frames_per_second`] as seen from outside.
    fn outer_frames_per_second(&self) -> f64 {
        self.inner().frames_per_second()
    }

    /// [`Env::labels`] as seen from outside: a wrapper that shows other numbers has other units.
    ///
    /// # Errors
    /// Those of the environment inside.
    fn outer_labels(&mut self) -> Result<Labels, EnvError> {
        self.inner_mut().labels()
    }

    /// [`Env::call`] as seen from outside.
    ///
    /// # Errors
    /// Those of the environment inside, and the wrapper's own.
    fn on_call(&mut self, name: &str, arguments: &Value) -> Result<Value, EnvError> {
        self.inner_mut().call(name, arguments)
    }
}

impl<W: Wrapper> Env for W {
    fn observation_space(&self) -> &Space {
        self.outer_observation_space()
    }

    fn action_space(&self) -> &Space {
        self.outer_action_space()
    }

    fn reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        self.on_reset(seed, observation)
    }

    fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        self.on_step(action, observation)
    }

    fn is_remote(&self) -> bool {
        self.inner().is_remote()
    }

    fn prepare(&mut self, action: Action<'_>) -> Result<(), EnvError> {
        self.on_prepare(action)
    }

    fn prepare_reset(&mut self, seed: Option<u64>) -> Result<(), EnvError> {
        self.on_prepare_reset(seed)
    }

    fn is_ready(&mut self) -> bool {
        self.inner_mut().is_ready()
    }

    fn close(&mut self) -> Result<(), EnvError> {
        self.inner_mut().close()
    }

    fn prepare_drop(&mut self) {
        self.inner_mut().prepare_drop();
    }

    fn lives(&mut self) -> Result<Option<u64>, EnvError> {
        self.inner_mut().lives()
    }

    fn labels(&mut self) -> Result<Labels, EnvError> {
        self.outer_labels()
    }

    fn render(&mut self) -> Result<Frame, EnvError> {
        self.inner_mut().render()
    }

    fn frames_per_second(&self) -> f64 {
        self.outer_frames_per_second()
    }

    fn call(&mut self, name: &str, arguments: &Value) -> Result<Value, EnvError> {
        self.on_call(name, arguments)
    }
}

/// An environment of any type, where the type is to be known.
pub struct Boxed(pub Box<dyn Env>);

impl Wrapper for Boxed {
    fn inner(&self) -> &dyn Env {
        &*self.0
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut *self.0
    }
}

/// Bounds of a box of f32, which `wrapper` requires.
fn float_bounds<'a>(space: &'a Space, wrapper: &str) -> Result<(&'a [f32], &'a [f32]), SpaceError> {
    space.check()?;
    let reason = match space {
        Space::Box { low, high, dtype: Dtype::F32, .. } => return Ok((low, high)),
        Space::Box { dtype: Dtype::U8, .. } => "its elements are bytes, and f32 are needed",
        Space::Discrete { .. } | Space::MultiDiscrete { .. } => "it is a choice, and a box of f32 is needed",
        _ => "a box of f32 is needed, which the wrapper `flatten` makes of others",
    };
    Err(SpaceError::new(wrapper, space, reason))
}

/// `env` with observations of f32 or bytes where they are one array: numbers of 64 bits rounded, choices as a 1 among zeros.
fn one_array(env: Box<dyn Env>) -> Box<dyn Env> {
    if env.observation_space().is_composite() { env } else { Box::new(Flatten::observations(env)) }
}

/// Axes of a box of bytes, which `wrapper` requires.
fn pixels<'a>(space: &'a Space, wrapper: &str) -> Result<&'a [usize], SpaceError> {
    space.check()?;
    let reason = match space {
        Space::Box { shape, dtype: Dtype::U8, .. } => return Ok(shape),
        _ => "a box of bytes is needed",
    };
    Err(SpaceError::new(wrapper, space, reason))
}
