//! A word of shared memory that some ring and one waits for.
//!
//! The lowest bit is set while somebody sleeps; the rest is the value. Because both live in one atomic word, whoever
//! rings learns in the same instant whether to wake: there is no gap between "publish" and "is anyone
//! asleep?" for a wake-up to fall into, and a sleeper that was killed leaves nothing behind but one needless wake-up.
//! `tests/doorbell.rs` runs this file under loom.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::sync::{AtomicU32, Ordering, spin_loop, wait, wake, yield_now};

const ASLEEP: u32 = 1;

/// How often a word is looked at before sleeping, because waking a sleeper costs more than a small step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SpinPolicy {
    /// Not once.
    Sleep,
    /// So often, keeping the core: when there is one for every process.
    Spin(u32),
    /// So often, leaving the core to others in between: when processes share cores. Who is awaited runs at once then, and
    /// its core need not be woken.
    Yield(u32),
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

    /// Adds one, wrapping, and wakes who sleeps; what was written before is seen by who reads the value. Many may ring at once.
    pub fn ring(&self) {
        let mut word = self.0.load(Ordering::Relaxed);
        while let Err(now) = self.0.compare_exchange_weak(
            word,
            (word & !ASLEEP).wrapping_add(1 << 1),
            Ordering::AcqRel,
            Ordering::Relaxed,
        ) {
            word = now;
        }
        if word & ASLEEP != 0 {
            wake(&self.0);
        }
    }

    /// Looks at the value for a while, then sleeps until it is no more `seen`, for `timeout` at most: whether it is not.
    pub fn wait(&self, seen: u32, spin: SpinPolicy, timeout: Duration) -> bool {
        let (count, between): (u32, fn()) = match spin {
            SpinPolicy::Sleep => (0, spin_loop),
            SpinPolicy::Spin(count) => (count, spin_loop),
            SpinPolicy::Yield(count) => (count, yield_now),
        };
        for _ in 0..count {
            if self.get() != seen {
                return true;
            }
            between();
        }
        let mut time_is_up = false;
        loop {
            let word = self.0.load(Ordering::Acquire);
            if word >> 1 != seen {
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
