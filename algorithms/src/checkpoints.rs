//! The folder of a run's checkpoints: the newest few and the best one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use phalanx_agents::{AgentError, Checkpoint, Fetch};

/// Name of the checkpoint whose evaluation was the best.
const BEST: &str = "best.safetensors";

/// Name of the checkpoint after a failed update.
const FAILED: &str = "failed.safetensors";

/// A folder of checkpoints.
pub struct Checkpoints {
    folder: PathBuf,
    keep: usize,
}

/// Which checkpoint of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The newest one that is whole.
    Latest,
    /// The one with the best evaluation.
    Best,
    /// The one after this many environment steps.
    Step(u64),
}

impl FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "latest" => Ok(Self::Latest),
            "best" => Ok(Self::Best),
            _ => text
                .replace('_', "")
                .parse()
                .map(Self::Step)
                .map_err(|_| format!("{text:?} is neither latest, best nor a number of steps")),
        }
    }
}

/// A checkpoint that was found, and the damaged newer ones that were skipped.
#[derive(Debug)]
pub struct Found {
    /// Where it lies.
    pub path: PathBuf,
    /// What it holds.
    pub checkpoint: Checkpoint,
    /// Why newer ones were skipped, newest first.
    pub damaged: Vec<AgentError>,
}

impl Checkpoints {
    /// The checkpoints in `folder`, of which the newest `keep` stay.
    pub fn new(folder: &Path, keep: usize) -> Self {
        Self { folder: folder.to_owned(), keep: keep.max(1) }
    }

    /// Writes the checkpoint of `step`, then removes those that are too many.
    ///
    /// # Errors
    /// [`AgentError::File`].
    pub fn save(&self, step: u64, checkpoint: &Checkpoint) -> Result<PathBuf, AgentError> {
        let elsewhere = |name: &str| AgentError::Entry { name: name.into(), reason: "is elsewhere".into() };
        self.save_with(step, checkpoint, &mut |name, _| Err(elsewhere(name)))
    }

    /// As [`Self::save`], with numbers that are elsewhere fetched.
    ///
    /// # Errors
    /// Those of `fetch`, too.
    pub fn save_with(
        &self,
        step: u64,
        checkpoint: &Checkpoint,
        fetch: &mut Fetch<'_>,
    ) -> Result<PathBuf, AgentError> {
        let path = self.path(step);
        // A folder that cannot be made is one that nothing can be written into.
        let _ = fs::create_dir_all(&self.folder);
        checkpoint.save_with(&path, fetch)?;
        let mut steps = self.steps()?;
        steps.retain(|&other| other <= step);
        for old in steps.iter().rev().skip(self.keep) {
            let path = self.path(*old);
            fs::remove_file(&path).map_err(file("cannot remove", &path))?;
        }
        Ok(path)
    }

    /// Writes the best checkpoint so far.
    ///
    /// # Errors
    /// [`AgentError::File`].
    pub fn save_best(&self, checkpoint: &Checkpoint, fetch: &mut Fetch<'_>) -> Result<(), AgentError> {
        let _ = fs::create_dir_all(&self.folder);
        checkpoint.save_with(&self.folder.join(BEST), fetch)
    }

    /// Writes the state after a failed update, for inspection; no run continues from it.
    ///
    /// # Errors
    /// [`AgentError::File`].
    pub fn save_failed(&self, checkpoint: &Checkpoint) -> Result<PathBuf, AgentError> {
        let path = self.folder.join(FAILED);
        fs::create_dir_all(&self.folder).map_err(file("cannot create", &self.folder))?;
        checkpoint.save(&path).map(|()| path)
    }

    /// Removes checkpoints after `step`: a run that continues from there writes them again.
    ///
    /// # Errors
    /// [`AgentError::File`].
    pub fn remove_after(&self, step: u64) -> Result<(), AgentError> {
        for later in self.steps()?.into_iter().filter(|&other| other > step) {
            let path = self.path(later);
            fs::remove_file(&path).map_err(file("cannot remove", &path))?;
        }
        Ok(())
    }

    /// Reads a checkpoint; [`Which::Latest`] passes over damaged ones.
    ///
    /// # Errors
    /// [`AgentError::File`] and [`AgentError::Checkpoint`], which lists the checkpoints that exist.
    pub fn load(&self, which: Which) -> Result<Found, AgentError> {
        let whole = |path: PathBuf| {
            let checkpoint = Checkpoint::load(&path)?;
            Ok(Found { path, checkpoint, damaged: Vec::new() })
        };
        match which {
            Which::Best => whole(self.folder.join(BEST)),
            Which::Step(step) => {
                let steps = self.steps()?;
                if steps.contains(&step) {
                    return whole(self.path(step));
                }
                let reason = format!("there is none of this step; there are those of {steps:?}");
                Err(AgentError::Checkpoint { path: self.path(step), reason })
            }
            Which::Latest => self.newest_whole(),
        }
    }

