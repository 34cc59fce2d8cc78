//! What keeps the bytes of a block alive.
#![allow(unsafe_code)]

use std::alloc::{Layout as HeapLayout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

use super::layout::LINE;

/// What keeps a block's bytes alive: at least [`Layout::bytes`](super::Layout::bytes) of them, aligned to 64, at one address for life.
///
/// # Safety
/// `base` must stay valid for reads and writes of `bytes` bytes until the value is dropped.
pub unsafe trait Memory: Send + Sync {
    /// First byte.
    fn base(&self) -> NonNull<u8>;
}

/// Memory of this process alone.
pub(super) struct Heap {
    base: NonNull<u8>,
    layout: HeapLayout,
}

impl Heap {
    /// `bytes` zeros, at least a line of them.
    ///
    /// # Panics
    /// When memory runs out.
    pub(super) fn new(bytes: usize) -> Self {
        let layout = HeapLayout::from_size_align(bytes.max(LINE), LINE).expect("a block has a sane size");
        // SAFETY: the size is not zero.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) }).expect("memory for the rollout block");
        Self { base, layout }
    }
}

// SAFETY: the allocation is owned and freed only in drop.
unsafe impl Memory for Heap {
    fn base(&self) -> NonNull<u8> {
        self.base
    }
}

// SAFETY: an owned allocation may move between threads.
unsafe impl Send for Heap {}

// SAFETY: a shared reference gives away its address alone.
unsafe impl Sync for Heap {}

impl Drop for Heap {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout in `new`.
        unsafe { dealloc(self.base.as_ptr(), self.layout) }
    }
}
