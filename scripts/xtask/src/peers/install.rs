//! The peers' virtual environments, in the cache: made once, and anew when what they are made of changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{cache, output, python, root, run};

/// A virtual environment and what belongs into it.
struct Recipe {
    /// Its folder in the cache.
    folder: &'static str,
    /// File of `scripts/peers/` for pip.
    requirements: &'static str,
    /// Script of `scripts/peers/` that its Python runs at the end.
    script: Option<&'static str>,
}

const COMMON: Recipe = Recipe { folder: "peers", requirements: "requirements.txt", script: None };

/// `PufferLib` wants older releases of what the others run on.
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
    /// Installs what is not there yet. A failure is shown and kept: the other peers can still be measured.
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

impl Recipe {
    /// Makes the virtual environment unless the same is there; returns its Python.
    fn install(&self, cache: &Path, scripts: &Path) -> Result<PathBuf> {
        let folder = cache.join(self.folder);
        let stamp = folder.join("recipe.txt");
        let interpreter = folder.join("bin/python");
        let recipe = self.text(scripts)?;
        if fs::read_to_string(&stamp).is_ok_and(|old| old == recipe) {
            return Ok(interpreter);
        }
        eprintln!("Setting up {} (once) ...", folder.display());
        // The stamp comes last, so what a killed run left behind is cleared here.
        output(python(&["-m", "venv", "--clear"]).arg(&folder)).context(
            "python3 cannot make virtual environments; install that (Debian, Ubuntu: apt install python3-venv)",
        )?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"];
        let mut command = Command::new(&interpreter);
        command.args(pip).arg("--requirement").arg(scripts.join(self.requirements));
        run(&mut command).context("pip could not install the peers (its message is above)")?;
        if let Some(script) = self.script {
            run(Command::new(&interpreter).arg(scripts.join(script)))
                .context("the build failed (its message is above)")?;
        }
        fs::write(&stamp, recipe).with_context(|| format!("cannot write {}", stamp.display()))?;
        Ok(interpreter)
    }

    /// Everything that the virtual environment is made of.
    fn text(&self, scripts: &Path) -> Result<String> {
        [Some(self.requirements), self.script]
            .into_iter()
            .flatten()
            .map(|name| {
                let path = scripts.join(name);
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_requirement_is_pinned() {
        for recipe in [COMMON, PUFFER] {
            let text = fs::read_to_string(scripts().join(recipe.requirements)).unwrap();
            for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
                let (name, version) = line.split_once("==").unwrap();
                assert!(!name.is_empty() && !version.contains('*'), "{line}");
            }
        }
    }

    #[test]
    fn what_is_there_is_not_installed_again() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(COMMON.folder)).unwrap();
        let stamp = folder.path().join(COMMON.folder).join("recipe.txt");
        fs::write(&stamp, COMMON.text(&scripts()).unwrap()).unwrap();
        let interpreter = COMMON.install(folder.path(), &scripts()).unwrap();
        assert!(!interpreter.exists(), "nothing but the stamp is there");
    }

    #[test]
    fn what_failed_is_tried_again_the_next_time() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("requirements.txt"), "--no-index\nabsent==1.0\n").unwrap();
        let error = COMMON.install(folder.path(), folder.path()).unwrap_err();
        assert!(error.to_string().contains("pip could not install"), "{error}");
        assert!(!folder.path().join(COMMON.folder).join("recipe.txt").exists());
    }
}
