//! Operations as operators of a TensorFlow Lite model.

use phalanx_graph::{Activation, LAYER_NORM_EPSILON, Window};
use phalanx_maths::{LEAK, NORMAL_CDF};

use super::schema::{Builtin, Field, Model, Operator, Options, Quantized, TensorInfo, Type};
use crate::Quantization;
use crate::lower::{Binary, Target, Tensor, Unary, Weights};

/// Numbers of the tables of options.
const FULLY_CONNECTED: u8 = 8;
const CONCATENATION: u8 = 10;
const ADD: u8 = 11;
const RESHAPE: u8 = 17;
const MUL: u8 = 21;
const GATHER: u8 = 23;
const REDUCER: u8 = 27;
const SUB: u8 = 28;
const DIV: u8 = 29;
const STRIDED_SLICE: u8 = 32;
const CAST: u8 = 37;
const ARG_MAX: u8 = 40;
const LEAKY_RELU: u8 = 75;

/// A model that is being made.
pub struct TfLite<'a> {
    pub model: Model,
    pub(super) quantization: Option<&'a Quantization>,
    /// The same result in floats or in 8 bits, where both are there.
    pub(super) other_form: Vec<(Tensor, Tensor)>,
    /// The name of what operators belong to.
    node: String,
}

/// The options of an operator with a fused activation alone.
pub(super) fn fused(is_relu: bool) -> Field {
    Field::I8(i8::from(is_relu))
}

impl<'a> TfLite<'a> {
    pub fn new(quantization: Option<&'a Quantization>) -> Self {
        Self { model: Model::default(), quantization, other_form: Vec::new(), node: String::new() }
    }

    fn tensor(&mut self, info: TensorInfo) -> Tensor {
        self.model.tensors.push(info);
        Tensor(self.model.tensors.len() - 1)
    }

    pub fn info(&self, x: Tensor) -> &TensorInfo {
        &self.model.tensors[x.0]
    }

    pub fn shape(&self, x: Tensor) -> &[usize] {
        &self.info(x).shape
    }

    fn len(&self, x: Tensor) -> usize {
        self.shape(x).iter().product()
    }

    /// Adds an operator whose result is like `like`, but has this shape.
    pub fn add_like(
        &mut self,
        builtin: Builtin,
        reads: &[Tensor],
        like: &TensorInfo,
        shape: &[usize],
        options: Options,
    ) -> Tensor {
        let name = format!("{}/{builtin:?}_{}", self.node, self.model.operators.len());
        let writes = self.tensor(TensorInfo { name, shape: shape.to_vec(), data: None, ..like.clone() });
        let reads = reads.iter().map(|read| read.0).collect();
        self.model.operators.push(Operator { builtin, reads, writes: writes.0, options });
        writes
    }

    /// Adds an operator with a result of this type and shape.
    fn add_typed(
        &mut self,
        builtin: Builtin,
        reads: &[Tensor],
        (dtype, shape): (Type, &[usize]),
        options: Options,
    ) -> Tensor {
        let like = TensorInfo { name: String::new(), dtype, shape: vec![], data: None, quantized: None };
        self.add_like(builtin, reads, &like, shape, options)
    }

    /// Adds an operator with a result in floats.
    pub fn add(&mut self, builtin: Builtin, reads: &[Tensor], shape: &[usize], options: Options) -> Tensor {
        self.add_typed(builtin, reads, (Type::Float32, shape), options)
    }

    pub fn constant_of(&mut self, dtype: Type, dims: &[usize], data: Vec<u8>) -> Tensor {
        let name = format!("{}/constant_{}", self.node, self.model.tensors.len());
        self.tensor(TensorInfo { name, dtype, shape: dims.to_vec(), data: Some(data), quantized: None })
    }

