//! Tensors and nodes of a graph that is being made.

use super::proto::{Attribute, FLOAT, INT64, Initializer, Node, ValueInfo};
use crate::lower::Tensor;

/// A graph that is being made.
#[derive(Default)]
pub struct Onnx {
    pub tensors: Vec<Info>,
    nodes: Vec<Draft>,
    initializers: Vec<Initializer>,
    pub inputs: Vec<ValueInfo>,
    pub outputs: Vec<Tensor>,
    /// The name of what nodes belong to.
    pub node: String,
}

/// What is known of a tensor.
pub struct Info {
    pub name: String,
    pub dtype: i32,
    /// Without the axis of rows.
    pub shape: Vec<usize>,
    /// Whether its name is that of an input, an output or numbers.
    pub is_named: bool,
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

    pub fn tensor(&mut self, name: String, shape: &[usize], is_named: bool) -> Tensor {
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

    pub fn whole(&mut self, numbers: &[i64]) -> Tensor {
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

    pub fn len(&self, x: Tensor) -> usize {
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
    pub fn typed(&mut self, x: Tensor, dtype: i32) -> Tensor {
        self.tensors[x.0].dtype = dtype;
        x
    }

    /// One axis beside that of rows.
    pub fn flat(&mut self, x: Tensor) -> Tensor {
        let len = self.len(x);
        self.reshaped(x, &[len])
    }

    pub fn cast(&mut self, x: Tensor, to: i32) -> Tensor {
        let shape = self.shape(x).to_vec();
        let cast = self.add("Cast", &[x], &shape, vec![Attribute::int("to", i64::from(to))]);
        self.typed(cast, to)
    }
}
