//! Operations as operators of a TensorFlow Lite model.

use phalanx_graph::{Activation, LAYER_NORM_EPSILON, Window};
use phalanx_maths::{LEAK, NORMAL_CDF};

use super::build::{TfLite, fused};
use super::schema::{Builtin, Field, Options, Quantized, TensorInfo, Type, options};
use crate::lower::{Binary, Target, Tensor, Unary, Weights};

impl TfLite<'_> {
    /// An operation with one number.
    fn with(&mut self, op: Binary, x: Tensor, number: f32) -> Tensor {
        let number = self.constant(&[number]);
        self.binary(op, x, number)
    }

    /// relu x − |x|·Φ(−|x|), with the polynomial that files have for the distribution function Φ.
    fn gelu(&mut self, x: Tensor) -> Tensor {
        let [scale, highest, lower @ ..] = NORMAL_CDF;
        let size = self.unary(Unary::Abs, x);
        let z = self.with(Binary::Mul, size, std::f32::consts::FRAC_1_SQRT_2);
        let t = self.with(Binary::Mul, z, scale);
        let t = self.with(Binary::Add, t, 1.0);
        let one = self.constant(&[1.0]);
        let t = self.binary(Binary::Div, one, t);
        let mut upper = self.with(Binary::Mul, t, highest);
        for factor in lower {
            upper = self.with(Binary::Add, upper, factor);
            upper = self.binary(Binary::Mul, upper, t);
        }
        let upper = self.with(Binary::Mul, upper, 0.5);
        let square = self.binary(Binary::Mul, z, z);
        let square = self.with(Binary::Mul, square, -1.0);
        let shape = self.shape(x).to_vec();
        let density = self.add(Builtin::Exp, &[square], &shape, Options::default());
        let upper = self.binary(Binary::Mul, upper, density);
        let less = self.binary(Binary::Mul, size, upper);
        let positive = self.unary(Unary::Activation(Activation::Relu), x);
        self.binary(Binary::Sub, positive, less)
    }

    fn mean(&mut self, x: Tensor) -> Tensor {
        let axis = self.whole(&[1], &[1]);
        let keep = Options(options::REDUCER, vec![(0, Field::Bool(true))]);
        self.add(Builtin::Mean, &[x, axis], &[1], keep)
    }
}

