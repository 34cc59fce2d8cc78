//! The graph, node by node.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use crate::shape::{len, text};
use crate::{Activation, Convolution, Dim, Dtype, GraphError, Op, Window};

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
    pub reads: Option<Source>,
    /// Shape of what it gives for each row.
    pub dims: Vec<Dim>,
    /// Where its parameters lie in the one buffer of all.
    pub parameters: Range<usize>,
}

/// What a node reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The input of this index.
    Input(usize),
    /// The node of this index.
    Node(usize),
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

    /// Shape of an input or of what a node gives.
    pub fn dims(&self, source: Source) -> &[Dim] {
        match source {
            Source::Input(i) => &self.inputs[i].dims,
            Source::Node(i) => &self.nodes[i].dims,
        }
    }

    /// Name of an input or a node.
    pub fn name(&self, source: Source) -> &str {
        match source {
            Source::Input(i) => &self.inputs[i].name,
            Source::Node(i) => &self.nodes[i].name,
        }
    }

    /// What gives the output of this name.
    pub fn output(&self, name: &str) -> Option<Source> {
        self.outputs.iter().find(|output| output.name == name).map(|output| output.of)
    }

    /// The nodes from an input to `source`, in the order of execution.
    pub fn chain(&self, source: Source) -> Vec<usize> {
        let mut chain = Vec::new();
        let mut at = Some(source);
        while let Some(Source::Node(i)) = at {
            chain.push(i);
            at = self.nodes[i].reads;
        }
        chain.reverse();
        chain
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

    /// Adds a dense layer over all numbers of `reads`.
    ///
    /// # Errors
    /// [`GraphError::Name`].
    pub fn add_dense(
        &mut self,
        name: impl Into<String>,
        reads: Source,
        outputs: Dim,
    ) -> Result<Source, GraphError> {
        let inputs = len(self.dims(reads));
        let parameters = inputs.saturating_add(1).saturating_mul(outputs.size);
        self.add(name.into(), Op::Dense, Some(reads), Vec::from([outputs]), parameters)
    }

    /// Adds a convolution over a picture: dimensions `height`, `width` and `channels`, the last one first or last.
    ///
    /// # Errors
    /// [`GraphError::Name`], [`GraphError::Picture`] and [`GraphError::Kernel`].
    pub fn add_conv(
        &mut self,
        name: impl Into<String>,
        reads: Source,
        convolution: Convolution,
    ) -> Result<Source, GraphError> {
        let (node, Convolution { filters, kernel, .. }) = (name.into(), convolution);
        let names = |dims: &[Dim], order: [&str; 3]| dims.iter().map(|dim| dim.name.as_str()).eq(order);
        let dims = self.dims(reads);
        let (picture, channels_first) = match dims {
            [a, b, c] if names(dims, ["height", "width", "channels"]) => ([a.size, b.size, c.size], false),
            [a, b, c] if names(dims, ["channels", "height", "width"]) => ([b.size, c.size, a.size], true),
            _ => return Err(GraphError::Picture { node, shape: text(dims) }),
        };
        let Some(window) = Window::new(picture, channels_first, convolution) else {
            let (dim, size) =
                if picture[0] < kernel { ("height", picture[0]) } else { ("width", picture[1]) };
            return Err(GraphError::Kernel { node, dim, size, kernel });
        };
        let [height, width] = window.result();
        let dims = [("height", height), ("width", width), ("channels", filters)];
        let dims = dims.map(|(name, size)| Dim::new(name, size)).to_vec();
        let parameters = window.width().saturating_add(1).saturating_mul(filters);
        self.add(node, Op::Conv(window), Some(reads), dims, parameters)
    }

    /// Adds an activation function.
    ///
    /// # Errors
    /// [`GraphError::Name`].
    pub fn add_activation(
        &mut self,
        name: impl Into<String>,
        reads: Source,
        activation: Activation,
    ) -> Result<Source, GraphError> {
        let dims = self.dims(reads).to_vec();
        self.add(name.into(), Op::Activation(activation), Some(reads), dims, 0)
    }

    /// Adds parameters that depend on no input.
    ///
    /// # Errors
    /// [`GraphError::Name`].
    pub fn add_parameter(&mut self, name: impl Into<String>, dims: Vec<Dim>) -> Result<Source, GraphError> {
        let parameters = len(&dims);
        self.add(name.into(), Op::Parameter, None, dims, parameters)
    }

    /// Names what is read of the result.
    pub fn add_output(&mut self, name: impl Into<String>, of: Source) {
        self.outputs.push(Output { name: name.into(), of });
    }

    fn add(
        &mut self,
        name: String,
        op: Op,
        reads: Option<Source>,
        dims: Vec<Dim>,
        parameters: usize,
    ) -> Result<Source, GraphError> {
        let (name, start) = (self.new_name(name)?, self.parameters());
        let parameters = start..start.saturating_add(parameters);
        self.nodes.push(Node { name, op, reads, dims, parameters });
        Ok(Source::Node(self.nodes.len() - 1))
    }

    fn new_name(&self, name: String) -> Result<String, GraphError> {
        let mut names =
            self.inputs.iter().map(|input| &input.name).chain(self.nodes.iter().map(|node| &node.name));
        if names.any(|known| *known == name) { Err(GraphError::Name { name }) } else { Ok(name) }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use alloc::string::ToString;
    use alloc::vec;

    use super::*;

    fn picture(order: [(&str, usize); 3]) -> (Graph, Source) {
        let mut graph = Graph::default();
        let dims = order.map(|(name, size)| Dim::new(name, size)).to_vec();
        let input = graph.add_input("eye", dims, Dtype::U8).expect("a new name");
        (graph, input)
    }

    const HALVES: Convolution = Convolution { filters: 3, kernel: 2, stride: 2 };

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
            assert_eq!(graph.chain(head), [0, 1, 2]);
            graph.add_output("action", head);
            assert_eq!((graph.output("action"), graph.output("value")), (Some(head), None));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_node_dimension_and_both_sizes() {
        let (mut graph, eye) = picture([("height", 4), ("width", 6), ("channels", 2)]);
        let large = Convolution { kernel: 5, ..HALVES };
        let error = graph.add_conv("conv", eye, large).expect_err("5 of 4 pixels");
        assert_eq!(error.to_string(), "conv has a kernel of 5 pixels, and height is 4");
        let head = graph.add_dense("head", eye, Dim::new("units", 5)).expect("a new name");
        let error = graph.add_conv("conv", head, HALVES).expect_err("no picture");
        let needs = "conv reads units 5: a convolution needs the dimensions height, width and channels";
        assert_eq!(error.to_string(), needs);
        for name in ["eye", "head"] {
            let error = graph.add_dense(name, eye, Dim::new("units", 5)).expect_err("a name twice");
            assert_eq!(error, GraphError::Name { name: name.to_string() });
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
