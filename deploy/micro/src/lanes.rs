//! Eight floats at a time, as arrays or in the vector registers that a processor has: the same operations in the same order, so the same bits.

use crate::format::LANES;

/// How the sums of [`LANES`] outputs are computed.
pub trait Lanes: Copy {
    /// The sums.
    type Floats: Copy;

    /// These sums.
    fn load(self, sums: [f32; LANES]) -> Self::Floats;

    /// `sums + weights·x`.
    fn add(self, sums: Self::Floats, weights: &[f32; LANES], x: f32) -> Self::Floats;

    /// The sums as numbers.
    fn store(self, sums: Self::Floats) -> [f32; LANES];
}

/// On any processor.
#[derive(Clone, Copy)]
pub struct Portable;

impl Lanes for Portable {
    type Floats = [f32; LANES];

    #[cfg_attr(feature = "simd", inline(always))]
    fn load(self, sums: [f32; LANES]) -> Self::Floats {
        sums
    }

    #[cfg_attr(feature = "simd", inline(always))]
    fn add(self, [a, b, c, d, e, f, g, h]: Self::Floats, w: &[f32; LANES], x: f32) -> Self::Floats {
        // No loop: compilers that save code would keep it, and the sums in memory.
        [
            a + w[0] * x,
            b + w[1] * x,
            c + w[2] * x,
            d + w[3] * x,
            e + w[4] * x,
            f + w[5] * x,
            g + w[6] * x,
            h + w[7] * x,
        ]
    }

    #[cfg_attr(feature = "simd", inline(always))]
    fn store(self, sums: Self::Floats) -> [f32; LANES] {
        sums
    }
}

#[cfg(all(feature = "simd", target_arch = "x86_64"))]
impl Lanes for pulp::x86::V3 {
    type Floats = pulp::f32x8;

    #[inline(always)]
    fn load(self, sums: [f32; LANES]) -> Self::Floats {
        bytemuck::must_cast(sums)
    }

    #[inline(always)]
    fn add(self, sums: Self::Floats, weights: &[f32; LANES], x: f32) -> Self::Floats {
        self.add_f32x8(sums, self.mul_f32x8(bytemuck::must_cast(*weights), self.splat_f32x8(x)))
    }

    #[inline(always)]
    fn store(self, sums: Self::Floats) -> [f32; LANES] {
        bytemuck::must_cast(sums)
    }
}
