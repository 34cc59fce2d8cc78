//! The check in a process of its own: nothing that an environment does can end it unnoticed.

use std::io::{self, BufReader, ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::time::Duration;

use nix::unistd::getpid;
use serde::{Deserialize, Serialize};

use super::trial::guard;
use super::{Report, check_drawing, check_with_progress};
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

/// What a process is for, with what it says to the pipe.
type Work<'a> = &'a dyn Fn(&PipeWriter) -> io::Result<()>;

/// As [`check`](super::check), in processes of its own: that the environment crashes, leaves the process or takes longer than
/// `deadline` for anything is a finding, too. It is drawn last, in a second process: what cannot be drawn can be trained.
///
/// # Errors
/// What [`Registry::info_of`] says, and [`EnvError::Failed`] when there can be no process: this one must have a single thread.
pub fn check_apart(registry: &Registry, spec: &EnvSpec, deadline: Duration) -> Result<Report, EnvError> {
    let mut report = match apart(deadline, &|to| run_check(registry, spec, to))? {
        Ok(report) => report,
        Err(how) => {
            let mut report = Report { env: spec.name.clone(), ..Report::default() };
            report.error(format!("{how}: an environment must return an error instead"));
            return Ok(report);
        }
    };
    if report.steps > 0 {
        match apart(deadline, &|to| send(to, &Word::Found(check_drawing(registry, spec, &progress(to)))))? {
            Ok(drawing) => report.add(drawing),
            Err(how) => report.warning(format!("{how}: it cannot be drawn here")),
        }
    }
    Ok(report)
}

/// Does something in a process of its own: what it found, or else in words how it ended.
fn apart(deadline: Duration, work: Work<'_>) -> Result<Result<Report, String>, EnvError> {
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
            listen(DeadlineReader { words, deadline }, pid.as_raw())
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

fn run_check(registry: &Registry, spec: &EnvSpec, to: &PipeWriter) -> io::Result<()> {
    send(to, &Word::Begun("making it and dropping it again".to_owned()))?;
    if let Err(e) = registry.info_of(spec) {
        return send(to, &Word::Refused(e));
    }
    send(to, &Word::Found(check_with_progress(registry, spec, &progress(to))))
}

/// Says what is about to be done.
fn progress(to: &PipeWriter) -> impl Fn(String) + '_ {
    |begun| {
        // Nobody listens when the other process was killed.
        let _ = send(to, &Word::Begun(begun));
    }
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
fn listen(words: DeadlineReader, pid: i32) -> Result<Result<Report, String>, EnvError> {
    let (mut begun, mut outcome, mut late, deadline) = (String::new(), None, false, words.deadline);
    for word in serde_json::Deserializer::from_reader(BufReader::new(words)).into_iter() {
        match word {
            Ok(Word::Begun(what)) => begun = what,
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
