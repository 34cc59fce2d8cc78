//! A word of shared memory that one side changes and the other waits for.
//!
//! The lowest bit says that somebody sleeps; the rest is the value. Because both live in one atomic word, whoever
//! changes the value learns in the same instant whether to wake: there is no gap between "publish" and "is anyone
//! asleep?" for a wake-up to fall into, and a sleeper that was killed leaves nothing behind but one needless wake-up.
//! `tests/doorbell.rs` runs this file under loom.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::sync::{AtomicU32, Ordering, spin_loop, wait, wake, yield_now};

const ASLEEP: u32 = 1;

/// How often a word is looked at before sleeping, because waking a sleeper costs more than a small step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Looks {
    /// Not once.
    Never,
    /// So often, keeping the core: when there is one for every process.
    Spinning(u32),
    /// So often, leaving the core to others in between: when processes share cores. Who is awaited runs at once then, and
    /// its core need not be woken.
    Yielding(u32),
}

/// A value of 31 bits with its sleepers.
#[derive(Default)]
#[repr(transparent)]
pub struct Bell(AtomicU32);

impl Bell {
    /// The value.
    pub fn get(&self) -> u32 {
        self.0.load(Ordering::Acquire) >> 1
    }

    /// Changes the value and wakes who sleeps; what was written before is seen by who reads the value.
    pub fn set(&self, value: u32) {
        if self.0.swap(value << 1, Ordering::AcqRel) & ASLEEP != 0 {
            wake(&self.0);
        }
    }

    /// Adds one, wrapping.
    ///
    /// One process alone changes a word by `set` and `ring`.
    pub fn ring(&self) {
        self.set(self.get().wrapping_add(1));
    }

    /// Takes one away; who brings it to zero wakes who sleeps.
    pub fn count_down(&self) {
        if self.0.fetch_sub(1 << 1, Ordering::AcqRel) == (1 << 1 | ASLEEP) {
            wake(&self.0);
        }
    }

    /// Looks at the value for a while, then sleeps until it is as awaited, for `timeout` at most: whether it is.
    pub fn wait(&self, awaited: impl Fn(u32) -> bool, looks: Looks, timeout: Duration) -> bool {
        let (count, between): (u32, fn()) = match looks {
            Looks::Never => (0, spin_loop),
            Looks::Spinning(count) => (count, spin_loop),
            Looks::Yielding(count) => (count, yield_now),
        };
        for _ in 0..count {
            if awaited(self.get()) {
                return true;
            }
            between();
        }
        let mut time_is_up = false;
        loop {
            let word = self.0.load(Ordering::Acquire);
            if awaited(word >> 1) {
                return true;
            }
            if time_is_up {
                return false;
            }
            let asleep = word | ASLEEP;
            let marked = word == asleep
                || self.0.compare_exchange(word, asleep, Ordering::AcqRel, Ordering::Relaxed).is_ok();
            time_is_up = marked && wait(&self.0, asleep, timeout);
        }
    }
}
