//! How the numbers that a tensor is multiplied with lie, here and in `PyTorch`.

use phalanx_graph::{Graph, Op, Source, Tensor, Window, len};

use super::placed::Placed;
use crate::Channels;

/// A network with the order of its pictures.
pub struct Layout<'a> {
    /// The network.
    pub graph: &'a Graph,
    /// For each input, how it lies where it has three axes.
    pub inputs: &'a [Option<Placed>],
    /// Whether weights of windows, and what convolutions and pools give, have their channels first, as in `PyTorch`. Observations are as they
    /// are.
    pub is_pytorch: bool,
}

impl Layout<'_> {
    /// The shape that a tensor has.
    pub fn shape(&self, tensor: &Tensor) -> Vec<usize> {
        match (&self.graph.nodes[tensor.node].op, &tensor.shape[..]) {
            (Op::Conv(window), [filters, _]) if self.is_pytorch => {
                vec![*filters, window.picture[2], window.kernel, window.kernel]
            }
            _ => tensor.shape.clone(),
        }
    }

    /// The pictures in each row of a tensor: of numbers, or of a window.
    pub fn pictures(&self, tensor: &Tensor) -> Vec<Placed> {
        let node = &self.graph.nodes[tensor.node];
        match (&node.op, &tensor.shape[..]) {
            (Op::Conv(window), [_, _]) => vec![self.window(window, node.reads[0])],
            // The weight over what it reads; that over its own state has no pictures.
            (Op::Dense | Op::Recurrent(_), [_, _]) if !tensor.name.ends_with("weight_hh_l0") => {
                self.source(node.reads[0])
            }
            (Op::LayerNorm, _) => self.source(node.reads[0]),
            (Op::Own(_), _) => self.source(node.reads[0]).into_iter().map(Placed::unknown).collect(),
            _ => Vec::new(),
        }
    }

    fn window(&self, window: &Window, source: Source) -> Placed {
        let read = self.source(source).first().and_then(Placed::channels);
        let own = if window.channels_first { Channels::First } else { Channels::Last };
        let channels = if self.is_pytorch { Channels::First } else { read.unwrap_or(own) };
        Placed::new([window.kernel, window.kernel, window.picture[2]], channels)
    }

    /// The pictures among the numbers of a source.
    fn source(&self, source: Source) -> Vec<Placed> {
        let node = match source {
            Source::Input(i) => return self.inputs[i].iter().cloned().collect(),
            Source::Node(i) => &self.graph.nodes[i],
        };
        match &node.op {
            Op::Conv(_) | Op::MaxPool(_) | Op::AveragePool(_) => {
                let size = [0, 1, 2].map(|axis| node.dims[axis].size);
                vec![Placed::new(size, if self.is_pytorch { Channels::First } else { Channels::Last })]
            }
            Op::Activation(_) | Op::LayerNorm | Op::Add => self.source(node.reads[0]),
            Op::Own(_) => self.source(node.reads[0]).into_iter().map(Placed::unknown).collect(),
            Op::Concat => {
                let (mut all, mut start) = (Vec::new(), 0);
                for &read in &node.reads {
                    all.extend(self.source(read).into_iter().map(|picture| picture.after(start)));
                    start += len(self.graph.dims(read));
                }
                all
            }
            _ => Vec::new(),
        }
    }
}
