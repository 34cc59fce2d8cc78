//! The tensors that the parameters of nodes are.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use crate::{Graph, Node, Op, len};

/// A named tensor among the parameters of a graph, row-major.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// `NODE.weight`, `NODE.bias` and so on, as a module of `PyTorch` in the place of the node names it; `NODE` where the node is parameters
    /// alone.
    pub name: String,
    /// The node's index.
    pub node: usize,
    /// Where its numbers lie in the one buffer of all parameters.
    pub range: Range<usize>,
    /// Its shape; a matrix `[rows, columns]` where it is a product's weight.
    pub shape: Vec<usize>,
}

impl Graph {
    /// All tensors, in the order of their parameters.
    pub fn tensors(&self) -> Vec<Tensor> {
        (0..self.nodes.len()).flat_map(|node| self.tensors_of(node)).collect()
    }

    /// Those of a node.
    pub fn tensors_of(&self, node: usize) -> Vec<Tensor> {
        let own = &self.nodes[node];
        let named = |(name, shape, range): (&str, _, _)| {
            let name = if name.is_empty() { own.name.clone() } else { format!("{}.{name}", own.name) };
            Tensor { name, node, range, shape }
        };
        own.tensors().into_iter().map(named).collect()
    }
}

impl Node {
    /// The matrices of weights among its parameters, each with rows and columns, in order; biases and scales are none.
    pub fn weights(&self) -> Vec<(Range<usize>, [usize; 2])> {
        let matrix = |(_, shape, range): (_, Vec<usize>, _)| match shape[..] {
            [rows, columns] => Some((range, [rows, columns])),
            _ => None,
        };
        self.tensors().into_iter().filter_map(matrix).collect()
    }

    /// Multiplications with its weights for a row: one for each weight and window.
    pub fn multiplications(&self) -> usize {
        let windows = match &self.op {
            Op::Conv(window) => window.count(),
            Op::Embedding(_) => 0,
            _ => 1,
        };
        windows * self.weights().iter().map(|(range, _)| range.len()).sum::<usize>()
    }

    /// Name, shape and place of each of its tensors.
    fn tensors(&self) -> Vec<(&'static str, Vec<usize>, Range<usize>)> {
        let (all, outputs) = (self.parameters.len(), len(&self.dims));
        let layer =
            |outputs: usize| vec![("weight", vec![outputs, all / outputs - 1]), ("bias", vec![outputs])];
        let shapes = match &self.op {
            Op::Dense => layer(outputs),
            Op::Conv(window) => layer(outputs / window.count()),
            Op::LayerNorm => vec![("weight", vec![outputs]), ("bias", vec![outputs])],
            Op::Embedding(options) => vec![("weight", vec![*options, outputs])],
            Op::Recurrent(recurrent) => {
                let rows = recurrent.gates() * outputs;
                vec![
                    ("weight_ih_l0", vec![rows, all / rows - outputs - 2]),
                    ("weight_hh_l0", vec![rows, outputs]),
                    ("bias_ih_l0", vec![rows]),
                    ("bias_hh_l0", vec![rows]),
                ]
            }
            Op::Parameter => vec![("", vec![outputs])],
            Op::Own(_) if all > 0 => vec![("parameters", vec![all])],
            _ => Vec::new(),
        };
        let mut start = self.parameters.start;
        let place = |(name, shape): (_, Vec<usize>)| {
            let end = start + shape.iter().product::<usize>();
            (name, shape, core::mem::replace(&mut start, end)..end)
        };
        shapes.into_iter().map(place).collect()
    }
}
