//! Environments in forked worker processes. `README.md` beside this file shows who holds what, and why nothing hangs.
//!
//! Not here: anything that knows what an environment does (that is [`crate::Rows`]), and any data of a step in a
//! message (that is in the [`crate::Block`]).

pub(crate) mod backoff;
mod batch;
mod bell;
mod body;
mod choose;
mod failures;
mod link;
mod losses;
mod message;
mod options;
mod parts;
mod pool;
mod replace;
mod replay;
mod share;
mod shared;
mod stepping;
mod sync;
mod zygote;

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use ipc_channel::TryRecvError;
use ipc_channel::ipc::IpcReceiver;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use batch::WorkerBatch;
pub use choose::{Chosen, batch};
pub(crate) use link::EXIT_TIMEOUT;
pub use options::{OnWorkerLoss, WorkerOptions, Workers};
pub use share::Share;
pub use zygote::Zygote;

/// Why nothing was received.
#[derive(Clone, Copy)]
enum ReceiveError {
    /// The other side's ends are closed.
    Closed,
    /// Time is up.
    TimedOut,
}

/// The next message, waiting for `timeout` at most.
fn receive<T: Serialize + DeserializeOwned>(
    channel: &IpcReceiver<T>,
    timeout: Duration,
) -> Result<T, ReceiveError> {
    let deadline = Instant::now() + timeout;
    loop {
        // Channels count in milliseconds.
        let left = deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        match channel.try_recv_timeout(left) {
            Ok(message) => return Ok(message),
            Err(TryRecvError::IpcError(ipc_channel::IpcError::Io(e)))
                if e.kind() == ErrorKind::Interrupted => {}
            Err(TryRecvError::IpcError(_)) => return Err(ReceiveError::Closed),
            Err(TryRecvError::Empty) if Instant::now() >= deadline => return Err(ReceiveError::TimedOut),
            Err(TryRecvError::Empty) => {}
        }
    }
}
