//! The bytes of a block: the one place where memory that other processes write to becomes slices.
//!
//! Everything else of a block is safe code over [`Bytes`], which checks every range against the memory it really has.
#![allow(unsafe_code)]

use std::ops::Range;
use std::ptr::NonNull;
use std::slice::{from_raw_parts, from_raw_parts_mut};

use bytemuck::{Pod, Zeroable, cast_slice, cast_slice_mut, zeroed_vec};

use super::layout::LINE;

/// What keeps a block's bytes alive.
///
/// # Safety
/// The bytes that [`Self::bytes`] returns
/// - are initialised, begin at a multiple of 64, and stay valid for reads and writes at this address until the value is dropped, wherever it
///   moves;
/// - are used in this process through the returned pointer alone, so that the borrow rules of its user are those of the bytes;
/// - are written by another process only where this one has no slice of them. Between processes no compiler checks this: a row belongs to
///   its worker from the begin of a step or command to its finish and to the learner otherwise, which doorbells and events order with
///   Release and Acquire (`worker/README.md`), and which [`BatchEnv::begin`](crate::BatchEnv::begin) asks of its caller. A row that is read
///   while it is stepped holds numbers of two times; any bit pattern is a number, and none is used as an index unchecked.
pub unsafe trait Memory: Send + Sync {
    /// All bytes.
    fn bytes(&mut self) -> NonNull<[u8]>;
}

/// A cache line of memory of this process alone.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Line([u8; LINE]);

// SAFETY: zeros are a value of bytes.
unsafe impl Zeroable for Line {}

/// Zeroed memory of at least `bytes` bytes.
pub(super) fn heap(bytes: usize) -> Vec<Line> {
    zeroed_vec(bytes.div_ceil(LINE).max(1))
}

// SAFETY: the vector owns its lines, is never resized, and lives at one address wherever its handle moves.
unsafe impl Memory for Vec<Line> {
    fn bytes(&mut self) -> NonNull<[u8]> {
        let lines = NonNull::from(self.as_mut_slice());
        NonNull::slice_from_raw_parts(lines.cast(), lines.len() * LINE)
    }
}

/// Bytes that are borrowed in parts: shared from `&self`, mutable from `&mut self`.
pub(super) struct Bytes {
    bytes: NonNull<[u8]>,
    /// Keeps the bytes alive.
    _memory: Box<dyn Memory>,
}

// SAFETY: the bytes are owned, by a memory that is `Send`.
unsafe impl Send for Bytes {}

// SAFETY: a shared reference gives out shared slices alone.
unsafe impl Sync for Bytes {}

impl Bytes {
    /// All bytes of `memory`.
    ///
    /// # Panics
    /// When there are fewer than `len`, or they are not aligned.
    pub fn new(mut memory: Box<dyn Memory>, len: usize) -> Self {
        let bytes = memory.bytes();
        assert!(bytes.len() >= len, "a block of {len} bytes does not fit into {}", bytes.len());
        assert!(bytes.cast::<Line>().is_aligned(), "a block is aligned to {LINE}");
        Self { bytes, _memory: memory }
    }

    #[inline]
    fn start(&self, range: &Range<usize>) -> *mut u8 {
        let len = self.bytes.len();
        assert!(range.start <= range.end && range.end <= len, "bytes {range:?} of {len}");
        // SAFETY: within the memory, as checked.
        unsafe { self.bytes.cast::<u8>().as_ptr().add(range.start) }
    }

    /// The numbers in these bytes.
    ///
    /// # Panics
    /// When the bytes lie outside the memory or are not aligned.
    #[inline]
    pub fn get<T: Pod>(&self, range: Range<usize>) -> &[T] {
        // SAFETY: within the memory, whose mutable slices borrow `self` mutably.
        cast_slice(unsafe { from_raw_parts(self.start(&range), range.len()) })
    }

    /// The numbers in these bytes, to be written.
    ///
    /// # Panics
    /// As [`Self::get`].
    #[inline]
    pub fn get_mut<T: Pod>(&mut self, range: Range<usize>) -> &mut [T] {
        // SAFETY: within the memory, of which this is the only slice, as `self` is borrowed mutably.
        cast_slice_mut(unsafe { from_raw_parts_mut(self.start(&range), range.len()) })
    }

    /// Several ranges of bytes at once, to be written.
    ///
    /// # Panics
    /// When one lies outside the memory, or begins before the end of the one before it.
    #[inline]
    pub fn get_disjoint_mut<const N: usize>(&mut self, ranges: [Range<usize>; N]) -> [&mut [u8]; N] {
        assert!(ranges.is_sorted_by(|a, b| a.end <= b.start), "bytes {ranges:?} overlap");
        // SAFETY: within the memory, of which these are the only slices, as `self` is borrowed mutably; they do not overlap, as
        // each of them ends where the next one begins or before.
        ranges.map(|range| unsafe { from_raw_parts_mut(self.start(&range), range.len()) })
    }
}
