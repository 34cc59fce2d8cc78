//! Engines that compute the networks: forward passes, and backward passes from a loss to the gradient of all parameters.
//!
//! Two engines for the same [`Plan`](crate::plan::Plan). [`Cpu`] works on tiles of rows that stay in a core's cache, with the matrix
//! products of the crate `gemm`: on the small networks of control, that is more than twice as fast as a graph of tensor
//! operations, which go through memory once each. [`Tensors`] does the same with libtorch, on any device that it supports.

mod cpu;
mod matrix;
mod peak;
mod pictures;
mod tensors;
mod tile;
mod vector;
mod views;

pub use cpu::Cpu;
pub use peak::product_speed;
pub use tensors::Tensors;
pub use vector::{AdamStep, adam};

/// The networks' outputs for some rows, and where the loss writes its gradient.
///
/// # Shapes
/// B rows, P distribution parameters, A standard deviations.
pub struct Pass<'a> {
    /// Which transitions these are, `[B]`.
    pub index: &'a [i64],
    /// Distribution parameters `[B, P]`.
    pub outputs: &'a [f32],
    /// Values `[B]`, in reward units.
    pub value: &'a [f32],
    /// Gradient of the loss over `outputs`, to be written.
    pub d_outputs: &'a mut [f32],
    /// Gradient of the loss over `value`, to be written.
    pub d_value: &'a mut [f32],
    /// Gradient of the loss over the log standard deviations `[A]`, to be added to.
    pub d_log_std: &'a mut [f32],
}
