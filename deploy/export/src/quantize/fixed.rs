//! Numbers in fixed point, as the kernels of TensorFlow Lite for Microcontrollers and gemmlowp have them.
//!
//! A raw number of `n` integer bits is in units of 2^(n − 31).

use super::Scale;

/// A factor as a multiplier in units of 2⁻³¹, within [½, 1), and a power of two.
pub fn multiplier(factor: f64) -> [i32; 2] {
    if factor == 0.0 {
        return [0, 0];
    }
    let mut shift = factor.log2().floor() as i32 + 1;
    let mut fixed = (factor * 2.0_f64.powi(31 - shift)).round();
    if fixed >= 2.0_f64.powi(31) {
        (fixed, shift) = (fixed / 2.0, shift + 1);
    } else if fixed < 2.0_f64.powi(30) {
        // The logarithm was rounded up.
        shift -= 1;
        fixed = (factor * 2.0_f64.powi(31 - shift)).round();
    }
    match shift {
        ..-31 => [0, 0],
        -31..=30 => [fixed as i32, shift],
        _ => [i32::MAX, 30],
    }
}

/// High half of the doubled product, rounded.
fn multiply(a: i32, b: i32) -> i32 {
    if a == i32::MIN && b == i32::MIN {
        return i32::MAX;
    }
    let product = i64::from(a) * i64::from(b);
    let nudge = if product >= 0 { 1 << 30 } else { 1 - (1 << 30) };
    ((product + nudge) / (1 << 31)) as i32
}

/// `x/2ⁿ`, ties away from zero.
fn halve(x: i32, n: u32) -> i32 {
    let mask = ((1_i64 << n) - 1) as i32;
    let half = (mask >> 1) + i32::from(x < 0);
    (x >> n) + i32::from(x & mask > half)
}

/// `x·2ⁿ`, within 32 bits.
fn double(x: i32, n: u32) -> i32 {
    (i64::from(x) << n).clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
}

/// The nearest byte of the hyperbolic tangent, in units of 1/128.
pub fn tanh(q: i8, read: Scale) -> i8 {
    /// Integer bits of the argument.
    const BITS: i32 = 4;
    let [factor, shift] = multiplier(f64::from(read.scale) * f64::from(1 << (31 - BITS)));
    let radius = f64::from((1 << BITS) - 1) * f64::from(1 << (31 - BITS)) / 2.0_f64.powi(shift);
    let x = i32::from(q) - i32::from(read.zero);
    if x <= -(radius.floor() as i32) {
        return i8::MIN;
    }
    if x >= radius.floor() as i32 {
        return i8::MAX;
    }
    // In units of 2⁻²⁷.
    let raw = halve(multiply(x << shift.max(0), factor), shift.min(0).unsigned_abs());
    let result = match raw {
        0 => 0,
        1.. => -negative_tanh(-raw),
        _ => negative_tanh(raw),
    };
    halve(result, 24).clamp(-128, 127) as i8
}

/// tanh x of x ≤ 0, which has 4 integer bits; the result has none.
fn negative_tanh(raw: i32) -> i32 {
    // −(1 − e)/(1 + e) with e = exp(2x): with one integer bit more, the raw number is that of 2x.
    let e = exp(raw);
    // 1/((1 + e)/2) by three steps of Newton, with 2 integer bits, from 48/17 − 32/17·x.
    let half = ((i64::from(e) + i64::from(i32::MAX) + 1) / 2) as i32;
    let one = 1 << 29;
    let mut x = 1_515_870_810 + multiply(half, -1_010_580_540);
    for _ in 0..3 {
        x += double(multiply(x, one - multiply(half, x)), 2);
    }
    -double(x - one, 2)
}

/// eˣ of x ≤ 0, which has 5 integer bits; the result has none.
fn exp(raw: i32) -> i32 {
    /// ¼.
    const QUARTER: i32 = 1 << 24;
    /// exp(−2ⁿ) for n from −2 on, in units of 2⁻³¹.
    const FACTORS: [i32; 7] =
        [1_672_461_947, 1_302_514_674, 790_015_084, 290_630_308, 39_332_535, 720_401, 242];
    if raw == 0 {
        return i32::MAX;
    }
    let within = (raw & (QUARTER - 1)) - QUARTER;
    // Taylor's series around −⅛, to the fourth order.
    let x = double(within, 5) + (1 << 28);
    let square = multiply(x, x);
    let (cube, fourth) = (multiply(square, x), multiply(square, square));
    let high = multiply(halve(fourth, 2) + cube, 715_827_883);
    let mut result = 1_895_147_668 + multiply(1_895_147_668, x + halve(high + square, 1));
    // And the quarters: one factor for each bit of their number.
    let quarters = within - raw;
    for (i, factor) in FACTORS.iter().enumerate() {
        if quarters & (QUARTER << i) != 0 {
            result = multiply(result, *factor);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_multipliers_and_shifts() {
        assert_eq!(multiplier(1.0), [1 << 30, 1]);
        assert_eq!(multiplier(0.75), [3 << 29, 0]);
        assert_eq!(multiplier(0.1), [(0.8 * 2.0_f64.powi(31)).round() as i32, -3]);
        assert_eq!(multiplier(0.0), [0, 0]);
    }

    #[test]
    fn exponentials_agree_with_the_standard_librarys() {
        for i in 0..2000 {
            let raw = -(i * 1_000_003);
            let exact = (f64::from(raw) * 2.0_f64.powi(-26)).exp();
            assert!((f64::from(exp(raw)) * 2.0_f64.powi(-31) - exact).abs() < 1e-6);
        }
    }

    #[test]
    fn bytes_of_the_hyperbolic_tangent_are_the_nearest_ones_or_beside_them() {
        for scale in [0.001, 0.01, 4.0 / 127.0, 0.12] {
            let read = Scale { scale, zero: -3 };
            for q in i8::MIN..=i8::MAX {
                let exact = (read.dequantize(q).tanh() * 128.0).clamp(-128.0, 127.0);
                assert!((f64::from(tanh(q, read)) - exact).abs() <= 0.51, "{q} of {scale}");
            }
        }
    }
}
