//! Collectives over libtorch's Gloo, between machines or on one.

use std::sync::Arc;
use std::time::Duration;

use crate::c10d::{Group, Work};
use crate::meeting::Seat;
use crate::watch::Watch;
use crate::{Collective, MeshError};

/// Time between two looks at the watch while waiting.
const LOOK: Duration = Duration::from_millis(100);

/// Ranks that are connected over TCP.
pub struct Gloo {
    seat: Seat,
    group: Option<Group>,
    watch: Arc<Watch>,
    /// Buffers of earlier calls, to be used again.
    send: Vec<u8>,
    receive: Vec<u8>,
}

impl Gloo {
    pub fn new(seat: Seat, group: Group, watch: Arc<Watch>) -> Self {
        let (send, receive) = (Vec::new(), Vec::new());
        Self { seat, group: Some(group), watch, send, receive }
    }

    /// Makes a call and waits for its end.
    fn call(
        &mut self,
        what: &'static str,
        begin: impl FnOnce(&mut Group, Vec<u8>, Vec<u8>) -> Result<Work, String>,
    ) -> Result<(), MeshError> {
        let Some(mut group) = self.group.take() else {
            return Err(self.watch.explain(what, "an earlier call has failed".into()));
        };
        let (send, receive) = (std::mem::take(&mut self.send), std::mem::take(&mut self.receive));
        let begun = begin(&mut group, send, receive);
        let ended =
            begun.map_err(|reason| self.watch.explain(what, reason)).and_then(|work| self.end(what, work));
        match ended {
            Ok(()) => self.group = Some(group),
            // Its threads may still wait for a rank that never answers.
            Err(_) => std::mem::forget(group),
        }
        ended
    }

    fn end(&mut self, what: &'static str, mut work: Work) -> Result<(), MeshError> {
        let error = loop {
            match work.wait(LOOK) {
                Ok(true) => {
                    (self.send, self.receive) = work.buffers();
                    return Ok(());
                }
                Ok(false) => {
                    if let Some(verdict) = self.watch.verdict() {
                        break verdict;
                    }
                }
                Err(reason) => break self.watch.explain(what, reason),
            }
        };
        work.abandon();
        Err(error)
    }
}

impl Collective for Gloo {
    fn seat(&self) -> Seat {
        self.seat
    }

    fn all_gather(&mut self, send: &[u8], receive: &mut [u8]) -> Result<(), MeshError> {
        self.send.clear();
        self.send.extend_from_slice(send);
        self.receive.resize(receive.len(), 0);
        self.call("gathering", Group::all_gather)?;
        receive.copy_from_slice(&self.receive);
        Ok(())
    }

    fn all_to_all(&mut self, send: &[u8], receive: &mut [u8]) -> Result<(), MeshError> {
        self.send.clear();
        self.send.extend_from_slice(send);
        self.receive.resize(receive.len(), 0);
        self.call("exchanging", Group::all_to_all)?;
        receive.copy_from_slice(&self.receive);
        Ok(())
    }

    fn broadcast(&mut self, bytes: &mut [u8], root: usize) -> Result<(), MeshError> {
        self.receive.clear();
        self.receive.extend_from_slice(bytes);
        self.call("broadcasting", |group, _, receive| group.broadcast(receive, root))?;
        bytes.copy_from_slice(&self.receive);
        Ok(())
    }

    fn leave(&mut self, reason: &str) {
        self.watch.tell(None, reason);
    }
}
