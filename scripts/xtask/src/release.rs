//! The release build of phalanx, with the environments of `MuJoCo` where that has been set up.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::mujoco;
use crate::process::cargo;

/// The features of a release build of phalanx: what has been set up.
pub fn features() -> &'static [&'static str] {
    if mujoco::is_set_up() { &["--features", "mujoco"] } else { &[] }
}

/// Builds the release binary of phalanx and returns its path, wherever cargo's target folder is.
///
/// # Errors
/// A build that failed, with cargo's messages above.
pub fn build() -> Result<PathBuf> {
    let mut command = cargo(&["build", "--release", "--bin", "phalanx", "--message-format"]);
    let built = command.arg("json-render-diagnostics").args(features()).stderr(Stdio::inherit()).output()?;
    ensure!(built.status.success(), "the release build failed");
    let messages = String::from_utf8_lossy(&built.stdout);
    let executable =
        messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|message| {
            (message["target"]["name"] == "phalanx")
                .then(|| message["executable"].as_str().map(PathBuf::from))?
        });
    executable.context("cargo did not print where the binary is")
}
