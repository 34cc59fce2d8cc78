//! What acts and remembers: policies, networks, normalisers, rollout memory, optimiser, checkpoints.

mod settings;

pub use settings::{Activation, NetworkSettings, NormalizeSettings};
