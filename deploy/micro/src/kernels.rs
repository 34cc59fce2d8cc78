//! Kernels over the numbers of one row.

use phalanx_maths::{elu, leaky_relu, normal_cdf, relu, sigmoid, tanh};

use crate::format::activation;

/// Numbers that are multiplied side by side.
const LANES: usize = 8;

/// `Σ weight·x`.
pub fn dot(weight: &[f32], x: &[f32]) -> f32 {
    let (weights, weight_rest) = weight.as_chunks::<LANES>();
    let (xs, x_rest) = x.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (weight, x) in weights.iter().zip(xs) {
        for ((sum, w), x) in sums.iter_mut().zip(weight).zip(x) {
            *sum += w * x;
        }
    }
    let rest: f32 = weight_rest.iter().zip(x_rest).map(|(w, x)| w * x).sum();
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + e) + (b + f)) + ((c + g) + (d + h)) + rest
}

/// `y = f(W·x + b)`, with a weight `[y, x]`, row-major, then biases.
pub fn dense(parameters: &[f32], x: &[f32], y: &mut [f32], activation: u32) {
    let (weight, bias) = parameters.split_at_checked(x.len().wrapping_mul(y.len())).unwrap_or_default();
    for ((row, bias), y) in weight.chunks_exact(x.len().max(1)).zip(bias).zip(y.iter_mut()) {
        *y = dot(row, x) + bias;
    }
    activate(y, activation);
}

/// `y = (x − mean)/√(variance + 1e-5)·scale + shift`.
pub fn layer_norm(parameters: &[f32], x: &[f32], y: &mut [f32]) {
    let n = x.len() as f32;
    let mean = x.iter().sum::<f32>() / n;
    let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / n;
    let factor = 1.0 / libm::sqrtf(variance + 1e-5);
    let (scale, shift) = parameters.split_at_checked(x.len()).unwrap_or_default();
    for (((y, x), scale), shift) in y.iter_mut().zip(x).zip(scale).zip(shift) {
        *y = (x - mean) * factor * scale + shift;
    }
}

/// `x = f(x)`.
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
