//! The check in a process of its own: nothing that an environment does can end it unnoticed.

use std::io::{self, BufReader, ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::time::{Duration, Instant};

use nix::unistd::getpid;
use serde::{Deserialize, Serialize};

use super::record::Record;
use super::trial::{Trial, guard};
use super::{CheckError, Report, Severity, check_drawing, check_within};
use crate::os::{self, Fork, Process};
use crate::{EnvError, EnvSpec, Registry, RegistryError, making};

/// A message of the process.
#[derive(Serialize, Deserialize)]
enum Word {
    /// What it is about to do.
    Begun(String),
    /// There is no such environment, or it cannot be made so.
    Refused(RegistryError),
    /// The end; what the environment showed, where that is to be compared.
    Found(Report, Option<Record>),
}

/// Numbers that are compared between two processes, which send them: pictures are compared for a few steps.
const SENT_NUMBERS: usize = 1 << 16;

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
/// deadline for anything is a finding, too. A second process shows whether it brings the same there. It is drawn last, in a third one:
/// what cannot be drawn can be trained. `progress` is
/// called with what the environment is about to be used for.
///
/// # Errors
/// [`CheckError::Registry`], and [`CheckError::Process`] when there can be no process: this one must have a single thread.
pub fn check_apart(
    registry: &Registry,
    spec: &EnvSpec,
    limits: CheckLimits,
    progress: &mut dyn FnMut(&str),
) -> Result<Report, CheckError> {
    let started = Instant::now();
    let check = |to: &PipeWriter| run_check(registry, spec, limits.total, to);
    let (mut report, shown) = match apart(limits.deadline, &check, progress)? {
        Ok(found) => found,
        Err(how) => {
            let mut report = Report { env: spec.name.clone(), ..Report::default() };
            report.add(Severity::Error, format!("{how}: an environment must return an error instead"));
            return Ok(report);
        }
    };
    if report.steps == 0 {
        return Ok(report);
    }
    let left = || Some(limits.total.saturating_sub(started.elapsed())).filter(|left| !left.is_zero());
    match (shown, left()) {
        (Some(shown), Some(left)) => {
            let again = |to: &PipeWriter| run_again(registry, spec, shown.steps(), left, to);
            let again = apart(limits.deadline, &again, progress);
            if let Some(message) = compare(&shown, again) {
                report.add(Severity::Warning, message);
            }
        }
        (Some(_), None) => {
            report.add(Severity::Note, "there was no time for the same seed in a second process");
        }
        (None, _) => {}
    }
    let Some(left) = left() else {
        report.add(Severity::Note, "there was no time for drawing it");
        return Ok(report);
    };
    let draw = |to: &PipeWriter| {
        send(to, &Word::Found(check_drawing(registry, spec, Some(left), &|begun| begin(to, begun)), None))
    };
    match apart(limits.deadline, &draw, progress)? {
        Ok((drawing, _)) => report.add_drawing(drawing),
        Err(how) => report.add(Severity::Note, format!("{how}: it cannot be drawn here")),
    }
    Ok(report)
}

/// What is wrong with what the environment showed `again`, in another process, if anything is.
fn compare(shown: &Record, again: Result<Outcome, CheckError>) -> Option<String> {
    let than = "than in a second process";
    let cause = "something comes from elsewhere than the seed, such as Python's hashes of text (PYTHONHASHSEED=0 makes them the same), \
                 the time or an address";
    match again {
        Ok(Ok((_, Some(again)))) => Some(shown.difference(&again)?.message(than, cause)),
        Ok(Ok((failed, None))) => {
            Some(format!("it fails in a second process: {}", failed.findings.first()?.message))
        }
        Ok(Err(how)) => Some(format!("in a second process: {how}")),
        Err(e) => Some(format!("it cannot be made in a second process: {e}")),
    }
}

/// What a process found and showed, or else in words how it ended.
type Outcome = Result<(Report, Option<Record>), String>;

/// Does something in a process of its own.
fn apart(deadline: Duration, work: Work<'_>, progress: &mut dyn FnMut(&str)) -> Result<Outcome, CheckError> {
    let failed = CheckError::Process;
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
            if let Ok(to) = to.try_clone() {
                making::listen(move |phase| begin(&to, format!("making it, in a {phase}")));
            }
            let ended = guard(|| Ok::<_, EnvError>(work(&to)));
            os::exit(i32::from(!matches!(ended, Ok(Ok(())))));
        }
    }
}

/// Sends in one piece: nothing of it is to be lost in a buffer.
fn send(mut to: &PipeWriter, word: &Word) -> io::Result<()> {
    to.write_all(&serde_json::to_vec(word)?)
}

/// Reports what is about to be done. Nobody reads it when the other process was killed.
fn begin(to: &PipeWriter, begun: String) {
    let _ = send(to, &Word::Begun(begun));
}

fn run_check(registry: &Registry, spec: &EnvSpec, total: Duration, to: &PipeWriter) -> io::Result<()> {
    let checked = check_within(registry, spec, Some(total), &|begun| begin(to, begun));
    let word = checked.map_or_else(Word::Refused, |(report, shown)| {
        let shorten = |mut shown: Record| {
            shown.shorten(SENT_NUMBERS);
            shown
        };
        Word::Found(report, shown.map(shorten))
    });
    send(to, &word)
}

/// Shows the first `steps` steps of the check again.
fn run_again(
    registry: &Registry,
    spec: &EnvSpec,
    steps: u64,
    time: Duration,
    to: &PipeWriter,
) -> io::Result<()> {
    let until = Instant::now().checked_add(time);
    let begin = |begun: String| begin(to, format!("in a second process: {begun}"));
    begin("making it".to_owned());
    let word = guard(|| registry.build(spec)).map_or_else(Word::Refused, |env| {
        let mut trial = Trial::new(env, &begin);
        let shown = trial.record(1, steps, until);
        let mut report = Report::default();
        for (_, severity, message) in trial.findings.drain(..) {
            report.add(severity, message);
        }
        Word::Found(report, shown)
    });
    send(to, &word)
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

/// Listens to a process to its end.
fn listen(words: DeadlineReader, pid: i32, progress: &mut dyn FnMut(&str)) -> Result<Outcome, CheckError> {
    let (mut begun, mut outcome, mut late, deadline) = (String::new(), None, false, words.deadline);
    for word in serde_json::Deserializer::from_reader(BufReader::new(words)).into_iter() {
        match word {
            Ok(Word::Begun(what)) => {
                progress(&what);
                begun = what;
            }
            Ok(Word::Refused(e)) => outcome = Some(Err(e.into())),
            Ok(Word::Found(report, shown)) => outcome = Some(Ok((report, shown))),
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
    outcome.transpose().map(|found| {
        found.ok_or_else(|| {
            if late {
                format!("{begun}: it did not come back within {deadline:?} (`--deadline` allows it more), and its process was killed")
            } else {
                format!("{begun}: it ended the process ({how})")
            }
        })
    })
}
