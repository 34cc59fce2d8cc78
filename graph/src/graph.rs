//! The graph, node by node.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use crate::{Dim, Division, Dtype, GraphError, Op, len};

/// Inputs, nodes that read them and each other, and what is read of the result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    /// What comes from outside.
    pub inputs: Vec<Input>,
    /// Nodes, each after those that it reads.
    pub nodes: Vec<Node>,
    /// What is read.
    pub outputs: Vec<Output>,
}

/// Numbers from outside, for each row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub dims: Vec<Dim>,
    /// Type of its elements.
    pub dtype: Dtype,
}

/// One operation and its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// What it reads; nothing for parameters alone.
    pub reads: Vec<Source>,
    /// Shape of what it gives for each row.
    pub dims: Vec<Dim>,
    /// Where its parameters lie in the one buffer of all.
    pub parameters: Range<usize>,
    /// Whether training changes its parameters.
    pub trainable: bool,
    /// How it is divided among ranks.
    pub division: Division,
}

/// What a node reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The input of this index.
    Input(usize),
    /// The node of this index.
    Node(usize),
}

impl Source {
    /// The index of a node; nothing of an input.
    pub fn node(self) -> Option<usize> {
        match self {
            Self::Node(i) => Some(i),
            Self::Input(_) => None,
        }
    }
}

/// A named result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// What gives it.
    pub of: Source,
}

impl Graph {
    /// Number of parameters; `usize::MAX` where there are more than fit into a number.
    pub fn parameters(&self) -> usize {
        self.nodes.last().map_or(0, |node| node.parameters.end)
    }

    /// Parameters that training changes.
    pub fn trained_parameters(&self) -> usize {
        let trained = self.nodes.iter().filter(|node| node.trainable);
        trained.fold(0, |sum: usize, node| sum.saturating_add(node.parameters.len()))
    }

    /// Numbers of the hidden states of all recurrent layers for a row, in the order of their nodes.
    pub fn state(&self) -> usize {
        self.nodes.iter().map(Node::state).sum()
    }

    /// Where the hidden state of this node lies among those of all.
    pub fn state_of(&self, node: usize) -> Range<usize> {
        let start = self.nodes[..node].iter().map(Node::state).sum();
        start..start + self.nodes[node].state()
    }

    /// Shape of an input or of what a node gives.
    pub fn dims(&self, source: Source) -> &[Dim] {
        match source {
            Source::Input(i) => &self.inputs[i].dims,
            Source::Node(i) => &self.nodes[i].dims,
        }
    }

    /// Whether training changes nothing that reads this, directly or through nodes without parameters.
    pub fn is_frozen(&self, source: Source) -> bool {
        let readers: Vec<usize> =
            (0..self.nodes.len()).filter(|&i| self.nodes[i].reads.contains(&source)).collect();
        let is_frozen = |i: usize| {
            let node = &self.nodes[i];
            if node.parameters.is_empty() { self.is_frozen(Source::Node(i)) } else { !node.trainable }
        };
        !readers.is_empty() && readers.into_iter().all(is_frozen)
    }

    /// Name of an input or a node.
    pub fn name(&self, source: Source) -> &str {
        match source {
            Source::Input(i) => &self.inputs[i].name,
            Source::Node(i) => &self.nodes[i].name,
        }
    }

    /// The input or node of this name.
    pub fn find(&self, name: &str) -> Option<Source> {
        let input = self.inputs.iter().position(|input| input.name == name).map(Source::Input);
        input.or_else(|| self.nodes.iter().position(|node| node.name == name).map(Source::Node))
    }

    /// What gives the output of this name.
    pub fn output(&self, name: &str) -> Option<Source> {
        self.outputs.iter().find(|output| output.name == name).map(|output| output.of)
    }

    /// The nodes that `outputs` need, each after those that it reads; those of the first output come first.
    pub fn order(&self, outputs: &[Source]) -> Vec<usize> {
        let (mut order, mut seen) = (Vec::new(), vec![false; self.nodes.len()]);
        // Nodes whose sources are yet to be looked at, and those that come after their sources.
        let mut stack: Vec<(Source, bool)> = outputs.iter().rev().map(|&source| (source, false)).collect();
        while let Some((source, ready)) = stack.pop() {
            let Source::Node(i) = source else { continue };
            if ready {
                order.push(i);
            } else if !core::mem::replace(&mut seen[i], true) {
                stack.push((source, true));
                stack.extend(self.nodes[i].reads.iter().rev().map(|&source| (source, false)));
            }
        }
        order
    }

    /// Adds an input.
    ///
    /// # Errors
    /// [`GraphError::Name`].
    pub fn add_input(
        &mut self,
        name: impl Into<String>,
        dims: Vec<Dim>,
        dtype: Dtype,
    ) -> Result<Source, GraphError> {
        let name = self.new_name(name.into())?;
        self.inputs.push(Input { name, dims, dtype });
        Ok(Source::Input(self.inputs.len() - 1))
    }

    /// Names what is read of the result.
    pub fn add_output(&mut self, name: impl Into<String>, of: Source) {
        self.outputs.push(Output { name: name.into(), of });
    }

    pub(crate) fn add(
        &mut self,
        name: String,
        op: Op,
        reads: &[Source],
        dims: Vec<Dim>,
        parameters: usize,
    ) -> Result<Source, GraphError> {
        let (name, start) = (self.new_name(name)?, self.parameters());
        let parameters = start..start.saturating_add(parameters);
        let (reads, division) = (reads.to_vec(), Division::default());
        self.nodes.push(Node { name, op, reads, dims, parameters, trainable: true, division });
        Ok(Source::Node(self.nodes.len() - 1))
    }

