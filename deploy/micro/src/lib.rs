//! Runs a policy file, which `phalanx export` writes: no operating system, no allocator, no unsafe code.
//!
//! ```
//! use phalanx_micro::{Elements, FormatError, Policy};
//!
//! /// A file in flash.
//! #[repr(C, align(16))]
//! struct Aligned<const N: usize>([u8; N]);
//! static FILE: Aligned<4> = Aligned(*b"PHXP"); // Aligned(*include_bytes!("policy.phx"))
//!
//! let mut arena = [0.0; 128]; // as many numbers as `phalanx export` prints
//! match Policy::new(&FILE.0, &mut arena) {
//!     Ok(mut policy) => policy.act(&[Elements::F32(&[0.0; 4])], &mut [0.0]).unwrap(),
//!     Err(error) => assert_eq!(error, FormatError::Damaged),
//! }
//! ```
//!
//! The file is used where it lies: weights are read in place, and everything that changes is in the arena. docs/policy-file.md has the layout.
#![no_std]
#![forbid(unsafe_code)]
// All of an action is compiled for the vector instructions that a processor has; what is called would not be.
#![allow(clippy::inline_always)]

mod check;
mod error;
mod file;
pub mod format;
mod heads;
mod input;
mod kernels;
mod lanes;
mod linear;
mod policy;
mod quantized;
mod recurrent;
mod sample;
mod scalars;
mod windows;

pub use error::{ActError, FormatError, SelfTestError};
pub use policy::{Elements, MOST_INPUTS, Policy};
