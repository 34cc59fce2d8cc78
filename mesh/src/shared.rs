//! Collectives through memory that the ranks of one machine share: a few microseconds where TCP takes some hundreds.
//!
//! Each rank has two slots and uses them in turn. It writes what it sends into its slot, waits until all have, and reads the others' slots. A
//! slot is written again two calls later, when every rank has passed the call between, and so has read it.
#![expect(unsafe_code, reason = "memory shared with other processes")]

use std::fs::{File, OpenOptions};
use std::io;
use std::num::NonZero;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use crate::meeting::Seat;
use crate::watch::Watch;
use crate::{Collective, MeshError};

/// Bytes of a slot; longer messages take several rounds.
const SLOT: usize = 1 << 20;

/// Bytes before the slots: the words of the barrier, each in a cache line of its own.
const HEAD: usize = 4096;

/// How long a waiting rank polls, yielding its core, before it sleeps.
const POLL: Duration = Duration::from_micros(50);

/// Time between two looks at the other ranks while asleep.
const LOOK: Duration = Duration::from_millis(100);

/// The shared memory, mapped.
pub struct Segment {
    file: File,
    start: NonNull<u8>,
    len: NonZero<usize>,
}

// SAFETY: the mapping belongs to no thread.
unsafe impl Send for Segment {}

impl Segment {
    fn len(size: usize) -> NonZero<usize> {
        NonZero::new(HEAD + 2 * size * SLOT).unwrap_or(NonZero::<usize>::MIN)
    }

    /// New memory for `size` ranks, and the path by which others open it.
    pub fn create(size: usize) -> io::Result<(Self, String)> {
        let file = File::from(memfd_create("phalanx-mesh", MFdFlags::MFD_CLOEXEC)?);
        file.set_len(Self::len(size).get() as u64)?;
        let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
        Ok((Self::map(file, size)?, path))
    }

    /// The memory that another process has created for `size` ranks.
    pub fn open(path: &str, size: usize) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_CLOEXEC).open(path)?;
        if file.metadata()?.len() != Self::len(size).get() as u64 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{path} has another length")));
        }
        Self::map(file, size)
    }

    fn map(file: File, size: usize) -> io::Result<Self> {
        let (len, access) = (Self::len(size), ProtFlags::PROT_READ | ProtFlags::PROT_WRITE);
        // SAFETY: a new mapping of a file of this length, which only ranks of this mesh have open.
        let start = unsafe { mmap(None, len, access, MapFlags::MAP_SHARED, file.as_fd(), 0) }?.cast();
        Ok(Self { file, start, len })
    }

    /// A word of the barrier.
    fn word(&self, i: usize) -> &AtomicU32 {
        debug_assert!(i < HEAD / 64);
        // SAFETY: inside the mapping, aligned, and used as an atomic word alone, by all ranks.
        unsafe { self.start.add(64 * i).cast::<AtomicU32>().as_ref() }
    }

    fn slot(&self, size: usize, turn: usize, rank: usize) -> NonNull<u8> {
        debug_assert!(HEAD + (turn * size + rank + 1) * SLOT <= self.len.get());
        // SAFETY: inside the mapping.
        unsafe { self.start.add(HEAD + (turn * size + rank) * SLOT) }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: mapped with this length, and nothing refers to it any more.
        let _ = unsafe { munmap(self.start.cast(), self.len.get()) };
        let _ = &self.file;
    }
}

/// A process that is watched for its end.
pub struct Process {
    handle: OwnedFd,
    rank: usize,
    name: String,
}

impl Process {
    /// The process of this number, which is `rank`, called `name` in messages.
    pub fn open(pid: u32, rank: usize, name: &str) -> io::Result<Self> {
        // SAFETY: a system call on numbers.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a new descriptor that nobody else has.
        let handle = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        Ok(Self { handle, rank, name: name.to_owned() })
    }

