//! Notices that a rank has ended: heartbeats in the store, watched by a thread.
//!
//! Each rank sets `alive/<rank>` twice a second. Rank 0 reads them all, and writes a verdict when one stands still; the others read the
//! verdict, and notice when the store is gone. Whoever waits for others asks this watch now and then.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::c10d::Store;
use crate::{MeshError, Place};

/// Time between two heartbeats.
const BEAT: Duration = Duration::from_millis(500);

/// Time without a heartbeat that is enough where another rank has noticed a fault.
const SUSPECT: Duration = Duration::from_millis(2_500);

/// How long a rank whose call failed waits to be told why.
const EXPLAIN: Duration = Duration::from_secs(8);

/// Key of the message why ranks stop.
const VERDICT: &str = "mesh/verdict";

/// Key that is there when a call of some rank has failed.
const FAULT: &str = "mesh/fault";

/// Why all ranks stop.
#[derive(Clone)]
struct Verdict {
    ended: Option<usize>,
    reason: String,
}

impl Verdict {
    fn write(&self) -> String {
        format!("{}\n{}", self.ended.map_or(String::new(), |rank| rank.to_string()), self.reason)
    }

    fn read(text: &str) -> Self {
        let (ended, reason) = text.split_once('\n').unwrap_or(("", text));
        Self { ended: ended.parse().ok(), reason: reason.to_owned() }
    }

    fn error(self) -> MeshError {
        MeshError::Lost { ended: self.ended, reason: self.reason }
    }
}

/// What the thread and the waiting calls share.
struct State {
    verdict: Mutex<Option<Verdict>>,
    contact: Mutex<Instant>,
    ended: AtomicBool,
}

/// The watch of one rank over all.
pub struct Watch {
    state: Arc<State>,
    /// A connection of the calling thread's.
    store: Arc<Store>,
    place: Place,
    deadline: Duration,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins to watch, with connections of its own; a rank that is silent for `deadline` counts as ended. `names` describes each rank.
    pub fn begin(
        place: &Place,
        store: Arc<Store>,
        own: Store,
        names: Vec<String>,
        deadline: Duration,
    ) -> Self {
        let state = Arc::new(State {
            verdict: Mutex::new(None),
            contact: Mutex::new(Instant::now()),
            ended: AtomicBool::new(false),
        });
        let beats = Beats { place: place.clone(), store: own, state: state.clone(), names, deadline };
        let thread = std::thread::Builder::new().name("mesh watch".into()).spawn(move || beats.run());
        Self { state, store, place: place.clone(), deadline, thread: thread.ok() }
    }

    /// Why the ranks stop, if they do.
    pub fn verdict(&self) -> Option<MeshError> {
        if let Some(verdict) = &*lock(&self.state.verdict) {
            return Some(verdict.clone().error());
        }
        let silent = lock(&self.state.contact).elapsed();
        (silent > self.deadline).then(|| {
            let (address, silent) = (self.place.address(), silent.as_secs());
            let reason = format!(
                "no word from the store at {address} for {silent} s: its host, or the network to it, is down"
            );
            MeshError::Lost { ended: None, reason }
        })
    }

    /// Why a call failed: what the watch finds out within seconds, or the call's own reason.
    pub fn explain(&self, what: &'static str, reason: String) -> MeshError {
        let _ = self.store.set(FAULT, reason.as_bytes());
        let begin = Instant::now();
        while begin.elapsed() < EXPLAIN {
            if let Some(verdict) = self.verdict() {
                return verdict;
            }
            std::thread::sleep(BEAT / 10);
        }
        MeshError::Failed { what, reason }
    }

    /// Tells all ranks to stop, unless they have been told, as a rank left for a reason of its own or `ended`.
    pub fn tell(&self, ended: Option<usize>, reason: &str) {
        let is_new = tell(&self.store, ended, reason);
        if is_new && self.place.rank == 0 && !self.place.is_served && ended.is_none() {
            // The store ends with this rank: the others shall have read why.
            std::thread::sleep(3 * BEAT);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A thread in a call over a broken connection returns in its own time.
            let begin = Instant::now();
            while !thread.is_finished() && begin.elapsed() < 2 * BEAT {
                std::thread::sleep(BEAT / 50);
            }
            if thread.is_finished() {
                let _ = thread.join();
            }
        }
    }
}

/// Tells the ranks at a store to stop; returns whether they had not been told.
pub fn tell(store: &Store, ended: Option<usize>, reason: &str) -> bool {
    let is_new = !store.has(VERDICT).unwrap_or(true);
    if is_new {
        let verdict = Verdict { ended, reason: reason.to_owned() };
        let _ = store.set(VERDICT, verdict.write().as_bytes());
    }
    is_new
}

/// The thread's side.
struct Beats {
    place: Place,
    store: Store,
    state: Arc<State>,
    names: Vec<String>,
    deadline: Duration,
}

impl Beats {
    fn run(&self) {
        let key = format!("mesh/alive/{}", self.place.rank);
        let mut seen = vec![(Vec::new(), Instant::now()); self.place.size];
        for beat in 0u64.. {
            if self.state.ended.load(Ordering::Relaxed) {
                let _ = self.store.set(&key, b"left");
                return;
            }
            let found = self.store.set(&key, &beat.to_le_bytes()).and_then(|()| self.look(&mut seen));
            match found {
                Ok(None) => *lock(&self.state.contact) = Instant::now(),
                Ok(Some(verdict)) => {
                    let _ = self.store.set(VERDICT, verdict.write().as_bytes());
                    *lock(&self.state.verdict) = Some(verdict);
                    return;
                }
                Err(reason) => {
                    let (served, address) = (self.place.is_served, self.place.address());
                    let who = if served { "the launcher" } else { &self.names[0] };
                    let reason = format!("{who}, which serves the store at {address}, has ended ({reason})");
                    *lock(&self.state.verdict) = Some(Verdict { ended: (!served).then_some(0), reason });
                    return;
                }
            }
            std::thread::park_timeout(BEAT);
        }
    }

    /// Why the ranks must stop, if they must.
    fn look(&self, seen: &mut [(Vec<u8>, Instant)]) -> Result<Option<Verdict>, String> {
        if let Some(verdict) = self.store.text(VERDICT)? {
            return Ok(Some(Verdict::read(&verdict)));
        }
        let limit = if self.store.has(FAULT)? { SUSPECT.min(self.deadline) } else { self.deadline };
        // Rank 0 watches all; the others watch rank 0, which may not be where the store is.
        let watched = if self.place.rank == 0 { 1..self.place.size } else { 0..1 };
        for rank in watched {
            let key = format!("mesh/alive/{rank}");
            let value = if self.store.has(&key)? { self.store.get(&key, BEAT)? } else { Vec::new() };
            let (last, since) = &mut seen[rank];
            if *last != value {
                (*last, *since) = (value, Instant::now());
            } else if last != b"left" && since.elapsed() > limit {
                let silent = since.elapsed().as_secs();
                let reason =
                    format!("{} has ended or hangs: no sign of life for {silent} s", self.names[rank]);
                return Ok(Some(Verdict { ended: Some(rank), reason }));
            }
        }
        Ok(None)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
