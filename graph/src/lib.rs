//! What a network is, as plain data: inputs, named nodes, and where the parameters of each lie in one flat buffer.
//!
//! There is no arithmetic here: engines execute a [`Graph`] and differentiate it. Shapes are checked where a node is added, so that
//! every graph that exists is one that can be executed.
#![no_std]

extern crate alloc;

mod error;
mod graph;
mod op;
mod shape;
mod table;
mod window;

pub use error::GraphError;
pub use graph::{Graph, Input, Node, Output, Source};
pub use op::{Activation, Convolution, Op};
pub use shape::{Dim, Dtype, len};
pub use window::Window;
