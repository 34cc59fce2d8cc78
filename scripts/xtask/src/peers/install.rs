//! The peers' virtual environments.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::process::{cache, root};
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
    /// Installs what is not there yet. A failure is printed and kept: the other peers can still be measured.
    ///
    /// # Errors
    /// A cache folder that cannot be made.
    pub fn install() -> Result<Self> {
        let cache = cache();
        fs::create_dir_all(&cache).with_context(|| format!("cannot create {}", cache.display()))?;
        let [common, puffer] = [COMMON, PUFFER].map(|recipe| {
            recipe.install(&cache, &scripts()).map_err(|error| {
                eprintln!("warning: no {}: {error:#}", recipe.folder);
                format!("not installed: {error:#}")
            })
        });
        Ok(Self { common, puffer })
    }
}

/// Folder of the peers' scripts.
pub fn scripts() -> PathBuf {
    root().join("scripts/peers")
}
