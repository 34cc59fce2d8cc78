//! What goes over the ipc channels: control, never data of a step.
//!
//! The encoding does not describe itself, so JSON values travel as text.

use ipc_channel::ipc::{IpcReceiver, IpcSender, IpcSharedMemory};
use serde::{Deserialize, Serialize};

use super::bell::SpinPolicy;
use super::share::Share;
use crate::{BatchError, Infos, Layout, Replayed, RunningEpisode, Seeds, Space};

/// Learner to zygote.
#[derive(Serialize, Deserialize)]
pub enum Order {
    /// Fork a worker.
    Spawn(Job),
    /// Reap a worker that has ended.
    Reap(i32),
    /// End all workers, then yourself.
    Close,
}

/// Zygote to learner: one for each order.
#[derive(Serialize, Deserialize)]
pub enum Answer {
    /// Process of the new worker.
    Spawned(i32),
    /// Why there is no new worker.
    NotSpawned(String),
    /// How a worker ended.
    Reaped(String),
}

/// What a worker is born with.
#[derive(Serialize, Deserialize)]
pub struct Job {
    /// The environment, as JSON.
    pub spec: String,
    /// Its rows.
    pub share: Share,
    /// Episode that each of them begins with.
    pub episodes: Vec<u64>,
    /// Seed of the run.
    pub seeds: Seeds,
    /// The batch's board.
    pub board: IpcSharedMemory,
    /// Lines for workers on the board.
    pub workers: usize,
    /// This worker's line.
    pub worker: usize,
    /// How it looks at a bell before it sleeps.
    pub spin: SpinPolicy,
    /// Where commands come in.
    pub commands: IpcReceiver<Command>,
    /// Where events go out.
    pub events: IpcSender<Event>,
}

/// Learner to worker. Each is answered by one event, `Close` by the worker's end.
#[derive(Serialize, Deserialize)]
pub enum Command {
    /// Work in this block from now on.
    Attach { layout: Box<Layout>, memory: IpcSharedMemory },
    /// Start the next episode of these rows and write `observation[t]`.
    Reset { t: usize, rows: Vec<usize> },
    /// Put a row where an episode stood, within so many seconds.
    Replay { row: usize, running: RunningEpisode, seconds: f64 },
    /// Call a method or read an attribute of a row.
    Call { row: usize, name: String, arguments: String },
    /// Return the infos of episodes that have ended.
    TakeInfos,
    /// Draw a row.
    Render { row: usize },
    /// Time the environment for so many seconds.
    Time { seconds: f64 },
    /// Let go of the environments and end.
    Close,
}

/// Worker to learner.
#[derive(Serialize, Deserialize)]
pub enum Event {
    /// The environments exist; their spaces.
    Ready { observation_space: Space, action_space: Space },
    /// Done as asked.
    Done,
    /// Where a replay has left its row.
    Replayed(Replayed),
    /// What a call returned, as JSON.
    Value(String),
    /// The infos of episodes that have ended.
    Infos(Infos),
    /// A picture.
    Picture { width: u32, height: u32, pixels: Vec<u8> },
    /// Seconds that one step of one row takes.
    Seconds(f64),
    /// An environment returned an error; the worker lives on.
    Failed(BatchError),
    /// An environment panicked or died; the worker is ending.
    Lost(BatchError),
}
