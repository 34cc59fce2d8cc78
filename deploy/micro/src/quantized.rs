//! Layers in 8 bits, with sums in 32 bits: the arithmetic of TensorFlow Lite for Microcontrollers, bit for bit.

use core::iter::once;
use core::ops::Range;

use bytemuck::{cast_slice, cast_slice_mut};

use crate::format::{LANES, op, quantized, step};
use crate::lanes::Lanes;
use crate::policy::{Policy, places};
use crate::windows::Windows;

/// A layer in 8 bits.
struct Layer<'a> {
    /// Weights `[outputs, columns]` in blocks.
    weight: &'a [i8],
    columns: usize,
    /// Of each output.
    bias: &'a [i32],
    /// Multiplier and shift of each output.
    rescaling: &'a [[i32; 2]],
    /// Results of the activation function for −128 to 127.
    table: Option<&'a [i8; quantized::TABLE]>,
    /// Zero point of what is read, zero point of the sums, least and largest result.
    bounds: [i8; 4],
}

impl Layer<'_> {
    /// Computes the outputs that lie side by side in `y` from pieces of what they read, each with the index of its first number.
    #[inline(always)]
    fn compute<L: Lanes, P: Iterator<Item = (usize, Range<usize>)>>(
        &self,
        lanes: L,
        pieces: impl Fn() -> P,
        x: &[i8],
        y: &mut [i8],
    ) -> Option<()> {
        let zero = i32::from(self.bounds[quantized::READ_ZERO]);
        let mut first = 0;
        let (mut block, mut row);
        while first < y.len() {
            // Blocks, and then rows: the weights of an output begin at the same place.
            let weight = self.weight.get(self.columns.wrapping_mul(first)..)?;
            let bias = self.bias.get(first..)?;
            let sums: &[i32] = if let Some(bias) = bias.first_chunk::<LANES>() {
                block = *bias;
                for (at, place) in pieces() {
                    lanes.add_bytes(&mut block, weight.as_chunks().0.get(at..)?, x.get(place)?, zero);
                }
                &block
            } else {
                row = *bias.first_chunk::<1>()?;
                for (at, place) in pieces() {
                    add_row(&mut row[0], weight.get(at..)?, x.get(place)?, zero);
                }
                &row
            };
            self.finish(first, sums, y);
            first = first.wrapping_add(sums.len());
        }
        Some(())
    }

    /// The results of sums of the outputs from `first` on.
    #[inline(always)]
    fn finish(&self, first: usize, sums: &[i32], y: &mut [i8]) {
        let [_, zero, least, largest] = self.bounds;
        let (zero, least, largest) = (zero.into(), least.into(), largest.into());
        let rescaling = self.rescaling.get(first..).unwrap_or_default();
        let y = y.get_mut(first..).unwrap_or_default();
        for ((y, sum), [multiplier, shift]) in y.iter_mut().zip(sums).zip(rescaling) {
            let x = rescale(*sum, *multiplier, *shift).saturating_add(zero);
            let x = x.min(largest).max(least) as i8;
            *y = self.table.map_or(x, |table| table[(x as u8 ^ 0x80) as usize]);
        }
    }

    /// A convolution.
    #[cfg_attr(feature = "simd", inline(always))]
    #[cfg_attr(not(feature = "simd"), inline(never))]
    fn conv<L: Lanes>(&self, lanes: L, words: &[u32; step::WORDS], x: &[i8], y: &mut [i8]) -> Option<()> {
        let windows = Windows::of(words)?;
        for (window, y) in y.chunks_exact_mut(self.bias.len().max(1)).enumerate() {
            self.compute(lanes, || windows.pieces(window), x, y)?;
        }
        Some(())
    }
}

/// Adds the products of the weights of one output: `weight·(x − zero)`.
#[inline(always)]
fn add_row(sum: &mut i32, weight: &[i8], x: &[i8], zero: i32) {
    for (&w, &x) in weight.iter().zip(x) {
        *sum = sum.wrapping_add(i32::from(w).wrapping_mul(i32::from(x).wrapping_sub(zero)));
    }
}

/// `x·multiplier·2^(shift − 31)`, rounded twice: as the high half of the doubled product, and where it is shifted to the right, ties away from zero.
#[inline(always)]
pub fn rescale(x: i32, multiplier: i32, shift: i32) -> i32 {
    let high = |x: i32| (i64::from(x).wrapping_mul(i64::from(multiplier)).wrapping_add(1 << 30) >> 31) as i32;
    if shift >= 0 {
        return high(x.wrapping_shl(shift as u32));
    }
    let high = high(x);
    // Negative ties fall below the half.
    let high = high.wrapping_add(high >> 31);
    high.wrapping_shr(!shift as u32).wrapping_add(1) >> 1
}

/// The nearest whole number of units, ties away from zero, plus the zero point.
#[inline(always)]
fn quantize(x: f32, scale: f32, zero: i32) -> i8 {
    let x = x / scale;
    let whole = x as i32;
    let rest = x - whole as f32;
    let nearest = whole.saturating_add(i32::from(rest >= 0.5)).saturating_sub(i32::from(rest <= -0.5));
    nearest.saturating_add(zero).clamp(-128, 127) as i8
}

