//! Ctrl-C and SIGTERM: the first asks the training to stop after its iteration, the second stops the process at once.
//!
//! Workers are left alone: they ignore Ctrl-C and end with their parent.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

use crate::cli::eprint_line;

/// Signals that come so soon after the first belong to it: `timeout` and schedulers send it to a process and to its group.
const TOGETHER: Duration = Duration::from_millis(200);

/// Whether, and by which signal, the process was asked to stop.
#[derive(Debug, Clone)]
pub struct StopRequest {
    signal: Arc<AtomicUsize>,
}

impl StopRequest {
    /// Listens from now on, in a thread of its own.
    ///
    /// # Errors
    /// What the system says.
    pub fn listen() -> io::Result<Self> {
        let signal = Arc::new(AtomicUsize::new(0));
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let heard = Arc::clone(&signal);
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let mut first: Option<Instant> = None;
            for number in signals.forever() {
                match first {
                    None => {
                        heard.store(number as usize, Ordering::Relaxed);
                        first = Some(Instant::now());
                        eprint_line("stopping after this iteration; a second signal stops at once, without a checkpoint");
                    }
                    Some(at) if at.elapsed() > TOGETHER => low_level::exit(128 + number),
                    Some(_) => {}
                }
            }
        })?;
        Ok(Self { signal })
    }

    /// The exit code that is customary after the signal that came, if one did: 130 or 143.
    pub fn exit_code(&self) -> Option<u8> {
        match self.signal.load(Ordering::Relaxed) {
            0 => None,
            number => Some(128 + number as u8),
        }
    }
}
