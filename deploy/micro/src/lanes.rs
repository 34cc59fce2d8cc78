//! The sums of eight outputs, as arrays or in the vector registers that a processor has: the same operations in the same order, so the same bits.

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

    /// Adds the products with the weights of a block in 8 bits: `weight·(x − zero)`.
    fn add_bytes(self, sums: &mut [i32; LANES], weight: &[[i8; LANES]], x: &[i8], zero: i32);
}

/// On any processor.
#[derive(Clone, Copy)]
pub struct Portable;

impl Lanes for Portable {
    type Floats = [f32; LANES];

    #[inline(always)]
    fn load(self, sums: [f32; LANES]) -> Self::Floats {
        sums
    }

    #[inline(always)]
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

    #[inline(always)]
    fn store(self, sums: Self::Floats) -> [f32; LANES] {
        sums
    }

    #[inline(always)]
    fn add_bytes(self, sums: &mut [i32; LANES], weight: &[[i8; LANES]], x: &[i8], zero: i32) {
        let (halves, _) = sums.as_chunks_mut();
        for (half, sums) in halves.iter_mut().enumerate() {
            add_half(sums, weight, half, x, zero);
        }
    }
}

/// The same for half a block: more sums would not fit into the registers of a microcontroller.
#[cfg_attr(feature = "simd", inline(always))]
#[cfg_attr(not(feature = "simd"), inline(never))]
fn add_half(sums: &mut [i32; 4], weight: &[[i8; LANES]], half: usize, x: &[i8], zero: i32) {
    let [mut a, mut b, mut c, mut d] = *sums;
    for (w, &x) in weight.iter().zip(x) {
        let (halves, _) = w.as_chunks::<4>();
        let Some(w) = halves.get(half) else { return };
        let x = i32::from(x).wrapping_sub(zero);
        let product = |w: i8| i32::from(w).wrapping_mul(x);
        (a, b) = (a.wrapping_add(product(w[0])), b.wrapping_add(product(w[1])));
        (c, d) = (c.wrapping_add(product(w[2])), d.wrapping_add(product(w[3])));
    }
    *sums = [a, b, c, d];
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

    /// Two numbers of `x` at a time, whose products with a pair of weights are added in 32 bits by one instruction.
    #[inline(always)]
    fn add_bytes(self, sums: &mut [i32; LANES], weight: &[[i8; LANES]], x: &[i8], zero: i32) {
        /// The weights of an output beside each other.
        const PAIRS: [i8; 16] = [0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15];
        // As many weights as numbers: both have a last one alone, or neither.
        let weight = weight.get(..x.len()).unwrap_or_default();
        let ((weight, weight_rest), (x, x_rest)) = (weight.as_chunks::<2>(), x.as_chunks::<2>());
        let (order, zeros) = (bytemuck::must_cast(PAIRS), self.splat_i16x16(zero as i16));
        let mut all: pulp::i32x8 = bytemuck::must_cast(*sums);
        let mut add = |weights: [[i8; LANES]; 2], x: [i8; 2]| {
            let weights = self.ssse3._mm_shuffle_epi8(bytemuck::must_cast(weights), order);
            let weights: pulp::i16x16 = bytemuck::must_cast(self.avx2._mm256_cvtepi8_epi16(weights));
            let x = self.sse2._mm_set1_epi16(i16::from_le_bytes(x.map(|x| x as u8)));
            let x = self.wrapping_sub_i16x16(bytemuck::must_cast(self.avx2._mm256_cvtepi8_epi16(x)), zeros);
            all = self.wrapping_add_i32x8(all, self.multiply_wrapping_add_adjacent_i16x16(weights, x));
        };
        for (weights, x) in weight.iter().zip(x) {
            add(*weights, *x);
        }
        if let ([weights], [x]) = (weight_rest, x_rest) {
            add([*weights, [0; LANES]], [*x, 0]);
        }
        *sums = bytemuck::must_cast(all);
    }
}

#[cfg(all(test, feature = "simd", target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_added_the_same_in_vector_registers() {
        let Some(vectors) = pulp::x86::V3::try_new() else { return };
        // More weights than numbers, as a piece of a window has.
        let weight: [[i8; LANES]; 12] =
            core::array::from_fn(|i| [-128, 127, 1, -1, 0, 3, 77, -5].map(|w| w ^ i as i8));
        let x: [i8; 9] = core::array::from_fn(|i| (i as i8).wrapping_mul(91));
        for n in 0..=x.len() {
            let mut all = [[7; LANES]; 2];
            Portable.add_bytes(&mut all[0], &weight, &x[..n], -128);
            vectors.add_bytes(&mut all[1], &weight, &x[..n], -128);
            assert_eq!(all[0], all[1], "{n} numbers");
        }
    }
}
