//! `cargo xtask setup --mujoco`: finds the `MuJoCo` that its environments are linked with, or installs one.
//!
//! The answer for cargo is `.cargo/mujoco.toml`; from then on plain `cargo build --features mujoco` works. Neither it nor
//! libtorch needs the other.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::install::{self, Library};
use crate::process::{MUJOCO, cache, root, users};
use crate::setup::{lock, write_cargo_config};

/// Makes sure that a `MuJoCo` is installed and that cargo finds it; does nothing if both hold.
///
/// # Errors
/// What is missing on this machine and how to get it.
pub fn ensure() -> Result<()> {
    if let Some(folder) = users(MUJOCO) {
        return check_folder(&folder);
    }
    let cache = cache();
    let _lock = lock(&cache)?;
    install::install(&cache, Library::Mujoco)?;
    write_cargo_config("mujoco.toml", MUJOCO, &format!("{}/lib", Library::Mujoco.name()))
}

/// Whether programs of this checkout can be built with `MuJoCo`.
pub fn is_set_up() -> bool {
    users(MUJOCO).is_some() || root().join(".cargo/mujoco.toml").exists()
}

fn check_folder(folder: &Path) -> Result<()> {
    let shown = folder.display();
    ensure!(folder.is_absolute(), "{MUJOCO} is {shown}: it must be an absolute path");
    let has_library = ["so", "dylib"].iter().any(|e| folder.join(format!("libmujoco.{e}")).exists());
    ensure!(has_library, "{MUJOCO} is {shown}, but there is no libmujoco in it: 3.17.0 is needed");
    Ok(())
}
