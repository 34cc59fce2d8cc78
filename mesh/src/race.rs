//! Rounds that ranks finish at different times: those that are late learn when enough of the others have.
//!
//! # Source
//! Preemption of stragglers: Wijmans et al. 2020 (DD-PPO), arXiv:1911.00357, section 3.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::c10d::Store;
use crate::{Mesh, MeshError};

/// Time between two looks at how many have finished.
const LOOK: Duration = Duration::from_millis(5);

/// Counts in the store which ranks have finished a round.
pub struct Race {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

struct State {
    /// The present round, from 1.
    round: AtomicU64,
    /// The latest round that this rank has finished.
    finished: AtomicU64,
    /// The latest round that enough ranks have finished.
    decided: AtomicU64,
    ended: AtomicBool,
}

impl Race {
    /// A race of the ranks of `mesh`, of which `share` are enough, each in (0, 1]; nothing where there is one rank.
    ///
    /// # Errors
    /// [`MeshError::Store`].
    pub fn new(mesh: &Mesh, share: f64) -> Result<Option<Self>, MeshError> {
        let Some((store, prefix)) = mesh.store()? else { return Ok(None) };
        let enough = ((mesh.size() as f64 * share).ceil() as u64).max(1);
        let state = Arc::new(State {
            round: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            decided: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        let watched = state.clone();
        let thread = std::thread::Builder::new().name("mesh race".into());
        let thread = thread.spawn(move || watched.look(&store, &prefix, enough)).ok();
        Ok(Some(Self { state, thread }))
    }

    /// Begins the next round.
    pub fn begin(&self) {
        self.state.round.fetch_add(1, Ordering::Relaxed);
        self.wake();
    }

    /// This rank has finished the round.
    pub fn finish(&self) {
        self.state.finished.store(self.state.round.load(Ordering::Relaxed), Ordering::Relaxed);
        self.wake();
    }

    /// Whether enough ranks have finished the round.
    pub fn is_decided(&self) -> bool {
        self.state.decided.load(Ordering::Relaxed) == self.state.round.load(Ordering::Relaxed)
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl State {
    /// The thread's work: tells the store when this rank finishes, and looks whether others have.
    fn look(&self, store: &Store, prefix: &str, enough: u64) {
        // The latest round that this rank has told of.
        let mut told = 0;
        while !self.ended.load(Ordering::Relaxed) {
            let round = self.round.load(Ordering::Relaxed);
            let finished = self.finished.load(Ordering::Relaxed);
            let key = |round| format!("{prefix}race/{round}");
            let mut failed = false;
            if finished > told {
                failed |= store.add(&key(finished), 1).is_err();
                told = finished;
            }
            let is_open = round > finished && self.decided.load(Ordering::Relaxed) < round;
            if is_open {
                match store.add(&key(round), 0) {
                    Ok(count) if count >= enough => self.decided.store(round, Ordering::Relaxed),
                    Ok(_) => {}
                    Err(_) => failed = true,
                }
            }
            if failed {
                // Whoever waits for ranks notices that they are gone; nobody is late any more.
                return;
            }
            if is_open { std::thread::park_timeout(LOOK) } else { std::thread::park_timeout(20 * LOOK) }
        }
    }
}

impl Drop for Race {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Relaxed);
        self.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