/// Computes a step in 8 bits; nothing where it contradicts itself.
#[inline(always)]
pub fn run<L: Lanes>(lanes: L, policy: &mut Policy<'_>, words: &[u32; step::WORDS]) -> Option<()> {
    match words[step::OP] & 0xff {
        op::QUANTIZE | op::DEQUANTIZE => convert(words, policy.arena),
        _ => layer(lanes, policy, words),
    }
}

/// Floats in 8 bits, and back.
#[cfg_attr(feature = "simd", inline(always))]
#[cfg_attr(not(feature = "simd"), inline(never))]
fn convert(words: &[u32; step::WORDS], arena: &mut [f32]) -> Option<()> {
    let (len, is_back) = (words[step::READ_LEN] as usize, words[step::OP] & 0xff == op::DEQUANTIZE);
    let bytes = len.div_ceil(4);
    let (reads, writes) = if is_back { (bytes, len) } else { (len, bytes) };
    let (x, y) = places(arena, [words[step::READ] as usize, reads], [words[step::WRITE] as usize, writes])?;
    let (scale, zero) = (f32::from_bits(words[step::STATE]), words[step::SIZE] as i32);
    if is_back {
        let x = cast_slice::<f32, i8>(x);
        y.iter_mut().zip(x).for_each(|(y, x)| *y = i32::from(*x).wrapping_sub(zero) as f32 * scale);
    } else {
        cast_slice_mut(y).iter_mut().zip(x).for_each(|(y, x)| *y = quantize(*x, scale, zero));
    }
    Some(())
}

/// A dense layer or a convolution.
#[cfg_attr(feature = "simd", inline(always))]
#[cfg_attr(not(feature = "simd"), inline(never))]
fn layer<L: Lanes>(lanes: L, policy: &mut Policy<'_>, words: &[u32; step::WORDS]) -> Option<()> {
    let (reads, writes) = (words[step::READ_LEN] as usize, words[step::WRITE_LEN] as usize);
    let (read, write) = (words[step::READ] as usize, words[step::WRITE] as usize);
    let (x, y) = places(policy.arena, [read, reads.div_ceil(4)], [write, writes.div_ceil(4)])?;
    let x: &[i8] = cast_slice::<f32, i8>(x).get(..reads)?;
    let y: &mut [i8] = cast_slice_mut::<f32, i8>(y).get_mut(..writes)?;
    let is_conv = cfg!(feature = "pictures") && words[step::OP] & 0xff == op::CONV_INT8;
    let (outputs, columns) = if is_conv { sizes(words)? } else { (writes, reads) };
    let parameters = policy.file.floats.get(words[step::PARAMETERS] as usize..)?;
    let (own, rest) = parameters.split_at_checked(outputs.wrapping_mul(quantized::WORDS))?;
    let (bias, rescaling) = cast_slice::<f32, i32>(own).split_at_checked(outputs)?;
    let (weight, table) = rest.split_at_checked(outputs.wrapping_mul(columns).div_ceil(4))?;
    let layer = Layer {
        weight: cast_slice(weight),
        columns,
        bias,
        rescaling: rescaling.as_chunks().0,
        table: if words[step::OP] >> 8 == 0 { None } else { Some(cast_slice(table).first_chunk()?) },
        bounds: words[step::STATE].to_le_bytes().map(|byte| byte as i8),
    };
    if is_conv {
        return layer.conv(lanes, words, x, y);
    }
    layer.compute(lanes, || once((0, 0..reads)), x, y)
}

/// Filters of a convolution, and numbers of a window.
#[cfg_attr(feature = "simd", inline(always))]
#[cfg_attr(not(feature = "simd"), inline(never))]
fn sizes(words: &[u32; step::WORDS]) -> Option<(usize, usize)> {
    let windows = Windows::of(words)?;
    let filters = (words[step::WRITE_LEN] as usize).checked_div(windows.count)?;
    Some((filters, windows.pixels() * windows.channels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_rescaled_to_the_nearest_number() {
        // ½ is 2³⁰·2⁻³¹.
        assert_eq!([3, 1, 0, -1, -3].map(|x| rescale(x, 1 << 30, 0)), [2, 1, 0, 0, -1]);
        // A quarter: rounded to the right, ties away from zero.
        assert_eq!([2, 6, -2, -6, 1000].map(|x| rescale(x, 1 << 30, -1)), [1, 2, -1, -2, 250]);
        assert_eq!(rescale(5, 1 << 30, 3), 20);
    }

    #[test]
    fn floats_go_to_the_nearest_unit() {
        let all = [0.0, 0.24, 0.25, -0.25, -0.24, 100.0, -100.0, f32::NAN];
        assert_eq!(all.map(|x| quantize(x, 0.5, 3)), [3, 3, 4, 2, 3, 127, -128, 3]);
    }
}
