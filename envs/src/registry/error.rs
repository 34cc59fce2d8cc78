//! The error of the registry.

use serde::{Deserialize, Serialize};

use crate::EnvError;

/// Why the registry returns no environment.
///
/// It can be sent from one process to another.
#[derive(Debug, Clone, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RegistryError {
    /// No environment has this name.
    #[error("no environment is called `{name}`; {}", meant(.suggestion.as_deref()))]
    UnknownName {
        /// The requested name.
        name: String,
        /// What was probably meant.
        suggestion: Option<String>,
    },
    /// This program could have been built with the environment, and was not.
    #[error("{name} is not built in: {remedy}")]
    NotBuiltIn {
        /// The requested name.
        name: String,
        /// What to type to have it.
        remedy: String,
    },
    /// The constructor of the environment or of one of its wrappers failed.
    #[error(transparent)]
    Env(#[from] EnvError),
}

impl RegistryError {
    /// Whether what computes the environment has ended.
    pub(crate) fn is_death(&self) -> bool {
        matches!(self, Self::Env(error) if error.is_death())
    }
}

fn meant(name: Option<&str>) -> String {
    match name {
        Some(name) => format!("did you mean `{name}`?"),
        None => "`phalanx envs list` shows those that are known".to_owned(),
    }
}