    pub fn floats(&mut self, dims: &[usize], numbers: &[f32]) -> Tensor {
        self.constant_of(Type::Float32, dims, numbers.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    pub fn whole(&mut self, dims: &[usize], numbers: &[i32]) -> Tensor {
        self.constant_of(Type::Int32, dims, numbers.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    /// The same numbers in another shape.
    pub fn reshaped(&mut self, x: Tensor, shape: &[usize]) -> Tensor {
        if self.shape(x) == shape { x } else { self.copied(x, shape) }
    }

    fn copied(&mut self, x: Tensor, shape: &[usize]) -> Tensor {
        let sizes: Vec<i32> = [-1].into_iter().chain(shape.iter().map(|&size| size as i32)).collect();
        let sizes = self.whole(&[sizes.len()], &sizes);
        let like = self.info(x).clone();
        self.add_like(Builtin::Reshape, &[x, sizes], &like, shape, Options(RESHAPE, vec![]))
    }

    /// In floats, with one axis beside that of rows.
    fn flat(&mut self, x: Tensor) -> Tensor {
        let x = self.in_floats(x);
        if self.info(x).data.is_some() {
            return x;
        }
        let len = self.len(x);
        self.reshaped(x, &[len])
    }

    fn cast(&mut self, x: Tensor, to: Type) -> Tensor {
        let shape = self.shape(x).to_vec();
        let types = [self.info(x).dtype, to].map(|dtype| Field::I8(dtype as i8));
        let options = Options(CAST, vec![(0, types[0]), (1, types[1])]);
        self.add_typed(Builtin::Cast, &[x], (to, &shape), options)
    }

    /// `a·x + b` of each number.
    fn line(&mut self, x: Tensor, a: f32, b: f32) -> Tensor {
        let [a, b] = [a, b].map(|number| self.constant(&[number]));
        let x = self.binary(Binary::Mul, x, a);
        self.binary(Binary::Add, x, b)
    }

    /// relu x − |x|·Φ(−|x|), with the polynomial that files have for the distribution function Φ.
    fn gelu(&mut self, x: Tensor) -> Tensor {
        let size = self.unary(Unary::Abs, x);
        let z = self.line(size, std::f32::consts::FRAC_1_SQRT_2, 0.0);
        let t = self.line(z, NORMAL_CDF[0], 1.0);
        let one = self.constant(&[1.0]);
        let t = self.binary(Binary::Div, one, t);
        let mut p = self.line(t, NORMAL_CDF[1], NORMAL_CDF[2]);
        for factor in &NORMAL_CDF[3..] {
            let factor = self.constant(&[*factor]);
            p = self.binary(Binary::Mul, p, t);
            p = self.binary(Binary::Add, p, factor);
        }
        let square = self.binary(Binary::Mul, z, z);
        let square = self.line(square, -1.0, 0.0);
        let shape = self.shape(x).to_vec();
        let density = self.add(Builtin::Exp, &[square], &shape, Options::default());
        let upper = self.binary(Binary::Mul, p, t);
        let upper = self.line(upper, 0.5, 0.0);
        let upper = self.binary(Binary::Mul, upper, density);
        let less = self.binary(Binary::Mul, size, upper);
        let positive = self.unary(Unary::Activation(Activation::Relu), x);
        self.binary(Binary::Sub, positive, less)
    }

    fn mean(&mut self, x: Tensor) -> Tensor {
        let axis = self.whole(&[1], &[1]);
        let keep = Options(REDUCER, vec![(0, Field::Bool(true))]);
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
                    let leak = Options(LEAKY_RELU, vec![(0, Field::F32(LEAK))]);
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
        let one = |x: Tensor| self.len(x) == 1 && self.info(x).data.is_some();
        let keeps = self.shape(a) == self.shape(b) || one(a) || one(b);
        let [a, b] = if keeps { [a, b] } else { [self.flat(a), self.flat(b)] };
        let longest =
            if self.len(a) > self.len(b) || self.info(b).data.is_some() && self.len(b) == 1 { a } else { b };
        let shape = match self.info(longest) {
            info if info.data.is_some() => vec![self.len(longest)],
            info => info.shape.clone(),
        };
        let (builtin, kind) = match op {
            Binary::Add => (Builtin::Add, ADD),
            Binary::Sub => (Builtin::Sub, SUB),
            Binary::Mul => (Builtin::Mul, MUL),
            Binary::Div => (Builtin::Div, DIV),
            Binary::Min => (Builtin::Minimum, 0),
            Binary::Max => (Builtin::Maximum, 0),
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
        let options = Options(CONCATENATION, vec![(0, Field::I32(1))]);
        self.add_typed(Builtin::Concatenation, &all, (dtype, &[len]), options)
    }

    fn dense(&mut self, x: Tensor, weights: Weights<'_>) -> Tensor {
        let x = self.flat(x);
        let outputs = weights.bias.len();
        let weight = self.floats(&[outputs, self.len(x)], weights.weight);
        let bias = self.floats(&[outputs], weights.bias);
        let options = Options(FULLY_CONNECTED, vec![(0, fused(weights.is_relu))]);
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
        let rows = self.add(Builtin::Gather, &[table, x], &[1, columns], Options(GATHER, vec![]));
        self.flat(rows)
    }

    fn largest(&mut self, x: Tensor) -> Tensor {
        let x = self.flat(x);
        let axis = self.whole(&[1], &[1]);
        let options = Options(ARG_MAX, vec![(0, Field::I8(Type::Int32 as i8))]);
        self.add_typed(Builtin::ArgMax, &[x, axis], (Type::Int32, &[]), options)
    }

    fn other(&mut self, step: usize, window: Option<&Window>, x: Tensor) -> Option<Tensor> {
        let layer = self.quantization?.layers[step].as_ref()?;
        Some(self.int8(layer, window, x))
    }
}

impl TfLite<'_> {
    /// Numbers from, to and each so many of all axes but that of rows.
    pub fn strided(&mut self, x: Tensor, ranges: &[(usize, usize, usize)]) -> Tensor {
        let shape: Vec<usize> =
            ranges.iter().map(|(start, end, stride)| (end - start).div_ceil(*stride)).collect();
        let mut bounds = [vec![0], vec![0], vec![1]];
        for (start, end, stride) in ranges {
            let range = [start, end, stride];
            bounds.iter_mut().zip(range).for_each(|(bound, &number)| bound.push(number as i32));
        }
        let [start, end, stride] = bounds.map(|bound| self.whole(&[bound.len()], &bound));
        // All rows.
        let options = Options(STRIDED_SLICE, vec![(0, Field::I32(1)), (1, Field::I32(1))]);
        self.add(Builtin::StridedSlice, &[x, start, end, stride], &shape, options)
    }

    /// A dense layer in 8 bits.
    pub(super) fn connected(
        &mut self,
        reads: &[Tensor],
        like: &TensorInfo,
        outputs: usize,
        is_relu: bool,
    ) -> Tensor {
        let options = Options(FULLY_CONNECTED, vec![(0, fused(is_relu))]);
        self.add_like(Builtin::FullyConnected, reads, like, &[outputs], options)
    }
}
