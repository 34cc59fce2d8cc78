//! Kernels over the numbers of one row.

use crate::scalars::{elu, leaky_relu, normal_cdf, relu, sigmoid, tanh};

use crate::format::{LANES, activation};
use crate::lanes::Lanes;
use crate::linear::{Layer, linear};
use crate::windows::Windows;

/// A layer in 32-bit floats.
pub struct Floats<'a, L> {
    /// Biases.
    pub bias: &'a [f32],
    /// How sums are computed.
    pub lanes: L,
}

impl<L: Lanes> Layer for Floats<'_, L> {
    type Number = f32;
    type Sum = f32;
    type Sums = L::Floats;

    #[cfg_attr(feature = "simd", inline(always))]
    fn begin(&self, first: usize) -> L::Floats {
        let bias = self.bias.get(first..).and_then(|bias| bias.first_chunk());
        self.lanes.load(*bias.unwrap_or(&[0.0; LANES]))
    }

    #[cfg_attr(feature = "simd", inline(always))]
    fn add(&self, sums: L::Floats, weights: &[f32; LANES], x: f32) -> L::Floats {
        self.lanes.add(sums, weights, x)
    }

    #[cfg_attr(feature = "simd", inline(always))]
    fn end(&self, _: usize, sums: L::Floats) -> [f32; LANES] {
        self.lanes.store(sums)
    }

    #[cfg_attr(feature = "simd", inline(always))]
    fn begin_row(&self, output: usize) -> f32 {
        self.bias.get(output).copied().unwrap_or(0.0)
    }

    /// Four sums, so that none waits for another one.
    #[cfg_attr(feature = "simd", inline(always))]
    fn add_row(&self, sum: f32, weight: &[f32], x: &[f32]) -> f32 {
        let ((weights, weight_rest), (xs, x_rest)) = (weight.as_chunks(), x.as_chunks());
        let [mut a, mut b, mut c, mut d] = [sum, 0.0, 0.0, 0.0];
        for (w, x) in weights.iter().zip(xs) {
            let (w, x): (&[f32; 4], &[f32; 4]) = (w, x);
            (a, b, c, d) = (a + w[0] * x[0], b + w[1] * x[1], c + w[2] * x[2], d + w[3] * x[3]);
        }
        weight_rest.iter().zip(x_rest).fold((a + b) + (c + d), |sum, (w, x)| sum + w * x)
    }

    #[cfg_attr(feature = "simd", inline(always))]
    fn end_row(&self, _: usize, sum: f32) -> f32 {
        sum
    }
}

/// `y = W·x + b`, with the weights of [`linear`], then biases.
#[cfg_attr(feature = "simd", inline(always))]
pub fn dense<L: Lanes>(lanes: L, parameters: &[f32], x: &[f32], y: &mut [f32]) {
    let (weight, bias) = parameters.split_at_checked(x.len().wrapping_mul(y.len())).unwrap_or_default();
    linear(&Floats { bias, lanes }, weight, x.len(), || core::iter::once((0, x)), y);
}

/// The convolution of a picture, with the weights of [`linear`], then biases.
#[cfg_attr(feature = "simd", inline(always))]
pub fn conv<L: Lanes>(lanes: L, parameters: &[f32], x: &[f32], windows: Windows, y: &mut [f32]) {
    let weights = windows.filters(y.len()).wrapping_mul(windows.numbers());
    let (weight, bias) = parameters.split_at_checked(weights).unwrap_or_default();
    windows.conv(&Floats { bias, lanes }, weight, x, y);
}

/// `y = (x − mean)/√(variance + 1e-5)·scale + shift`.
#[cfg_attr(feature = "simd", inline(always))]
pub fn layer_norm(parameters: &[f32], x: &[f32], y: &mut [f32]) {
    let n = x.len() as f32;
    let mean = x.iter().sum::<f32>() / n;
    let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / n;
    let factor = inverse_root(variance + 1e-5);
    let (scale, shift) = parameters.split_at_checked(x.len()).unwrap_or_default();
    for (((y, x), scale), shift) in y.iter_mut().zip(x).zip(scale).zip(shift) {
        *y = (x - mean) * factor * scale + shift;
    }
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
pub fn activate(x: &mut [f32], of: u32) {
    match of {
        activation::TANH => x.iter_mut().for_each(|x| *x = tanh(*x)),
        activation::RELU => x.iter_mut().for_each(|x| *x = relu(*x)),
        activation::ELU => x.iter_mut().for_each(|x| *x = elu(*x)),
        activation::SILU => x.iter_mut().for_each(|x| *x *= sigmoid(*x)),
        activation::GELU => x.iter_mut().for_each(|x| *x *= normal_cdf(*x)),
        activation::LEAKY_RELU => x.iter_mut().for_each(|x| *x = leaky_relu(*x)),
        _ => {}
    }
}

/// The option that a number stands for: always one of them.
pub fn option(x: &[f32], options: usize) -> usize {
    (x.first().copied().unwrap_or(0.0) as usize).min(options.saturating_sub(1))
}

/// A one for the option.
pub fn one_hot(x: &[f32], y: &mut [f32]) {
    y.fill(0.0);
    if let Some(one) = y.get_mut(option(x, y.len())) {
        *one = 1.0;
    }
}

/// The row of the table.
pub fn embed(table: &[f32], options: usize, x: &[f32], y: &mut [f32]) {
    if let Some(row) = table.chunks_exact(y.len().max(1)).nth(option(x, options)) {
        y.iter_mut().zip(row).for_each(|(y, x)| *y = *x);
    }
}
