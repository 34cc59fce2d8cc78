//! A program that an environment is computed by, with all that it starts.

use std::io::{self, PipeWriter};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, Command};
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::{SigHandler, Signal, signal};

use super::{Process, reap, system};

/// Signals that a program finds handled as usual, whatever this process does with them: those that are ignored stay so in all that
/// it starts.
const USUAL: [Signal; 5] =
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGCHLD];

/// A running program. It and all that it has started end with this handle, and with this process in whatever way that ends.
pub struct Program {
    process: Process,
    /// Ends them when it is closed; nobody else holds it.
    lifeline: Option<PipeWriter>,
}

/// How a program ended.
pub struct End {
    /// Whether it was not killed here.
    pub itself: bool,
    /// In words.
    pub how: String,
}

impl Program {
    /// Starts `command` with `descriptors`, which keep their numbers there and are closed here; and its standard input, if piped.
    ///
    /// It begins a process group of its own, so that nothing that a terminal sends reaches it.
    ///
    /// # Errors
    /// The system's error.
    pub fn start(mut command: Command, descriptors: Vec<OwnedFd>) -> io::Result<(Self, Option<ChildStdin>)> {
        let (end, lifeline) = io::pipe()?;
        let end = OwnedFd::from(end);
        command.process_group(0);
        let begin = move || {
            for name in USUAL {
                // SAFETY: installs no handler.
                unsafe { signal(name, SigHandler::SigDfl)? };
            }
            system::supervise(&end)?;
            for descriptor in &descriptors {
                fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::empty()))?;
            }
            Ok(())
        };
        // SAFETY: between fork and exec it makes system calls and nothing else; its errors are numbers.
        unsafe { command.pre_exec(begin) };
        let mut child = command.spawn()?;
        let process = Process::open(child.id() as i32)?;
        Ok((Self { process, lifeline: Some(lifeline) }, child.stdin.take()))
    }

    /// Its process number, to be shown.
    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// Whether it has ended, waiting for that up to `timeout`.
    pub fn ended_within(&self, timeout: Duration) -> bool {
        self.process.ended_within(timeout)
    }

    /// Waits so long for its end, and kills what is left of it and of all that it started. `None` when that was done before.
    pub fn end(&mut self, grace: Duration) -> Option<End> {
        let lifeline = self.lifeline.take()?;
        let itself = self.ended_within(grace);
        drop(lifeline);
        system::end_tree(&self.process);
        Some(End { itself, how: reap(self.pid()) })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}
