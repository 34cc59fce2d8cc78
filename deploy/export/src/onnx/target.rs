//! Operations as nodes of an ONNX graph.

use phalanx_graph::{Activation, LAYER_NORM_EPSILON, Window};
use phalanx_maths::LEAK;

use super::build::Onnx;
use super::proto::{Attribute, FLOAT, INT64, UINT8, ValueInfo};
use crate::lower::{Binary, Target, Tensor, Unary, Weights};

impl Onnx {
    /// x·(1 + erf(x/√2))/2.
    fn gelu(&mut self, x: Tensor) -> Tensor {
        let shape = self.shape(x).to_vec();
        let [root, one, half] = [std::f32::consts::FRAC_1_SQRT_2, 1.0, 0.5].map(|x| self.floats(&[1], &[x]));
        let y = self.add("Mul", &[x, root], &shape, vec![]);
        let y = self.add("Erf", &[y], &shape, vec![]);
        let y = self.add("Add", &[y, one], &shape, vec![]);
        let y = self.add("Mul", &[x, y], &shape, vec![]);
        self.add("Mul", &[y, half], &shape, vec![])
    }
}

impl Target for Onnx {
    fn node(&mut self, name: &str) {
        self.node = name.into();
    }

    fn input(&mut self, name: &str, shape: &[usize], is_bytes: bool) -> Tensor {
        self.inputs.push(ValueInfo::new(name, if is_bytes { UINT8 } else { FLOAT }, shape));
        let x = self.tensor(name.into(), shape, true);
        let x = if is_bytes { self.cast(x, FLOAT) } else { x };
        self.flat(x)
    }

    fn output(&mut self, name: &str, x: Tensor, shape: &[usize]) {
        let x = self.reshaped(x, shape);
        let x = if self.tensors[x.0].is_named {
            let copied = self.add("Identity", &[x], shape, vec![]);
            self.typed(copied, self.tensors[x.0].dtype)
        } else {
            x
        };
        let info = &mut self.tensors[x.0];
        (info.name, info.is_named) = (name.into(), true);
        self.outputs.push(x);
    }

    fn constant(&mut self, numbers: &[f32]) -> Tensor {
        let constant = self.floats(&[1, numbers.len()], numbers);
        self.tensors[constant.0].shape = vec![numbers.len()];
        constant
    }

    fn unary(&mut self, op: Unary, x: Tensor) -> Tensor {
        let shape = self.shape(x).to_vec();
        let mut add = |op, attributes| self.add(op, &[x], &shape, attributes);
        match op {
            Unary::Sigmoid => add("Sigmoid", vec![]),
            Unary::Floor => add("Floor", vec![]),
            Unary::Abs => add("Abs", vec![]),
            Unary::IsPositive => {
                let zero = self.floats(&[1], &[0.0]);
                let bit = self.add("Greater", &[x, zero], &shape, vec![]);
                self.cast(bit, INT64)
            }
            Unary::Activation(activation) => match activation {
                Activation::Tanh => add("Tanh", vec![]),
                Activation::Relu => add("Relu", vec![]),
                Activation::Elu => add("Elu", vec![]),
                Activation::LeakyRelu => add("LeakyRelu", vec![Attribute::float("alpha", LEAK)]),
                Activation::Silu => {
                    let factor = add("Sigmoid", vec![]);
                    self.add("Mul", &[x, factor], &shape, vec![])
                }
                Activation::Gelu => self.gelu(x),
                Activation::Identity => x,
            },
        }
    }

    fn binary(&mut self, op: Binary, a: Tensor, b: Tensor) -> Tensor {
        let [a, b] = if self.shape(a) == self.shape(b) { [a, b] } else { [self.flat(a), self.flat(b)] };
        let longest = if self.len(a) >= self.len(b) { a } else { b };
        let shape = self.shape(longest).to_vec();
        let op = match op {
            Binary::Add => "Add",
            Binary::Sub => "Sub",
            Binary::Mul => "Mul",
            Binary::Div => "Div",
            Binary::Min => "Min",
            Binary::Max => "Max",
        };
        self.add(op, &[a, b], &shape, vec![])
    }

    fn slice(&mut self, x: Tensor, start: usize, len: usize, stride: usize) -> Tensor {
        let x = self.flat(x);
        if len == self.len(x) {
            return x;
        }
        let end = start + (len - 1) * stride + 1;
        let [start, end, axis, step] = [start, end, 1, stride].map(|number| self.whole(&[number as i64]));
        self.add("Slice", &[x, start, end, axis, step], &[len], vec![])
    }

    fn concat(&mut self, all: &[Tensor]) -> Tensor {
        let all: Vec<Tensor> = all.iter().map(|&x| self.flat(x)).collect();
        let len = all.iter().map(|&x| self.len(x)).sum();
        let concat = self.add("Concat", &all, &[len], vec![Attribute::int("axis", 1)]);
        self.typed(concat, self.tensors[all[0].0].dtype)
    }

    fn dense(&mut self, x: Tensor, weights: Weights<'_>) -> Tensor {
        let x = self.flat(x);
        let outputs = weights.bias.len();
        let weight = self.floats(&[outputs, self.len(x)], weights.weight);
        let bias = self.floats(&[outputs], weights.bias);
        let y = self.add("Gemm", &[x, weight, bias], &[outputs], vec![Attribute::int("transB", 1)]);
        self.relu(y, weights.is_relu)
    }

    fn conv(&mut self, x: Tensor, window: &Window, weights: Weights<'_>) -> Tensor {
        self.convolution(x, window, weights)
    }

    fn pool(&mut self, x: Tensor, window: &Window, is_max: bool) -> Tensor {
        if is_max { self.max_pool(x, window) } else { self.average_pool(x, window) }
    }

    fn layer_norm(&mut self, x: Tensor, scale: &[f32], shift: &[f32]) -> Tensor {
        let x = self.flat(x);
        let shape = self.shape(x).to_vec();
        let [scale, shift] = [scale, shift].map(|numbers| self.floats(&shape, numbers));
        let epsilon = Attribute::float("epsilon", LAYER_NORM_EPSILON);
        self.add("LayerNormalization", &[x, scale, shift], &shape, vec![epsilon])
    }

    fn row(&mut self, table: &[f32], columns: usize, x: Tensor) -> Tensor {
        let table = self.floats(&[table.len() / columns, columns], table);
        let x = self.cast(x, INT64);
        let rows = self.add("Gather", &[table, x], &[1, columns], vec![]);
        self.flat(rows)
    }

    fn largest(&mut self, x: Tensor, start: i32) -> Tensor {
        let x = self.flat(x);
        let attributes = vec![Attribute::int("axis", 1), Attribute::int("keepdims", 0)];
        let mut option = self.add("ArgMax", &[x], &[], attributes);
        if start != 0 {
            let start = self.whole(&[start.into()]);
            option = self.add("Add", &[option, start], &[], vec![]);
        }
        self.typed(option, INT64)
    }

    fn other(&mut self, _: usize, _: Option<&Window>, _: Tensor) -> Option<Tensor> {
        None
    }
}
