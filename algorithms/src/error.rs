//! The one error of this crate.

use phalanx_agents::AgentError;
use phalanx_envs::{BatchError, TooLittleMemory};
use phalanx_mesh::MeshError;

use crate::TrainingMemory;

/// What stopped a training or an evaluation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AlgorithmError {
    /// An environment or a worker failed.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The agent or its files failed.
    #[error(transparent)]
    Agent(AgentError),
    /// A log of the run failed.
    #[error(transparent)]
    Log(#[from] crate::LogError),
    /// Another rank of the mesh failed, or cannot be reached.
    #[error(transparent)]
    Mesh(#[from] MeshError),
    /// A number that must be finite is not.
    #[error("{what} is not finite ({value}) at {place}; nothing was learned from it")]
    NotFinite {
        /// Name of the number.
        what: String,
        /// The number.
        value: f64,
        /// Row, time, update or minibatch where it appeared.
        place: String,
    },
    /// The training stopped; its state and rollout were saved for inspection.
    #[error("the training stopped; its state and the rollout it stopped over are in {}", .path.display())]
    Stopped {
        /// A checkpoint with the rollout.
        path: std::path::PathBuf,
        /// Why.
        source: Box<AlgorithmError>,
    },
    /// An update or a restoration failed earlier, and left a state that is neither the one before nor the one after.
    #[error("an update or a restoration failed: this training can continue from a checkpoint only")]
    HalfChanged,
    /// Settings that contradict each other or the environment.
    #[error("{0}")]
    Settings(String),
    /// The training takes more memory than this process can have.
    #[error(
        "the training takes {cause}: {memory}; lower `rows`, the length of `rollout` or `network.hidden`"
    )]
    Memory {
        /// What it takes.
        memory: TrainingMemory,
        /// Both sizes.
        cause: TooLittleMemory,
    },
    /// Lengths that do not belong together.
    #[error("{what}: {left} and {right} differ")]
    Shape {
        /// What has the lengths.
        what: &'static str,
        /// One of them.
        left: usize,
        /// The other.
        right: usize,
    },
}

impl From<AgentError> for AlgorithmError {
    /// Failures of other ranks are those of the mesh, wherever they were noticed.
    fn from(error: AgentError) -> Self {
        match error {
            AgentError::Mesh(error) => Self::Mesh(error),
            error => Self::Agent(error),
        }
    }
}
