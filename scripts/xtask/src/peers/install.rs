//! The peers' virtual environments, and the masked task in C.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{cache, root, run};
use crate::venv::Recipe;

pub const COMMON: Recipe = Recipe { folder: "peers", requirements: "requirements.txt", script: None };

/// `PufferLib` requires older releases of the packages that the others use.
const PUFFER: Recipe = Recipe {
    folder: "peers-puffer",
    requirements: "requirements-puffer.txt",
    script: Some("puffer_install.py"),
};

/// The Python of each virtual environment, or why there is none.
pub struct Installed {
    pub common: Result<PathBuf, String>,
    pub puffer: Result<PathBuf, String>,
}

impl Installed {
    /// Installs what is not there yet, `PufferLib` where it will be measured. A failure is printed and kept: the other peers can still
    /// be measured.
    ///
    /// # Errors
    /// A cache folder that cannot be made.
    pub fn install(puffer: bool) -> Result<Self> {
        let cache = cache();
        fs::create_dir_all(&cache).with_context(|| format!("cannot create {}", cache.display()))?;
        let install = |recipe: Recipe| {
            recipe.install(&cache, &scripts()).map_err(|error| {
                eprintln!("warning: no {}: {error:#}", recipe.folder);
                format!("not installed: {error:#}")
            })
        };
        let common = install(COMMON);
        let puffer = if puffer { install(PUFFER) } else { Err("not installed: not needed".to_owned()) };
        Ok(Self { common, puffer })
    }
}

/// Builds the masked task as a library in the cache, where all runs begin.
///
/// # Errors
/// Those of the C compiler.
pub fn build_masked() -> Result<()> {
    let library = cache().join("libmasked_cartpole.so");
    let mut compiler = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    compiler.args([
        "-O2",
        "-shared",
        "-fPIC",
        "-I",
        "envs/include",
        "scripts/peers/masked_cartpole.c",
        "-lm",
        "-o",
    ]);
    run(compiler.arg(library).current_dir(root())).context("the masked task could not be built")
}

/// Folder of the peers' scripts.
pub fn scripts() -> PathBuf {
    root().join("scripts/peers")
}
