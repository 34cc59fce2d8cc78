//! Everything asked of the operating system: processes, signals, sleeping on a word of shared memory.
//!
//! Linux is the real thing. Elsewhere on unix a simple stand-in serves, which sleeps in short naps and learns of a
//! death a little later; nothing outside this folder knows which of the two it got.
#![allow(unsafe_code)]

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(not(target_os = "linux"))]
use other as system;

mod mapping;
mod memory;
mod program;
#[cfg(target_os = "linux")]
mod supervisor;

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid};

pub use mapping::Mapping;
pub use memory::{TooLittleMemory, check_memory};
pub use program::{End, Program};
pub use system::{Process, follow_parent, forget_children, memory_file, name_process, threads, wait, wake};

/// Which side of a fork this is.
pub enum Fork {
    Parent(Pid),
    Child,
}

/// Forks a process that has one thread.
pub fn fork() -> io::Result<Fork> {
    // What stands in the buffer would be printed by both.
    io::stdout().flush()?;
    // SAFETY: with one thread no lock is held by another that the child would lack.
    match unsafe { nix::unistd::fork()? } {
        ForkResult::Parent { child } => Ok(Fork::Parent(child)),
        ForkResult::Child => Ok(Fork::Child),
    }
}

/// Leaves without running what the parent has registered for its own exit.
pub fn exit(code: i32) -> ! {
    let _ = io::stdout().flush();
    // SAFETY: takes no argument that could be wrong.
    unsafe { libc::_exit(code) }
}

/// Leaves it to the learner to answer what a terminal or a service manager sends to all.
///
/// They are caught, not ignored: a program that this process starts does not inherit that.
pub fn ignore_signals() {
    extern "C" fn nothing(_: i32) {}
    let action = SigAction::new(SigHandler::Handler(nothing), SaFlags::SA_RESTART, SigSet::empty());
    for name in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        // SAFETY: the handler does nothing, which is safe at any time.
        let _ = unsafe { sigaction(name, &action) };
    }
}

/// Has what this process prints to its standard output go to the standard error: the output is another program's.
pub fn print_to_standard_error() {
    // One that is closed is no place for anything.
    let _ = nix::unistd::dup2_stdout(io::stderr());
}

/// Has reads of a pipe's end fail rather than wait.
pub fn never_block(pipe: impl AsFd) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(pipe.as_fd(), FcntlArg::F_GETFL)?);
    fcntl(pipe, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

/// Sleeps until there is something to read, or the other end is closed, for `most` at most. Whether it may have been so.
pub fn await_input(pipe: impl AsFd, most: Duration) -> io::Result<bool> {
    let timeout = PollTimeout::try_from(most).unwrap_or(PollTimeout::MAX);
    match poll(&mut [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)], timeout) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::EINTR) => Ok(true),
        Err(e) => Err(e.into()),
    }
}

/// Waits for a child that has ended and returns how it ended.
pub fn reap(pid: i32) -> String {
    loop {
        return match waitpid(Pid::from_raw(pid), None) {
            Ok(WaitStatus::Exited(_, code)) => format!("exit code {code}"),
            Ok(WaitStatus::Signaled(_, signal, _)) => format!("signal {}, {signal}", signal as i32),
            Ok(_) | Err(Errno::EINTR) => continue,
            Err(_) => "for a reason unknown".to_owned(),
        };
    }
}

/// Makes room for `more` open descriptors on top of those a program usually holds.
pub fn allow_descriptors(more: u64) -> io::Result<()> {
    const USUAL: u64 = 128;
    let wanted = more + USUAL;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft >= wanted {
        return Ok(());
    }
    if hard < wanted {
        return Err(io::Error::other(format!(
            "{wanted} open descriptors are needed and {hard} allowed: use fewer workers or raise `ulimit -Hn`"
        )));
    }
    Ok(setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)?)
}

/// The longest nap of a wait: deaths and deadlines are looked at in between.
pub const POLL_INTERVAL: Duration = Duration::from_millis(10);
