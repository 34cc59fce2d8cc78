//! Ctrl-C, SIGTERM and SIGHUP: the first requests that the training stops after its iteration, the second stops the process at once.
//!
//! SIGHUP comes when the terminal is closed or the connection is lost; a program that `nohup` started ignores it. Workers do not react to
//! these signals: they end with their parent.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

/// Signals that come so soon after the first belong to it: `timeout` and schedulers send it to a process and to its group.
const TOGETHER: Duration = Duration::from_millis(200);

/// Whether a stop was requested, and by which signal; the default listens to none.
#[derive(Debug, Clone, Default)]
pub struct StopRequest {
    signal: Arc<AtomicUsize>,
}

impl StopRequest {
    /// Listens from now on, in a thread of its own, which calls `notify` at the first signal.
    ///
    /// # Errors
    /// Those of the system.
    pub fn listen(notify: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let signal = Arc::new(AtomicUsize::new(0));
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        if !is_ignored(SIGHUP) {
            signals.add_signal(SIGHUP)?;
        }
        let mut notify = Some(notify);
        let heard = Arc::clone(&signal);
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let mut first: Option<Instant> = None;
            for number in signals.forever() {
                match first {
                    None => {
                        heard.store(number as usize, Ordering::Relaxed);
                        first = Some(Instant::now());
                        if let Some(notify) = notify.take() {
                            notify();
                        }
                    }
                    Some(at) if at.elapsed() > TOGETHER => low_level::exit(128 + number),
                    Some(_) => {}
                }
            }
        })?;
        Ok(Self { signal })
    }

    /// The customary exit code after the signal that was received, if any: 129, 130 or 143.
    pub fn exit_code(&self) -> Option<u8> {
        match self.signal.load(Ordering::Relaxed) {
            0 => None,
            number => Some(128 + number as u8),
        }
    }
}

/// Whether this process ignores a signal, as the kernel lists it. Where it lists nothing, it does not.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).map(str::trim);
    let mask = mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or(0);
    mask & (1 << (signal - 1)) != 0
}
