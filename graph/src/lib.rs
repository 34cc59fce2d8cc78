//! What a network is, as plain data: inputs, named nodes, and where the parameters of each lie in one flat buffer.
//!
//! There is no arithmetic here: engines execute a [`Schedule`] of a [`Graph`] and differentiate it. Shapes are checked where a node is
//! added, so that every graph that exists is one that can be executed.
#![no_std]

extern crate alloc;

mod add;
mod divide;
mod error;
mod graph;
mod input_scale;
mod op;
mod schedule;
mod shape;
mod table;
mod tensor;
mod window;

pub use add::Pool;
pub use divide::Division;
pub use error::GraphError;
pub use graph::{Graph, Input, Node, Output, Source};
pub use input_scale::InputScale;
pub use op::{Activation, Convolution, LAYER_NORM_EPSILON, Op, Own, Recurrent};
pub use schedule::{Origin, Purpose, Read, Schedule, Step};
pub use shape::{Dim, Dtype, len};
pub use tensor::Tensor;
pub use window::Window;
