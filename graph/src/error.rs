//! The one error of this crate.

use alloc::format;
use alloc::string::String;

/// Why a node cannot be added to a graph, or a graph divided.
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
    #[error("{node} reads {reads} of {shape}: it needs a picture, of height, width and channels")]
    Picture {
        /// The convolution or pool.
        node: String,
        /// What it reads.
        reads: String,
        /// Its shape.
        shape: String,
    },
    /// What a convolution reads is smaller than its windows.
    #[error(
        "{node} has windows of {window} pixels, and {reads} has a {dim} of {pixels}{}: make `kernel`, or the strides before it, \
         smaller, or `padding` larger",
        if *.padding > 0 { format!(" and padding of {padding}") } else { String::new() }
    )]
    Kernel {
        /// The convolution or pool.
        node: String,
        /// Height and width of a window, in pixels, with what dilation leaves out.
        window: usize,
        /// What it reads.
        reads: String,
        /// `height` or `width`.
        dim: &'static str,
        /// Its pixels.
        pixels: usize,
        /// Lines and columns around it.
        padding: usize,
    },
    /// Windows of a pool that would have nothing but padding in them.
    #[error(
        "the padding of {node} is {padding}: a pool whose windows have {kernel} pixels takes at most half of that"
    )]
    Padding {
        /// The pool.
        node: String,
        /// Lines and columns around the picture.
        padding: usize,
        /// Height and width of a window, in pixels.
        kernel: usize,
    },
    /// A node reads nothing.
    #[error("{node} reads nothing")]
    Nothing {
        /// The node.
        node: String,
    },
    /// A sum of different shapes.
    #[error(
        "{node} adds {} of {} and {} of {}: they must be of one shape; `dense` makes each as wide as the other, and `concat` takes any",
        reads[0], shapes[0], reads[1], shapes[1]
    )]
    Shapes {
        /// The sum.
        node: String,
        /// Two of those that it reads.
        reads: [String; 2],
        /// Their shapes.
        shapes: [String; 2],
    },
    /// What a one-hot or embedding reads holds no choices.
    #[error("{node} reads {reads} of {shape}: it needs an input of choices, with {choices} numbers")]
    Options {
        /// The node.
        node: String,
        /// What it reads.
        reads: String,
        /// Its shape.
        shape: String,
        /// Numbers that it needs.
        choices: usize,
    },
    /// A dimension that ranks cannot share equally.
    #[error("{node} has {dim}, which {parts} ranks along {axis} cannot share equally")]
    Share {
        /// The node.
        node: String,
        /// The dimension and its size.
        dim: String,
        /// The axis.
        axis: String,
        /// Ranks along it.
        parts: usize,
    },
    /// Two dimensions of one tensor are divided along one axis.
    #[error("both dimensions of {tensor} are divided along {axis}")]
    Twice {
        /// The tensor.
        tensor: String,
        /// The axis.
        axis: String,
    },
    /// Something is divided, and what reads it needs all of it.
    #[error("{reader} needs all of {reads}, which is divided along {axis}")]
    Whole {
        /// What reads it.
        reader: String,
        /// What is divided.
        reads: String,
        /// The axis.
        axis: String,
    },
    /// A node that cannot be divided.
    #[error("{node} is a {op}, and only dense layers are divided along an axis such as {axis}")]
    NotDense {
        /// The node.
        node: String,
        /// Its operation.
        op: String,
        /// The axis.
        axis: String,
    },
}
