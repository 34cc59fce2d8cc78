//! The interpreter that hosts all rows of a process, and the pipes to it.
//!
//! A message is its length in four bytes, and JSON or pixels. An empty message is a bell: all rows obey that have a command and
//! this bell's number in their memory; the answer is empty, or has the tracebacks of those that failed. Bells may follow one another
//! before the first is answered. What an environment prints goes to the standard error stream, so it meets no message.
//!
//! Nobody else holds an end of the pipes: both sides close them for programs that they start. So the interpreter's end is
//! the end of the pipe, and a dead one is not waited for. A child that Python forks without starting a program may hold them open
//! until it is killed, as all is that the interpreter has started when that ends: so whoever sleeps looks every second whether it
//! is alive.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::message::{Answer, Request};
use super::notes::Notes;
use crate::os::{self, End, Mapping, Program};
use crate::worker::backoff::Backoff;
use crate::{EnvError, Frame};

/// What the interpreter runs.
const PROGRAM: &str = concat!(
    include_str!("errors.py"),
    include_str!("notes.py"),
    include_str!("spaces.py"),
    include_str!("actions.py"),
    include_str!("observations.py"),
    include_str!("masks.py"),
    include_str!("environments.py"),
    include_str!("pictures.py"),
    include_str!("rows.py"),
    include_str!("host.py"),
    include_str!("pipes.py"),
    include_str!("main.py")
);

/// How long an interpreter may take to end, before it is killed: less than a worker may take.
const EXIT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the `close` of an environment may take: a little more than a worker may, whose end names its process.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(6);

/// Whoever sleeps looks so often whether there is still somebody who could answer.
const LIVENESS_INTERVAL: Duration = Duration::from_secs(1);

/// How long an answer is looked for before sleeping.
const SPIN_TIME: Duration = Duration::from_millis(1);

thread_local! {
    /// Interpreters that have rows, by their paths.
    static HOSTS: RefCell<HashMap<PathBuf, Weak<RefCell<Host>>>> = RefCell::default();
}

/// A running interpreter.
pub struct Host {
    interpreter: PathBuf,
    program: Program,
    commands: PipeWriter,
    answers: PipeReader,
    /// Bells rung, and bells answered, since the start.
    rung: u64,
    answered: u64,
    /// When the bell that is to be answered next was rung or became the next.
    since: Instant,
    /// How long that takes.
    backoff: Backoff,
    /// Holds the memory of all rows.
    memory: File,
    /// Why rows failed, until they are asked for.
    failures: BTreeMap<u32, EnvError>,
    /// How it ended, if it has.
    ended: Option<String>,
}

impl Host {
    /// The one of this thread that runs `interpreter`, started if need be. It ends with its last row.
    pub fn shared(interpreter: &Path, notes: &Notes) -> Result<Rc<RefCell<Self>>, EnvError> {
        HOSTS.with_borrow_mut(|hosts| {
            if let Some(host) = hosts.get(interpreter).and_then(Weak::upgrade)
                && host.borrow().ended.is_none()
            {
                return Ok(host);
            }
            let host = Rc::new(RefCell::new(Self::start(interpreter, notes)?));
            hosts.insert(interpreter.to_owned(), Rc::downgrade(&host));
            Ok(host)
        })
    }

    fn start(interpreter: &Path, notes: &Notes) -> Result<Self, EnvError> {
        let mut host =
            Self::spawn(interpreter, notes).map_err(|e| EnvError::Failed(cannot_start(interpreter, &e)))?;
        match host.answer::<()>()?.into_result() {
            Ok(()) => Ok(host),
            Err(why) => Err(EnvError::Failed(no_gymnasium(interpreter, &why.to_string()))),
        }
    }

    fn spawn(interpreter: &Path, notes: &Notes) -> io::Result<Self> {
        let memory = os::memory_file()?;
        let (their_commands, commands) = io::pipe()?;
        let (answers, their_answers) = io::pipe()?;
        os::never_block(&answers)?;
        let theirs: [OwnedFd; 4] =
            [their_commands.into(), their_answers.into(), memory.try_clone()?.into(), notes.file()?.into()];
        let mut command = Command::new(interpreter);
        // Unbuffered, as what it prints would come late or never; `-` takes the program from the standard input.
        command.args(["-u", "-"]).args(theirs.each_ref().map(|fd| fd.as_raw_fd().to_string()));
        command.stdin(Stdio::piped()).stdout(io::stderr().as_fd().try_clone_to_owned()?);
        let (program, input) = Program::start(command, theirs.into())?;
        if let Some(mut input) = input {
            // One that ends at once is noticed when its first answer fails to come.
            let _ = input.write_all(PROGRAM.as_bytes());
        }
        Ok(Self {
            interpreter: interpreter.to_owned(),
            program,
            commands,
            answers,
            rung: 0,
            answered: 0,
            since: Instant::now(),
            backoff: Backoff::default(),
            memory,
            failures: BTreeMap::new(),
            ended: None,
        })
    }

