//! The mesh: ranks of one training, in several processes and on several machines.
//!
//! A rank is a process. [`Place`] is what its environment says of it, [`Mesh::join`] meets the others, and [`Mesh`] has the collective
//! calls, which every rank makes in the same order. Sums are in the order of ranks, whatever transports them.

mod c10d;
mod collective;
mod error;
mod gloo;
mod join;
mod mesh;
mod place;
mod shared;
mod watch;

pub use collective::{Collective, Number};
pub use error::MeshError;
pub use join::{Backend, JoinOptions, MeshSettings};
pub use mesh::Mesh;
pub use place::{Place, free_port};
