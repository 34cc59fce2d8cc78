//! Providers of environments that are not written in Rust: Python's Gymnasium, shared libraries, programs that are started, programs that
//! listen.
//!
//! What such an environment returns is checked, and an error names it.

mod dylib;
mod exec;
pub mod gymnasium;
mod space;

use crate::{Episode, Registry};

/// Adds these providers: `gymnasium`, `dylib`, `exec` and `tcp`.
#[must_use]
pub fn register(registry: Registry) -> Registry {
    gymnasium::register(registry)
        .with_provider("dylib", dylib::provider())
        .with_provider("exec", exec::exec())
        .with_provider("tcp", exec::tcp())
}

/// The status of an episode after a step, from its number; or why the number is invalid.
fn episode(status: i64) -> Result<Episode, String> {
    match status {
        0 => Ok(Episode::Running),
        1 => Ok(Episode::Terminated),
        2 => Ok(Episode::Truncated),
        _ => Err(format!("a step left the episode {status}: 0 is running, 1 terminated, 2 truncated")),
    }
}
