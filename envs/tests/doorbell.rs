//! The doorbells of workers in every interleaving: `src/worker/bell.rs` itself, and the reports of failures, on loom's atomics.
//!
//! The kernel's futex is modelled as a mutex with a condition variable, which is what it promises: a sleeper compares
//! the word and lies down in one go, as seen by who wakes. Waits never time out here, so that a wake-up that is lost
//! shows as a deadlock.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../src/worker/bell.rs"]
mod bell;

#[path = "../src/worker/failures.rs"]
mod failures;

mod sync {
    use std::time::Duration;

    pub use loom::hint::spin_loop;
    pub use loom::sync::atomic::{AtomicU32, Ordering};
    use loom::sync::{Condvar, Mutex};
    pub use loom::thread::yield_now;

    loom::lazy_static! {
        static ref FUTEX: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());
    }

    pub fn wait(word: &AtomicU32, value: u32, _: Duration) -> bool {
        let lock = FUTEX.0.lock().unwrap();
        if word.load(Ordering::Acquire) == value {
            drop(FUTEX.1.wait(lock).unwrap());
        }
        false
    }

    pub fn wake(_: &AtomicU32) {
        let _lock = FUTEX.0.lock().unwrap();
        FUTEX.1.notify_all();
    }
}

use std::time::Duration;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering, fence};
use loom::thread;

use bell::{Bell, SpinPolicy};
use failures::{Failed, Failures};

/// One worker of a batch, as `worker/shared.rs` has it.
struct Line {
    orders: Bell,
    finished: AtomicU32,
    /// Its row: the learner writes it before the ring, the worker adds to it.
    row: UnsafeCell<u32>,
}

/// What `worker/pool.rs` and `worker/body.rs` do: the workers take one step after another, and each begins its next one as soon as the
/// learner has seen the end of its last one.
#[allow(unsafe_code)]
fn rounds(workers: usize, rounds: u32, preemptions: usize) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(move || {
        let line = || Line { orders: Bell::default(), finished: AtomicU32::new(0), row: UnsafeCell::new(0) };
        let board = Arc::new((Bell::default(), (0..workers).map(|_| line()).collect::<Vec<_>>()));
        let threads: Vec<_> = (0..workers)
            .map(|worker| {
                let board = Arc::clone(&board);
                thread::spawn(move || {
                    let (answers, line) = (&board.0, &board.1[worker]);
                    for round in 0..rounds {
                        line.orders.wait(round, SpinPolicy::Sleep, Duration::MAX);
                        // SAFETY: loom checks that no other thread uses this row.
                        line.row.with_mut(|row| unsafe { *row += 1 });
                        line.finished.store(round + 1, Ordering::Release);
                        answers.ring();
                    }
                })
            })
            .collect();
        let (answers, lines) = &*board;
        let begin = |line: &Line, round: u32| {
            // SAFETY: as above.
            line.row.with_mut(|row| unsafe { *row = 10 * round });
            line.orders.ring();
        };
        for line in lines {
            begin(line, 0);
        }
        let mut taken = vec![0; workers];
        while taken.iter().any(|&taken| taken < rounds) {
            let rung = answers.get();
            let mut some = false;
            for (line, taken) in lines.iter().zip(&mut taken) {
                if *taken < rounds && line.finished.load(Ordering::Acquire) == *taken + 1 {
                    // SAFETY: as above.
                    line.row.with(|row| assert_eq!(unsafe { *row }, 10 * *taken + 1));
                    *taken += 1;
                    if *taken < rounds {
                        begin(line, *taken);
                    }
                    some = true;
                }
            }
            if !some {
                answers.wait(rung, SpinPolicy::Sleep, Duration::MAX);
            }
        }
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn no_wake_up_is_lost_between_a_learner_and_a_worker() {
    rounds(1, 3, 3);
}

#[test]
fn no_wake_up_is_lost_between_a_learner_and_two_workers() {
    rounds(2, 1, 2);
}

/// Two workers fail while the learner collects: both failures are collected, in whatever order they come.
#[test]
fn no_failure_is_lost() {
    loom::model(|| {
        let board = Arc::new((Failures::default(), [Failed::default(), Failed::default()]));
        let threads = [0, 1].map(|worker| {
            let board = Arc::clone(&board);
            thread::spawn(move || board.0.report(&board.1[worker]))
        });
        let (failures, flags) = &*board;
        let mut collected = [false; 2];
        let mut collect = || {
            if failures.any() {
                failures.collect();
                for (collected, failed) in collected.iter_mut().zip(flags) {
                    *collected |= failed.take();
                }
            }
        };
        collect();
        for thread in threads {
            thread.join().unwrap();
        }
        collect();
        assert_eq!(collected, [true; 2]);
    });
}

/// The doorbell as it is often built, with a separate word for "a thread sleeps": whether in some interleaving the
/// sleeper sees nothing to do while the ringer sees no sleeper.
fn two_words_lose_a_wake_up(fenced: bool) -> bool {
    let lost = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let found = std::sync::Arc::clone(&lost);
    loom::model(move || {
        let words = Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
        let shared = Arc::clone(&words);
        let before_looking = move || {
            if fenced {
                fence(Ordering::SeqCst);
            }
        };
        let sleeper = thread::spawn(move || {
            let (value, asleep) = &*shared;
            asleep.store(1, Ordering::Release);
            before_looking();
            value.load(Ordering::Acquire) == 0
        });
        let (value, asleep) = &*words;
        value.store(1, Ordering::Release);
        before_looking();
        let nobody_sleeps = asleep.load(Ordering::Acquire) == 0;
        if sleeper.join().unwrap() && nobody_sleeps {
            lost.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    });
    found.load(std::sync::atomic::Ordering::Relaxed)
}

/// Why one word holds both; and that this model sees a lost wake-up at all.
#[test]
fn two_words_lose_a_wake_up_unless_fenced() {
    assert!(two_words_lose_a_wake_up(false));
    assert!(!two_words_lose_a_wake_up(true));
}
