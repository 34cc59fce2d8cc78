//! The check in a process of its own: nothing that an environment does can end it unnoticed.

use std::io::{self, BufReader, ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::time::Duration;

use nix::unistd::getpid;
use serde::{Deserialize, Serialize};

use super::trial::guard;
use super::{Report, Severity, check_within};
use crate::os::{self, Fork, Process};
use crate::{EnvError, EnvSpec, Registry};

/// What the process says, one after another.
#[derive(Serialize, Deserialize)]
enum Word {
    /// What it is about to do.
    Begun(String),
    /// There is no such environment, or it cannot be made so.
    Refused(EnvError),
    /// The end.
    Found(Report),
}

/// How long a check may take.
#[derive(Debug, Clone, Copy)]
pub struct CheckLimits {
    /// Making the environment, a reset, a step or anything else: longer is a finding.
    pub deadline: Duration,
    /// All of it, but for what has begun then: what there was no time for is a note.
    pub total: Duration,
}

/// As [`check`](super::check), in a process of its own: that the environment crashes, leaves the process or takes longer than
/// the deadline for anything is a finding, too. `progress` is called with what the environment is about to be used for.
///
/// # Errors
/// What [`Registry::info_of`] says, and [`EnvError::Failed`] when there can be no process: this one must have a single thread.
pub fn check_apart(
    registry: &Registry,
    spec: &EnvSpec,
    limits: CheckLimits,
    progress: &mut dyn FnMut(&str),
) -> Result<Report, EnvError> {
    let failed = |e: io::Error| EnvError::failed(format!("no process can be had for the check: {e}"));
    let threads = os::threads().map_err(failed)?;
    if threads != 1 {
        return Err(failed(io::Error::other(format!(
            "this one has {threads} threads, and can be forked with one"
        ))));
    }
    let (words, to) = io::pipe().map_err(failed)?;
    let parent = getpid();
    match os::fork().map_err(failed)? {
        Fork::Parent(pid) => {
            drop(to);
            listen(DeadlineReader { words, deadline: limits.deadline }, pid.as_raw(), spec, progress)
        }
        Fork::Child => {
            drop(words);
            // One that hangs must not outlive who waits for it.
            if os::follow_parent(parent).is_err() {
                os::exit(1);
            }
            os::print_to_standard_error();
            let checked = guard(|| Ok(run_check(registry, spec, limits.total, &to)));
            os::exit(i32::from(!matches!(checked, Ok(Ok(())))));
        }
    }
}

fn run_check(registry: &Registry, spec: &EnvSpec, total: Duration, to: &PipeWriter) -> io::Result<()> {
    // In one piece: nothing of it is to be lost in a buffer.
    let send = |word: Word| (&mut &*to).write_all(&serde_json::to_vec(&word)?);
    send(Word::Begun("making it and dropping it again".to_owned()))?;
    if let Err(e) = registry.info_of(spec) {
        return send(Word::Refused(e));
    }
    let report = check_within(registry, spec, Some(total), &|begun| {
        // Nobody listens when the other process was killed.
        let _ = send(Word::Begun(begun));
    });
    send(Word::Found(report))
}

/// Words that come in time.
struct DeadlineReader {
    words: PipeReader,
    deadline: Duration,
}

impl Read for DeadlineReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if os::await_input(&self.words, self.deadline)? {
            self.words.read(buffer)
        } else {
            Err(ErrorKind::TimedOut.into())
        }
    }
}

/// What the process found, or how it ended.
fn listen(
    words: DeadlineReader,
    pid: i32,
    spec: &EnvSpec,
    progress: &mut dyn FnMut(&str),
) -> Result<Report, EnvError> {
    let (mut begun, mut outcome, mut late, deadline) = (String::new(), None, false, words.deadline);
    for word in serde_json::Deserializer::from_reader(BufReader::new(words)).into_iter() {
        match word {
            Ok(Word::Begun(what)) => {
                progress(&what);
                begun = what;
            }
            Ok(Word::Refused(e)) => outcome = Some(Err(e)),
            Ok(Word::Found(report)) => outcome = Some(Ok(report)),
            Err(e) => {
                late = e.io_error_kind() == Some(ErrorKind::TimedOut);
                break;
            }
        }
        if outcome.is_some() {
            break;
        }
    }
    if late && let Ok(process) = Process::open(pid) {
        process.kill();
    }
    let how = os::reap(pid);
    outcome.unwrap_or_else(|| {
        let mut report = Report { env: spec.name.clone(), ..Report::default() };
        report.add(
            Severity::Error,
            if late {
                format!("{begun}: it did not come back within {deadline:?}, and its process was killed")
            } else {
                format!("{begun}: it ended the process ({how}): an environment must return an error instead")
            },
        );
        Ok(report)
    })
}
