//! Rows of observations, to be written and to be read.

use std::ops::Range;

use bytemuck::{cast_slice, cast_slice_mut};

use crate::{Dtype, Field, Role};

/// Numbers of observations, to be read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Elements<'a> {
    /// 32-bit floats.
    F32(&'a [f32]),
    /// 64-bit floats.
    F64(&'a [f64]),
    /// Bytes.
    U8(&'a [u8]),
    /// One observation of a Dict or Tuple: see [`Self::field`].
    Fields {
        /// The row.
        bytes: &'a [u8],
        /// Where its fields lie.
        fields: &'a [Field],
    },
}

impl<'a> Elements<'a> {
    /// The numbers in these bytes.
    #[inline]
    pub(crate) fn of(dtype: Dtype, bytes: &'a [u8]) -> Self {
        match dtype {
            Dtype::F32 => Self::F32(cast_slice(bytes)),
            Dtype::F64 => Self::F64(cast_slice(bytes)),
            Dtype::U8 => Self::U8(bytes),
        }
    }

    /// The field at `path`.
    ///
    /// # Panics
    /// When the observation space has no leaf of this path.
    #[must_use]
    pub fn field(self, path: &str) -> Self {
        let Self::Fields { fields, .. } = self else { no_field(path, &[]) };
        let index = fields.iter().position(|field| field.path == path);
        self.field_at(index.unwrap_or_else(|| no_field(path, fields)))
    }

    /// The field number `index`, counted as [`Layout::fields`](crate::Layout::fields) does.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn field_at(self, index: usize) -> Self {
        let Self::Fields { bytes, fields } = self else { no_field(&index.to_string(), &[]) };
        Self::of(fields[index].dtype, &bytes[fields[index].bytes()])
    }

    /// The first number that is not finite, if there is one, and where it stands: `[3]`, or `.camera.left[3]` in that field.
    pub fn non_finite(self) -> Option<(String, f64)> {
        let i = match self {
            Self::F32(x) => x.iter().position(|x| !x.is_finite())?,
            Self::F64(x) => x.iter().position(|x| !x.is_finite())?,
            Self::U8(_) => return None,
            Self::Fields { fields, .. } => {
                return fields.iter().enumerate().find_map(|(i, field)| {
                    let (element, value) = self.field_at(i).non_finite()?;
                    Some((format!(".{}{element}", field.path), value))
                });
            }
        };
        Some((format!("[{i}]"), self.number(i).into()))
    }

    /// Whether this is an observation with an action mask.
    pub fn has_mask(self) -> bool {
        matches!(self, Self::Fields { fields, .. } if fields.iter().any(|field| field.role == Role::Mask))
    }

    /// Whether an option of the action's choices is legal: counted over all choices, as [`Role::Mask`] does. Without a mask every one is.
    pub fn is_legal(self, mut option: usize) -> bool {
        let Self::Fields { fields, .. } = self else { return true };
        for (i, field) in fields.iter().enumerate().filter(|(_, field)| field.role == Role::Mask) {
            if option < field.len {
                return self.field_at(i).number(option) != 0.0;
            }
            option -= field.len;
        }
        true
    }

    /// The 32-bit floats.
    ///
    /// # Panics
    /// When these are other numbers.
    pub fn f32(self) -> &'a [f32] {
        match self {
            Self::F32(floats) => floats,
            other => panic!("the observation space has {} elements, not f32", other.kind()),
        }
    }

    /// The 64-bit floats.
    ///
    /// # Panics
    /// When these are other numbers.
    pub fn f64(self) -> &'a [f64] {
        match self {
            Self::F64(floats) => floats,
            other => panic!("the observation space has {} elements, not f64", other.kind()),
        }
    }

    /// The bytes.
    ///
    /// # Panics
    /// When these are other numbers.
    pub fn u8(self) -> &'a [u8] {
        match self {
            Self::U8(bytes) => bytes,
            other => panic!("the observation space has {} elements, not u8", other.kind()),
        }
    }

    /// The number at `index` of a leaf, rounded to 32 bits.
    ///
    /// # Panics
    /// When there is none, or these are several fields.
    #[inline]
    pub fn number(self, index: usize) -> f32 {
        match self {
            Self::F32(x) => x[index],
            Self::F64(x) => x[index] as f32,
            Self::U8(x) => x[index].into(),
            Self::Fields { .. } => panic!("several fields have no number {index}"),
        }
    }

    /// How many numbers a leaf has.
    ///
    /// # Panics
    /// When these are several fields.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            Self::F32(x) => x.len(),
            Self::F64(x) => x.len(),
            Self::U8(x) => x.len(),
            Self::Fields { .. } => panic!("several fields have no length"),
        }
    }

    /// Whether a leaf has no numbers.
    ///
    /// # Panics
    /// When these are several fields.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    fn kind(self) -> &'static str {
        match self {
            Self::F32(_) => "f32",
            Self::F64(_) => "f64",
            Self::U8(_) => "u8",
            Self::Fields { .. } => "several kinds of",
        }
    }
}

