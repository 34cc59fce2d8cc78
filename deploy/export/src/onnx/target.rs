//! Operations as nodes of an ONNX graph.

use phalanx_graph::{Activation, LAYER_NORM_EPSILON, Window};
use phalanx_maths::LEAK;

use super::proto::{Attribute, FLOAT, INT64, Initializer, Node, UINT8, ValueInfo};
use crate::lower::{Binary, Target, Tensor, Unary, Weights};

/// A graph that is being made.
#[derive(Default)]
pub struct Onnx {
    tensors: Vec<Info>,
    nodes: Vec<Draft>,
    initializers: Vec<Initializer>,
    inputs: Vec<ValueInfo>,
    outputs: Vec<Tensor>,
    /// The name of what nodes belong to.
    node: String,
}

struct Info {
    name: String,
    dtype: i32,
    /// Without the axis of rows.
    shape: Vec<usize>,
    /// Whether its name is that of an input, an output or numbers.
    is_named: bool,
}

/// A node before its tensors have their names.
struct Draft {
    op: &'static str,
    name: String,
    reads: Vec<Tensor>,
    writes: Tensor,
    attributes: Vec<Attribute>,
}

impl Onnx {
    /// Nodes, constants, and inputs and outputs.
    pub fn finish(self) -> (Vec<Node>, Vec<Initializer>, [Vec<ValueInfo>; 2]) {
        let name = |tensor: Tensor| self.tensors[tensor.0].name.clone();
        let nodes = self.nodes.into_iter().map(|draft| Node {
            input: draft.reads.into_iter().map(name).collect(),
            output: vec![name(draft.writes)],
            name: draft.name,
            op_type: draft.op.into(),
            attribute: draft.attributes,
        });
        let info = |output: &Tensor| {
            let Info { name, dtype, shape, .. } = &self.tensors[output.0];
            ValueInfo::new(name, *dtype, shape)
        };
        (nodes.collect(), self.initializers, [self.inputs, self.outputs.iter().map(info).collect()])
    }

    fn tensor(&mut self, name: String, shape: &[usize], is_named: bool) -> Tensor {
        self.tensors.push(Info { name, dtype: FLOAT, shape: shape.to_vec(), is_named });
        Tensor(self.tensors.len() - 1)
    }

    /// Adds a node with a result in floats of this shape.
    pub fn add(
        &mut self,
        op: &'static str,
        reads: &[Tensor],
        shape: &[usize],
        attributes: Vec<Attribute>,
    ) -> Tensor {
        let name = format!("{}/{op}_{}", self.node, self.nodes.len());
        let writes = self.tensor(name.clone(), shape, false);
        self.nodes.push(Draft { op, name, reads: reads.to_vec(), writes, attributes });
        writes
    }

    /// Numbers `dims`.
    pub fn floats(&mut self, dims: &[usize], numbers: &[f32]) -> Tensor {
        self.raw(dims, FLOAT, numbers.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    fn whole(&mut self, numbers: &[i64]) -> Tensor {
        self.raw(&[numbers.len()], INT64, numbers.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    fn raw(&mut self, dims: &[usize], data_type: i32, raw_data: Vec<u8>) -> Tensor {
        let name = format!("{}/constant_{}", self.node, self.initializers.len());
        let dims = dims.iter().map(|&size| size as i64).collect();
        self.initializers.push(Initializer { dims, data_type, name: name.clone(), raw_data });
        self.tensor(name, &[], true)
    }

    pub fn shape(&self, x: Tensor) -> &[usize] {
        &self.tensors[x.0].shape
    }

    fn len(&self, x: Tensor) -> usize {
        self.shape(x).iter().product()
    }

    /// The same numbers in another shape.
    pub fn reshaped(&mut self, x: Tensor, shape: &[usize]) -> Tensor {
        if self.shape(x) == shape {
            return x;
        }
        let sizes: Vec<i64> = [-1].into_iter().chain(shape.iter().map(|&size| size as i64)).collect();
        let sizes = self.whole(&sizes);
        let reshaped = self.add("Reshape", &[x, sizes], shape, vec![]);
        self.typed(reshaped, self.tensors[x.0].dtype)
    }

    /// The result of a node that is not in floats.
    fn typed(&mut self, x: Tensor, dtype: i32) -> Tensor {
        self.tensors[x.0].dtype = dtype;
        x
    }

    /// One axis beside that of rows.
    pub fn flat(&mut self, x: Tensor) -> Tensor {
        let len = self.len(x);
        self.reshaped(x, &[len])
    }

    fn cast(&mut self, x: Tensor, to: i32) -> Tensor {
        let shape = self.shape(x).to_vec();
        let cast = self.add("Cast", &[x], &shape, vec![Attribute::int("to", i64::from(to))]);
        self.typed(cast, to)
    }

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

    fn largest(&mut self, x: Tensor) -> Tensor {
        let x = self.flat(x);
        let attributes = vec![Attribute::int("axis", 1), Attribute::int("keepdims", 0)];
        let option = self.add("ArgMax", &[x], &[], attributes);
        self.typed(option, INT64)
    }

    fn other(&mut self, _: usize, _: Option<&Window>, _: Tensor) -> Option<Tensor> {
        None
    }
}
