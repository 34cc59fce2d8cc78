//! The mesh as a training sees it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::c10d::Store;
use crate::collective::Sums;
use crate::join::join;
use crate::meeting::{Meeting, Seat};
use crate::{Collective, JoinOptions, MeshError, Number, Place};

/// Ranks of a training that exchange numbers, and this one among them: all, or those along some axes. One rank alone makes every call at no
/// cost.
///
/// All of them make the same calls in the same order.
#[derive(Clone, Default)]
pub struct Mesh(Option<Joined>);

#[derive(Clone)]
struct Joined {
    seat: Seat,
    /// Their numbers among all ranks.
    members: Arc<[usize]>,
    meeting: Arc<Meeting>,
    calls: Arc<Mutex<Calls>>,
}

struct Calls {
    collective: Box<dyn Collective>,
    sums: Sums,
    /// Bytes of 32-bit floats that were summed.
    bytes: u64,
}

impl Joined {
    fn new(meeting: Arc<Meeting>, members: Vec<usize>, name: &str) -> Result<Self, MeshError> {
        let collective = meeting.connect(&members, name)?;
        let seat = collective.seat();
        let calls = Arc::new(Mutex::new(Calls { collective, sums: Sums::default(), bytes: 0 }));
        Ok(Self { seat, members: members.into(), meeting, calls })
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mesh {
    /// One rank.
    pub fn alone() -> Self {
        Self(None)
    }

    /// Meets the other ranks; `waiting` is told now and then which have not come.
    ///
    /// # Errors
    /// [`MeshError::Store`], [`MeshError::Late`]; [`MeshError::Lost`] when a rank has another identity, or ends meanwhile.
    pub fn join(
        place: &Place,
        options: &JoinOptions,
        waiting: &mut dyn FnMut(&[usize]),
    ) -> Result<Self, MeshError> {
        let meeting = join(place, options, waiting)?;
        Joined::new(meeting, (0..place.size).collect(), "all").map(|joined| Self(Some(joined)))
    }

    /// Some of these ranks, `members` of their numbers here in rising order, this one among them; each of them calls. `name` is theirs
    /// alone.
    ///
    /// # Errors
    /// As [`Self::join`].
    pub(crate) fn subset(&self, members: &[usize], name: &str) -> Result<Self, MeshError> {
        let Some(joined) = &self.0 else { return Ok(Self::alone()) };
        if members.len() == joined.members.len() {
            return Ok(self.clone());
        }
        if members.len() <= 1 {
            return Ok(Self::alone());
        }
        let members = members.iter().map(|&member| joined.members[member]).collect();
        Joined::new(joined.meeting.clone(), members, name).map(|joined| Self(Some(joined)))
    }

    /// Number of this rank.
    pub fn rank(&self) -> usize {
        self.0.as_ref().map_or(0, |joined| joined.seat.rank)
    }

    /// Ranks in all.
    pub fn size(&self) -> usize {
        self.0.as_ref().map_or(1, |joined| joined.seat.size)
    }

    /// Ranks of the training on this machine, which share its cores.
    pub fn local_size(&self) -> usize {
        self.0.as_ref().map_or(1, |joined| joined.seat.local_size)
    }

    /// Whether there is no other rank.
    pub fn is_alone(&self) -> bool {
        self.0.is_none()
    }

    /// Replaces `numbers` by their sums over all ranks: the same bits on every rank.
    ///
    /// # Errors
    /// [`MeshError::Lost`], [`MeshError::Failed`].
    pub fn all_reduce<T: Number>(&self, numbers: &mut [T]) -> Result<(), MeshError> {
        match &self.0 {
            Some(joined) if !numbers.is_empty() => {
                let Calls { collective, sums, bytes } = &mut *joined.calls();
                if size_of::<T>() == size_of::<f32>() {
                    *bytes += size_of_val(numbers) as u64;
                }
                sums.all_reduce(&mut **collective, numbers)
            }
            _ => Ok(()),
        }
    }

    /// Bytes of the 32-bit floats, gradients and results of layers, that this rank gave to sums since the last call.
    pub fn take_bytes(&self) -> u64 {
        self.0.as_ref().map_or(0, |joined| std::mem::take(&mut joined.calls().bytes))
    }

    /// The bytes of every rank, in their order; they may have different lengths.
    ///
    /// # Errors
    /// As [`Self::all_reduce`].
    pub fn gather(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, MeshError> {
        let Some(joined) = &self.0 else { return Ok(vec![bytes.to_vec()]) };
        let collective = &mut joined.calls().collective;
        let mut lens = vec![0u64; joined.seat.size];
        let own = [bytes.len() as u64];
        collective.all_gather(bytemuck::cast_slice(&own), bytemuck::cast_slice_mut(&mut lens))?;
        let longest = lens.iter().copied().max().unwrap_or(0) as usize;
        if longest == 0 {
            return Ok(vec![Vec::new(); lens.len()]);
        }
        let mut send = bytes.to_vec();
        send.resize(longest, 0);
        let mut receive = vec![0; longest * lens.len()];
        collective.all_gather(&send, &mut receive)?;
        Ok(receive.chunks_exact(longest).zip(lens).map(|(part, len)| part[..len as usize].to_vec()).collect())
    }

    /// Replaces `bytes` by those of rank 0.
    ///
    /// # Errors
    /// As [`Self::all_reduce`].
    pub fn broadcast(&self, bytes: &mut Vec<u8>) -> Result<(), MeshError> {
        let Some(joined) = &self.0 else { return Ok(()) };
        let collective = &mut joined.calls().collective;
        let mut len = [bytes.len() as u64];
        collective.broadcast(bytemuck::cast_slice_mut(&mut len), 0)?;
        bytes.resize(len[0] as usize, 0);
        if bytes.is_empty() { Ok(()) } else { collective.broadcast(bytes, 0) }
    }

    /// Whether some rank says so.
    ///
    /// # Errors
    /// As [`Self::all_reduce`].
    pub fn any(&self, own: bool) -> Result<bool, MeshError> {
        let mut count = [u64::from(own)];
        self.all_reduce(&mut count)?;
        Ok(count[0] > 0)
    }

    /// A connection of its own to the store where these ranks have met, and what keys of theirs begin with; nothing where there is one rank.
    pub(crate) fn store(&self) -> Result<Option<(Store, String)>, MeshError> {
        let Some(Joined { meeting, members, .. }) = &self.0 else { return Ok(None) };
        let place = &meeting.place;
        let store = Store::open(&place.host, place.port, false, meeting.connection);
        let failed =
            |reason| MeshError::Store { action: "reach the store at", address: place.address(), reason };
        Ok(Some((store.map_err(failed)?, format!("{}{}-{}/", meeting.prefix, members[0], members.len()))))
    }

    /// Tells the other ranks why this one stops; they stop with that message.
    pub fn leave(&self, reason: &str) {
        if let Some(joined) = &self.0 {
            let Place { rank, size, .. } = joined.meeting.place;
            joined.calls().collective.leave(&format!("rank {rank} of {size} stopped: {reason}"));
        }
    }
}
