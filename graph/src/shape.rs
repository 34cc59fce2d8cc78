//! Shapes: dimensions with names.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// One dimension of what an input or a node gives for each row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dim {
    /// `height`, `width` and `channels` of pictures; otherwise what it counts.
    pub name: String,
    /// Its size.
    pub size: usize,
}

impl Dim {
    /// A dimension of this name and size.
    pub fn new(name: impl Into<String>, size: usize) -> Self {
        Self { name: name.into(), size }
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.size)
    }
}

/// Numbers of these dimensions together; `usize::MAX` where there are more than fit into a number.
pub fn len(dims: &[Dim]) -> usize {
    dims.iter().fold(1, |len: usize, dim| len.saturating_mul(dim.size))
}

/// Dimensions as text: `height 84 × width 84 × channels 4`.
pub(crate) fn text(dims: &[Dim]) -> String {
    let dims: Vec<String> = dims.iter().map(|dim| format!("{dim}")).collect();
    if dims.is_empty() { "one number".into() } else { dims.join(" × ") }
}

/// Type of an input's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// 32-bit floats.
    F32,
    /// Bytes.
    U8,
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::U8 => "u8",
        })
    }
}
