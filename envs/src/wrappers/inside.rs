//! The observation of an environment inside, where a wrapper shows another one.

use crate::field::Fields;
use crate::{Elements, Labels, Row, Space};

/// Memory for one observation of a space.
pub struct Inside {
    pub fields: Fields,
    /// The last ones that were asked for.
    pub labels: Labels,
    /// Aligned for every dtype.
    words: Vec<u64>,
}

impl Inside {
    pub fn new(space: &Space) -> Self {
        let fields = Fields::of(space);
        Self { words: vec![0; fields.bytes.div_ceil(size_of::<u64>())], labels: Labels::default(), fields }
    }

    /// To be written.
    pub fn row(&mut self) -> Row<'_> {
        self.fields.row(&mut bytemuck::cast_slice_mut(&mut self.words)[..self.fields.bytes])
    }

    /// Field number `index`.
    pub fn field(&self, index: usize) -> Elements<'_> {
        let field = &self.fields.all[index];
        Elements::of(field.dtype, &bytemuck::cast_slice(&self.words)[field.bytes()])
    }
}