    /// A piece of the memory.
    pub fn map(&self, offset: u64, length: usize) -> Result<Mapping, EnvError> {
        Mapping::new(&self.memory, offset, length).map_err(EnvError::failed)
    }

    /// Asks for something and waits for it.
    ///
    /// # Errors
    /// Python's traceback, [`EnvError::NoMethod`], or [`EnvError::Died`] with how the interpreter ended.
    pub fn request<T: DeserializeOwned>(&mut self, request: &Request<'_>) -> Result<T, EnvError> {
        self.ask(request)?;
        self.answer()?.into_result()
    }

    /// Sends a request after the answers to all bells.
    fn ask(&mut self, request: &Request<'_>) -> Result<(), EnvError> {
        while self.answered < self.rung && self.ended.is_none() {
            self.take_answer(true);
        }
        self.send(request)
    }

    /// Draws a row.
    pub fn picture(&mut self, row: u32) -> Result<Frame, EnvError> {
        let (width, height) =
            self.request::<Option<_>>(&Request::Render { row })?.ok_or(EnvError::NoPicture)?;
        Ok(Frame { width, height, pixels: self.receive()? })
    }

    /// Closes the environment of a row, which ends. The interpreter is killed when that takes too long, as nobody else has a deadline
    /// where the caller's own process steps the rows.
    pub fn close(&mut self, row: u32) -> Result<(), EnvError> {
        self.failures.remove(&row);
        self.ask(&Request::Close { row })?;
        if !os::await_input(&self.answers, CLOSE_TIMEOUT).map_err(EnvError::failed)? {
            self.lose(&format!("`close` did not return within {CLOSE_TIMEOUT:?}"));
            return Err(self.end_error());
        }
        self.answer()?.into_result()
    }

    /// Number of the bell that comes next.
    pub fn next_bell(&self) -> u64 {
        self.rung + 1
    }

    /// Rings this bell if it has not been rung. Whether it has been answered, or waiting for that is as good as looking again.
    pub fn is_ready(&mut self, bell: u64) -> bool {
        self.ring(bell);
        let looks = self.backoff.is_short() && self.since.elapsed() < SPIN_TIME;
        while looks && self.answered < bell && self.ended.is_none() {
            if !self.take_answer(false) {
                return false;
            }
        }
        true
    }

    /// Waits until this bell has been answered; how it went is seen in the memory of its rows.
    pub fn await_bell(&mut self, bell: u64) {
        self.ring(bell);
        while self.answered < bell && self.ended.is_none() {
            self.take_answer(true);
        }
    }

    fn ring(&mut self, bell: u64) {
        if self.rung < bell {
            if self.answered == self.rung {
                self.since = Instant::now();
            }
            self.rung = bell;
            // One that has ended is noticed by who waits.
            let _ = self.write(&[]);
        }
    }

    /// Takes in the answer to a bell, and waits for it if it is not there and this is wanted. Whether there was one.
    fn take_answer(&mut self, wait: bool) -> bool {
        let Ok(answer) = self.receive_if(wait) else { return true };
        let Some(answer) = answer else { return false };
        self.answered += 1;
        self.backoff.record(self.since);
        self.since = Instant::now();
        if !answer.is_empty() {
            match serde_json::from_slice::<BTreeMap<u32, Answer<()>>>(&answer) {
                Ok(answers) => {
                    let failures = answers.into_iter();
                    self.failures.extend(
                        failures.filter_map(|(row, answer)| Some((row, answer.into_result().err()?))),
                    );
                }
                Err(e) => self.lose(&e),
            }
        }
        true
    }

    /// Why a row did not obey.
    pub fn failure(&mut self, row: u32) -> EnvError {
        self.failures.remove(&row).unwrap_or_else(|| self.end_error())
    }
}

impl Host {
    fn send(&mut self, request: &Request<'_>) -> Result<(), EnvError> {
        let json = serde_json::to_vec(request).map_err(EnvError::failed)?;
        self.write(&json)
    }

    fn answer<T: DeserializeOwned>(&mut self) -> Result<Answer<T>, EnvError> {
        let answer = self.receive()?;
        serde_json::from_slice(&answer).map_err(|e| {
            self.lose(&e);
            self.end_error()
        })
    }

