//! Activation functions of a byte.

use phalanx_graph::Activation;
use phalanx_maths::{elu, leaky_relu, normal_cdf, relu, sigmoid};

use super::{Scale, fixed};

/// Results for −128 to 127. The hyperbolic tangent is that of TensorFlow Lite for Microcontrollers, in whole numbers; others are the nearest bytes.
pub fn table(activation: Activation, read: Scale, write: Scale) -> Vec<i8> {
    let float = |x: f32| match activation {
        Activation::Relu => relu(x),
        Activation::Elu => elu(x),
        Activation::Silu => x * sigmoid(x),
        Activation::Gelu => x * normal_cdf(x),
        Activation::LeakyRelu => leaky_relu(x),
        Activation::Tanh | Activation::Identity => x,
    };
    (i8::MIN..=i8::MAX)
        .map(|q| match activation {
            Activation::Tanh => fixed::tanh(q, read),
            _ => write.quantize(f64::from(float(read.dequantize(q) as f32))),
        })
        .collect()
}
