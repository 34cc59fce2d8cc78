//! The mesh as a training sees it.

use std::cell::RefCell;

use crate::collective::Sums;
use crate::join::join;
use crate::{Collective, JoinOptions, MeshError, Number, Place};

/// The ranks of a training, and this one among them. One rank alone makes every call at no cost.
///
/// All ranks make the same calls in the same order.
#[derive(Default)]
pub struct Mesh(Option<RefCell<Joined>>);

struct Joined {
    collective: Box<dyn Collective>,
    sums: Sums,
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
        Ok(Self::over(join(place, options, waiting)?))
    }

    /// Ranks that a transport connects.
    pub fn over(collective: Box<dyn Collective>) -> Self {
        Self(Some(RefCell::new(Joined { collective, sums: Sums::default() })))
    }

    /// Number of this rank.
    pub fn rank(&self) -> usize {
        self.0.as_ref().map_or(0, |joined| joined.borrow().collective.rank())
    }

    /// Ranks in all.
    pub fn size(&self) -> usize {
        self.0.as_ref().map_or(1, |joined| joined.borrow().collective.size())
    }

    /// Ranks on this machine, which share its cores.
    pub fn local_size(&self) -> usize {
        self.0.as_ref().map_or(1, |joined| joined.borrow().collective.local_size())
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
                let Joined { collective, sums } = &mut *joined.borrow_mut();
                sums.all_reduce(&mut **collective, numbers)
            }
            _ => Ok(()),
        }
    }

    /// The bytes of every rank, in their order; they may have different lengths.
    ///
    /// # Errors
    /// As [`Self::all_reduce`].
    pub fn gather(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, MeshError> {
        let Some(joined) = &self.0 else { return Ok(vec![bytes.to_vec()]) };
        let collective = &mut joined.borrow_mut().collective;
        let mut lens = vec![0u64; collective.size()];
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
        let collective = &mut joined.borrow_mut().collective;
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

    /// Tells the other ranks why this one stops; they stop with that message.
    pub fn leave(&self, reason: &str) {
        if let Some(joined) = &self.0 {
            let mut joined = joined.borrow_mut();
            let named = format!(
                "rank {} of {} stopped: {reason}",
                joined.collective.rank(),
                joined.collective.size()
            );
            joined.collective.leave(&named);
        }
    }
}
