//! What keeps episodes from being shown.

use std::io;
use std::path::PathBuf;

use phalanx_envs::{BatchError, EnvError};

use crate::video::VideoError;

/// What keeps episodes from being shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VisualizeError {
    /// The environment failed, or there is none.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A video could not be written.
    #[error(transparent)]
    Video(#[from] VideoError),
    /// The environment has nothing to show.
    #[error(
        "{env} draws no picture (episode {episode}, step {step}): {reason}; `phalanx evaluate` plays episodes without pictures"
    )]
    NoPicture {
        /// Name of the environment.
        env: String,
        /// Episode, counted from 0.
        episode: u32,
        /// Steps since its start.
        step: u64,
        /// Why.
        reason: String,
    },
    /// The environment could not draw itself.
    #[error("episode {episode}, step {step}: the environment could not be drawn")]
    Picture {
        /// Episode, counted from 0.
        episode: u32,
        /// Steps since its start.
        step: u64,
        /// Why.
        source: EnvError,
    },
    /// The policy failed.
    #[error("episode {episode}, step {step}: the policy gave no action")]
    Policy {
        /// Episode, counted from 0.
        episode: u32,
        /// Steps since its start.
        step: u64,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The summary could not be written.
    #[error("{}: cannot write the summary", path.display())]
    Summary {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
