//! The memory that a batch and its workers share: a board of doorbells, and the rollout block beside it.
//!
//! Every word has one writer at a time, named here; each line of the board belongs to one side, so that neither
//! slows the other down by writing to its neighbour.
#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use ipc_channel::ipc::IpcSharedMemory;

use super::bell::Bell;
use super::failures::{Failed, Failures};
use super::share::SLICES;
use crate::{Memory, Phase, Place};

/// A region of memory that can be handed to other processes.
pub struct Region {
    base: NonNull<u8>,
    memory: IpcSharedMemory,
}

impl Region {
    /// `bytes` zeros.
    pub fn new(bytes: usize) -> Self {
        Self::open(IpcSharedMemory::from_byte(0, bytes.max(1)))
    }

    /// What another process has handed over.
    pub fn open(mut memory: IpcSharedMemory) -> Self {
        // SAFETY: the reference ends here; from now on the bytes are reached through the pointer alone, as atomics
        // or by the rules of the block.
        let base = unsafe { memory.deref_mut() }.as_mut_ptr();
        Self { base: NonNull::new(base).expect("a region is never empty"), memory }
    }

    /// A handle to put into a message.
    pub fn share(&self) -> IpcSharedMemory {
        self.memory.clone()
    }
}

// SAFETY: `memory` keeps the mapping until it is dropped; mappings are aligned to pages. The learner makes the region of a block and a
// worker opens it once, each hands it to its `Block` alone, and they take turns in the order of the batch's steps and commands.
unsafe impl Memory for Region {
    fn bytes(&mut self) -> NonNull<[u8]> {
        NonNull::slice_from_raw_parts(self.base, self.memory.len())
    }
}

// SAFETY: a mapping is no thread's own.
unsafe impl Send for Region {}

// SAFETY: a region gives out its address alone; whoever uses it answers for that.
unsafe impl Sync for Region {}

/// Written by every worker, awaited by the learner.
#[repr(C, align(64))]
pub struct Answers {
    /// Rung for every step that a worker has finished.
    pub bell: Bell,
    /// Workers that failed in a step; an event with the error follows.
    pub failures: Failures,
}

/// Written by the learner, awaited by one worker.
#[repr(C, align(64))]
pub struct Orders {
    /// Rung for every step and command.
    pub bell: Bell,
    /// Commands sent so far.
    commands: AtomicU32,
    /// For each slice of its rows, the number of the last step asked for; a worker that has not taken it yet takes it now.
    step: [AtomicU32; SLICES],
    /// Time in the block that this step is about.
    t: [AtomicU32; SLICES],
}

/// Written by one worker.
#[repr(C, align(64))]
pub struct Slot {
    /// For each slice of its rows, the number of the last step it finished.
    pub finished: [AtomicU32; SLICES],
    /// Whether it has sent an event instead of finishing a step well.
    pub failed: Failed,
    /// Whether there are infos of episodes that the learner has not requested yet.
    pub informed: AtomicU32,
    phase: AtomicU32,
    row: AtomicU64,
    episode: AtomicU64,
    step: AtomicU64,
}

impl Slot {
    /// Notes where work is about to begin.
    pub fn set_place(&self, place: Place) {
        self.row.store(place.row as u64, Ordering::Relaxed);
        self.episode.store(place.episode, Ordering::Relaxed);
        self.step.store(place.step, Ordering::Relaxed);
        self.phase.store(place.phase as u32, Ordering::Relaxed);
    }

    /// Notes that the row which is being worked on comes to another phase.
    pub fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u32, Ordering::Relaxed);
    }

    /// Notes that no row is being worked on.
    pub fn set_idle(&self) {
        self.set_phase(Phase::Idle);
    }

    /// Where work began last.
    pub fn place(&self) -> Place {
        Place {
            row: self.row.load(Ordering::Relaxed) as usize,
            phase: Phase::from_byte(self.phase.load(Ordering::Relaxed) as u8),
            episode: self.episode.load(Ordering::Relaxed),
            step: self.step.load(Ordering::Relaxed),
        }
    }

    /// As in a new board, with these steps done; for the successor of a worker that is gone.
    fn clear(&self, last_steps: [u32; SLICES]) {
        for (finished, last) in self.finished.iter().zip(last_steps) {
            finished.store(last, Ordering::Relaxed);
        }
        self.failed.take();
        self.informed.store(0, Ordering::Relaxed);
        self.set_place(Place::default());
    }
}

/// The doorbells of a batch: a line of answers, and for each worker one of orders and its own.
pub struct Board {
    region: Region,
    workers: usize,
}

impl Board {
    /// A board for `workers` workers.
    pub fn new(workers: usize) -> Self {
        Self { region: Region::new(Self::bytes(workers)), workers }
    }

    /// The board that a batch of `workers` workers has handed over.
    pub fn open(memory: IpcSharedMemory, workers: usize) -> Self {
        assert!(memory.len() >= Self::bytes(workers), "a board has lines for every worker");
        Self { region: Region::open(memory), workers }
    }

    fn bytes(workers: usize) -> usize {
        (1 + 2 * workers) * size_of::<Slot>()
    }

    /// A handle to put into a message.
    pub fn share(&self) -> IpcSharedMemory {
        self.region.share()
    }

    /// The workers' common line.
    pub fn answers(&self) -> &Answers {
        self.line(0)
    }

    /// The learner's line to one worker.
    pub fn orders(&self, worker: usize) -> &Orders {
        assert!(worker < self.workers, "the board has no worker {worker}");
        self.line(1 + 2 * worker)
    }

    /// The line of one worker.
    pub fn slot(&self, worker: usize) -> &Slot {
        assert!(worker < self.workers, "the board has no worker {worker}");
        self.line(2 + 2 * worker)
    }

    /// Clears the lines of a worker that is gone for its successor.
    pub fn clear(&self, worker: usize) {
        let orders = self.orders(worker);
        orders.commands.store(0, Ordering::Relaxed);
        self.slot(worker).clear(orders.last_steps());
    }

    fn line<T>(&self, index: usize) -> &T {
        const { assert!(size_of::<T>() == 64 && align_of::<T>() == 64) }
        // SAFETY: the region holds 1 + 2 · workers lines, aligned to 64, and lives as long as `self`; `T` is made of
        // atomics alone, for which every bit pattern is a value.
        unsafe { &*self.region.base.as_ptr().add(index * 64).cast::<T>() }
    }
}

impl Orders {
    /// Requests the step of time `t` of a slice, and returns the number of the step. The slice's step before has been finished.
    pub fn ask_for_step(&self, slice: usize, t: usize) -> u32 {
        let step = self.last_steps()[slice].wrapping_add(1);
        self.t[slice].store(t as u32, Ordering::Relaxed);
        self.step[slice].store(step, Ordering::Release);
        self.bell.ring();
        step
    }

    /// Announces a command.
    pub fn announce(&self) {
        self.commands.fetch_add(1, Ordering::Release);
        self.bell.ring();
    }

    /// Commands announced so far.
    pub fn commands(&self) -> u32 {
        self.commands.load(Ordering::Acquire)
    }

    /// Numbers of the last steps asked for.
    pub fn last_steps(&self) -> [u32; SLICES] {
        std::array::from_fn(|slice| self.step[slice].load(Ordering::Acquire))
    }

    /// Time that the last step of a slice is about.
    pub fn time(&self, slice: usize) -> usize {
        self.t[slice].load(Ordering::Relaxed) as usize
    }
}
