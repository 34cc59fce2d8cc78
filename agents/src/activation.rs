//! Activation functions in place, and their derivatives from their results.
//!
//! On the CPU these are plain loops that the compiler turns into vector instructions: libtorch's tanh took as long as
//! the matrix products around it. Both compiled forms do the same operations in the same order, so the results are
//! the same bits with and without AVX.
#![allow(unsafe_code)]

use tch::{Device, Kind, Tensor};

use crate::Activation;

impl Activation {
    /// `x = f(x)`.
    pub(crate) fn apply(self, x: &mut Tensor) {
        match (self, numbers(x)) {
            (Self::Tanh, Some(x)) => each(x, &[], |x, _| tanh(x)),
            (Self::Relu, Some(x)) => each(x, &[], |x, _| x.max(0.0)),
            (Self::Tanh, None) => _ = x.tanh_(),
            (Self::Relu, None) => _ = x.relu_(),
            (Self::Elu, _) => _ = x.elu_(),
        }
    }

    /// `gradient = gradient · f'`, with f' read off the results `y` of f.
    pub(crate) fn backward(self, gradient: &mut Tensor, y: &mut Tensor) {
        match (self, numbers(gradient), numbers(y)) {
            (Self::Tanh, Some(g), Some(y)) => each(g, y, |g, y| g * (1.0 - y * y)),
            (Self::Relu, Some(g), Some(y)) => each(g, y, |g, y| if y > 0.0 { g } else { 0.0 }),
            (Self::Elu, Some(g), Some(y)) => each(g, y, |g, y| if y > 0.0 { g } else { g * (y + 1.0) }),
            (Self::Tanh, ..) => *gradient *= 1.0 - y.square(),
            (Self::Relu, ..) => *gradient *= y.gt(0.0),
            (Self::Elu, ..) => *gradient *= y.clamp_max(0.0) + 1.0,
        }
    }
}

/// The numbers of a contiguous float tensor in this process's memory.
#[allow(clippy::mut_from_ref, clippy::needless_pass_by_ref_mut)]
fn numbers(x: &mut Tensor) -> Option<&mut [f32]> {
    let plain = x.device() == Device::Cpu && x.kind() == Kind::Float && x.is_contiguous();
    // SAFETY: a contiguous CPU tensor of floats is an array of `numel` floats, and it is borrowed mutably.
    plain.then(|| unsafe { std::slice::from_raw_parts_mut(x.data_ptr().cast(), x.numel()) })
}

/// `x[i] = f(x[i], y[i])`, with zeros for a `y` that is too short.
#[inline(always)]
#[allow(clippy::inline_always)] // to be compiled within each form below
fn each(x: &mut [f32], y: &[f32], f: impl Fn(f32, f32) -> f32 + Copy) {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx2") {
        // SAFETY: this processor has AVX2.
        return unsafe { each_avx2(x, y, f) };
    }
    each_plain(x, y, f);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn each_avx2(x: &mut [f32], y: &[f32], f: impl Fn(f32, f32) -> f32) {
    each_plain(x, y, f);
}

#[inline(always)]
#[allow(clippy::inline_always)] // to be compiled within each form above
fn each_plain(x: &mut [f32], y: &[f32], f: impl Fn(f32, f32) -> f32) {
    if y.is_empty() {
        for x in x {
            *x = f(*x, 0.0);
        }
    } else {
        for (x, y) in x.iter_mut().zip(y) {
            *x = f(*x, *y);
        }
    }
}

/// Hyperbolic tangent, within 3 units in the last place, without branches.
#[inline(always)]
#[allow(clippy::inline_always)] // a call would keep the loop from being vectorised
fn tanh(x: f32) -> f32 {
    let size = x.abs().min(9.1);
    // Near zero: odd polynomial of Cephes' tanhf; elsewhere 1 − 2/(e^2x + 1).
    let z = size * size;
    let p = -5.704_988_7e-3 * z + 2.063_909e-2;
    let p = p * z - 5.373_971_6e-2;
    let p = p * z + 1.333_144_2e-1;
    let p = p * z - 0.333_332_8;
    let near = size + size * z * p;
    let far = 1.0 - 2.0 / (exp(2.0 * size) + 1.0);
    let magnitude = if size < 0.625 { near } else { far };
    magnitude.copysign(x)
}

/// eˣ for |x| ≤ 80: 2ⁿ·2ᶠ with |f| ≤ ½ and a polynomial for 2ᶠ.
#[inline(always)]
#[allow(clippy::inline_always)] // a call would keep the loop from being vectorised
fn exp(x: f32) -> f32 {
    /// 1.5·2²³: adding it rounds to an integer that then stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let scaled = x * std::f32::consts::LOG2_E;
    let rounded = scaled + ROUND;
    let f = (scaled - (rounded - ROUND)) * std::f32::consts::LN_2;
    let p = f * (1.0 / 720.0) + 1.0 / 120.0;
    let p = p * f + 1.0 / 24.0;
    let p = p * f + 1.0 / 6.0;
    let p = p * f + 0.5;
    let p = p * f + 1.0;
    let p = p * f + 1.0;
    let n = rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127);
    p * f32::from_bits(n << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tanh_agrees_with_the_standard_librarys() {
        for i in -200_000..=200_000 {
            let x = i as f32 * 6e-5;
            let (ours, exact) = (tanh(x), f64::from(x).tanh());
            assert!((f64::from(ours) - exact).abs() <= 3e-7 * exact.abs(), "tanh({x}) = {ours}, not {exact}");
        }
        assert_eq!((tanh(f32::INFINITY), tanh(-1e30), tanh(0.0)), (1.0, -1.0, 0.0));
    }

    #[test]
    fn functions_and_derivatives_agree_with_autograd() {
        let x = Tensor::from_slice(&[-3.0f32, -0.5, 0.1, 0.7, 4.0]);
        for activation in [Activation::Tanh, Activation::Relu, Activation::Elu] {
            let input = x.copy().set_requires_grad(true);
            let expected = match activation {
                Activation::Tanh => input.tanh(),
                Activation::Relu => input.relu(),
                Activation::Elu => input.elu(),
            };
            expected.sum(Kind::Float).backward();
            let mut y = x.copy();
            activation.apply(&mut y);
            assert!(y.allclose(&expected, 1e-6, 1e-6, false), "{activation:?}");
            let mut gradient = x.ones_like();
            activation.backward(&mut gradient, &mut y);
            assert!(gradient.allclose(&input.grad(), 1e-5, 1e-6, false), "{activation:?}");
        }
    }
}
