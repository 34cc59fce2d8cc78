//! What [`super::bell`] is made of; its model under loom brings its own.

pub use std::hint::spin_loop;
pub use std::sync::atomic::{AtomicU32, Ordering};
pub use std::thread::yield_now;

pub use crate::os::{wait, wake};
