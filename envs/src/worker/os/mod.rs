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

use std::io::{self, Write};
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid};

pub use system::{Process, follow_parent, forget_children, name_process, threads, wait, wake};

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

/// Prepares a program's start: it ends when this thread does, leads a process group of its own, which a terminal's signals do
/// not reach, and inherits these descriptors under their numbers.
pub fn attach(command: &mut Command, inherited: [RawFd; 2]) {
    let parent = Pid::this();
    command.process_group(0);
    let prepare = move || {
        follow_parent(parent)?;
        for descriptor in inherited {
            // SAFETY: takes numbers only.
            Errno::result(unsafe { libc::fcntl(descriptor, libc::F_SETFD, 0) })?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec it makes system calls and nothing else: it takes no lock and allocates nothing.
    unsafe { command.pre_exec(prepare) };
}

/// Leaves without running what the parent has registered for its own exit.
pub fn exit(code: i32) -> ! {
    let _ = io::stdout().flush();
    // SAFETY: takes no argument that could be wrong.
    unsafe { libc::_exit(code) }
}

/// Leaves it to the learner to answer what a terminal or a service manager sends to the whole group.
pub fn ignore_signals() {
    for name in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        // SAFETY: installs no handler.
        let _ = unsafe { signal(name, SigHandler::SigIgn) };
    }
}

/// Waits for a child that has ended and says how.
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
pub const NAP: Duration = Duration::from_millis(10);
