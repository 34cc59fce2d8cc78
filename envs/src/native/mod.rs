//! Classic control tasks, written anew in Rust, and tasks for memory, several fields and masks: stepping them allocates nothing and costs nanoseconds.
//!
//! Of the classic ones, dynamics, bounds, rewards and start distributions are those of Gymnasium 1.4.0, down to where it rounds to 32 bits;
//! `tests/golden.rs` holds them to its recorded trajectories. Start states come from this crate's generator, so a
//! seed starts another episode here than there. Time limits are not in here: the registry adds them.
//!
//! Formulas keep Gymnasium's order of operations, divisions by constants included: falling poles and swinging links
//! amplify a last bit to a whole number within a few hundred steps.
//!
//! Each of these answers `call("state", null)` with the numbers of its simulator and `call("set_state", [..])` by
//! putting them there. The names of these numbers are in each file. `call("units", null)` has the units of observations and actions.

mod acrobot;
mod cart_pole;
#[cfg(test)]
mod field_tests;
mod mountain_car;
mod mountain_car_continuous;
mod pendulum;
mod picture_and_numbers;
mod recall;
#[cfg(test)]
mod tests;
mod valves;

pub use acrobot::{Acrobot, AcrobotParams, Equations};
pub use cart_pole::{CartPole, CartPoleParams};
pub use mountain_car::{MountainCar, MountainCarParams};
pub use mountain_car_continuous::MountainCarContinuous;
pub use pendulum::{Pendulum, PendulumParams};
pub use picture_and_numbers::PictureAndNumbers;
pub use recall::{Recall, RecallParams};
pub use valves::Valves;

use rand::RngExt;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Entry, EnvError, Frame, Generator, Registry};

/// Seed of an environment that is reset without one before it ever got one.
const UNSEEDED: u64 = 0;

/// Adds these environments with Gymnasium's time limits.
pub(crate) fn register(registry: Registry) -> Registry {
    registry
        .with_entry(
            "Acrobot-v1",
            Entry::of(|p| Acrobot::new(p.parse()?))
                .summary("swing two links up by the joint between them")
                .time_limit(500)
                .params(&AcrobotParams::default()),
        )
        .with_entry(
            "CartPole-v1",
            Entry::of(|p| Ok(CartPole::new(p.parse()?)))
                .summary("keep a pole upright on a cart that is pushed left or right")
                .time_limit(500)
                .params(&CartPoleParams::default()),
        )
        .with_entry(
            "MountainCar-v0",
            Entry::of(|p| Ok(MountainCar::new(p.parse()?)))
                .summary("swing a car that is too weak for the hill up to the flag")
                .time_limit(200)
                .params(&MountainCarParams::default()),
        )
        .with_entry(
            "MountainCarContinuous-v0",
            Entry::of(|p| Ok(MountainCarContinuous::new(p.parse()?)))
                .summary("swing a car up to the flag with a throttle that costs what it uses")
                .time_limit(999)
                .params(&MountainCarParams::default()),
        )
        .with_entry(
            "Pendulum-v1",
            Entry::of(|p| Ok(Pendulum::new(p.parse()?)))
                .summary("swing a pendulum up and hold it there with little torque")
                .time_limit(200)
                .params(&PendulumParams::default()),
        )
        .with_entry(
            "PictureAndNumbers-v0",
            Entry::of(|p| p.parse::<NoParams>().map(|_| PictureAndNumbers::new()))
                .summary("choose by a picture and a vector, of which neither alone is enough"),
        )
        .with_entry(
            "Recall-v0",
            Entry::of(|p| Recall::new(p.parse()?))
                .summary("name the cue that was shown some steps ago")
                .params(&RecallParams::default()),
        )
        .with_entry(
            "Valves-v0",
            Entry::of(|p| p.parse::<NoParams>().map(|_| Valves::new()))
                .summary("open the fullest valve that is free, by as much as it is full"),
        )
}

/// Parameters of an environment that has none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoParams {}

/// A picture of squares beside each other, in these shades of grey.
fn lit(shades: impl ExactSizeIterator<Item = u8> + Clone) -> Frame {
    const SIDE: usize = 48;
    let width = shades.len() * SIDE;
    let line = shades.flat_map(|shade| [shade; 3 * SIDE]);
    let pixels = (0..SIDE).flat_map(|_| line.clone()).collect();
    Frame { width: width as u32, height: SIDE as u32, pixels }
}

/// A number between `low` and `high`, every one as likely.
pub(crate) fn uniform(generator: &mut Generator, low: f64, high: f64) -> f64 {
    low + (high - low) * generator.random::<f64>()
}

/// Reads (`state`) or sets (`set_state`) the numbers of a simulator.
fn call_state(state: &mut [f64], name: &str, arguments: &Value) -> Result<Value, EnvError> {
    match name {
        "state" => Ok(json!(state)),
        "set_state" => {
            let numbers: Vec<f64> = serde_json::from_value(arguments.clone())
                .map_err(|e| EnvError::failed(format!("set_state wants an array of numbers: {e}")))?;
            if numbers.len() != state.len() {
                return Err(EnvError::failed(format!(
                    "set_state wants {} numbers, not {}",
                    state.len(),
                    numbers.len()
                )));
            }
            state.copy_from_slice(&numbers);
            Ok(Value::Null)
        }
        _ => Err(EnvError::NoMethod(name.to_owned())),
    }
}
