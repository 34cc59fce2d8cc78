//! Environments and batches of them.
//!
//! An [`Env`] is one environment; a [`Registry`] turns a name with parameters into one; a [`BatchEnv`] steps
//! many of them as the rows of one [`Block`] of memory, in this process ([`LocalBatch`]) or in forked workers.
//!
//! This crate does not depend on libtorch: code that runs in a forked worker cannot reach it.

mod action;
mod batch;
pub mod contract;
pub mod draw;
mod env;
mod error;
mod field;
#[cfg(feature = "gym-rs")]
pub mod gym_rs;
mod labels;
mod making;
#[cfg(feature = "mujoco")]
pub mod mujoco;
pub mod native;
mod os;
mod probe;
pub mod providers;
mod registry;
mod row;
mod scaling;
mod seed;
mod space;
mod spec;
mod suggest;
mod worker;
pub mod wrappers;

pub use action::{Action, ActionFields};
pub use batch::{
    BatchEnv, BatchError, Block, Infos, Layout, LocalBatch, Memory, Phase, Place, Progress, Replayed, Rows,
    RunningEpisode, StepView, Watch,
};
pub(crate) use env::Coming;
pub use env::{Env, Episode, Frame, Step};
pub use error::EnvError;
pub use field::{Field, FieldRows, Role};
pub use labels::{Label, Labels};
pub use os::{TooLittleMemory, check_memory};
pub use probe::Probe;
pub use registry::{Entry, EnvInfo, Provider, Registry, RegistryError};
pub use row::{Elements, Row};
pub use scaling::{ActionScale, ActionScaling};
pub use seed::{Generator, Seeds, episode_seed, generator};
pub use space::{Dtype, Space, SpaceError};
pub use spec::{EnvSpec, Params};
pub use suggest::nearest;
pub use worker::{Chosen, OnWorkerLoss, WorkerBatch, WorkerOptions, Workers, Zygote, batch};
pub use wrappers::WrapperSpec;
