//! Doors to environments in other languages: shared libraries.

mod dylib;
mod space;

use crate::{EnvError, Episode, Registry};

/// Adds these doors.
pub fn register(registry: Registry) -> Registry {
    registry.with_door("dylib", dylib::door())
}

/// How a step left its episode, said in a number.
fn episode(status: i64) -> Result<Episode, EnvError> {
    match status {
        0 => Ok(Episode::Running),
        1 => Ok(Episode::Terminated),
        2 => Ok(Episode::Truncated),
        _ => Err(EnvError::failed(format!(
            "a step left the episode {status}: 0 is running, 1 terminated, 2 truncated"
        ))),
    }
}
