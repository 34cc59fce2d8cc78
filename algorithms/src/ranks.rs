//! What the ranks of a mesh exchange, and which rows this one has.

use bytemuck::Pod;
use phalanx_mesh::{Mesh, MeshError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::AlgorithmError;

/// This rank's rows among those of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// Number of its first row.
    pub first_row: usize,
    /// Rows that it has.
    pub rows: usize,
    /// Rows of all ranks.
    pub all: usize,
}

impl Share {
    /// The share of a rank, of `all` rows in equal parts.
    ///
    /// # Errors
    /// [`AlgorithmError::Settings`] when they cannot be divided so.
    pub fn new(mesh: &Mesh, all: usize) -> Result<Self, AlgorithmError> {
        let size = mesh.size();
        if !all.is_multiple_of(size) {
            return Err(AlgorithmError::Settings(format!(
                "`rows` is {all}, which {size} ranks cannot share equally: choose a multiple of {size}"
            )));
        }
        let rows = all / size;
        Ok(Self { first_row: mesh.rank() * rows, rows, all })
    }

    /// The numbers of its rows among all.
    pub fn range(self) -> std::ops::Range<usize> {
        self.first_row..self.first_row + self.rows
    }
}

/// The numbers of every rank, in the order of ranks; for [`Gather`](phalanx_agents::Gather).
///
/// # Errors
/// Those of the mesh.
pub fn gather(mesh: &Mesh, own: Vec<f64>) -> Result<Vec<Vec<f64>>, AlgorithmError> {
    if mesh.is_alone() {
        return Ok(vec![own]);
    }
    Ok(mesh.gather(bytemuck::cast_slice(&own))?.iter().map(|bytes| from_bytes(bytes)).collect())
}

/// The numbers of all ranks in one list.
///
/// # Errors
/// Those of the mesh.
pub fn gather_all<T: Pod>(mesh: &Mesh, own: &[T]) -> Result<Vec<T>, MeshError> {
    Ok(mesh.gather(bytemuck::cast_slice(own))?.iter().flat_map(|bytes| from_bytes(bytes)).collect())
}

/// Numbers that were sent as bytes.
pub fn from_bytes<T: Pod>(bytes: &[u8]) -> Vec<T> {
    bytes.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect()
}

/// Plain values of every rank, in the order of ranks.
///
/// # Errors
/// Those of the mesh; [`AlgorithmError::Settings`] when a rank sends something else, which is another program.
pub fn exchange<T: Serialize + DeserializeOwned>(mesh: &Mesh, own: T) -> Result<Vec<T>, AlgorithmError> {
    if mesh.is_alone() {
        return Ok(vec![own]);
    }
    let other = |e: serde_json::Error| AlgorithmError::Settings(format!("a rank is another program ({e})"));
    let bytes = serde_json::to_vec(&own).map_err(other)?;
    mesh.gather(&bytes)?.iter().map(|bytes| serde_json::from_slice(bytes).map_err(other)).collect()
}
