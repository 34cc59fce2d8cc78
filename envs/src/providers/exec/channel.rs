//! Messages to and from a simulator, each with a deadline.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::protocol::{HEADER, Kind};

/// The longest text of an error, in bytes.
const LONGEST_TEXT: usize = 1 << 16;

/// Why a message did not come or go.
#[derive(Debug)]
pub enum Fault {
    /// The other end is closed.
    Ended,
    /// The other end was closed in the middle of an answer.
    Torn,
    /// The simulator broke the protocol; the text is a sentence. Nothing that follows can be trusted.
    Broken(String),
    /// The simulator reported an error.
    Said(String),
}

/// Both directions, and one message of each.
pub struct Channel {
    from: File,
    to: File,
    incoming: Vec<u8>,
    /// The message to send next.
    pub outgoing: Vec<u8>,
}

impl Channel {
    /// A channel over two descriptors, or twice the same one.
    pub fn new(from: OwnedFd, to: OwnedFd) -> io::Result<Self> {
        for end in [&from, &to] {
            fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(Self { from: from.into(), to: to.into(), incoming: vec![0; HEADER], outgoing: Vec::new() })
    }

    /// Makes room for answers with bodies of so many bytes, so that receiving one allocates nothing.
    pub fn reserve(&mut self, body: usize) {
        // One more, by which a second answer shows itself.
        self.incoming.resize(HEADER + body + 1, 0);
    }

    /// Sends what is outgoing.
    pub fn send(&mut self, deadline: Duration) -> Result<(), Fault> {
        let start = Instant::now();
        let mut rest = &self.outgoing[..];
        while !rest.is_empty() {
            match self.to.write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    wait(&self.to, PollFlags::POLLOUT, start, deadline, || {
                        "does not read what it is sent".to_owned()
                    })?;
                }
                Err(e) => check(&e)?,
            }
        }
        Ok(())
    }

    /// Receives the body of an answer of this kind, whose length is one of these in bytes.
    pub fn receive(
        &mut self,
        kind: Kind,
        lengths: RangeInclusive<usize>,
        deadline: Duration,
    ) -> Result<&[u8], Fault> {
        let start = Instant::now();
        let (mut filled, mut whole) = (0, HEADER);
        while filled < whole {
            wait(&self.from, PollFlags::POLLIN, start, deadline, || {
                if filled == 0 {
                    return "did not answer".to_owned();
                }
                let shown = self.incoming[..filled.min(32)].escape_ascii();
                format!("sent only {filled} bytes of an answer of {whole} (\"{shown}\")")
            })?;
            match self.from.read(&mut self.incoming[filled..]) {
                Ok(0) if filled == 0 => return Err(Fault::Ended),
                Ok(0) => return Err(Fault::Torn),
                Ok(read) => filled += read,
                Err(e) => check(&e)?,
            }
            if self.incoming[..filled] == [0; HEADER - 1] {
                return Err(Fault::Broken(
                    "the simulator sent a message of length 0, without a kind".to_owned(),
                ));
            }
            if whole == HEADER && filled >= HEADER {
                whole = length(&self.incoming[..filled], kind, &lengths)?;
                self.incoming.resize(self.incoming.len().max(whole), 0);
            }
        }
        if filled > whole {
            return Err(Fault::Broken("the simulator sent more than one answer to one message".to_owned()));
        }
        let body = &self.incoming[HEADER..whole];
        if self.incoming[4] == Kind::Error as u8 {
            return Err(Fault::Said(String::from_utf8_lossy(body).into_owned()));
        }
        Ok(body)
    }
}

/// Bytes of the whole message that begins so, if it is an answer of this kind and length, or an error.
fn length(begin: &[u8], kind: Kind, lengths: &RangeInclusive<usize>) -> Result<usize, Fault> {
    let (length, found) = (u32::from_le_bytes([begin[0], begin[1], begin[2], begin[3]]) as usize, begin[4]);
    let is_error = found == Kind::Error as u8;
    if found != kind as u8 && !is_error {
        let shown = begin[..begin.len().min(32)].escape_ascii();
        return Err(Fault::Broken(format!(
            "the simulator sent \"{shown}\", which is no answer to a message of kind {}",
            kind as u8
        )));
    }
    let lengths = if is_error { &(0..=LONGEST_TEXT) } else { lengths };
    if length == 0 || !lengths.contains(&(length - 1)) {
        return Err(Fault::Broken(format!(
            "the simulator sent an answer of kind {found} and length {length}; {} to {} is possible",
            1 + lengths.start(),
            1 + lengths.end()
        )));
    }
    Ok(4 + length)
}

/// Waits until an end is ready, or `deadline` has passed since `start`.
fn wait(
    end: &File,
    flags: PollFlags,
    start: Instant,
    deadline: Duration,
    late: impl Fn() -> String,
) -> Result<(), Fault> {
    loop {
        let left = deadline.saturating_sub(start.elapsed());
        // Rounded up: the last part of a millisecond is not to be spent in a loop.
        let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(end.as_fd(), flags)], timeout) {
            Ok(0) if left.is_zero() => {
                return Err(Fault::Broken(format!("the simulator {} within {deadline:?}", late())));
            }
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(e) => return Err(Fault::Broken(format!("the simulator cannot be reached: {e}"))),
        }
    }
}

/// Whether a read or write can be tried again.
fn check(error: &io::Error) -> Result<(), Fault> {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::Interrupted => Ok(()),
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => Err(Fault::Ended),
        _ => Err(Fault::Broken(format!("the simulator cannot be reached: {error}"))),
    }
}