    /// Steps that were taken before the newest checkpoint was written; nothing where there is none.
    pub fn newest_step(&self) -> Option<u64> {
        self.steps().ok()?.last().copied()
    }

    fn newest_whole(&self) -> Result<Found, AgentError> {
        let mut damaged = Vec::new();
        for step in self.steps()?.into_iter().rev() {
            let path = self.path(step);
            match Checkpoint::load(&path) {
                Ok(checkpoint) => return Ok(Found { path, checkpoint, damaged }),
                Err(e) => damaged.push(e),
            }
        }
        let best = if self.folder.join(BEST).exists() {
            "; that of the best evaluation is there: evaluate or visualize it with `--checkpoint best`"
        } else {
            ""
        };
        let reason = match damaged.first() {
            None => format!("holds no checkpoint to continue from{best}"),
            Some(first) => format!("holds no whole checkpoint to continue from; the newest: {first}{best}"),
        };
        Err(AgentError::Checkpoint { path: self.folder.clone(), reason })
    }

    /// Steps of the checkpoints that are there, rising.
    fn steps(&self) -> Result<Vec<u64>, AgentError> {
        let entries = match fs::read_dir(&self.folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(file("cannot list", &self.folder))?,
        };
        let mut steps: Vec<u64> = entries
            .filter_map(|entry| {
                let name = entry.ok()?.file_name().into_string().ok()?;
                name.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok()
            })
            .collect();
        steps.sort_unstable();
        Ok(steps)
    }

    fn path(&self, step: u64) -> PathBuf {
        self.folder.join(format!("step-{step:012}.safetensors"))
    }
}

fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> AgentError {
    let path = path.to_owned();
    move |source| AgentError::File { action, path, source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn checkpoint(step: u64) -> Checkpoint {
        let mut checkpoint = Checkpoint::new();
        checkpoint.put_state("step", &step);
        checkpoint
    }

    fn folder() -> (tempfile::TempDir, Checkpoints) {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let checkpoints = Checkpoints::new(&folder.path().join("checkpoints"), 2);
        (folder, checkpoints)
    }

    #[test]
    fn the_newest_few_and_the_best_stay() {
        let (_folder, checkpoints) = folder();
        for step in [5, 100, 20] {
            checkpoints.save(step, &checkpoint(step)).expect("a writable folder");
        }
        checkpoints.save_best(&checkpoint(5), &mut |_, _| Ok(Vec::new())).expect("a writable folder");
        assert_eq!(checkpoints.steps().expect("a folder"), [5, 20, 100]);
        checkpoints.save(200, &checkpoint(200)).expect("a writable folder");
        assert_eq!(checkpoints.steps().expect("a folder"), [100, 200]);
        let step = |which| checkpoints.load(which).expect("a whole file").checkpoint.state::<u64>("step");
        assert_eq!(step(Which::Latest).expect("a number"), 200);
        assert_eq!(step(Which::Best).expect("a number"), 5);
        assert_eq!(step(Which::Step(100)).expect("a number"), 100);
        let error = checkpoints.load(Which::Step(7)).unwrap_err().to_string();
        assert!(error.contains("[100, 200]"), "{error}");
    }

    #[test]
    fn a_damaged_newest_checkpoint_falls_back_and_says_so() {
        let (_folder, checkpoints) = folder();
        checkpoints.save(1, &checkpoint(1)).expect("a writable folder");
        let newest = checkpoints.save(2, &checkpoint(2)).expect("a writable folder");
        let bytes = fs::read(&newest).expect("a file");
        fs::write(&newest, &bytes[..bytes.len() - 3]).expect("a writable file");
        let found = checkpoints.load(Which::Latest).expect("an older one is whole");
        assert_eq!(found.checkpoint.state::<u64>("step").expect("a number"), 1);
        assert!(found.damaged[0].to_string().contains("is damaged"), "{}", found.damaged[0]);
        fs::write(checkpoints.path(1), b"").expect("a writable file");
        let error = checkpoints.load(Which::Latest).unwrap_err().to_string();
        assert!(error.contains("no whole checkpoint"), "{error}");
    }

    #[test]
    fn an_empty_run_says_that_there_is_none_yet() {
        let (_folder, checkpoints) = folder();
        let error = checkpoints.load(Which::Latest).unwrap_err().to_string();
        assert!(error.contains("holds no checkpoint to continue from"), "{error}");
    }
}
