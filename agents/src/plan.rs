//! The layers of actor and critic, and where the parameters of each lie in the one flat buffer.

use std::ops::Range;

use phalanx_graph::{Activation, Graph, Op, Source, Window, len};

use crate::bytes::ByteScale;
use crate::describe::{ACTION, LOG_STD, VALUE};

/// One layer: a weight `[filters, window]`, then a bias `[filters]`.
///
/// A fully connected layer has one window, which is all that it reads; a convolution has many, for all of which its
/// parameters are the same. Its results lie as `[windows, filters]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Numbers that it reads of a row.
    pub inputs: usize,
    /// Numbers that it writes of a row.
    pub outputs: usize,
    /// Outputs for a window.
    pub filters: usize,
    /// The windows that a convolution reads.
    pub window: Option<Window>,
    start: usize,
}

impl Layer {
    /// The layer of a node with weights; nothing of other nodes.
    fn new(graph: &Graph, node: usize) -> Option<Self> {
        let node = &graph.nodes[node];
        let (inputs, outputs) = (len(graph.dims(node.reads?)), len(&node.dims));
        let (filters, window) = match &node.op {
            Op::Dense => (outputs, None),
            Op::Conv(window) => (outputs / window.count(), Some(window.clone())),
            Op::Activation(_) | Op::Parameter => return None,
        };
        Some(Self { inputs, outputs, filters, window, start: node.parameters.start })
    }

    /// Numbers that it reads of a window.
    pub fn width(&self) -> usize {
        self.window.as_ref().map_or(self.inputs, Window::width)
    }

    /// Where its weight lies, row-major.
    pub fn weight(&self) -> Range<usize> {
        self.start..self.start + self.filters * self.width()
    }

    /// Where its bias lies.
    pub fn bias(&self) -> Range<usize> {
        let start = self.weight().end;
        start..start + self.filters
    }
}

/// Which output of the networks is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tower {
    /// Parameters of the action distribution.
    Actor,
    /// The value.
    Critic,
}

/// The layers of actor and critic.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Hidden layers that both share; empty when each has its own.
    pub trunk: Vec<Layer>,
    /// Layers of the actor's own; the last one outputs the action distribution.
    pub actor: Vec<Layer>,
    /// Layers of the critic's own; the last one outputs the value.
    pub critic: Vec<Layer>,
    /// Log standard deviations of a Gaussian policy, after all layers; empty without one.
    pub log_std: Range<usize>,
    /// Activation function of the hidden layers.
    pub activation: Activation,
    /// Numbers in an observation.
    pub inputs: usize,
    /// How its bytes are scaled, where they are bytes.
    pub bytes: ByteScale,
}

impl Plan {
    /// The layers of a graph of two chains that may begin with the same nodes, for bytes of this scale.
    ///
    /// # Panics
    /// When the graph lacks an output; [`describe`](crate::describe()) makes them all.
    pub fn new(graph: &Graph, bytes: ByteScale) -> Self {
        let chain = |name| graph.chain(graph.output(name).expect("actor and critic"));
        let [actor, critic] = [ACTION, VALUE].map(chain);
        let shared = actor.iter().zip(&critic).take_while(|(a, c)| a == c).count();
        let layers = |chain: &[usize]| chain.iter().filter_map(|&i| Layer::new(graph, i)).collect();
        let mut activations = graph.nodes.iter().filter_map(|node| match node.op {
            Op::Activation(activation) => Some(activation),
            _ => None,
        });
        let log_std = match graph.output(LOG_STD) {
            Some(Source::Node(i)) => graph.nodes[i].parameters.clone(),
            _ => graph.parameters()..graph.parameters(),
        };
        Self {
            trunk: layers(&actor[..shared]),
            actor: layers(&actor[shared..]),
            critic: layers(&critic[shared..]),
            log_std,
            // All are the same.
            activation: activations.next().unwrap_or(Activation::Tanh),
            inputs: len(&graph.inputs[0].dims),
            bytes,
        }
    }

    /// All layers: those of the trunk, the actor, the critic.
    pub fn layers(&self) -> impl Iterator<Item = &Layer> {
        self.trunk.iter().chain(&self.actor).chain(&self.critic)
    }

    /// Whether there are convolutions.
    pub fn has_pictures(&self) -> bool {
        self.layers().any(|layer| layer.window.is_some())
    }

    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.log_std.end
    }

    /// The tower's own layers.
    pub fn tower(&self, tower: Tower) -> &[Layer] {
        match tower {
            Tower::Actor => &self.actor,
            Tower::Critic => &self.critic,
        }
    }

    /// Outputs of a tower for a row.
    pub fn outputs(&self, tower: Tower) -> usize {
        self.tower(tower).last().map_or(self.inputs, |layer| layer.outputs)
    }
}
