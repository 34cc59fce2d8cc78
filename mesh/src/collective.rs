//! What transports bytes between ranks, and sums over it.

use bytemuck::Pod;

use crate::MeshError;
use crate::meeting::Seat;

/// Sums of at most this many bytes of all ranks together are one exchange instead of two.
const SMALL: usize = 64 << 10;

/// Transports bytes between the ranks of a mesh. Every rank makes the same calls in the same order, with buffers of equal lengths.
pub trait Collective: Send {
    /// This rank among those that are connected.
    fn seat(&self) -> Seat;

    /// Gathers `send` of every rank, in the order of ranks, in `receive`.
    ///
    /// # Errors
    /// [`MeshError::Lost`] when a rank has ended, [`MeshError::Failed`]; nothing can be transported then any more.
    fn all_gather(&mut self, send: &[u8], receive: &mut [u8]) -> Result<(), MeshError>;

    /// Sends the k-th of equal parts of `send` to rank k; `receive` has the parts of all ranks for this one, in their order.
    ///
    /// # Errors
    /// As [`Self::all_gather`].
    fn all_to_all(&mut self, send: &[u8], receive: &mut [u8]) -> Result<(), MeshError>;

    /// Replaces `bytes` by those of rank `root`.
    ///
    /// # Errors
    /// As [`Self::all_gather`].
    fn broadcast(&mut self, bytes: &mut [u8], root: usize) -> Result<(), MeshError>;

    /// Tells the other ranks why this one leaves, if none has said so before; they stop with that message.
    fn leave(&mut self, reason: &str);
}

/// A number that is summed over ranks.
pub trait Number: Pod + std::ops::AddAssign + Default {}
impl Number for f32 {}
impl Number for f64 {}
impl Number for u64 {}

/// Buffers of sums, to be used again.
#[derive(Default)]
pub(crate) struct Sums {
    send: Vec<u8>,
    receive: Vec<u8>,
}

impl Sums {
    /// Replaces `numbers` by their sums over all ranks, which are added in the order of ranks: the same bits on every rank, and over any
    /// transport.
    pub fn all_reduce<T: Number>(
        &mut self,
        over: &mut dyn Collective,
        numbers: &mut [T],
    ) -> Result<(), MeshError> {
        let (size, width) = (over.seat().size, size_of::<T>());
        let bytes = size_of_val(numbers);
        if bytes * size <= SMALL {
            self.receive.resize(bytes * size, 0);
            over.all_gather(bytemuck::cast_slice(numbers), &mut self.receive)?;
            numbers.fill(T::default());
            for part in self.receive.chunks_exact(bytes.max(1)) {
                add(part, numbers);
            }
            return Ok(());
        }
        // Rank k sums the k-th part.
        let part = numbers.len().div_ceil(size) * width;
        self.send.clear();
        self.send.extend_from_slice(bytemuck::cast_slice(numbers));
        self.send.resize(part * size, 0);
        self.receive.resize(part * size, 0);
        over.all_to_all(&self.send, &mut self.receive)?;
        let mut sums = vec![T::default(); part / width];
        for part in self.receive.chunks_exact(part) {
            add(part, &mut sums);
        }
        over.all_gather(bytemuck::cast_slice(&sums), &mut self.receive)?;
        bytemuck::cast_slice_mut(numbers).copy_from_slice(&self.receive[..bytes]);
        Ok(())
    }
}

/// Adds numbers that lie in `bytes` to `sums`.
fn add<T: Number>(bytes: &[u8], sums: &mut [T]) {
    for (sum, number) in sums.iter_mut().zip(bytes.chunks_exact(size_of::<T>())) {
        *sum += bytemuck::pod_read_unaligned(number);
    }
}
