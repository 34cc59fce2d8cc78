//! A simulator: a program that was started, or one that listens.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::channel::{Channel, Fault};
use super::protocol::{self, Kind};
use crate::EnvError;
use crate::os::{End, Program};

/// How long a simulator may take to end after close.
const PARTING: Duration = Duration::from_secs(2);
/// Between two attempts to connect.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Where a simulator comes from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// It is started with these words.
    Command(Vec<String>),
    /// It listens at this `host:port`.
    Address(String),
}

impl Origin {
    /// Starts the simulator or connects to it, trying again until the deadline while none listens.
    pub fn open(&self, deadline: Duration) -> Result<Simulator, EnvError> {
        match self {
            Self::Command(words) => {
                start(words).map_err(|e| EnvError::failed(format!("cannot start {:?}: {e}", words[0])))
            }
            Self::Address(address) => connect(address, deadline)
                .map_err(|e| EnvError::failed(format!("cannot connect to {address}: {e}"))),
        }
    }
}

fn start(words: &[String]) -> io::Result<Simulator> {
    let (its_in, to) = io::pipe()?;
    let (from, its_out) = io::pipe()?;
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .env("PHALANX_IN", its_in.as_raw_fd().to_string())
        .env("PHALANX_OUT", its_out.as_raw_fd().to_string())
        .stdin(Stdio::null())
        // What it prints is for a person; our own output may be for a program.
        .stdout(Stdio::from(io::stderr()));
    let (program, _) = Program::start(command, vec![its_in.into(), its_out.into()])?;
    let channel = Channel::new(from.into(), to.into())?;
    Ok(Simulator { program: Some(program), channel: Some(channel), parted: None })
}

fn connect(address: &str, deadline: Duration) -> io::Result<Simulator> {
    let started = Instant::now();
    let addresses: Vec<_> = address.to_socket_addrs()?.collect();
    let stream = loop {
        let attempt = addresses.iter().find_map(|at| TcpStream::connect_timeout(at, deadline).ok());
        match attempt {
            Some(stream) => break stream,
            None if started.elapsed() < deadline => sleep(POLL_INTERVAL),
            None => return Err(io::Error::other(format!("nobody listened within {deadline:?}"))),
        }
    };
    stream.set_nodelay(true)?;
    let channel = Channel::new(OwnedFd::from(stream.try_clone()?), stream.into())?;
    Ok(Simulator { program: None, channel: Some(channel), parted: None })
}

/// A simulator that answers one environment.
pub struct Simulator {
    program: Option<Program>,
    /// Empty once it is known to have ended.
    channel: Option<Channel>,
    /// When it was sent close.
    parted: Option<Instant>,
}

impl Simulator {
    /// Makes room for answers of so many bytes.
    pub fn reserve(&mut self, body: usize) {
        if let Ok(channel) = self.channel() {
            channel.reserve(body);
        }
    }

    /// Sends the message that `write` puts into the buffer.
    pub fn send(&mut self, deadline: Duration, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Fault> {
        let channel = self.channel()?;
        write(&mut channel.outgoing);
        channel.send(deadline)
    }

    /// Where its answers come from, unless it has ended.
    pub fn channel(&mut self) -> Result<&mut Channel, Fault> {
        self.channel.as_mut().ok_or(Fault::Ended)
    }

    /// Sends close, whose answer is ignored.
    pub fn part(&mut self) {
        let _ = self.send(Duration::ZERO, |out| protocol::plain(out, Kind::Close));
        self.channel = None;
        self.parted.get_or_insert_with(Instant::now);
    }

    /// The error after a fault, with the exit status of a simulator that has ended. One that broke the protocol is ended.
    #[cold]
    pub fn fail(&mut self, fault: Fault) -> EnvError {
        EnvError::Failed(match fault {
            Fault::Said(text) if text.is_empty() => {
                "the simulator reported an error without a message".to_owned()
            }
            Fault::Said(text) => text,
            Fault::Torn => match self.end(PARTING) {
                None => "the simulator closed the connection in the middle of an answer".to_owned(),
                Some(End { itself: true, how }) => {
                    format!("the simulator ended in the middle of an answer ({how})")
                }
                Some(End { itself: false, .. }) => {
                    "the simulator closed PHALANX_OUT in the middle of an answer and went on; it was killed"
                        .to_owned()
                }
            },
            Fault::Ended => match self.end(PARTING) {
                None => "the simulator closed the connection".to_owned(),
                Some(End { itself: true, how }) => format!("the simulator ended ({how})"),
                Some(End { itself: false, .. }) => {
                    "the simulator closed PHALANX_OUT and went on; it was killed".to_owned()
                }
            },
            Fault::Broken(what) => match self.end(Duration::ZERO) {
                None => what,
                Some(End { itself: true, how }) => format!("{what}; it ended ({how})"),
                Some(End { itself: false, .. }) => format!("{what}; it was killed"),
            },
        })
    }

    /// Closes its ends, waits so long, and kills what is left of it and of all that it started. How it ended, if it was started
    /// here and was not known to have ended.
    fn end(&mut self, grace: Duration) -> Option<End> {
        self.channel = None;
        self.program.take()?.end(grace)
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.part();
        let left = self.parted.map_or(PARTING, |parted| PARTING.saturating_sub(parted.elapsed()));
        self.end(left);
    }
}
