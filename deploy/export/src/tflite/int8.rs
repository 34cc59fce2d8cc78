//! Layers in 8 bits.

use phalanx_graph::{Activation, Window};

use super::build::{TfLite, fused};
use super::pictures::{channels_last, filter_shape};
use super::schema::{Builtin, Options, Quantized, TensorInfo, Type, options};
use crate::lower::{Target as _, Tensor, Unary};
use crate::quantize::{Layer, Scale};

/// What a result in 8 bits is like.
fn int8(scale: Scale) -> TensorInfo {
    let quantized = Quantized { scale: vec![scale.scale], zero: vec![i64::from(scale.zero)] };
    TensorInfo {
        name: String::new(),
        dtype: Type::Int8,
        shape: vec![],
        data: None,
        quantized: Some(quantized),
    }
}

impl TfLite<'_> {
    /// A result in the form that it does not have, made once.
    fn in_form(&mut self, x: Tensor, builtin: Builtin, kind: u8, like: &TensorInfo) -> Tensor {
        if self.info(x).dtype == like.dtype {
            return x;
        }
        if let Some((_, other)) = self.other_form.iter().find(|(one, _)| *one == x) {
            return *other;
        }
        let shape = self.shape(x).to_vec();
        let other = self.add_like(builtin, &[x], like, &shape, Options(kind, vec![]));
        self.other_form.push((x, other));
        other
    }

    /// A result in floats.
    pub fn in_floats(&mut self, x: Tensor) -> Tensor {
        if self.info(x).quantized.is_none() {
            return x;
        }
        let like = TensorInfo { dtype: Type::Float32, quantized: None, ..self.info(x).clone() };
        self.in_form(x, Builtin::Dequantize, options::DEQUANTIZE, &like)
    }

    fn in_int8(&mut self, x: Tensor, scale: Scale) -> Tensor {
        self.in_form(x, Builtin::Quantize, options::QUANTIZE, &int8(scale))
    }

    /// A constant with a unit for each of its first axis.
    fn quantized(&mut self, dtype: Type, dims: &[usize], data: Vec<u8>, scale: Vec<f32>) -> Tensor {
        let zero = vec![0; scale.len()];
        let constant = self.constant_of(dtype, dims, data);
        self.model.tensors[constant.0].quantized = Some(Quantized { scale, zero });
        constant
    }

    /// A dense layer or convolution and its activation.
    pub(super) fn int8(&mut self, layer: &Layer, window: Option<&Window>, x: Tensor) -> Tensor {
        let x = self.in_int8(x, layer.read);
        let outputs = layer.bias.len();
        let columns = layer.weight.len() / outputs;
        let shape = window.map_or(vec![outputs, columns], |window| filter_shape(window, outputs).to_vec());
        let weight =
            window.map_or_else(|| layer.weight.clone(), |window| channels_last(&layer.weight, window));
        let weight = weight.iter().map(|x| *x as u8).collect();
        let weight = self.quantized(Type::Int8, &shape, weight, layer.weight_scales.clone());
        let bias = layer.bias.iter().flat_map(|x| x.to_le_bytes()).collect();
        let bias_scales = layer.weight_scales.iter().map(|scale| layer.read.scale * scale).collect();
        let bias = self.quantized(Type::Int32, &[outputs], bias, bias_scales);
        let like = int8(layer.sum);
        let sum = if let Some(window) = window {
            let x = self.padded(x, window, None);
            self.windows(&[x, weight, bias], window, &like, outputs, layer.is_relu)
        } else {
            let x = self.reshaped(x, &[columns]);
            let options = Options(options::FULLY_CONNECTED, vec![(0, fused(layer.is_relu))]);
            self.add_like(Builtin::FullyConnected, &[x, weight, bias], &like, &[outputs], options)
        };
        match layer.activation {
            None => sum,
            Some(Activation::Tanh) => {
                let shape = self.shape(sum).to_vec();
                self.add_like(Builtin::Tanh, &[sum], &int8(layer.write), &shape, Options::default())
            }
            // Others in floats.
            Some(activation) => {
                let result = self.unary(Unary::Activation(activation), sum);
                self.in_int8(result, layer.write)
            }
        }
    }
}
