//! Operations of one's own: types that networks use by name.

mod check;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use phalanx_envs::{Generator, Params};
use phalanx_graph::{Dim, Own};

pub use self::check::{OperationError, check_operation};
use crate::AgentError;

/// What a layer of one's own computes, for rows of a known shape.
///
/// Each row's result depends on this row and the parameters alone, to the bit: rows are split over threads, and what is beside a row changes.
/// [`check_operation`] checks this and the gradient.
pub trait Operation: Send + Sync {
    /// Shape of the result for one row; three sizes are height, width and channels of a picture.
    fn shape(&self) -> Vec<usize>;

    /// Number P of parameters.
    fn parameters(&self) -> usize {
        0
    }

    /// Writes the parameters `[P]` of a training's start, which are zeros before.
    fn initialize(&self, _parameters: &mut [f32], _generator: &mut Generator) {}

    /// Writes all of `y [B, …]`, the results for the rows `x [B, …]`.
    fn forward(&self, x: &[f32], parameters: &[f32], y: &mut [f32]);

    /// Adds the gradients of a loss to `back.d_x` and `back.d_parameters`.
    fn backward(&self, back: Backward<'_>);
}

/// What [`Operation::backward`] reads and writes.
pub struct Backward<'a> {
    /// What the operation read, `[B, …]`.
    pub x: &'a [f32],
    /// Its result, `[B, …]`.
    pub y: &'a [f32],
    /// Its parameters `[P]`.
    pub parameters: &'a [f32],
    /// Gradient of the loss over `y`.
    pub d_y: &'a [f32],
    /// That over `x`, to be added to; nothing where it is not needed.
    pub d_x: Option<&'a mut [f32]>,
    /// That over the parameters, to be added to; nothing where they are frozen.
    pub d_parameters: Option<&'a mut [f32]>,
}

/// Makes an operation for rows of a shape, with the parameters that a configuration gives.
type Make = dyn Fn(&[usize], &Params) -> Result<Box<dyn Operation>, Box<dyn std::error::Error + Send + Sync>>
    + Send
    + Sync;

/// Those that have been registered.
static REGISTERED: RwLock<BTreeMap<String, Arc<Make>>> = RwLock::new(BTreeMap::new());

/// Registers an operation for all networks of this process, which name it as `{op: NAME, params: {…}}`; another one of this name is
/// replaced. `make` is given the shape of the rows that a layer reads, and its `params`.
pub fn register_operation<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    name: impl Into<String>,
    make: impl Fn(&[usize], &Params) -> Result<Box<dyn Operation>, E> + Send + Sync + 'static,
) {
    let make = move |shape: &[usize], params: &Params| make(shape, params).map_err(Into::into);
    let mut registered = REGISTERED.write().unwrap_or_else(PoisonError::into_inner);
    registered.insert(name.into(), Arc::new(make));
}

/// The operation of this name, for rows of these dimensions.
///
/// # Errors
/// [`AgentError::Operation`].
pub fn operation(own: &Own, reads: &[Dim]) -> Result<Arc<dyn Operation>, AgentError> {
    let wrong = |reason: String| AgentError::Operation { name: own.name.clone(), reason };
    let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    let Some(make) = registered.get(&own.name).cloned() else {
        let known = registered.keys().cloned().collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "none is".to_owned() } else { format!("there is {known}") };
        return Err(wrong(format!(
            "no operation of this name is registered in this program ({known}); phalanx::agents::register_operation registers one"
        )));
    };
    drop(registered);
    let params = serde_json::from_str(&own.params).map_err(|error| wrong(error.to_string()))?;
    let shape: Vec<usize> = reads.iter().map(|dim| dim.size).collect();
    make(&shape, &params).map(Arc::from).map_err(|error| wrong(error.to_string()))
}

/// The dimensions of a shape.
pub fn dims(shape: &[usize]) -> Vec<Dim> {
    let name = |i: usize| match (shape.len(), i) {
        (3, _) => ["height", "width", "channels"][i].to_owned(),
        (1, _) => "units".to_owned(),
        _ => format!("axis{i}"),
    };
    shape.iter().enumerate().map(|(i, &size)| Dim::new(name(i), size)).collect()
}

#[cfg(test)]
mod tests;