    fn new_name(&self, name: String) -> Result<String, GraphError> {
        if self.find(&name).is_some() { Err(GraphError::Name { name }) } else { Ok(name) }
    }
}

impl Node {
    /// Numbers of its hidden state for a row; 0 where it has none.
    pub fn state(&self) -> usize {
        match &self.op {
            Op::Recurrent(recurrent) => recurrent.states() * len(&self.dims),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use alloc::format;
    use alloc::string::ToString;

    use super::*;
    use crate::{Activation, Convolution};

    fn picture(order: [(&str, usize); 3]) -> (Graph, Source) {
        let mut graph = Graph::default();
        let dims = order.map(|(name, size)| Dim::new(name, size)).to_vec();
        let input = graph.add_input("eye", dims, Dtype::U8).expect("a new name");
        (graph, input)
    }

    const HALVES: Convolution = Convolution::new(3, 2, 2);

    #[test]
    fn shapes_and_parameters_are_those_of_hand_arithmetic() {
        for order in
            [[("height", 4), ("width", 6), ("channels", 2)], [("channels", 2), ("height", 4), ("width", 6)]]
        {
            let (mut graph, eye) = picture(order);
            let conv = graph.add_conv("conv", eye, HALVES).expect("it fits");
            let relu = graph.add_activation("relu", conv, Activation::Relu).expect("a new name");
            let head = graph.add_dense("head", relu, Dim::new("choices", 5)).expect("a new name");
            let free = graph.add_parameter("free", vec![Dim::new("joints", 7)]).expect("a new name");
            // 3 filters of 2·2·2 numbers; 2 × 3 windows of 3 filters; 5 outputs of 18 numbers.
            assert_eq!(len(graph.dims(relu)), 2 * 3 * 3);
            assert_eq!(graph.nodes[0].parameters, 0..27);
            assert_eq!(graph.nodes[1].parameters, 27..27);
            assert_eq!(graph.nodes[2].parameters, 27..27 + 95);
            assert_eq!((graph.parameters(), graph.name(free)), (129, "free"));
            assert_eq!((graph.order(&[head]), graph.order(&[free, conv])), (vec![0, 1, 2], vec![3, 0]));
            graph.add_output("action", head);
            assert_eq!((graph.output("action"), graph.output("value")), (Some(head), None));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_node_dimension_and_both_sizes() {
        let (mut graph, eye) = picture([("height", 4), ("width", 6), ("channels", 2)]);
        let large = Convolution { kernel: 5, ..HALVES };
        let error = graph.add_conv("conv", eye, large).expect_err("5 of 4 pixels");
        let fits = "make `kernel`, or the strides before it, smaller, or `padding` larger";
        assert_eq!(
            error.to_string(),
            format!("conv has windows of 5 pixels, and eye has a height of 4: {fits}")
        );
        // From the first pixel to the last: 2·4 + 1 of 4 + 2·2.
        let spread = Convolution { kernel: 3, dilation: 4, padding: 2, ..HALVES };
        let error = graph.add_conv("conv", eye, spread).expect_err("9 of 8 pixels").to_string();
        assert!(
            error.starts_with("conv has windows of 9 pixels, and eye has a height of 4 and padding of 2: ")
        );
        let head = graph.add_dense("head", eye, Dim::new("units", 5)).expect("a new name");
        let error = graph.add_conv("conv", head, HALVES).expect_err("no picture");
        let needs = "conv reads head of units 5: it needs a picture, of height, width and channels";
        assert_eq!(error.to_string(), needs);
        for name in ["eye", "head"] {
            let error = graph.add_dense(name, eye, Dim::new("units", 5)).expect_err("a name twice");
            assert_eq!(error, GraphError::Name { name: name.to_string() });
        }
    }

    #[test]
    fn sums_are_of_one_layout() {
        let (mut graph, eye) = picture([("height", 2), ("width", 2), ("channels", 2)]);
        let mut input = |name: &str, dims: &[(&str, usize)]| {
            let dims = dims.iter().map(|&(name, size)| Dim::new(name, size)).collect();
            graph.add_input(name, dims, Dtype::F32).expect("a new name")
        };
        let other = input("other", &[("channels", 2), ("height", 2), ("width", 2)]);
        let same = input("same", &[("height", 2), ("width", 2), ("channels", 2)]);
        let (flat, units) = (input("flat", &[("numbers", 8)]), input("units", &[("units", 8)]));
        graph.add_sum("pictures", &[eye, same]).expect("one layout");
        graph.add_sum("vectors", &[flat, units]).expect("one length");
        for (read, shape) in
            [(other, "other of channels 2 × height 2 × width 2"), (flat, "flat of numbers 8")]
        {
            let error = graph.add_sum("sum", &[eye, read]).expect_err(shape).to_string();
            let both = format!("sum adds eye of height 2 × width 2 × channels 2 and {shape}: ");
            assert!(error.starts_with(&both), "{error}");
        }
    }

    #[test]
    fn more_parameters_than_fit_into_a_number_saturate() {
        let mut graph = Graph::default();
        let x = graph.add_input("x", vec![Dim::new("numbers", 1 << 40)], Dtype::F32).expect("a new name");
        graph.add_dense("a", x, Dim::new("units", 1 << 40)).expect("a new name");
        graph.add_dense("b", x, Dim::new("units", 1)).expect("a new name");
        assert_eq!(graph.parameters(), usize::MAX);
    }
}
