//! Writes trained policies as files that act without libtorch.
//!
//! [`Policy`] is what a file holds, as plain data; [`write()`] makes the bytes that `phalanx-micro` runs. docs/policy-file.md has the layout.
//! [`onnx()`] and [`tflite()`] make models for other programs, which docs/formats.md describes.

mod c;
mod drafts;
mod lower;
mod onnx;
mod place;
mod policy;
mod quantize;
mod steps;
mod summary;
mod tflite;
mod weights;
mod write;

pub use c::{Sources, c};
pub use onnx::onnx;
pub use policy::{Deviations, ExportError, Field, Input, Kind, Mask, Part, Policy, Record, Recorded};
pub use quantize::{Layer, Quantization, Scale};
pub use tflite::tflite;
pub use write::{aligned, write};