    fn has_ended(&self) -> bool {
        let mut fds = [PollFd::new(self.handle.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }
}

/// Ranks of one machine.
pub struct Shared {
    seat: Seat,
    segment: Segment,
    others: Vec<Process>,
    watch: Arc<Watch>,
    turn: usize,
}

impl Shared {
    pub fn new(seat: Seat, segment: Segment, others: Vec<Process>, watch: Arc<Watch>) -> Self {
        Self { seat, segment, others, watch, turn: 0 }
    }

    /// Writes `bytes` into this rank's slot, from `at` on.
    fn write(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= SLOT);
        let slot = self.segment.slot(self.seat.size, self.turn, self.seat.rank);
        // SAFETY: within this rank's slot, which no other rank reads in this turn before the barrier.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), slot.as_ptr(), bytes.len()) }
    }

    /// Reads from the slot of `rank`, from `at` on, what it has written before the barrier.
    fn read(&self, rank: usize, at: usize, into: &mut [u8]) {
        assert!(at + into.len() <= SLOT);
        let slot = self.segment.slot(self.seat.size, self.turn, rank);
        // SAFETY: within the slot, which its rank does not write again before this one has passed the next barrier.
        unsafe { std::ptr::copy_nonoverlapping(slot.as_ptr().add(at), into.as_mut_ptr(), into.len()) }
    }

    /// Waits until all ranks are here.
    fn barrier(&mut self) -> Result<(), MeshError> {
        let (count, epoch) = (self.segment.word(0), self.segment.word(1));
        let now = epoch.load(Ordering::Acquire);
        if count.fetch_add(1, Ordering::AcqRel) + 1 == self.seat.size as u32 {
            count.store(0, Ordering::Relaxed);
            epoch.store(now.wrapping_add(1), Ordering::Release);
            futex(epoch, libc::FUTEX_WAKE, i32::MAX as u32, None);
            return Ok(());
        }
        let begin = Instant::now();
        while epoch.load(Ordering::Acquire) == now {
            if begin.elapsed() < POLL {
                std::thread::yield_now();
                continue;
            }
            futex(epoch, libc::FUTEX_WAIT, now, Some(LOOK));
            if epoch.load(Ordering::Acquire) == now {
                self.look()?;
            }
        }
        Ok(())
    }

    /// Fails when a rank has ended.
    fn look(&self) -> Result<(), MeshError> {
        if let Some(verdict) = self.watch.verdict() {
            return Err(verdict);
        }
        match self.others.iter().find(|process| process.has_ended()) {
            Some(process) => {
                // It may have said why before it ended.
                self.watch.tell(Some(process.rank), &format!("{} has ended", process.name));
                Err(self.watch.explain("waiting", format!("{} has ended", process.name)))
            }
            None => Ok(()),
        }
    }

    fn next(&mut self) {
        self.turn = 1 - self.turn;
    }
}

impl Collective for Shared {
    fn seat(&self) -> Seat {
        self.seat
    }

    fn all_gather(&mut self, send: &[u8], receive: &mut [u8]) -> Result<(), MeshError> {
        let (size, len) = (self.seat.size, send.len());
        for start in (0..len).step_by(SLOT) {
            let end = len.min(start + SLOT);
            self.write(&send[start..end]);
            self.barrier()?;
            for rank in 0..size {
                self.read(rank, 0, &mut receive[rank * len + start..rank * len + end]);
            }
            self.next();
        }
        Ok(())
    }

    fn all_to_all(&mut self, send: &[u8], receive: &mut [u8]) -> Result<(), MeshError> {
        let (size, rank) = (self.seat.size, self.seat.rank);
        let (len, most) = (send.len() / size, SLOT / size);
        let mut packed = Vec::new();
        for start in (0..len).step_by(most) {
            let end = len.min(start + most);
            let share = end - start;
            if share == len {
                self.write(send);
            } else {
                packed.clear();
                (0..size).for_each(|to| packed.extend_from_slice(&send[to * len + start..to * len + end]));
                self.write(&packed);
            }
            self.barrier()?;
            for from in 0..size {
                self.read(from, rank * share, &mut receive[from * len + start..from * len + end]);
            }
            self.next();
        }
        Ok(())
    }

    fn broadcast(&mut self, bytes: &mut [u8], root: usize) -> Result<(), MeshError> {
        for part in bytes.chunks_mut(SLOT) {
            if self.seat.rank == root {
                self.write(part);
            }
            self.barrier()?;
            if self.seat.rank != root {
                self.read(root, 0, part);
            }
            self.next();
        }
        Ok(())
    }

    fn leave(&mut self, reason: &str) {
        self.watch.tell(None, reason);
    }
}

/// Sleeps while `word` has the value, or wakes sleepers.
fn futex(word: &AtomicU32, operation: libc::c_int, value: u32, timeout: Option<Duration>) {
    let timeout = timeout.map(|time| libc::timespec {
        tv_sec: time.as_secs() as libc::time_t,
        tv_nsec: libc::c_long::from(time.subsec_nanos() as i32),
    });
    let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the word is mapped, and the kernel reads the time alone. A failure is one more turn of the caller's loop.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, timeout) };
}
