//! Networks that are divided among ranks: each has some outputs of a dense layer, and the weights of these in the layers that read them.
//!
//! # Source
//! Layouts by named dimensions: Shazeer et al. 2018, arXiv:1811.02084. Pairs of layers that need one sum: Shoeybi et al. 2019,
//! arXiv:1909.08053.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use crate::{Dim, Graph, GraphError, Node, Op, Source, len};

/// Along which axes of a mesh, by their numbers, a dense layer is divided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Division {
    /// Its outputs, and with them rows of the weight and the bias. Gradients of what it reads are sums along this axis.
    pub outputs: Option<usize>,
    /// Its inputs, and with them columns of the weight. What it gives is a sum along this axis.
    pub inputs: Option<usize>,
}

impl Division {
    /// Parts along an axis.
    fn parts(axis: Option<usize>, axes: &[Dim]) -> usize {
        axis.map_or(1, |axis| axes[axis].size)
    }
}

impl Graph {
    /// The part of this graph that each rank has, where the outputs of these dense nodes are divided along these `axes`; a rule is a node and the number of an
    /// axis. An activation that reads them is divided as they are.
    ///
    /// # Errors
    /// [`GraphError::Share`], [`GraphError::Twice`] and [`GraphError::Whole`].
    pub fn divide(&self, rules: &[(usize, usize)], axes: &[Dim]) -> Result<Self, GraphError> {
        let mut divided =
            Self { inputs: self.inputs.clone(), nodes: Vec::new(), outputs: self.outputs.clone() };
        // The axis along which what each node gives is divided.
        let mut along: Vec<Option<usize>> = Vec::new();
        for (i, node) in self.nodes.iter().enumerate() {
            let of = |source: &Source| source.node().and_then(|i| along[i]);
            let read = node.reads.iter().find_map(of);
            let rule = rules.iter().find(|(ruled, _)| *ruled == i).map(|(_, axis)| *axis);
            let (division, gives) = match node.op {
                Op::Dense => (Division { outputs: rule, inputs: read }, rule),
                Op::Activation(_) => (Division::default(), read),
                _ => (Division::default(), None),
            };
            if let (Some(axis), false) = (rule, node.op == Op::Dense) {
                let (node, op) = (node.name.clone(), format!("{}", node.op));
                return Err(GraphError::NotDense { node, op, axis: axes[axis].name.clone() });
            }
            if let (Some(axis), false) = (read, matches!(node.op, Op::Dense | Op::Activation(_))) {
                return Err(self.whole(format!("{} ({})", node.name, node.op), node, (axis, axes), &along));
            }
            if let (Some(axis), true) = (rule, rule == read) {
                let tensor = format!("{}.weight", node.name);
                return Err(GraphError::Twice { tensor, axis: axes[axis].name.clone() });
            }
            let mut dims = node.dims.clone();
            for dim in &mut dims {
                let parts = Division::parts(gives, axes);
                if !dim.size.is_multiple_of(parts) {
                    let (node, dim, axis) =
                        (node.name.clone(), format!("{dim}"), axes[gives.unwrap_or(0)].clone());
                    return Err(GraphError::Share { node, dim, axis: axis.name, parts });
                }
                dim.size /= parts;
            }
            let parameters = match node.op {
                Op::Dense => {
                    let columns = node.parameters.len() / len(&node.dims) - 1;
                    len(&dims) * (columns / Division::parts(read, axes) + 1)
                }
                _ => node.parameters.len(),
            };
            let start = divided.parameters();
            let parameters = start..start + parameters;
            divided.nodes.push(Node { dims, parameters, division, ..node.clone() });
            along.push(gives);
        }
        for output in &self.outputs {
            if let Some(axis) = output.of.node().and_then(|i| along[i]) {
                let reader = format!("the output {}", output.name);
                return Err(GraphError::Whole {
                    reader,
                    reads: self.name(output.of).into(),
                    axis: axes[axis].name.clone(),
                });
            }
        }
        Ok(divided)
    }

    /// The error that `reader`, a node, reads something that is divided.
    fn whole(
        &self,
        reader: String,
        node: &Node,
        (axis, axes): (usize, &[Dim]),
        along: &[Option<usize>],
    ) -> GraphError {
        let is_divided = |source: &&Source| source.node().is_some_and(|i| along[i].is_some());
        let reads = node.reads.iter().find(is_divided).map_or("", |source| self.name(*source));
        GraphError::Whole { reader, reads: reads.into(), axis: axes[axis].name.clone() }
    }

    /// Calls `copy` with each run of parameters that lie next to each other in both this graph and `divided`, the part of it that the rank
    /// with the number `place` along each of `axes` has: where they are among the parameters of all, and among those of the part.
    pub fn each_run(
        &self,
        divided: &Self,
        place: &[usize],
        mut copy: impl FnMut(Range<usize>, Range<usize>),
    ) {
        let nodes = 0..self.nodes.len();
        nodes.for_each(|node| self.each_run_of(node, divided, place, &mut copy));
    }

