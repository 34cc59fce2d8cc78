//! How workers report that a step failed: a counter for all of them that the learner looks at after each wait, and a flag for each.
//!
//! `tests/doorbell.rs` runs this file under loom.

use super::sync::{AtomicU32, Ordering};

/// Failures that the learner has not collected.
#[derive(Default)]
#[repr(transparent)]
pub struct Failures(AtomicU32);

/// Whether one worker has failed since its flag was taken.
#[derive(Default)]
#[repr(transparent)]
pub struct Failed(AtomicU32);

impl Failures {
    /// Reports the failure of the worker whose flag this is.
    pub fn report(&self, failed: &Failed) {
        failed.0.store(1, Ordering::Relaxed);
        // Whoever reads this addition sees the flag.
        self.0.fetch_add(1, Ordering::Release);
    }

    /// Whether there are any.
    pub fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// Begins to collect them: the flags of all that were counted are seen afterwards, and what is counted later is found by the next
    /// [`Self::any`].
    pub fn collect(&self) {
        self.0.swap(0, Ordering::Acquire);
    }
}

impl Failed {
    /// Whether the worker has failed; it is no longer marked afterwards.
    pub fn take(&self) -> bool {
        // Written only where it is set: whoever set it waits for the learner before it sets it again.
        let failed = self.0.load(Ordering::Relaxed) != 0;
        if failed {
            self.0.store(0, Ordering::Relaxed);
        }
        failed
    }
}
