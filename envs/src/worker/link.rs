//! The learner's ends of one worker.

use std::time::{Duration, Instant};

use ipc_channel::ipc::{IpcReceiver, IpcSender};

use super::message::{Command, Event};
use super::share::Share;
use super::zygote::Zygote;
use super::{ReceiveError, receive};
use crate::BatchError;
use crate::os::Process;

/// How long a worker may take to end once it has announced its end, or was killed.
pub const EXIT_TIMEOUT: Duration = Duration::from_secs(5);

/// One worker, as the learner sees it.
pub struct Link {
    /// Its process.
    pub process: Process,
    /// Its rows.
    pub share: Share,
    commands: IpcSender<Command>,
    events: IpcReceiver<Event>,
}

impl Link {
    /// Holds a worker by its process and these ends.
    pub fn new(
        process: Process,
        share: Share,
        commands: IpcSender<Command>,
        events: IpcReceiver<Event>,
    ) -> Self {
        Self { process, share, commands, events }
    }

    /// Sends a command; a worker that is gone is noticed when its answer fails to come.
    pub fn send(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    /// The next event, waiting until `deadline` at most.
    pub fn receive(&self, deadline: Instant) -> Result<Event, ReceiveError> {
        loop {
            // In pieces: a child of the worker's own may hold the channel open after the worker's death.
            let piece = deadline.saturating_duration_since(Instant::now()).min(Duration::from_millis(100));
            match receive(&self.events, piece) {
                Err(ReceiveError::TimedOut) if self.process.ended_within(Duration::ZERO) => {
                    return receive(&self.events, Duration::ZERO).map_err(|_| ReceiveError::Closed);
                }
                Err(ReceiveError::TimedOut) if Instant::now() < deadline => {}
                outcome => return outcome,
            }
        }
    }

    /// Ends the worker if it still runs, reaps it, and returns how it ended, as a part of an error message.
    pub fn reap(&self, zygote: &Zygote, error: ReceiveError, limit: Duration) -> Result<String, BatchError> {
        let grace = match error {
            ReceiveError::Closed => EXIT_TIMEOUT,
            ReceiveError::TimedOut => Duration::ZERO,
        };
        let ended = self.process.ended_within(grace);
        if !ended {
            self.process.kill();
            self.process.ended_within(EXIT_TIMEOUT);
        }
        let how = zygote.reap(self.process.pid())?;
        Ok(if ended {
            format!("died ({how})")
        } else {
            format!("did not answer within its deadline of {limit:?} and was killed")
        })
    }
}
