//! The folder of a run: what it holds, and where.
//!
//! ```text
//! runs/20261123T094500-cartpole/
//!   config.yaml                   the complete configuration
//!   metrics.jsonl                 one object for each iteration
//!   events.out.tfevents.phalanx   the same for TensorBoard
//!   working_directory             the folder in which the training was started
//!   log.txt                       what was printed on the terminal, with times
//!   lock                          held by the training that writes here
//!   checkpoints/                  the newest few and the best
//! ```

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use jiff::Zoned;
use phalanx_algorithms::{Checkpoints, LogError};
use phalanx_envs::Registry;

use crate::config::{self, Config, ConfigError};

/// Characters of a name that is made of a file's: systems have an end at 255 bytes, the time included.
const LONGEST_NAME: usize = 50;

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
    #[error("{} is no run: {}", .0.display(), missing(.0))]
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

fn missing(run: &Path) -> &'static str {
    if run.is_dir() { "it holds no config.yaml" } else { "there is no such folder" }
}

impl RunFolder {
    /// Makes a new folder `<time>-<name>` under `parent`; a number is added when it exists already.
    ///
    /// # Errors
    /// [`RunError::Name`] and [`RunError::File`].
    pub fn create(parent: &Path, name: &str) -> Result<Self, RunError> {
        if name.is_empty() || !name.chars().all(is_in_names) {
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
        let run = Self { path };
        let here = std::env::current_dir().map_err(file("find", Path::new(".")))?;
        let path = run.working_directory_file();
        fs::write(&path, here.as_os_str().as_encoded_bytes()).map_err(file("write", &path))?;
        Ok(run)
    }

    /// The name of a run by the file of its configuration: its letters and digits, `-`, `_` and `.`, with one `-` for all others
    /// in a row. `proc (1).yaml` names the run `proc-1`.
    pub fn name_from(file: &Path) -> String {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let words = stem.split(|c| !is_in_names(c)).map(|word| word.trim_matches(['-', '.']));
        let name = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
        if name.is_empty() { "run".to_owned() } else { name.chars().take(LONGEST_NAME).collect() }
    }

    /// The folder of an earlier run.
    ///
    /// # Errors
    /// [`RunError::NoRun`].
    pub fn open(path: &Path) -> Result<Self, RunError> {
        let run = Self { path: path.to_owned() };
        if run.config_file().is_file() { Ok(run) } else { Err(RunError::NoRun(path.to_owned())) }
    }

    /// The folder of a run that another rank has made.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// The folder in which the training was started, if that is another one than the current one and still there.
    ///
    /// Names such as `dylib:./walk.so`, and Python's modules, mean what they meant only there.
    pub fn other_working_directory(&self) -> Option<PathBuf> {
        let bytes = fs::read(self.working_directory_file()).ok()?;
        let folder = PathBuf::from(OsString::from_vec(bytes));
        let here = std::env::current_dir().ok();
        (folder.is_dir() && here.as_ref() != Some(&folder)).then_some(folder)
    }

    fn working_directory_file(&self) -> PathBuf {
        self.path.join("working_directory")
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
    /// [`LogError`].
    pub fn write(&mut self, text: &str) -> Result<(), LogError> {
        let entry = format!("{} {text}\n", Zoned::now().strftime("%Y-%m-%d %H:%M:%S"));
        let path = || self.path.clone();
        self.file.write_all(entry.as_bytes()).map_err(|source| LogError {
            action: "write",
            path: path(),
            source,
        })
    }
}

fn is_in_names(c: char) -> bool {
    c.is_alphanumeric() || "-_.".contains(c)
}

fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RunError {
    let path = path.to_owned();
    move |source| RunError::File { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_of_any_kind_name_runs() {
        let long = "ü".repeat(300);
        for (file, name) in [
            ("configs/cartpole.yaml", "cartpole"),
            ("proc (1).yaml", "proc-1"),
            ("größe.yaml", "größe"),
            (".yaml", "yaml"),
            ("-x.yaml", "x"),
            ("two\nlines $HOME.yaml", "two-lines-HOME"),
            ("a.b_c-d.yaml", "a.b_c-d"),
            ("?.yaml", "run"),
            ("..", "run"),
            (&long, &"ü".repeat(50)),
        ] {
            assert_eq!(RunFolder::name_from(Path::new(file)), name, "{file:?}");
        }
    }
}