    /// As [`Self::each_run`], of one node.
    pub fn each_run_of(
        &self,
        node: usize,
        divided: &Self,
        place: &[usize],
        copy: &mut impl FnMut(Range<usize>, Range<usize>),
    ) {
        let tensors = |graph: &Self| graph.tensors_of(node);
        for (all, part) in tensors(self).iter().zip(tensors(divided)) {
            let Division { outputs, inputs } = divided.nodes[part.node].division;
            let number = |axis: Option<usize>| axis.map_or(0, |axis| place[axis]);
            if all.shape == part.shape {
                copy(all.range.clone(), part.range);
                continue;
            }
            let columns = |shape: &[usize]| shape.get(1).copied().unwrap_or(1);
            let (wide, narrow) = (columns(&all.shape), columns(&part.shape));
            let first = (part.shape[0] * number(outputs), if wide > 1 { narrow * number(inputs) } else { 0 });
            if wide == narrow {
                let start = all.range.start + first.0 * wide;
                copy(start..start + part.range.len(), part.range);
                continue;
            }
            for row in 0..part.shape[0] {
                let start = all.range.start + (first.0 + row) * wide + first.1;
                let own = part.range.start + row * narrow;
                copy(start..start + narrow, own..own + narrow);
            }
        }
    }

    /// Ranges of the parameters of a part that are counted on the rank with these numbers along the axes, so that all ranks together count
    /// each parameter once.
    pub fn counted(&self, place: &[usize]) -> Vec<Range<usize>> {
        let tensors = self.tensors().into_iter();
        let is_first = |tensor: &crate::Tensor| {
            let Division { outputs, inputs } = self.nodes[tensor.node].division;
            // A bias is divided by its outputs alone.
            let own = [outputs, inputs.filter(|_| tensor.shape.len() > 1)];
            (0..place.len()).all(|axis| place[axis] == 0 || own.contains(&Some(axis)))
        };
        tensors.filter(is_first).map(|tensor| tensor.range).collect()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use alloc::string::ToString;
    use alloc::vec;

    use super::*;
    use crate::{Activation, Dtype};

    /// 3 numbers, hidden layers of 4 and 6 units, 2 outputs.
    fn graph() -> Graph {
        let mut graph = Graph::default();
        let x = graph.add_input("x", vec![Dim::new("numbers", 3)], Dtype::F32).expect("new");
        let mut at = x;
        for (name, units) in [("hidden1", 4), ("hidden2", 6)] {
            at = graph.add_dense(name, at, Dim::new("units", units)).expect("new");
            at = graph.add_activation(format!("{name}.tanh"), at, Activation::Tanh).expect("new");
        }
        let action = graph.add_dense("action", at, Dim::new("numbers", 2)).expect("new");
        graph.add_output("action", action);
        graph
    }

    fn axes() -> [Dim; 2] {
        [Dim::new("cols", 2), Dim::new("depth", 3)]
    }

    #[test]
    fn parts_together_are_the_whole() {
        let whole = graph();
        // hidden1 along cols, hidden2 along depth: the weight between them is divided both ways.
        let part = whole.divide(&[(0, 0), (2, 1)], &axes()).expect("legal");
        let shapes: Vec<_> = part.tensors().into_iter().map(|tensor| tensor.shape).collect();
        assert_eq!(shapes, [vec![2, 3], vec![2], vec![2, 2], vec![2], vec![2, 2], vec![2]]);
        assert_eq!(part.parameters(), 8 + 6 + 6);
        let numbers: Vec<usize> = (0..whole.parameters()).collect();
        let (mut seen, mut counted) = (vec![0; whole.parameters()], 0);
        for place in [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]] {
            let mut own = vec![0; part.parameters()];
            whole.each_run(&part, &place, |from, to| own[to].copy_from_slice(&numbers[from]));
            for &i in &own {
                seen[i] += 1;
            }
            counted += part.counted(&place).into_iter().map(|range| range.len()).sum::<usize>();
            if place == [1, 2] {
                // Rows 2 and 3 of [4, 3], rows 4 and 5 and columns 2 and 3 of [6, 4], columns 4 and 5 of [2, 6].
                assert_eq!(own[..8], [6, 7, 8, 9, 10, 11, 14, 15]);
                assert_eq!(own[8..14], [16 + 18, 16 + 19, 16 + 22, 16 + 23, 44, 45]);
                assert_eq!(own[14..], [46 + 4, 46 + 5, 46 + 10, 46 + 11, 58, 59]);
            }
        }
        assert!(seen.iter().all(|&times| times > 0));
        assert_eq!(counted, whole.parameters());
    }

    #[test]
    fn illegal_divisions_name_tensor_and_axis() {
        let whole = graph();
        for (rules, expected) in [
            (&[(0, 0), (2, 0)][..], "both dimensions of hidden2.weight are divided along cols"),
            (&[(0, 1)], "hidden1 has units 4, which 3 ranks along depth cannot share equally"),
            (&[(4, 0)], "the output action needs all of action, which is divided along cols"),
            (
                &[(1, 0)],
                "hidden1.tanh is a tanh, and only dense layers are divided along an axis such as cols",
            ),
        ] {
            assert_eq!(whole.divide(rules, &axes()).expect_err(expected).to_string(), expected);
        }
        let mut whole = graph();
        whole.add_layer_norm("norm", Source::Node(1)).expect("new");
        let error = whole.divide(&[(0, 0)], &axes()).expect_err("a norm of all units");
        assert_eq!(
            error.to_string(),
            "norm (layer norm) needs all of hidden1.tanh, which is divided along cols"
        );
    }
}
