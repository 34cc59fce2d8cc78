//! The error of a check.

use std::io;

use crate::RegistryError;

/// Why an environment could not be checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The environment could not be made.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// There is no process for the check.
    #[error("no process can be had for the check: {0}")]
    Process(io::Error),
}
