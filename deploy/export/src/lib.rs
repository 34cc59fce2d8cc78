//! Writes trained policies as files that act without libtorch.
//!
//! [`Policy`] is what a file holds, as plain data; [`write()`] makes the bytes that `phalanx-micro` runs. docs/policy-file.md has the layout.

mod c;
mod drafts;
mod place;
mod policy;
mod quantize;
mod steps;
mod weights;
mod write;

pub use c::{Sources, c};
pub use policy::{ExportError, Input, Kind, Mask, Part, Policy, Record, Recorded};
pub use quantize::{Layer, Quantization, Scale};
pub use write::{aligned, write};
