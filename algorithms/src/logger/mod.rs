//! Where the records of a training go.
//!
//! Every logger writes a record with one system call before the training continues, so that a killed run loses none of
//! them; nothing is buffered and no thread is involved. A run that is resumed from an older checkpoint first forgets
//! what was recorded after it.

mod console;
mod json_lines;
mod tensor_board;

use std::io;
use std::path::{Path, PathBuf};

pub use console::Console;
pub use json_lines::JsonLines;
pub use tensor_board::TensorBoard;

use crate::Record;

/// Takes the record of each iteration.
pub trait Logger {
    /// Records one iteration.
    ///
    /// # Errors
    /// [`LogError`], which names the file.
    fn record(&mut self, record: &Record) -> Result<(), LogError>;
}

/// A file of a run that cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", .path.display())]
pub struct LogError {
    /// What was tried.
    pub action: &'static str,
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

impl LogError {
    fn on(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { action, path, source }
    }
}
