//! Linux: futex, pidfd, prctl.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getppid};

pub use super::supervisor::supervise;

/// How long it may take to kill a program and all that it started.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// Threads of this process.
pub fn threads() -> io::Result<usize> {
    Ok(fs::read_dir("/proc/self/task")?.count())
}

/// Sleeps while `word` holds `value`, for `timeout` at most; may return early. Whether time was up.
///
/// The word may lie in memory that processes share, hence no `FUTEX_PRIVATE_FLAG`.
pub fn wait(word: &AtomicU32, value: u32, timeout: Duration) -> bool {
    let timeout = libc::timespec {
        tv_sec: timeout.as_secs() as libc::time_t,
        tv_nsec: libc::c_long::from(timeout.subsec_nanos() as i32),
    };
    // SAFETY: the word and the time outlive the call; the kernel reads both and writes neither.
    let slept =
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, value, &raw const timeout) };
    slept != 0 && Errno::last() == Errno::ETIMEDOUT
}

/// Wakes all who sleep on `word`.
pub fn wake(word: &AtomicU32) {
    // SAFETY: the kernel uses the address as a key only.
    unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX);
    }
}

/// Ends this process when its parent ends, at once if it has ended already.
pub fn follow_parent(parent: Pid) -> io::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    // The parent may have ended before the kernel was asked.
    if getppid() == parent { Ok(()) } else { Err(Errno::ESRCH.into()) }
}

/// Nothing to do: whoever holds a process by descriptor sees its end before it is reaped.
pub fn forget_children() {}

/// Names this process for `ps` and `top`: 15 bytes are shown.
pub fn name_process(name: &str) {
    if let Ok(name) = CString::new(name) {
        let _ = prctl::set_name(&name);
    }
}

/// An empty file in memory, without a name.
pub fn memory_file() -> io::Result<File> {
    Ok(memfd_create("phalanx", MFdFlags::MFD_CLOEXEC)?.into())
}

/// Waits until nothing is left of a program whose supervisor is ending it.
pub fn end_tree(supervisor: &Process) {
    if !supervisor.ended_within(END_TIMEOUT) {
        supervisor.kill();
    }
}

/// Another process, held by a descriptor: a number that is used again cannot be mistaken for it.
pub struct Process {
    pid: Pid,
    handle: OwnedFd,
}

impl Process {
    /// The process with this number, which its parent has not reaped yet.
    pub fn open(pid: i32) -> io::Result<Self> {
        // SAFETY: takes numbers only.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        Errno::result(fd)?;
        // SAFETY: the kernel has just made this descriptor, for us alone.
        let handle = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        Ok(Self { pid: Pid::from_raw(pid), handle })
    }

    /// Its number.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// Whether it has ended, waiting for that up to `timeout`.
    pub fn ended_within(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(self.handle.as_fd(), PollFlags::POLLIN)], timeout) {
                Err(Errno::EINTR) => {}
                ready => return ready.is_ok_and(|ready| ready > 0),
            }
        }
    }

    /// Ends it without asking.
    pub fn kill(&self) {
        // SAFETY: the descriptor is open; no signal information is passed.
        unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.handle.as_raw_fd(),
                libc::SIGKILL,
                std::ptr::null::<libc::siginfo_t>(),
                0,
            );
        }
    }
}
