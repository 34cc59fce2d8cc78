//! Loops over many numbers, compiled twice: for any processor, and with AVX2.
//!
//! Both forms do the same operations in the same order, so the results are the same bits.
#![allow(unsafe_code)]

use phalanx_maths::{LEAK, NORMAL_DENSITY, elu, exp, leaky_relu, normal_cdf, relu, sigmoid, tanh};

use crate::Activation;
use crate::bytes::ByteScale;

/// A function whose loops use the vector instructions that the processor has.
macro_rules! vectorised {
    ($(#[$doc:meta])* $visible:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $body:block) => {
        $(#[$doc])*
        $visible fn $name($($argument: $type),*) {
            #[inline(always)]
            #[allow(clippy::inline_always)] // to be compiled within both forms
            fn plain($($argument: $type),*) $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn avx2($($argument: $type),*) {
                plain($($argument),*);
            }

            #[cfg(target_arch = "x86_64")]
            if std::is_x86_feature_detected!("avx2") {
                // SAFETY: this processor has AVX2.
                return unsafe { avx2($($argument),*) };
            }
            plain($($argument),*);
        }
    };
}

pub(super) use vectorised;

vectorised! {
    /// `(byte - low) / range`, with the same numbers for all bytes.
    fn scale_all(bytes: &[u8], into: &mut [f32], low: f32, range: f32) {
        for (x, byte) in into.iter_mut().zip(bytes) {
            *x = (f32::from(*byte) - low) / range;
        }
    }
}

vectorised! {
    /// `(byte - low) / range` for every row of `bytes [B, low]`, with numbers for each element.
    fn scale_each(bytes: &[u8], into: &mut [f32], low: &[f32], range: &[f32]) {
        for (x, bytes) in into.chunks_exact_mut(low.len()).zip(bytes.chunks_exact(low.len())) {
            for (((x, byte), low), range) in x.iter_mut().zip(bytes).zip(low).zip(range) {
                *x = (f32::from(*byte) - low) / range;
            }
        }
    }
}

/// Bytes `[B, inputs]` as fractions of their bounds.
pub fn fractions(bytes: &[u8], into: &mut [f32], scale: &ByteScale) {
    // P10
    match scale {
        ByteScale::All { low, range } => scale_all(bytes, into, *low, *range),
        ByteScale::Each { low, range } => scale_each(bytes, into, low, range),
    }
}

vectorised! {
    /// `x[i] += row` for every row of `x [B, row]`.
    pub fn add_to_rows(x: &mut [f32], row: &[f32]) {
        for x in x.chunks_exact_mut(row.len()) {
            for (x, y) in x.iter_mut().zip(row) {
                *x += y;
            }
        }
    }
}

vectorised! {
    /// `sum += x[0] + x[1] + …` over the rows of `x [B, sum]`.
    pub fn sum_rows(sum: &mut [f32], x: &[f32]) {
        for x in x.chunks_exact(sum.len()) {
            for (sum, x) in sum.iter_mut().zip(x) {
                *sum += x;
            }
        }
    }
}

/// `x = f(x + b)` for every pair.
#[inline(always)]
#[allow(clippy::inline_always)] // to be compiled within both forms
fn apply<'a>(activation: Activation, numbers: impl Iterator<Item = (&'a mut f32, &'a f32)>) {
    match activation {
        Activation::Tanh => numbers.for_each(|(x, b)| *x = tanh(*x + b)),
        Activation::Relu => numbers.for_each(|(x, b)| *x = relu(*x + b)),
        Activation::Elu => numbers.for_each(|(x, b)| *x = elu(*x + b)),
        Activation::Silu => numbers.for_each(|(x, b)| *x = (*x + b) * sigmoid(*x + b)),
        Activation::Gelu => numbers.for_each(|(x, b)| *x = (*x + b) * normal_cdf(*x + b)),
        Activation::LeakyRelu => numbers.for_each(|(x, b)| *x = leaky_relu(*x + b)),
        Activation::Identity => numbers.for_each(|(x, b)| *x += b),
    }
}

vectorised! {
    /// `x = f(x + bias)` for every row of `x [B, bias]`.
    pub fn add_and_activate(x: &mut [f32], bias: &[f32], activation: Activation) {
        for x in x.chunks_exact_mut(bias.len()) {
            apply(activation, x.iter_mut().zip(bias));
        }
    }
}

vectorised! {
    /// `x = f(x)`.
    pub fn activate(x: &mut [f32], activation: Activation) {
        apply(activation, x.iter_mut().zip(std::iter::repeat(&0.0)));
    }
}

vectorised! {
    /// `gradient = gradient · f'`, with f' read off the results `y` of f, or off `x` where y does not show it.
    pub fn activation_backward(gradient: &mut [f32], x: &[f32], y: &[f32], activation: Activation) {
        let numbers = gradient.iter_mut().zip(y);
        match activation {
            Activation::Tanh => numbers.for_each(|(g, y)| *g *= 1.0 - y * y),
            Activation::Relu => numbers.for_each(|(g, &y)| *g = if y > 0.0 { *g } else { 0.0 }),
            Activation::Elu => numbers.for_each(|(g, &y)| *g = if y > 0.0 { *g } else { *g * (y + 1.0) }),
            Activation::LeakyRelu => numbers.for_each(|(g, &y)| *g = if y > 0.0 { *g } else { *g * LEAK }),
            Activation::Silu => gradient.iter_mut().zip(x).for_each(|(g, &x)| {
                let s = sigmoid(x);
                *g *= s * (1.0 + x * (1.0 - s));
            }),
            Activation::Gelu => gradient.iter_mut().zip(x).for_each(|(g, &x)| {
                *g *= normal_cdf(x) + x * NORMAL_DENSITY * exp((-0.5 * x * x).clamp(-80.0, 0.0));
            }),
            Activation::Identity => {}
        }
    }
}

/// The numbers of one step of Adam.
#[derive(Clone, Copy)]
pub struct AdamStep {
    /// Factor of the gradient.
    pub scale: f32,
    /// Weights of the new gradient in the mean and of its square in the mean square.
    pub fresh: (f32, f32),
    /// Learning rate, with the correction of the mean's start.
    pub rate: f32,
    /// Factor of the root mean square: the correction of its start.
    pub correction: f32,
    /// Added to the denominator.
    pub epsilon: f32,
}

vectorised! {
    /// One step of Adam over all parameters.
    pub fn adam(p: &mut [f32], gradient: &[f32], mean: &mut [f32], square: &mut [f32], step: AdamStep) {
        for (((p, g), mean), square) in p.iter_mut().zip(gradient).zip(mean).zip(square) {
            let g = step.scale * g;
            *mean += step.fresh.0 * (g - *mean);
            *square += step.fresh.1 * (g * g - *square);
            *p -= step.rate * *mean / (square.sqrt() * step.correction + step.epsilon);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_activation_hides_a_number_that_is_none() {
        for activation in Activation::ALL {
            // Enough for a whole vector and a rest.
            let mut x = [f32::NAN; 11];
            activate(&mut x, activation);
            assert!(x.iter().all(|x| x.is_nan()), "{activation:?}: {x:?}");
        }
    }
}
