//! A process between ours and a program that it starts, so that nothing that the program starts outlives it.
//!
//! The supervisor is the first process of that tree: orphans in it become its children (`PR_SET_CHILD_SUBREAPER`), whatever session
//! they have begun. When the program ends, or the lifeline is closed, by its owner or with its owner's death, it kills all that is
//! left, and ends as the program did. It is a fork of a process that may have threads: so it makes system calls and nothing else.

use std::io;
use std::mem::zeroed;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::null_mut;

use nix::errno::Errno;
use nix::unistd::{Pid, getpid};

use super::follow_parent;

/// Puts a supervisor above this process, which is about to become another program: returns in the program alone.
///
/// # Errors
/// The system's error when there can be none.
pub fn supervise(lifeline: &OwnedFd) -> io::Result<()> {
    let supervisor = getpid();
    nix::sys::prctl::set_child_subreaper(true)?;
    // SAFETY: as `fork`, without the handlers of the C library, which may take locks that other threads held.
    let program = Errno::result(unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) })?;
    if program == 0 {
        // A group of its own: a program that ends its whole group does not end its supervisor.
        nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
        return follow_parent(supervisor);
    }
    super::name_process("phalanx-reaper");
    // SAFETY: this process is a fork that nobody else holds anything of; `watch` makes system calls alone.
    unsafe { watch(program as i32, lifeline.as_raw_fd()) }
}

/// Waits for the end of `program` or of the lifeline, kills all that is left, and ends as the program did.
unsafe fn watch(program: i32, lifeline: i32) -> ! {
    // SAFETY: system calls with numbers, and with memory of this function's own.
    unsafe {
        let mut all: libc::sigset_t = zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const all, null_mut());
        // Whoever holds the other ends of what our owner has open must see them close. Only the lifeline stays, as number 0.
        libc::dup2(lifeline, 0);
        close_all_but_first();
        let mut child: libc::sigset_t = zeroed();
        libc::sigemptyset(&raw mut child);
        libc::sigaddset(&raw mut child, libc::SIGCHLD);
        let ended = libc::signalfd(-1, &raw const child, libc::SFD_NONBLOCK);
        let mut status = None;
        loop {
            // First, as the program may have ended before its signal was kept.
            reap(program, &mut status, libc::WNOHANG);
            if status.is_some() {
                break;
            }
            let event = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
            let mut events = [event(0), event(ended)];
            libc::poll(events.as_mut_ptr(), 2, -1);
            if events[0].revents != 0 {
                break;
            }
            let mut info: libc::signalfd_siginfo = zeroed();
            while libc::read(ended, (&raw mut info).cast(), size_of_val(&info)) > 0 {}
        }
        // Each death may hand us orphans, until nobody is left.
        while kill_children(program) && reap(program, &mut status, 0) {}
        end_as(status.unwrap_or(libc::SIGKILL))
    }
}

/// Closes all descriptors but number 0.
unsafe fn close_all_but_first() {
    // SAFETY: numbers alone.
    unsafe {
        if libc::syscall(libc::SYS_close_range, 1, u32::MAX, 0) != 0 {
            // Before Linux 5.9.
            for fd in 1..libc::sysconf(libc::_SC_OPEN_MAX).clamp(256, 1 << 16) {
                libc::close(fd as i32);
            }
        }
    }
}

/// Takes in the ends of children, and notes that of the program; with `WNOHANG` of all that have ended, else of one after waiting
/// for it. Whether there are any more.
unsafe fn reap(program: i32, status: &mut Option<i32>, options: i32) -> bool {
    loop {
        let mut how = 0;
        // SAFETY: `how` outlives the call.
        match unsafe { libc::waitpid(-1, &raw mut how, options) } {
            -1 => return Errno::last() == Errno::EINTR,
            0 => return true,
            pid => {
                if pid == program {
                    *status = Some(how);
                }
                if options == 0 {
                    return true;
                }
            }
        }
    }
}

/// Kills the children of this process, which has no other thread; without a list of them `program` alone. Whether to wait for them.
unsafe fn kill_children(program: i32) -> bool {
    // SAFETY: system calls with numbers, and with memory of this function's own.
    unsafe {
        let list = libc::open(c"/proc/thread-self/children".as_ptr(), libc::O_RDONLY);
        if list < 0 {
            libc::kill(-program, libc::SIGKILL);
            libc::waitpid(program, null_mut(), 0);
            return false;
        }
        let (mut text, mut pid) = ([0_u8; 1024], 0_i32);
        loop {
            let read = libc::read(list, text.as_mut_ptr().cast(), text.len());
            let Some(part) = usize::try_from(read).ok().filter(|&read| read > 0) else { break };
            for byte in &text[..part] {
                if byte.is_ascii_digit() {
                    pid = pid * 10 + i32::from(byte - b'0');
                } else if pid > 0 {
                    libc::kill(pid, libc::SIGKILL);
                    pid = 0;
                }
            }
        }
        libc::close(list);
        true
    }
}

/// Ends this process in the way that `status` reports.
unsafe fn end_as(status: i32) -> ! {
    // SAFETY: numbers, and memory of this function's own.
    unsafe {
        if libc::WIFSIGNALED(status) {
            let signal = libc::WTERMSIG(status);
            let no_core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            libc::setrlimit(libc::RLIMIT_CORE, &raw const no_core);
            libc::signal(signal, libc::SIG_DFL);
            let mut none: libc::sigset_t = zeroed();
            libc::sigemptyset(&raw mut none);
            libc::kill(libc::getpid(), signal);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const none, null_mut());
        }
        libc::_exit(libc::WEXITSTATUS(status))
    }
}
