//! Fields: what an observation of several leaves is made of, and where each lies in its row of bytes.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{Dtype, Elements, Row, Space};

/// Fields of an observation with several begin at multiples of so many bytes, and so do its rows.
const ALIGNMENT: usize = 8;

/// The name of masks among the parts of an observation.
const MASK: &str = "action_mask";

/// One leaf of an observation space, and where it lies in the bytes of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// Path of the leaf, as [`Space::leaves`] has it.
    pub path: String,
    /// The leaf.
    pub space: Space,
    /// What its numbers are stored as: a box as its own type, choices as f32 (the index, which is exact), bits as bytes.
    pub dtype: Dtype,
    /// Lengths of the axes; empty for a scalar.
    pub shape: Vec<usize>,
    /// Bytes of the row before it.
    pub offset: usize,
    /// Numbers in it.
    pub len: usize,
    /// What it is for.
    pub role: Role,
}

/// What a field of an observation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// The networks read it.
    Observation,
    /// It has a number for each option of the action's choices ([`Space::options_len`]): 0 where the option is illegal, 1 where it is legal.
    Mask,
}

impl Role {
    /// The role of the field at `path`: a mask where one of its names is `action_mask`.
    pub fn of(path: &str) -> Self {
        if path.split('.').any(|name| name == MASK) { Self::Mask } else { Self::Observation }
    }
}

/// The fields of an observation space, and rows of bytes that hold them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fields {
    pub all: Vec<Field>,
    /// Bytes of a row.
    pub bytes: usize,
    /// Whether a row is one of a Dict or Tuple.
    composite: bool,
}

impl Fields {
    /// The fields of `space`.
    pub fn of(space: &Space) -> Self {
        let (mut bytes, composite) = (0_usize, space.is_composite());
        let fields = space.leaves().into_iter().map(|(path, leaf)| {
            let dtype = match leaf {
                Space::Box { dtype, .. } => *dtype,
                Space::MultiBinary { .. } => Dtype::U8,
                _ => Dtype::F32,
            };
            let shape = match leaf {
                Space::MultiDiscrete { n } => vec![n.len()],
                leaf => leaf.shape().to_vec(),
            };
            let role = Role::of(&path);
            let (offset, len) = (bytes, leaf.len());
            bytes = len.saturating_mul(dtype.size()).saturating_add(offset);
            if composite {
                bytes = bytes.checked_next_multiple_of(ALIGNMENT).unwrap_or(usize::MAX);
            }
            Field { path, space: leaf.clone(), dtype, shape, offset, len, role }
        });
        Self { all: fields.collect(), bytes, composite }
    }

    /// Observations in these bytes: of one field all that lie there, of several one observation.
    #[inline]
    pub fn elements<'a>(&'a self, bytes: &'a [u8]) -> Elements<'a> {
        if self.composite {
            Elements::Fields { bytes, fields: &self.all }
        } else {
            Elements::of(self.all[0].dtype, bytes)
        }
    }

    /// As [`Self::elements`], to be written.
    #[inline]
    pub fn row<'a>(&'a self, bytes: &'a mut [u8]) -> Row<'a> {
        if self.composite {
            Row::Fields { bytes, fields: &self.all }
        } else {
            Row::of(self.all[0].dtype, bytes)
        }
    }
}

impl Field {
    /// How messages name number `i` of this field: `observation[3]`, `observation.camera.left[3]`.
    pub fn element(&self, i: usize) -> String {
        format!("{}[{i}]", self.name())
    }

    /// How messages name this field: `observation`, `observation.camera.left`.
    pub(crate) fn name(&self) -> String {
        let dot = if self.path.is_empty() { "" } else { "." };
        format!("observation{dot}{}", self.path)
    }

    /// Its bytes in a row.
    #[inline]
    pub(crate) fn bytes(&self) -> Range<usize> {
        self.offset..self.offset + self.len * self.dtype.size()
    }
}

/// One field of several rows: they lie apart, where observations have other fields.
#[derive(Debug, Clone, Copy)]
pub struct FieldRows<'a> {
    field: &'a Field,
    bytes: &'a [u8],
    stride: usize,
}

impl<'a> FieldRows<'a> {
    /// `field` of rows of `stride` bytes.
    pub(crate) fn new(field: &'a Field, bytes: &'a [u8], stride: usize) -> Self {
        Self { field, bytes, stride }
    }

    /// Number of rows.
    #[inline]
    pub fn rows(&self) -> usize {
        self.bytes.len() / self.stride
    }

    /// The field of one row, `[len]`.
    ///
    /// # Panics
    /// When there is no such row.
    #[inline]
    pub fn row(&self, row: usize) -> Elements<'a> {
        let row = &self.bytes[row * self.stride..(row + 1) * self.stride];
        Elements::of(self.field.dtype, &row[self.field.bytes()])
    }

    /// The field of all rows one after the other, `[rows, len]`, where nothing lies between them; `None` where something does.
    #[inline]
    pub fn contiguous(&self) -> Option<Elements<'a>> {
        (self.field.bytes() == (0..self.stride)).then(|| Elements::of(self.field.dtype, self.bytes))
    }
}