impl<'a> From<Row<'a>> for Elements<'a> {
    fn from(row: Row<'a>) -> Self {
        match row {
            Row::F32(row) => Self::F32(row),
            Row::F64(row) => Self::F64(row),
            Row::U8(row) => Self::U8(row),
            Row::Fields { bytes, fields } => Self::Fields { bytes, fields },
        }
    }
}

/// One row of observations, to be written.
#[derive(Debug)]
pub enum Row<'a> {
    /// 32-bit floats.
    F32(&'a mut [f32]),
    /// 64-bit floats.
    F64(&'a mut [f64]),
    /// Bytes.
    U8(&'a mut [u8]),
    /// The row of a Dict or Tuple: see [`Self::field`].
    Fields {
        /// The row.
        bytes: &'a mut [u8],
        /// Where its fields lie.
        fields: &'a [Field],
    },
}

impl<'a> Row<'a> {
    /// The numbers in these bytes.
    #[inline]
    pub(crate) fn of(dtype: Dtype, bytes: &'a mut [u8]) -> Self {
        match dtype {
            Dtype::F32 => Self::F32(cast_slice_mut(bytes)),
            Dtype::F64 => Self::F64(cast_slice_mut(bytes)),
            Dtype::U8 => Self::U8(bytes),
        }
    }

    /// Some of the numbers; of several fields some of the bytes.
    #[inline]
    pub(crate) fn part(&mut self, range: Range<usize>) -> Row<'_> {
        match self {
            Self::F32(row) => Row::F32(&mut row[range]),
            Self::F64(row) => Row::F64(&mut row[range]),
            Self::U8(row) => Row::U8(&mut row[range]),
            Self::Fields { bytes, fields } => Row::Fields { bytes: &mut bytes[range], fields },
        }
    }

    /// Copies as many numbers of the same kind.
    pub(crate) fn copy_from(self, from: Elements<'_>) {
        match (self, from) {
            (Self::F32(to), Elements::F32(from)) => to.copy_from_slice(from),
            (Self::F64(to), Elements::F64(from)) => to.copy_from_slice(from),
            (Self::U8(to), Elements::U8(from)) => to.copy_from_slice(from),
            (Self::Fields { bytes: to, .. }, Elements::Fields { bytes: from, .. }) => {
                to.copy_from_slice(from);
            }
            (to, from) => panic!("{from:?} cannot be copied to {to:?}"),
        }
    }

    /// The same row once more, for a callee that must not keep it.
    pub fn again(&mut self) -> Row<'_> {
        match self {
            Self::F32(row) => Row::F32(row),
            Self::F64(row) => Row::F64(row),
            Self::U8(row) => Row::U8(row),
            Self::Fields { bytes, fields } => Row::Fields { bytes, fields },
        }
    }

    /// The field at `path`, as in `row.field("camera.left").u8().fill(0)`. Choices are f32 numbers, bits are bytes.
    ///
    /// # Panics
    /// When the observation space has no leaf of this path.
    pub fn field(&mut self, path: &str) -> Row<'_> {
        let Self::Fields { fields, .. } = self else { no_field(path, &[]) };
        let index = fields.iter().position(|field| field.path == path);
        let index = index.unwrap_or_else(|| no_field(path, fields));
        self.field_at(index)
    }

    /// The field number `index`, counted as [`Layout::fields`](crate::Layout::fields) does.
    ///
    /// # Panics
    /// When there is none.
    pub fn field_at(&mut self, index: usize) -> Row<'_> {
        let Self::Fields { bytes, fields } = self else { no_field(&index.to_string(), &[]) };
        Row::of(fields[index].dtype, &mut bytes[fields[index].bytes()])
    }

    /// The 32-bit floats of this row.
    ///
    /// # Panics
    /// When the observation space has others.
    pub fn f32(self) -> &'a mut [f32] {
        match self {
            Self::F32(row) => row,
            other => panic!("the observation space has {} elements, not f32", Elements::from(other).kind()),
        }
    }

    /// The 64-bit floats of this row.
    ///
    /// # Panics
    /// When the observation space has others.
    pub fn f64(self) -> &'a mut [f64] {
        match self {
            Self::F64(row) => row,
            other => panic!("the observation space has {} elements, not f64", Elements::from(other).kind()),
        }
    }

    /// The bytes of this row.
    ///
    /// # Panics
    /// When the observation space has others.
    pub fn u8(self) -> &'a mut [u8] {
        match self {
            Self::U8(row) => row,
            other => panic!("the observation space has {} elements, not u8", Elements::from(other).kind()),
        }
    }
}

#[cold]
fn no_field(path: &str, fields: &[Field]) -> ! {
    let known: Vec<_> = fields.iter().map(|field| field.path.as_str()).collect();
    panic!("the observation has no field `{path}`; its fields are {known:?}")
}
