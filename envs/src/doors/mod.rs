//! Doors to environments in other languages: shared libraries, programs that are started, programs that listen.
//!
//! What such an environment says is checked before it is believed, and told with its name when it cannot be.

mod dylib;
mod exec;
mod space;

use crate::{Episode, Registry};

/// Adds these doors: `dylib`, `exec` and `tcp`.
#[must_use]
pub fn register(registry: Registry) -> Registry {
    registry.with_door("dylib", dylib::door()).with_door("exec", exec::exec()).with_door("tcp", exec::tcp())
}

/// How a step left its episode, said in a number; or why it says nothing.
fn episode(status: i64) -> Result<Episode, String> {
    match status {
        0 => Ok(Episode::Running),
        1 => Ok(Episode::Terminated),
        2 => Ok(Episode::Truncated),
        _ => Err(format!("a step left the episode {status}: 0 is running, 1 terminated, 2 truncated")),
    }
}