impl Target for TfLite<'_> {
    fn node(&mut self, name: &str) {
        self.node = name.into();
    }

    fn input(&mut self, name: &str, shape: &[usize], is_bytes: bool) -> Tensor {
        let dtype = if is_bytes { Type::Uint8 } else { Type::Float32 };
        // Microcontrollers have no cast from bytes, but a unit of 1.
        let quantized = is_bytes.then(|| Quantized { scale: vec![1.0], zero: vec![0] });
        let x = self.tensor(TensorInfo {
            name: name.into(),
            dtype,
            shape: shape.to_vec(),
            data: None,
            quantized,
        });
        self.model.inputs.push(x.0);
        self.flat(x)
    }

    fn output(&mut self, name: &str, x: Tensor, shape: &[usize]) {
        let x = self.in_floats(x);
        let x = self.reshaped(x, shape);
        let is_named = self.model.inputs.contains(&x.0) || self.model.outputs.contains(&x.0);
        let x = if is_named { self.copied(x, shape) } else { x };
        self.model.tensors[x.0].name = name.into();
        self.model.outputs.push(x.0);
    }

    fn constant(&mut self, numbers: &[f32]) -> Tensor {
        self.floats(&[1, numbers.len()], numbers)
    }

    fn unary(&mut self, op: Unary, x: Tensor) -> Tensor {
        let x = self.in_floats(x);
        let shape = self.shape(x).to_vec();
        let builtin = match op {
            Unary::Sigmoid => Builtin::Logistic,
            Unary::Floor => Builtin::Floor,
            Unary::Abs => Builtin::Abs,
            Unary::IsPositive => {
                let zero = self.constant(&[0.0]);
                let is_positive =
                    self.add_typed(Builtin::Greater, &[x, zero], (Type::Bool, &shape), Options::default());
                return self.cast(is_positive, Type::Int32);
            }
            Unary::Activation(activation) => match activation {
                Activation::Tanh => Builtin::Tanh,
                Activation::Relu => Builtin::Relu,
                Activation::Elu => Builtin::Elu,
                Activation::LeakyRelu => {
                    let leak = Options(options::LEAKY_RELU, vec![(0, Field::F32(LEAK))]);
                    return self.add(Builtin::LeakyRelu, &[x], &shape, leak);
                }
                Activation::Silu => {
                    let factor = self.unary(Unary::Sigmoid, x);
                    return self.binary(Binary::Mul, x, factor);
                }
                Activation::Gelu => return self.gelu(x),
                Activation::Identity => return x,
            },
        };
        self.add(builtin, &[x], &shape, Options::default())
    }

    fn binary(&mut self, op: Binary, a: Tensor, b: Tensor) -> Tensor {
        let [a, b] = [a, b].map(|x| self.in_floats(x));
        let is_one = |x: Tensor| self.info(x).data.is_some() && self.len(x) == 1;
        let (a_is_one, b_is_one) = (is_one(a), is_one(b));
        let keeps = a_is_one || b_is_one || self.shape(a) == self.shape(b);
        let [a, b] = if keeps { [a, b] } else { [a, b].map(|x| self.flat(x)) };
        let shape = if keeps {
            self.shape(if a_is_one { b } else { a }).to_vec()
        } else {
            vec![self.len(a).max(self.len(b))]
        };
        let (builtin, kind) = match op {
            Binary::Add => (Builtin::Add, options::ADD),
            Binary::Sub => (Builtin::Sub, options::SUB),
            Binary::Mul => (Builtin::Mul, options::MUL),
            Binary::Div => (Builtin::Div, options::DIV),
            Binary::Min => (Builtin::Minimum, options::NONE),
            Binary::Max => (Builtin::Maximum, options::NONE),
        };
        self.add(builtin, &[a, b], &shape, Options(kind, vec![]))
    }

    fn slice(&mut self, x: Tensor, start: usize, len: usize, stride: usize) -> Tensor {
        let x = self.flat(x);
        if len == self.len(x) {
            return x;
        }
        let end = start + (len - 1) * stride + 1;
        self.strided(x, &[(start, end, stride)])
    }

    fn concat(&mut self, all: &[Tensor]) -> Tensor {
        let all: Vec<Tensor> = all.iter().map(|&x| self.flat(x)).collect();
        let (dtype, len) = (self.info(all[0]).dtype, all.iter().map(|&x| self.len(x)).sum());
        let options = Options(options::CONCATENATION, vec![(0, Field::I32(1))]);
        self.add_typed(Builtin::Concatenation, &all, (dtype, &[len]), options)
    }

    fn dense(&mut self, x: Tensor, weights: Weights<'_>) -> Tensor {
        let x = self.flat(x);
        let outputs = weights.bias.len();
        let weight = self.floats(&[outputs, self.len(x)], weights.weight);
        let bias = self.floats(&[outputs], weights.bias);
        let options = Options(options::FULLY_CONNECTED, vec![(0, fused(weights.is_relu))]);
        self.add(Builtin::FullyConnected, &[x, weight, bias], &[outputs], options)
    }

    fn conv(&mut self, x: Tensor, window: &Window, weights: Weights<'_>) -> Tensor {
        self.convolution(x, window, weights)
    }

    fn pool(&mut self, x: Tensor, window: &Window, is_max: bool) -> Tensor {
        self.pooled(x, window, is_max)
    }

    fn layer_norm(&mut self, x: Tensor, scale: &[f32], shift: &[f32]) -> Tensor {
        let x = self.flat(x);
        let shape = self.shape(x).to_vec();
        let mean = self.mean(x);
        let squares = self.add(Builtin::SquaredDifference, &[x, mean], &shape, Options::default());
        let variance = self.mean(squares);
        let epsilon = self.constant(&[LAYER_NORM_EPSILON]);
        let variance = self.binary(Binary::Add, variance, epsilon);
        let factor = self.add(Builtin::Rsqrt, &[variance], &[1], Options::default());
        let x = self.binary(Binary::Sub, x, mean);
        let x = self.binary(Binary::Mul, x, factor);
        let [scale, shift] = [scale, shift].map(|numbers| self.constant(numbers));
        let x = self.binary(Binary::Mul, x, scale);
        self.binary(Binary::Add, x, shift)
    }

    fn row(&mut self, table: &[f32], columns: usize, x: Tensor) -> Tensor {
        let table = self.floats(&[table.len() / columns, columns], table);
        let x = self.cast(x, Type::Int32);
        let rows = self.add(Builtin::Gather, &[table, x], &[1, columns], Options(options::GATHER, vec![]));
        self.flat(rows)
    }

    fn largest(&mut self, x: Tensor, start: i32) -> Tensor {
        let x = self.flat(x);
        let axis = self.whole(&[1], &[1]);
        let kind = Options(options::ARG_MAX, vec![(0, Field::I8(Type::Int32 as i8))]);
        let option = self.add_typed(Builtin::ArgMax, &[x, axis], (Type::Int32, &[]), kind);
        if start == 0 {
            return option;
        }
        let start = self.whole(&[1], &[start]);
        let sum = Options(options::ADD, vec![]);
        self.add_typed(Builtin::Add, &[option, start], (Type::Int32, &[]), sum)
    }

    fn other(&mut self, step: usize, window: Option<&Window>, x: Tensor) -> Option<Tensor> {
        let layer = self.quantization?.layers[step].as_ref()?;
        Some(self.int8(layer, window, x))
    }
}