    fn write(&mut self, message: &[u8]) -> Result<(), EnvError> {
        if self.ended.is_some() {
            return Err(self.end_error());
        }
        // In one piece: the other side reads four bytes first.
        let whole = [&(message.len() as u32).to_ne_bytes(), message].concat();
        self.commands.write_all(&whole).map_err(|e| {
            self.lose(&e);
            self.end_error()
        })
    }

    /// The next message, after waiting for it.
    fn receive(&mut self) -> Result<Vec<u8>, EnvError> {
        self.receive_if(true).map(Option::unwrap_or_default)
    }

    /// The next message; `None` when it is not there and not to be waited for.
    fn receive_if(&mut self, wait: bool) -> Result<Option<Vec<u8>>, EnvError> {
        read_message(&mut self.answers, &self.program, wait, self.backoff.is_short()).map_err(|e| {
            self.lose(&e);
            self.end_error()
        })
    }

    fn end_error(&self) -> EnvError {
        EnvError::Died(self.ended.clone().unwrap_or_else(|| "it did not answer".to_owned()))
    }

    /// Notes how the interpreter ended; ends it if it talks nonsense or has closed its pipes.
    #[cold]
    fn lose(&mut self, why: &dyn std::fmt::Display) {
        let (python, pid) = (self.interpreter.display(), self.program.pid());
        let Some(End { itself, how }) = self.program.end(EXIT_TIMEOUT) else { return };
        self.ended = Some(if itself {
            format!("the Python interpreter {python} (process {pid}) ended: {how}")
        } else {
            format!(
                "the Python interpreter {python} (process {pid}) was killed, for it does not answer as it should: {why}"
            )
        });
    }
}

/// Why `interpreter` cannot host environments, and what to do. Gymnasium is looked for, not imported, which takes longer.
pub fn remedy(interpreter: &Path) -> Option<String> {
    let look = "import importlib.util, sys; sys.exit(importlib.util.find_spec('gymnasium') is None)";
    let mut command = Command::new(interpreter);
    command.args(["-c", look]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.status() {
        Ok(status) if status.success() => None,
        Ok(_) => Some(no_gymnasium(interpreter, "has no Gymnasium")),
        Err(e) => Some(cannot_start(interpreter, &e)),
    }
}

fn cannot_start(interpreter: &Path, why: &io::Error) -> String {
    format!(
        "the Python interpreter {} cannot be started: {why}; name one in the parameter `python`, or activate a virtual \
         environment",
        interpreter.display()
    )
}

fn no_gymnasium(interpreter: &Path, why: &str) -> String {
    let (python, word) = (interpreter.display(), interpreter.to_string_lossy());
    let word = shlex::try_quote(&word).unwrap_or_default();
    format!(
        "the Python interpreter {python} {why}: run `{word} -m pip install 'gymnasium>=1.0'`, name another \
         interpreter in the parameter `python`, or activate a virtual environment that has it"
    )
}

/// A message from a pipe that does not block; `None` when there is none and `wait` is false. `spin` polls for a while before sleeping.
fn read_message(
    pipe: &mut PipeReader,
    from: &Program,
    wait: bool,
    spin: bool,
) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    let begun = match pipe.read(&mut length) {
        Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
        Err(e) if e.kind() == io::ErrorKind::WouldBlock && !wait => return Ok(None),
        Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => 0,
        begun => begun?,
    };
    read_exactly(pipe, from, &mut length[begun..], spin)?;
    let mut message = vec![0; u32::from_ne_bytes(length) as usize];
    read_exactly(pipe, from, &mut message, spin)?;
    Ok(Some(message))
}

/// Fills `bytes` from a pipe that does not block.
///
/// Waking a process that sleeps costs more than a small step: so this looks for a while before it sleeps, and leaves its core to
/// whom it waits for. Where that takes long, others want the core, and who sleeps has the better claim.
fn read_exactly(pipe: &mut PipeReader, from: &Program, mut bytes: &mut [u8], spin: bool) -> io::Result<()> {
    let begun = Instant::now();
    while !bytes.is_empty() {
        match pipe.read(bytes) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => bytes = &mut bytes[n..],
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                if spin && begun.elapsed() < SPIN_TIME {
                    std::thread::yield_now();
                } else if !os::await_input(&*pipe, LIVENESS_INTERVAL)? && from.ended_within(Duration::ZERO) {
                    // What it has forked holds the other end open.
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

impl Drop for Host {
    fn drop(&mut self) {
        if self.send(&Request::End {}).is_ok() {
            self.program.end(EXIT_TIMEOUT);
        }
    }
}
