//! Policies as ONNX models, for onnxruntime and others.
//!
//! Operations are those of operator set 17. docs/formats.md has inputs and outputs.

mod build;
mod pictures;
mod proto;
mod target;

use prost::Message;

use crate::lower::{descriptions, lower};
use crate::{ExportError, Policy};
use build::Onnx;
use proto::{Graph, Model, Opset, Property};

/// The newest operator set that is used.
const OPSET: i64 = 17;
/// The version of the file format that came with it.
const IR_VERSION: i64 = 8;

/// The ONNX model of a policy: from an observation as the environment gives it to an action as the environment takes it, for any
/// number of rows.
///
/// # Errors
/// [`ExportError::Operation`] and [`ExportError::Large`].
pub fn onnx(policy: &Policy<'_>) -> Result<Vec<u8>, ExportError> {
    let mut target = Onnx::default();
    lower(policy, &mut target)?;
    let (node, initializer, [input, output]) = target.finish();
    let graph = Graph { node, name: "policy".into(), initializer, input, output };
    let model = Model {
        ir_version: IR_VERSION,
        producer_name: "phalanx".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(graph),
        opset_import: vec![Opset { domain: String::new(), version: OPSET }],
        metadata_props: descriptions(policy)
            .into_iter()
            .map(|(key, value)| Property { key: key.into(), value })
            .collect(),
    };
    Ok(model.encode_to_vec())
}
