//! Unix without futex, pidfd and prctl: naps instead of wake-ups, process numbers instead of descriptors.
//!
//! The zygote notices the learner's end by its channel and ends its workers; a worker notices the zygote's end when it
//! next waits, not inside an environment's endless loop. How a process ended stays unknown.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, Signal, kill, killpg, signal};
use nix::unistd::{Pid, getppid};

/// How long a sleeper looks away.
const POLL_INTERVAL: Duration = Duration::from_micros(50);

/// Threads of this process, which cannot be counted here: one, as the caller promises.
pub fn threads() -> io::Result<usize> {
    Ok(1)
}

/// Sleeps while `word` holds `value`, for `timeout` at most. Whether time was up.
pub fn wait(word: &AtomicU32, value: u32, timeout: Duration) -> bool {
    let start = Instant::now();
    while word.load(Ordering::Acquire) == value {
        if start.elapsed() >= timeout {
            return true;
        }
        sleep(POLL_INTERVAL);
    }
    false
}

/// Sleepers look for themselves.
pub fn wake(_: &AtomicU32) {}

/// Fails when the parent has ended already.
pub fn follow_parent(parent: Pid) -> io::Result<()> {
    if getppid() == parent { Ok(()) } else { Err(Errno::ESRCH.into()) }
}

/// Lets children that end vanish at once, so that others see it by their number; how they ended stays unknown.
pub fn forget_children() {
    // SAFETY: installs no handler.
    let _ = unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) };
}

/// Has no effect here.
pub fn name_process(_: &str) {}

/// An empty file whose name is gone.
pub fn memory_file() -> io::Result<File> {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("phalanx-{}-{number}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(path)?;
    Ok(file)
}

/// Nobody looks after a program here: what begins a session of its own, or loses its owner, lives on.
pub fn supervise(_: &OwnedFd) -> io::Result<()> {
    Ok(())
}

/// Ends the group of a program that has not been reaped: until it is, the number is no other's.
pub fn end_tree(program: &Process) {
    let _ = killpg(program.pid, Signal::SIGKILL);
}

/// Another process, known by its number.
pub struct Process {
    pid: Pid,
}

impl Process {
    /// The process with this number.
    pub fn open(pid: i32) -> io::Result<Self> {
        Ok(Self { pid: Pid::from_raw(pid) })
    }

    /// Its number.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// Whether it has ended, waiting for that up to `timeout`.
    pub fn ended_within(&self, timeout: Duration) -> bool {
        let start = Instant::now();
        loop {
            if self.is_gone() {
                return true;
            }
            if start.elapsed() >= timeout {
                return false;
            }
            sleep(POLL_INTERVAL);
        }
    }

    fn is_gone(&self) -> bool {
        let id = self.pid.as_raw() as libc::id_t;
        // SAFETY: a zeroed siginfo_t is a value of it.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        // SAFETY: `info` outlives the call; the child is looked at, not reaped.
        let found = unsafe { libc::waitid(libc::P_PID, id, &raw mut info, flags) };
        // SAFETY: `waitid` fills this field, with zero while the child lives.
        let ended = found == 0 && unsafe { info.si_pid() } != 0;
        ended || (found != 0 && kill(self.pid, None) == Err(Errno::ESRCH))
    }

    /// Ends it without asking.
    pub fn kill(&self) {
        let _ = kill(self.pid, Signal::SIGKILL);
    }
}
