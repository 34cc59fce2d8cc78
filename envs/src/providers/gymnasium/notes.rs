//! What interpreters print once for a whole program: notes, and Python's warnings.

use std::fs::File;
use std::io;

use crate::os;

/// A file in memory with a digest of every text that was printed. A process forked later shares it; `notes.py` reads and extends it.
pub struct Notes(Option<File>);

impl Notes {
    /// None printed yet. Without a file each interpreter prints its own.
    pub fn new() -> Self {
        Self(os::memory_file().ok())
    }

    /// The file, for an interpreter.
    pub fn file(&self) -> io::Result<File> {
        self.0.as_ref().map_or_else(os::memory_file, File::try_clone)
    }
}
