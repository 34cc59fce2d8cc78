//! Scalar functions of networks, the same in training and on a microcontroller: multiplications, additions and divisions in 32 bits alone,
//! so that all targets give the same bits. No operating system and no allocator is needed.
#![no_std]

/// Slope of the leaky rectifier below 0.
pub const LEAK: f32 = 0.01;

/// 1/√2π.
pub const NORMAL_DENSITY: f32 = 0.398_942_3;

/// Hyperbolic tangent within 5e-7 of itself: x·P(x²)/Q(x²), the minimax quotient that Eigen uses, too.
#[inline(always)]
#[allow(clippy::inline_always)] // a call would keep the loop from being vectorised
pub fn tanh(x: f32) -> f32 {
    // Beyond, the result is ±1 in 32 bits.
    let x = x.clamp(-7.905_311, 7.905_311);
    let z = x * x;
    let p = z * -2.760_768_4e-16 + 2.000_188e-13;
    let p = p * z - 8.604_672e-11;
    let p = p * z + 5.122_297e-8;
    let p = p * z + 1.485_722_4e-5;
    let p = p * z + 6.372_619_3e-4;
    let p = p * z + 4.893_524_6e-3;
    let q = z * 1.198_258_4e-6 + 1.185_347_1e-4;
    let q = q * z + 2.268_434_6e-3;
    let q = q * z + 4.893_525e-3;
    x * p / q
}

/// eˣ for |x| ≤ 80: 2ⁿ·2ᶠ with |f| ≤ ½ and a polynomial for 2ᶠ.
#[inline(always)]
#[allow(clippy::inline_always)] // a call would keep the loop from being vectorised
pub fn exp(x: f32) -> f32 {
    /// 1.5·2²³: adding it rounds to an integer, which is then in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let scaled = x * core::f32::consts::LOG2_E;
    let rounded = scaled + ROUND;
    let f = (scaled - (rounded - ROUND)) * core::f32::consts::LN_2;
    let p = f * (1.0 / 720.0) + 1.0 / 120.0;
    let p = p * f + 1.0 / 24.0;
    let p = p * f + 1.0 / 6.0;
    let p = p * f + 0.5;
    let p = p * f + 1.0;
    let p = p * f + 1.0;
    let n = rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127);
    p * f32::from_bits(n << 23)
}

/// ln x of a positive normal number, within 2e-7 of the larger of itself and 1: 2·artanh of (m − 1)/(m + 1) for a mantissa m around 1.
pub fn ln(x: f32) -> f32 {
    /// √½, where mantissas begin.
    const LEAST: u32 = core::f32::consts::FRAC_1_SQRT_2.to_bits();
    let above = x.to_bits().wrapping_sub(LEAST);
    let exponent = (above as i32 >> 23) as f32;
    let m = f32::from_bits((above & 0x007f_ffff) + LEAST);
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let p = z * (2.0 / 9.0) + 2.0 / 7.0;
    let p = p * z + 2.0 / 5.0;
    let p = p * z + 2.0 / 3.0;
    exponent * core::f32::consts::LN_2 + (s * 2.0 + s * z * p)
}

/// 1/(1 + e⁻ˣ).
#[inline(always)]
#[allow(clippy::inline_always)] // a call would keep the loop from being vectorised
pub fn sigmoid(x: f32) -> f32 {
    0.5 + 0.5 * tanh(0.5 * x)
}

/// Of [`normal_cdf`]: the factor of the argument, then those of a polynomial, the highest power first.
pub const NORMAL_CDF: [f32; 6] =
    [0.327_591_1, 1.061_405_4, -1.453_152, 1.421_413_8, -0.284_496_72, 0.254_829_6];

/// Distribution function of the standard normal distribution, within 2e-7.
///
/// # Source
/// Abramowitz and Stegun 1964, 7.1.26.
#[inline(always)]
#[allow(clippy::inline_always)] // a call would keep the loop from being vectorised
pub fn normal_cdf(x: f32) -> f32 {
    normal_cdf_by(exp, x)
}

/// [`normal_cdf`] by a given [`exp`], which programs that save code have once.
#[inline(always)]
#[allow(clippy::inline_always)] // a call would keep the loop from being vectorised
pub fn normal_cdf_by(exp: impl Fn(f32) -> f32, x: f32) -> f32 {
    let z = x.abs() * core::f32::consts::FRAC_1_SQRT_2;
    let [scale, a, b, c, d, e] = NORMAL_CDF;
    let t = 1.0 / (1.0 + scale * z);
    let p = a * t + b;
    let p = p * t + c;
    let p = p * t + d;
    let p = p * t + e;
    let upper = 0.5 * p * t * exp((-z * z).clamp(-80.0, 0.0));
    // NaN stays NaN.
    if x > 0.0 { 1.0 - upper } else { upper }
}

/// x where positive, x/100 elsewhere.
#[inline(always)]
#[allow(clippy::inline_always)] // a call would keep the loop from being vectorised
pub fn leaky_relu(x: f32) -> f32 {
    if x > 0.0 { x } else { x * LEAK }
}

/// x where positive, 0 elsewhere. NaN stays NaN, so that the loss is NaN; `max` would hide it.
#[inline(always)]
#[allow(clippy::inline_always)] // a call would keep the loop from being vectorised
pub fn relu(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

/// x where positive, eˣ − 1 elsewhere. NaN stays NaN, as above.
#[inline(always)]
#[allow(clippy::inline_always)] // a call would keep the loop from being vectorised
pub fn elu(x: f32) -> f32 {
    elu_by(exp, x)
}

/// [`elu`] by a given [`exp`], as above.
#[inline(always)]
#[allow(clippy::inline_always)] // a call would keep the loop from being vectorised
pub fn elu_by(exp: impl Fn(f32) -> f32, x: f32) -> f32 {
    if x > 0.0 { x } else { exp(x.clamp(-80.0, 0.0)) - 1.0 }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn tanh_agrees_with_the_standard_librarys() {
        for i in -200_000..=200_000 {
            let x = i as f32 * 6e-5;
            let (ours, exact) = (tanh(x), f64::from(x).tanh());
            assert!((f64::from(ours) - exact).abs() <= 5e-7 * exact.abs(), "tanh({x}) = {ours}, not {exact}");
        }
        assert_eq!((tanh(f32::INFINITY), tanh(-1e30), tanh(0.0)), (1.0, -1.0, 0.0));
    }

    #[test]
    fn exp_agrees_with_the_standard_librarys() {
        for i in -80_000..=80_000 {
            let x = i as f32 * 1e-3;
            let (ours, exact) = (f64::from(exp(x)), f64::from(x).exp());
            // The argument is scaled in 32 bits: |x|·2⁻²⁴·log₂e, and the polynomial's own 3e-7.
            assert!(
                (ours - exact).abs() <= (4e-7 + 1.2e-7 * f64::from(x.abs())) * exact,
                "exp({x}) = {ours}"
            );
        }
    }

    #[test]
    fn ln_agrees_with_the_standard_librarys() {
        for i in 0..=400_000 {
            let x = (-80.0 + f64::from(i) * 4e-4).exp() as f32;
            let (ours, exact) = (f64::from(ln(x)), f64::from(x).ln());
            assert!((ours - exact).abs() <= 2e-7 * exact.abs().max(1.0), "ln({x}) = {ours}, not {exact}");
        }
        assert_eq!(ln(1.0), 0.0);
    }
}
