//! Eight floats at a time, as arrays or in the vector registers that a processor has: the same operations in the same order, so the same bits.

use crate::format::LANES;

/// How the sums of [`LANES`] outputs are computed.
pub trait Lanes: Copy {
    /// The sums.
    type Floats: Copy;

    /// Zeros.
    fn zeros(self) -> Self::Floats;

    /// `sums + weights·x`.
    fn add(self, sums: Self::Floats, weights: &[f32; LANES], x: f32) -> Self::Floats;

    /// The sums as numbers.
    fn array(self, sums: Self::Floats) -> [f32; LANES];
}

/// On any processor.
#[derive(Clone, Copy)]
pub struct Portable;

impl Lanes for Portable {
    type Floats = [f32; LANES];

    fn zeros(self) -> Self::Floats {
        [0.0; LANES]
    }

    #[cfg_attr(feature = "simd", inline(always))]
    fn add(self, mut sums: Self::Floats, weights: &[f32; LANES], x: f32) -> Self::Floats {
        sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight * x);
        sums
    }

    fn array(self, sums: Self::Floats) -> [f32; LANES] {
        sums
    }
}

#[cfg(all(feature = "simd", target_arch = "x86_64"))]
impl Lanes for pulp::x86::V3 {
    type Floats = pulp::f32x8;

    #[inline(always)]
    fn zeros(self) -> Self::Floats {
        self.splat_f32x8(0.0)
    }

    #[inline(always)]
    fn add(self, sums: Self::Floats, weights: &[f32; LANES], x: f32) -> Self::Floats {
        self.add_f32x8(sums, self.mul_f32x8(bytemuck::must_cast(*weights), self.splat_f32x8(x)))
    }

    #[inline(always)]
    fn array(self, sums: Self::Floats) -> [f32; LANES] {
        bytemuck::must_cast(sums)
    }
}
