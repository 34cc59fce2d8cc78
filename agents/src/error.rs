//! The one error of this crate.

use std::path::PathBuf;

use phalanx_envs::TooLittleMemory;

/// What went wrong with an agent, its memory or its files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// A policy cannot be made for this space.
    #[error("a policy for {space}: {reason}")]
    Space {
        /// The space as text.
        space: String,
        /// Why not.
        reason: String,
    },
    /// A mask without a legal option.
    #[error("row {row}, step {step}: the mask of {} leaves no legal option", if .field.is_empty() { "the action" } else { .field.as_str() })]
    Mask {
        /// Its row.
        row: usize,
        /// Its step of the rollout, or of the episode in an evaluation.
        step: usize,
        /// Path of the action's field; empty where an action is a single field.
        field: String,
    },
    /// A mask that does not say whether an option is legal.
    #[error("row {row}, step {step}: {element} is {value}, where 0 forbids an option and 1 allows it")]
    MaskValue {
        /// Its row.
        row: usize,
        /// Its step of the rollout, or of the episode in an evaluation.
        step: usize,
        /// The number of the mask, as in `observation.action_mask[2]`.
        element: String,
        /// Its value.
        value: f32,
    },
    /// Networks that cannot be described.
    #[error(transparent)]
    Network(#[from] crate::Mistakes),
    /// Settings that contradict each other.
    #[error("{0}")]
    Settings(String),
    /// An operation of one's own cannot be used.
    #[error("operation {name}: {reason}")]
    Operation {
        /// Its name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// The networks take more memory than this process can have.
    #[error(
        "{parameters} parameters of networks take {cause}; make `network.hidden` or `network.convolutions` smaller"
    )]
    Memory {
        /// Their number.
        parameters: usize,
        /// Both sizes.
        cause: TooLittleMemory,
    },
    /// Another rank that has a part of the network failed, or the network cannot be divided so.
    #[error(transparent)]
    Mesh(#[from] phalanx_mesh::MeshError),
    /// libtorch refused.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
    /// A file could not be read or written.
    #[error("{action} {}", .path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// A checkpoint is damaged or of another kind.
    #[error("checkpoint {}: {reason}", .path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint belongs to an agent of another signature.
    #[error("the policy was trained with {what} {trained}, not {given}")]
    Signature {
        /// `observations`, `actions` or the path of a setting.
        what: String,
        /// As in the checkpoint.
        trained: String,
        /// As in the agent that should take it over.
        given: String,
    },
    /// A checkpoint lacks something, or has it in another shape.
    #[error("the checkpoint's {name:?}: {reason}")]
    Entry {
        /// Name of the array or state.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}
