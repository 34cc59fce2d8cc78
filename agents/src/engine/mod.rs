//! Engines that compute the networks: forward passes, and backward passes from a loss to the gradient of all parameters.
//!
//! Two engines that execute the schedules of one [`Plan`](crate::plan::Plan). [`Cpu`] works on tiles of rows that stay in a core's cache, with the matrix
//! products of the crate `gemm`: on the small networks of control, that is more than twice as fast as a graph of tensor
//! operations, which go through memory once each. [`Tensors`] does the same with libtorch, on any device that it supports.

mod batch;
mod cells;
mod cpu;
mod lower;
mod matrix;
mod ops;
mod peak;
mod tensors;
mod tile;
mod vector;

pub use batch::{Batch, Sequence, Sequences};
pub use cpu::Cpu;
pub use peak::product_speed;
pub use tensors::Tensors;
pub use tile::DIVIDED;
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

#[cfg(test)]
mod tests;
