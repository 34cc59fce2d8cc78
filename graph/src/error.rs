//! The one error of this crate.

use alloc::string::String;

/// Why a node cannot be added to a graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// There is an input or a node of this name.
    #[error("there are two nodes of the name {name:?}")]
    Name {
        /// The name.
        name: String,
    },
    /// What a convolution reads is no picture.
    #[error("{node} reads {shape}: a convolution needs the dimensions height, width and channels")]
    Picture {
        /// The convolution.
        node: String,
        /// What it reads.
        shape: String,
    },
    /// What a convolution reads is smaller than its windows.
    #[error("{node} has a kernel of {kernel} pixels, and {dim} is {size}")]
    Kernel {
        /// The convolution.
        node: String,
        /// `height` or `width`.
        dim: &'static str,
        /// Its pixels.
        size: usize,
        /// Height and width of a window, in pixels.
        kernel: usize,
    },
}
