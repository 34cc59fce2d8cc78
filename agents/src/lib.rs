//! Agents and their memory: policies, networks, normalisers, rollouts, optimiser, checkpoints.
//!
//! An [`Agent`] is what is trained: observation normaliser, network and action distribution. It acts on the rows
//! of a batch during a [`Rollout`]; the algorithm that learns from that rollout is in `phalanx-algorithms`.

mod adam;
mod agent;
mod bytes;
mod checkpoint;
mod cost;
mod describe;
mod distribution;
mod divided;
mod engine;
mod error;
mod layers;
mod memory;
mod network;
mod normalizer;
mod observations;
mod operation;
mod orthogonal;
mod picture;
mod plan;
mod random;
mod reader;
mod rollout;
mod settings;
mod transfer;

pub use adam::{Adam, AdamSettings};
pub use agent::{Actor, Agent, Mode, add_masks, check_normalize};
pub use checkpoint::{Array, Checkpoint, Fetch};
pub use cost::{Cost, Costs};
pub use describe::{ACTION, Mistake, Mistakes, check_network, describe, input_name, network_mistakes};
pub use distribution::{Actions, Distribution, Gradient, Head, Part, PartKind, Taken, Terms, Weights};
pub use divided::{Compute, Divided, divide, matching};
pub use engine::{Batch, Pass, Sequence, Sequences, product_speed};
pub use error::AgentError;
pub use layers::{LayerSettings, Layers, MemorySettings, Names, PoolSettings, Preset, Widths};
pub use memory::Memory;
pub use network::ActorCritic;
pub use normalizer::{Gather, Normalizer, RewardNormalizer, ValueNormalizer};
pub use observations::{Inputs, Observations};
pub use operation::{Backward, Operation, OperationError, check_operation, register_operation};
pub use phalanx_graph::{Activation, Convolution, Graph, GraphError, InputScale, Op};
pub use plan::Tower;
pub use random::stream;
pub use rollout::Rollout;
pub use settings::{Channels, Deviation, InitialWeights, NetworkSettings, NormalizeSettings};
pub use tch::Device;
pub use transfer::{InitFrom, Matches, NamedInit, TensorFile};
