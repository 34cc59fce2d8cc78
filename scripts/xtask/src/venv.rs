//! Virtual environments of Python in the cache: made once, and anew when what they are made of changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{output, python, run};

/// A virtual environment and what belongs into it.
pub struct Recipe<'a> {
    /// Its folder in the cache.
    pub folder: &'a str,
    /// File for pip, in the folder of its scripts.
    pub requirements: &'a str,
    /// Script there that its Python runs at the end.
    pub script: Option<&'a str>,
}

impl Recipe<'_> {
    /// Makes the virtual environment unless the same is there; returns its Python.
    ///
    /// # Errors
    /// The errors of python3, pip or the script.
    pub fn install(&self, cache: &Path, scripts: &Path) -> Result<PathBuf> {
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
        run(&mut command).context("pip could not install what is needed (its message is above)")?;
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
    use crate::process::root;

    const RECIPE: Recipe = Recipe { folder: "some", requirements: "requirements.txt", script: None };

    #[test]
    fn every_requirement_is_pinned() {
        for file in [
            "scripts/peers/requirements.txt",
            "scripts/peers/requirements-puffer.txt",
            "envs/tests/python/requirements.txt",
            "deploy/export/tests/python/requirements.txt",
        ] {
            let text = fs::read_to_string(root().join(file)).unwrap();
            for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
                let (name, version) = line.split_once("==").unwrap();
                assert!(!name.is_empty() && !version.contains('*'), "{line}");
            }
        }
    }

    #[test]
    fn what_is_there_is_not_installed_again() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(RECIPE.folder)).unwrap();
        let stamp = folder.path().join(RECIPE.folder).join("recipe.txt");
        fs::write(folder.path().join(RECIPE.requirements), "absent==1.0\n").unwrap();
        fs::write(&stamp, "absent==1.0\n").unwrap();
        let interpreter = RECIPE.install(folder.path(), folder.path()).unwrap();
        assert!(!interpreter.exists(), "nothing but the stamp is there");
    }

    #[test]
    fn what_failed_is_tried_again_the_next_time() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("requirements.txt"), "--no-index\nabsent==1.0\n").unwrap();
        let error = RECIPE.install(folder.path(), folder.path()).unwrap_err();
        assert!(error.to_string().contains("pip could not install"), "{error}");
        assert!(!folder.path().join(RECIPE.folder).join("recipe.txt").exists());
    }
}
