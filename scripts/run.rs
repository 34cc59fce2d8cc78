//! The folder of a run: what it holds, and where.
//!
//! ```text
//! runs/20261123T094500-cartpole/
//!   config.yaml                   the complete configuration
//!   metrics.jsonl                 one object for each iteration
//!   events.out.tfevents.phalanx   the same for TensorBoard
//!   log.txt                       what was printed on the terminal, with times
//!   lock                          held by the training that writes here
//!   checkpoints/                  the newest few and the best
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Zoned;
use phalanx_algorithms::Checkpoints;
use phalanx_envs::Registry;

use crate::config::{self, Config, ConfigError};

/// A run's folder.
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
}

/// What is wrong with a run's folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A file or folder of the run.
    #[error("cannot {action} {}", .path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no run here.
    #[error("{} is no run: it holds no config.yaml", .0.display())]
    NoRun(PathBuf),
    /// A name that cannot be part of a folder's.
    #[error("{0:?} cannot name a run: use letters, digits, `-`, `_` and `.`")]
    Name(String),
    /// Another training writes to this folder.
    #[error("another training writes to {}: {holder}; wait for its end, or stop it", .path.display())]
    Held {
        /// The run's folder.
        path: PathBuf,
        /// Process, machine and start of the other training.
        holder: String,
    },
    /// The configuration cannot be written as YAML.
    #[error("the configuration cannot be written")]
    Yaml(#[from] serde_saphyr::ser::Error),
}

impl RunFolder {
    /// Makes a new folder `<time>-<name>` under `parent`; a number is added when it exists already.
    ///
    /// # Errors
    /// [`RunError::Name`] and [`RunError::File`].
    pub fn create(parent: &Path, name: &str) -> Result<Self, RunError> {
        let good = |c: char| c.is_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || !name.chars().all(good) {
            return Err(RunError::Name(name.to_owned()));
        }
        fs::create_dir_all(parent).map_err(file("create", parent))?;
        let stem = format!("{}-{name}", Zoned::now().strftime("%Y%m%dT%H%M%S"));
        let mut path = parent.join(&stem);
        let mut copies = 1;
        while let Err(error) = fs::create_dir(&path) {
            if error.kind() != io::ErrorKind::AlreadyExists {
                return Err(file("create", &path)(error));
            }
            copies += 1;
            path = parent.join(format!("{stem}-{copies}"));
        }
        Ok(Self { path })
    }

    /// The folder of an earlier run.
    ///
    /// # Errors
    /// [`RunError::NoRun`].
    pub fn open(path: &Path) -> Result<Self, RunError> {
        let run = Self { path: path.to_owned() };
        if run.config_file().is_file() { Ok(run) } else { Err(RunError::NoRun(path.to_owned())) }
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The complete configuration.
    pub fn config_file(&self) -> PathBuf {
        self.path.join("config.yaml")
    }

    /// One JSON object for each iteration.
    pub fn metrics_file(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    /// The same for `TensorBoard`.
    pub fn events_file(&self) -> PathBuf {
        self.path.join("events.out.tfevents.phalanx")
    }

    /// The run's checkpoints, of which the newest `keep` stay.
    pub fn checkpoints(&self, keep: usize) -> Checkpoints {
        Checkpoints::new(&self.path.join("checkpoints"), keep)
    }

    /// The run's configuration with overrides laid over it.
    ///
    /// # Errors
    /// Those of [`config::load`].
    pub fn config(&self, sets: &[String], registry: &Registry) -> Result<Config, ConfigError> {
        config::load(&self.config_file(), sets, registry)
    }

    /// Writes the complete configuration, in place of an earlier one.
    ///
    /// # Errors
    /// [`RunError::File`].
    pub fn write_config(&self, config: &Config) -> Result<(), RunError> {
        let (path, part) = (self.config_file(), self.path.join("config.yaml.part"));
        fs::write(&part, config.to_yaml()?).map_err(file("write", &part))?;
        fs::rename(&part, &path).map_err(file("write", &path))
    }

    /// Holds the folder for a training of this process, until the file is dropped or the process ends in whatever way.
    ///
    /// # Errors
    /// [`RunError::Held`] when another process holds it, [`RunError::File`].
    pub fn hold(&self) -> Result<File, RunError> {
        let path = self.path.join("lock");
        let open = OpenOptions::new().create(true).read(true).write(true).truncate(false).open(&path);
        let mut lock = open.map_err(file("open", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(&path).unwrap_or_default();
                return Err(RunError::Held { path: self.path.clone(), holder: holder.trim().to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(file("lock", &path)(error)),
        }
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let holder = format!(
            "process {} on {} since {}\n",
            std::process::id(),
            host.trim(),
            Zoned::now().strftime("%Y-%m-%d %H:%M:%S")
        );
        lock.set_len(0).and_then(|()| lock.write_all(holder.as_bytes())).map_err(file("write", &path))?;
        Ok(lock)
    }

    /// Opens the log, to which lines are added.
    ///
    /// # Errors
    /// [`RunError::File`].
    pub fn log(&self) -> Result<Log, RunError> {
        let path = self.path.join("log.txt");
        let log = OpenOptions::new().create(true).append(true).open(&path).map_err(file("open", &path))?;
        Ok(Log { file: log, path })
    }
}

/// The log of a run: text with the time of each entry.
#[derive(Debug)]
pub struct Log {
    file: File,
    path: PathBuf,
}

impl Log {
    /// Adds an entry.
    ///
    /// # Errors
    /// [`RunError::File`].
    pub fn write(&mut self, text: &str) -> Result<(), RunError> {
        let entry = format!("{} {text}\n", Zoned::now().strftime("%Y-%m-%d %H:%M:%S"));
        self.file.write_all(entry.as_bytes()).map_err(file("write", &self.path))
    }
}

fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RunError {
    let path = path.to_owned();
    move |source| RunError::File { action, path, source }
}
