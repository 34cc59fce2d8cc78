//! The error of one environment.

use serde::{Deserialize, Serialize};

use crate::SpaceError;

/// What an environment, its constructor or a wrapper around it reports.
///
/// It can be sent from one process to another.
#[derive(Debug, Clone, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum EnvError {
    /// The environment itself reported a problem, in its own words.
    #[error("{0}")]
    Failed(String),
    /// What computes the environment has ended; nothing but a new one can be used.
    #[error("{0}")]
    Died(String),
    /// The parameters of an environment or wrapper do not fit it.
    #[error("parameters of {name}: {message}")]
    Params {
        /// Environment or wrapper.
        name: String,
        /// What is wrong and what would be right.
        message: String,
    },
    /// A wrapper cannot work with a space of the environment inside.
    #[error(transparent)]
    Space(#[from] SpaceError),
    /// The environment has no method or attribute of this name.
    #[error("no method or attribute {0:?}")]
    NoMethod(String),
    /// The environment never draws itself, for this reason.
    #[error("it draws no pictures: {0}")]
    NoRender(String),
    /// There is no picture of the present state; of another one there may be.
    #[error("there is no picture of this state")]
    NoPicture,
}

impl EnvError {
    /// An environment's own message.
    pub fn failed(message: impl std::fmt::Display) -> Self {
        Self::Failed(message.to_string())
    }

    /// Whether the environment cannot be used any more.
    pub fn is_death(&self) -> bool {
        matches!(self, Self::Died(_))
    }
}
