//! Layers in 8 bits, with sums in 32 bits: the arithmetic of TensorFlow Lite for Microcontrollers, bit for bit.

use bytemuck::{cast_slice, cast_slice_mut};

use crate::format::{LANES, op, quantized, step};
use crate::linear::{Layer, linear};
use crate::policy::places;
use crate::windows::Windows;

/// A layer in 8 bits.
struct Quantized<'a> {
    /// Of each output.
    bias: &'a [i32],
    /// Multiplier and shift of each output.
    rescaling: &'a [[i32; 2]],
    /// Results of the activation function for −128 to 127, or nothing.
    table: &'a [i8],
    read_zero: i32,
    sum_zero: i32,
    least: i32,
    largest: i32,
}

impl Layer for Quantized<'_> {
    type Number = i8;
    type Sum = i32;
    type Sums = [i32; LANES];

    #[cfg_attr(feature = "simd", inline(always))]
    fn begin(&self, first: usize) -> [i32; LANES] {
        *self.bias.get(first..).and_then(|bias| bias.first_chunk()).unwrap_or(&[0; LANES])
    }

    #[cfg_attr(feature = "simd", inline(always))]
    fn add(&self, [a, b, c, d, e, f, g, h]: [i32; LANES], w: &[i8; LANES], x: i8) -> [i32; LANES] {
        let x = i32::from(x).wrapping_sub(self.read_zero);
        let add = |sum: i32, w: i8| sum.wrapping_add(i32::from(w).wrapping_mul(x));
        [
            add(a, w[0]),
            add(b, w[1]),
            add(c, w[2]),
            add(d, w[3]),
            add(e, w[4]),
            add(f, w[5]),
            add(g, w[6]),
            add(h, w[7]),
        ]
    }

    #[cfg_attr(feature = "simd", inline(always))]
    fn end(&self, first: usize, sums: [i32; LANES]) -> [i8; LANES] {
        let mut results = [0; LANES];
        for (i, (y, sum)) in results.iter_mut().zip(sums).enumerate() {
            *y = self.end_row(first + i, sum);
        }
        results
    }

    #[cfg_attr(feature = "simd", inline(always))]
    fn begin_row(&self, output: usize) -> i32 {
        self.bias.get(output).copied().unwrap_or(0)
    }

    #[cfg_attr(feature = "simd", inline(always))]
    fn add_row(&self, sum: i32, weight: &[i8], x: &[i8]) -> i32 {
        weight.iter().zip(x).fold(sum, |sum, (w, x)| {
            sum.wrapping_add(i32::from(*w).wrapping_mul(i32::from(*x).wrapping_sub(self.read_zero)))
        })
    }

    #[cfg_attr(feature = "simd", inline(always))]
    fn end_row(&self, output: usize, sum: i32) -> i8 {
        let &[multiplier, shift] = self.rescaling.get(output).unwrap_or(&[0; 2]);
        let x = rescale(sum, multiplier, shift).saturating_add(self.sum_zero);
        let x = x.min(self.largest).max(self.least) as i8;
        // Without a table as it is.
        self.table.get((i32::from(x) + 128) as usize).copied().unwrap_or(x)
    }
}

/// `x·multiplier·2^(shift − 31)`, rounded twice: as the high half of the doubled product, and where it is shifted to the right, ties away from zero.
#[cfg_attr(feature = "simd", inline(always))]
pub fn rescale(x: i32, multiplier: i32, shift: i32) -> i32 {
    let product = i64::from(x.wrapping_shl(shift.max(0) as u32)).wrapping_mul(i64::from(multiplier));
    let nudge = if product >= 0 { 1 << 30 } else { 1 - (1 << 30) };
    let high = (product.wrapping_add(nudge) / (1 << 31)).min(i64::from(i32::MAX)) as i32;
    let right = shift.min(0).unsigned_abs();
    let mask = 1_i32.wrapping_shl(right).wrapping_sub(1);
    let half = (mask >> 1) + i32::from(high < 0);
    high.wrapping_shr(right) + i32::from(high & mask > half)
}

/// The nearest whole number of units, ties away from zero, plus the zero point.
#[cfg_attr(feature = "simd", inline(always))]
fn quantize(x: f32, scale: f32, zero: i32) -> i8 {
    let x = x / scale;
    let whole = x as i32;
    let rest = x - whole as f32;
    let nearest = whole.saturating_add(i32::from(rest >= 0.5)).saturating_sub(i32::from(rest <= -0.5));
    nearest.saturating_add(zero).clamp(-128, 127) as i8
}

/// Computes a step in 8 bits; nothing where it contradicts itself.
#[cfg_attr(feature = "simd", inline(always))]
pub fn run(words: &[u32; step::WORDS], parameters: &[f32], results: &mut [f32]) -> Option<()> {
    let word = |i: usize| words[i] as usize;
    let of = words[step::OP] & 0xff;
    let (reads, writes) = (word(step::READ_LEN), word(step::WRITE_LEN));
    let range = |start: usize, len: usize, is_bytes: bool| {
        start..start.saturating_add(if is_bytes { len.div_ceil(4) } else { len })
    };
    let read = range(word(step::READ), reads, of != op::QUANTIZE);
    let write = range(word(step::WRITE), writes, of != op::DEQUANTIZE);
    let (x, y) = places(results, read, write)?;
    let (scale, zero) = (f32::from_bits(words[step::STATE]), words[step::SIZE] as i32);
    if of == op::QUANTIZE {
        cast_slice_mut(y).iter_mut().zip(x).for_each(|(y, x)| *y = quantize(*x, scale, zero));
        return Some(());
    }
    let x: &[i8] = cast_slice::<f32, i8>(x).get(..reads)?;
    if of == op::DEQUANTIZE {
        y.iter_mut().zip(x).for_each(|(y, x)| *y = i32::from(*x).wrapping_sub(zero) as f32 * scale);
        return Some(());
    }
    let y: &mut [i8] = cast_slice_mut::<f32, i8>(y).get_mut(..writes)?;
    let windows = Windows::of(words);
    let is_conv = cfg!(feature = "pictures") && of == op::CONV_INT8;
    let (outputs, n) = if is_conv { (windows.filters(writes), windows.numbers()) } else { (writes, reads) };
    let (own, rest) = parameters.split_at_checked(outputs.checked_mul(quantized::WORDS)?)?;
    let (bias, rescaling) = cast_slice::<f32, i32>(own).split_at_checked(outputs)?;
    let weights = outputs.checked_mul(n)?;
    let (weight, table) = rest.split_at_checked(weights.div_ceil(4))?;
    let [read_zero, sum_zero, least, largest] =
        words[step::STATE].to_le_bytes().map(|byte| i32::from(byte as i8));
    let layer = Quantized {
        bias,
        rescaling: rescaling.as_chunks().0,
        table: if words[step::OP] >> 8 == 0 { &[] } else { cast_slice(table).get(..quantized::TABLE)? },
        read_zero,
        sum_zero,
        least,
        largest,
    };
    let weight = cast_slice(weight).get(..weights)?;
    if is_conv {
        windows.conv(&layer, weight, x, y);
    } else {
        linear(&layer, weight, n, || core::iter::once((0, x)), y);
    }
    Some(())
}

/// Words of the parameters of a layer in 8 bits.
pub fn parameters(outputs: usize, n: usize, has_table: bool) -> Option<usize> {
    let own = outputs.checked_mul(quantized::WORDS)?;
    let table = if has_table { quantized::TABLE / 4 } else { 0 };
    own.checked_add(outputs.checked_mul(n)?.div_ceil(4))?.checked_add(table)
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
