//! Kernels over the numbers of one row.

use crate::format::activation;
use crate::scalars::{elu, leaky_relu, normal_cdf, relu, sigmoid};

/// `y = (x − mean)/√(variance + 1e-5)·scale + shift`.
#[cfg_attr(feature = "simd", inline(always))]
#[cfg_attr(not(feature = "simd"), inline(never))]
pub fn layer_norm(parameters: &[f32], x: &[f32], y: &mut [f32]) -> Option<()> {
    let n = x.len() as f32;
    let mean = x.iter().sum::<f32>() / n;
    let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / n;
    let factor = inverse_root(variance + 1e-5);
    let (scale, shift) = parameters.split_at_checked(x.len())?;
    for (((y, x), scale), shift) in y.iter_mut().zip(x).zip(scale).zip(shift) {
        *y = (x - mean) * factor * scale + shift;
    }
    Some(())
}

/// `1/√x` of a positive number: a guess from its exponent, and four steps of Newton's, after which 32 bits hold no better one.
pub fn inverse_root(x: f32) -> f32 {
    let mut y = f32::from_bits(0x5f37_59df_u32.wrapping_sub(x.to_bits() >> 1));
    for _ in 0..4 {
        y *= 1.5 - 0.5 * x * y * y;
    }
    y
}

/// `x = f(x)`.
#[cfg_attr(feature = "simd", inline(always))]
#[cfg_attr(not(feature = "simd"), inline(never))]
pub fn activate(x: &mut [f32], of: u32) {
    match of {
        activation::IDENTITY => {}
        // In line: its constants stay in registers.
        activation::TANH => x.iter_mut().for_each(|x| *x = phalanx_maths::tanh(*x)),
        activation::RELU => x.iter_mut().for_each(|x| *x = relu(*x)),
        // One loop, to save code: its choice is small beside these.
        _ => x.iter_mut().for_each(|x| {
            *x = match of {
                activation::ELU => elu(*x),
                activation::SILU => *x * sigmoid(*x),
                activation::GELU => *x * normal_cdf(*x),
                _ => leaky_relu(*x),
            };
        }),
    }
}

/// The option that a number stands for: always one of them.
#[cfg_attr(feature = "simd", inline(always))]
#[cfg_attr(not(feature = "simd"), inline(never))]
pub fn option(x: &[f32], options: usize) -> usize {
    (x.first().copied().unwrap_or(0.0) as usize).min(options.saturating_sub(1))
}

/// A one for the option, and zeros.
#[cfg_attr(feature = "simd", inline(always))]
#[cfg_attr(not(feature = "simd"), inline(never))]
pub fn one_hot(option: usize, y: &mut [f32]) {
    for (i, y) in y.iter_mut().enumerate() {
        *y = f32::from(u8::from(i == option));
    }
}

/// `y = x`, or `y += x`; one loop, for which no general copy is linked.
#[cfg_attr(feature = "simd", inline(always))]
#[cfg_attr(not(feature = "simd"), inline(never))]
pub fn transfer(x: &[f32], y: &mut [f32], adds: bool) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = if adds { *y + *x } else { *x };
    }
}
