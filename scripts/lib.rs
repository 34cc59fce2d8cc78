//! Phalanx: batched reinforcement learning. A facade over the crates of the workspace.

pub use phalanx_agents as agents;
pub use phalanx_algorithms as algorithms;
pub use phalanx_envs as envs;

pub mod bench;
pub mod cli;
pub mod config;
pub mod export;
pub mod mesh;
pub mod plot;
pub mod run;
pub mod setup;
pub mod signals;
pub mod video;
pub mod visualize;
