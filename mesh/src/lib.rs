//! The mesh: ranks of one training, in several processes and on several machines.
//!
//! A rank is a process. [`Place`] is what its environment says of it, [`Mesh::join`] meets the others, and [`Mesh`] has the collective
//! calls, which every rank makes in the same order. Sums are in the order of ranks, whatever transports them. [`Grid`] has the ranks along the axes of a
//! mesh, and what a layout divides along which.

mod c10d;
mod collective;
mod error;
mod gloo;
mod grid;
mod join;
mod meeting;
mod mesh;
mod place;
mod race;
mod shape;
mod shared;
mod watch;

pub use collective::{Collective, Number};
pub use error::MeshError;
pub use grid::{Grid, Parts, coordinates};
pub use join::{Backend, JoinOptions, MeshSettings};
pub use meeting::Seat;
pub use mesh::Mesh;
pub use place::{Place, free_port};
pub use race::Race;
pub use shape::{Axis, ENV, Layout, ROWS, Rule, Shape};
