//! The scalar functions of `phalanx-maths`: in line where loops of them become vectors, and once in a program where code is scarce.

pub use phalanx_maths::{leaky_relu, relu};

/// Hyperbolic tangent.
#[cfg(feature = "simd")]
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    phalanx_maths::tanh(x)
}

/// Hyperbolic tangent, by the loop that layers have.
#[cfg(not(feature = "simd"))]
#[inline(never)]
pub fn tanh(x: f32) -> f32 {
    let mut x = [x];
    crate::kernels::activate(&mut x, crate::format::activation::TANH);
    x[0]
}

/// eˣ for |x| ≤ 80.
#[cfg_attr(feature = "simd", inline(always))]
#[cfg_attr(not(feature = "simd"), inline(never))]
pub fn exp(x: f32) -> f32 {
    phalanx_maths::exp(x)
}

/// x where positive, eˣ − 1 elsewhere.
pub fn elu(x: f32) -> f32 {
    phalanx_maths::elu_by(exp, x)
}

/// Distribution function of the standard normal distribution.
pub fn normal_cdf(x: f32) -> f32 {
    phalanx_maths::normal_cdf_by(exp, x)
}

/// 1/(1 + e⁻ˣ).
#[cfg_attr(feature = "simd", inline(always))]
#[cfg_attr(not(feature = "simd"), inline(never))]
pub fn sigmoid(x: f32) -> f32 {
    0.5 + 0.5 * tanh(0.5 * x)
}

/// `x` within bounds; NaN stays NaN. `clamp` panics where bounds are in the wrong order.
pub fn within(x: f32, low: f32, high: f32) -> f32 {
    if x < low {
        low
    } else if x > high {
        high
    } else {
        x
    }
}
