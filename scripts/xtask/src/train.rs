//! `cargo xtask train`: from a fresh clone to a trained agent in one command.

use std::os::unix::process::CommandExt;

use anyhow::{Context, Result};

use crate::process::cargo;
use crate::release::features;
use crate::setup;

/// Becomes `phalanx train CONFIG ARGS...` of a release build, so that signals and the exit code are its own.
///
/// # Errors
/// What set-up could not do; a failed build ends in cargo's own exit code.
pub fn run(config: &str, arguments: &[&str]) -> Result<()> {
    setup::ensure(false)?;
    let here = std::env::current_dir().context("the current folder is gone")?;
    let mut command = cargo(&["run", "--release", "--package", "phalanx", "--bin", "phalanx"]);
    command.args(features()).args(["--", "train", config]);
    // CONFIG is relative to the current folder; cargo finds the checkout from folders within it.
    Err(command.args(arguments).current_dir(here).exec()).context("cannot start cargo")
}
