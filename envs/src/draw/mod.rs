//! Pictures of the native environments, drawn from plain numbers without a display.
//!
//! Sizes, places and colours are those of Gymnasium's classic control, so that a picture reads at a glance to who
//! knows those; edges are anti-aliased. Text is not drawn here: a picture shows the state and nothing else. A shape
//! whose place is not finite, or far outside the picture, is left out.

mod acrobot;
mod canvas;
mod cart_pole;
mod mountain_car;
mod pendulum;
#[cfg(feature = "mujoco")]
pub(crate) mod scene;

pub use acrobot::acrobot;
pub use cart_pole::cart_pole;
pub use mountain_car::mountain_car;
pub use pendulum::pendulum;

#[cfg(test)]
mod tests;
