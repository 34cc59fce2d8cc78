//! Ranks that have met, and the transports between all of them or some.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use crate::c10d::{Group, Store};
use crate::gloo::Gloo;
use crate::shared::{Process, Segment, Shared};
use crate::watch::Watch;
use crate::{Backend, Collective, MeshError, Place};

/// Time between two looks at the store.
pub const LOOK: Duration = Duration::from_millis(20);

/// How long rank 0 waits for the others to read what it read.
pub const FAREWELL: Duration = Duration::from_secs(10);

/// A rank among those that a transport connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// Its number among them.
    pub rank: usize,
    /// Their number.
    pub size: usize,
    /// Ranks of the training on this machine.
    pub local_size: usize,
}

/// All ranks of a training as each of them has found them.
pub struct Meeting {
    pub place: Place,
    pub store: Arc<Store>,
    /// What keys in the store begin with.
    pub prefix: String,
    /// Machine, process and description of each rank.
    pub machines: Vec<String>,
    pub pids: Vec<u32>,
    pub names: Vec<String>,
    pub watch: Arc<Watch>,
    pub backend: Backend,
    /// How long the connections of ranks with each other may take.
    pub connection: Duration,
}

impl Meeting {
    /// Connects these ranks, this one among them; each of them calls. `name` is theirs alone.
    pub fn connect(&self, members: &[usize], name: &str) -> Result<Box<dyn Collective>, MeshError> {
        let machine = |rank: usize| &self.machines[rank];
        let own = self.place.rank;
        let local_size = self.machines.iter().filter(|other| *other == machine(own)).count();
        let rank = members.iter().position(|&rank| rank == own).unwrap_or_default();
        let seat = Seat { rank, size: members.len(), local_size };
        let prefix = format!("{}{name}/", self.prefix);
        if self.backend == Backend::Auto
            && members.iter().all(|&rank| machine(rank) == machine(own))
            && let Some((segment, others)) = self.share(members, seat, &prefix)?
        {
            return Ok(Box::new(Shared::new(seat, segment, others, self.watch.clone())));
        }
        let host = own_address(&self.place).map_err(|e| self.failed("reach")(e.to_string()))?;
        let group = Group::open(&self.store, &prefix, (seat.rank, seat.size), &host, self.connection);
        let group = group.map_err(|reason| self.watch.explain("connecting the ranks", reason))?;
        Ok(Box::new(Gloo::new(seat, group, self.watch.clone())))
    }

    fn failed(&self, action: &'static str) -> impl Fn(String) -> MeshError {
        let address = self.place.address();
        move |reason| MeshError::Store { action, address: address.clone(), reason }
    }

    /// What another rank will write, unless it ends before.
    fn wait(&self, key: &str) -> Result<Vec<u8>, MeshError> {
        let failed = self.failed("read the store at");
        loop {
            if self.store.has(key).map_err(&failed)? {
                return self.store.get(key, FAREWELL).map_err(&failed);
            }
            if let Some(verdict) = self.watch.verdict() {
                return Err(verdict);
            }
            std::thread::sleep(LOOK / 4);
        }
    }

    /// Memory that these ranks share and the processes of the others, where every one can have both.
    fn share(
        &self,
        members: &[usize],
        seat: Seat,
        prefix: &str,
    ) -> Result<Option<(Segment, Vec<Process>)>, MeshError> {
        let failed = self.failed("write to the store at");
        let key = format!("{prefix}memory");
        let segment = if seat.rank == 0 {
            let created = Segment::create(seat.size).ok();
            let path = created.as_ref().map_or(String::new(), |(_, path)| path.clone());
            self.store.set(&key, path.as_bytes()).map_err(&failed)?;
            created.map(|(segment, _)| segment)
        } else {
            let path = self.wait(&key)?;
            Segment::open(&String::from_utf8_lossy(&path), seat.size).ok()
        };
        let others = members.iter().filter(|&&rank| rank != self.place.rank);
        let others: Option<Vec<Process>> =
            others.map(|&rank| Process::open(self.pids[rank], rank, &self.names[rank]).ok()).collect();
        let found = segment.zip(others);
        // All of them or none.
        let has = |rank: usize| format!("{prefix}has-memory/{rank}");
        self.store.set(&has(seat.rank), &[u8::from(found.is_some())]).map_err(&failed)?;
        let all = (0..seat.size).map(|rank| self.wait(&has(rank)).map(|value| value == [1]));
        let all: Vec<bool> = all.collect::<Result<_, _>>()?;
        Ok(found.filter(|_| !all.contains(&false)))
    }
}

/// The address by which this machine reaches the store, and others reach it.
fn own_address(place: &Place) -> std::io::Result<String> {
    let socket = UdpSocket::bind(if place.host.contains(':') { "[::]:0" } else { "0.0.0.0:0" })?;
    socket.connect((place.host.as_str(), place.port))?;
    Ok(socket.local_addr()?.ip().to_string())
}
