//! Policies as TensorFlow Lite models, in floats or with layers in 8 bits, for microcontrollers and others.
//!
//! Operators are those that TensorFlow Lite for Microcontrollers has. docs/formats.md has inputs and outputs.

mod build;
mod encode;
mod int8;
mod pictures;
mod schema;
mod target;

use crate::lower::{descriptions, lower};
use crate::{ExportError, Policy, Quantization};
use build::TfLite;

/// The TensorFlow Lite model of a policy, in floats or with layers in 8 bits: from an observation as the environment gives it to an
/// action as the environment takes it, for one row; programs that can resize inputs take any number.
///
/// # Errors
/// [`ExportError::Operation`] and [`ExportError::Large`].
pub fn tflite(policy: &Policy<'_>, int8: Option<&Quantization>) -> Result<Vec<u8>, ExportError> {
    let mut target = TfLite::new(int8);
    lower(policy, &mut target)?;
    let description = concat!("phalanx ", env!("CARGO_PKG_VERSION"));
    Ok(target.model.encode(description, &descriptions(policy)))
}
