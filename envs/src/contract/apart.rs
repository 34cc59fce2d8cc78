//! The check in a process of its own: nothing that an environment does can end it unnoticed.

use std::io::{self, BufReader, ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::time::{Duration, Instant};

use nix::unistd::getpid;
use serde::{Deserialize, Serialize};

use super::trial::guard;
use super::{Report, Severity, check_drawing, check_within};
use crate::os::{self, Fork, Process};
use crate::{EnvError, EnvSpec, Registry};

/// A message of the process.
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

/// What a process does, with the pipe that its messages go to.
type Work<'a> = &'a dyn Fn(&PipeWriter) -> io::Result<()>;

/// As [`check`](super::check), in processes of its own: that the environment crashes, leaves the process or takes longer than the
/// deadline for anything is a finding, too. It is drawn last, in a second process: what cannot be drawn can be trained. `progress` is
/// called with what the environment is about to be used for.
///
/// # Errors
/// Those of [`Registry::info_of`], and [`EnvError::Failed`] when there can be no process: this one must have a single thread.
pub fn check_apart(
    registry: &Registry,
    spec: &EnvSpec,
    limits: CheckLimits,
    progress: &mut dyn FnMut(&str),
) -> Result<Report, EnvError> {
    let started = Instant::now();
    let check = |to: &PipeWriter| run_check(registry, spec, limits.total, to);
    let mut report = match apart(limits.deadline, &check, progress)? {
        Ok(report) => report,
        Err(how) => {
            let mut report = Report { env: spec.name.clone(), ..Report::default() };
            report.add(Severity::Error, format!("{how}: an environment must return an error instead"));
            return Ok(report);
        }
    };
    if report.steps == 0 {
        return Ok(report);
    }
    let left = limits.total.saturating_sub(started.elapsed());
    if left.is_zero() {
        report.add(Severity::Note, "there was no time for drawing it");
        return Ok(report);
    }
    let draw = |to: &PipeWriter| {
        send(to, &Word::Found(check_drawing(registry, spec, Some(left), &|begun| begin(to, begun))))
    };
    match apart(limits.deadline, &draw, progress)? {
        Ok(drawing) => report.add_drawing(drawing),
        Err(how) => report.add(Severity::Note, format!("{how}: it cannot be drawn here")),
    }
    Ok(report)
}

/// Does something in a process of its own: what it found, or else in words how it ended.
fn apart(
    deadline: Duration,
    work: Work<'_>,
    progress: &mut dyn FnMut(&str),
) -> Result<Result<Report, String>, EnvError> {
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
            listen(DeadlineReader { words, deadline }, pid.as_raw(), progress)
        }
        Fork::Child => {
            drop(words);
            // One that hangs must not outlive who waits for it.
            if os::follow_parent(parent).is_err() {
                os::exit(1);
            }
            os::print_to_standard_error();
            let ended = guard(|| Ok(work(&to)));
            os::exit(i32::from(!matches!(ended, Ok(Ok(())))));
        }
    }
}

/// Sends in one piece: nothing of it is to be lost in a buffer.
fn send(mut to: &PipeWriter, word: &Word) -> io::Result<()> {
    to.write_all(&serde_json::to_vec(word)?)
}

/// Says what is about to be done. Nobody listens when the other process was killed.
fn begin(to: &PipeWriter, begun: String) {
    let _ = send(to, &Word::Begun(begun));
}

fn run_check(registry: &Registry, spec: &EnvSpec, total: Duration, to: &PipeWriter) -> io::Result<()> {
    begin(to, "making it and dropping it again".to_owned());
    if let Err(e) = registry.info_of(spec) {
        return send(to, &Word::Refused(e));
    }
    send(to, &Word::Found(check_within(registry, spec, Some(total), &|begun| begin(to, begun))))
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

/// What the process found, or in words how it ended.
fn listen(
    words: DeadlineReader,
    pid: i32,
    progress: &mut dyn FnMut(&str),
) -> Result<Result<Report, String>, EnvError> {
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
    outcome.transpose().map(|report| {
        report.ok_or_else(|| {
            if late {
                format!("{begun}: it did not come back within {deadline:?}, and its process was killed")
            } else {
                format!("{begun}: it ended the process ({how})")
            }
        })
    })
}
