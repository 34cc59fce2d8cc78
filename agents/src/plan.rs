//! What engines execute: the graph of actor and critic with its schedules.

use std::sync::Arc;

use phalanx_graph::{Graph, Node, Op, Purpose, Schedule, Source};
use phalanx_mesh::{Grid, Parts};

use crate::AgentError;
use crate::bytes::ByteScale;
use crate::describe::{ACTION, LOG_STD, VALUE};
use crate::operation::{Operation, operation};

/// `output`, then all recurrent layers that it does not need.
fn with_memory(graph: &Graph, output: Source) -> Vec<Source> {
    let needed = graph.order(&[output]);
    let others = (0..graph.nodes.len()).filter(|i| !needed.contains(i) && graph.nodes[*i].state() > 0);
    std::iter::once(output).chain(others.map(Source::Node)).collect()
}

/// Which output of the networks is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tower {
    /// Parameters of the action distribution.
    Actor,
    /// The value.
    Critic,
}

/// The networks and the orders in which they are executed.
#[derive(Clone)]
pub struct Plan {
    /// The networks.
    pub graph: Graph,
    /// For the value and the action distribution, in this order, and their gradients.
    pub learn: Schedule,
    /// For the action distribution alone.
    actor: Schedule,
    /// For the value, and for the hidden states of all recurrent layers: those of the actor's own are computed beside it.
    critic: Schedule,
    /// Log standard deviations of a Gaussian policy among the parameters; empty without one.
    pub log_std: std::ops::Range<usize>,
    /// How the bytes of each input are scaled, where they are bytes.
    pub bytes: Vec<ByteScale>,
    /// Whether there are convolutions.
    pub has_pictures: bool,
    /// The ranks that have the other parts.
    pub grid: Arc<Grid>,
    /// Each node's operation, where it is one that the program registered.
    own: Vec<Option<Arc<dyn Operation>>>,
}

impl Plan {
    /// The schedules of a graph, or of this rank's part of one, whose inputs' bytes are scaled like this.
    ///
    /// # Errors
    /// [`AgentError::Operation`].
    /// # Panics
    /// When the graph lacks an output; [`describe`](crate::describe()) makes them all.
    pub fn new(graph: Graph, bytes: Vec<ByteScale>, grid: Arc<Grid>) -> Result<Self, AgentError> {
        let output = |name| graph.output(name).expect("actor and critic");
        let (action, value) = (output(ACTION), output(VALUE));
        let log_std = match graph.output(LOG_STD) {
            Some(Source::Node(i)) => graph.nodes[i].parameters.clone(),
            _ => graph.parameters()..graph.parameters(),
        };
        let own = |node: &Node| match &node.op {
            Op::Own(own) => operation(own, graph.dims(node.reads[0])).map(Some),
            _ => Ok(None),
        };
        Ok(Self {
            own: graph.nodes.iter().map(own).collect::<Result<_, _>>()?,
            learn: graph.schedule(&[value, action], Purpose::Training),
            actor: graph.schedule(&[action], Purpose::Inference),
            critic: graph.schedule(&with_memory(&graph, value), Purpose::Inference),
            log_std,
            has_pictures: graph.nodes.iter().any(|node| matches!(node.op, Op::Conv(_))),
            graph,
            bytes,
            grid,
        })
    }

    /// The operation of a node that the program registered.
    pub fn own(&self, node: usize) -> &dyn Operation {
        &**self.own[node].as_ref().expect("an operation of one's own")
    }

    /// The ranks among which the networks are divided, if they are: all passes are the caller's thread's then, in one order on all ranks.
    pub fn parts(&self) -> Option<&Parts> {
        Some(&self.grid.parts).filter(|parts| parts.is_divided())
    }

    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.graph.parameters()
    }

    /// The schedule that computes the output of a tower alone.
    pub fn tower(&self, tower: Tower) -> &Schedule {
        match tower {
            Tower::Actor => &self.actor,
            Tower::Critic => &self.critic,
        }
    }

    /// Outputs of a tower for a row.
    pub fn outputs(&self, tower: Tower) -> usize {
        let schedule = self.tower(tower);
        schedule.steps[schedule.outputs[0]].len
    }

    /// Numbers of a row in the input of this index.
    pub fn input(&self, i: usize) -> usize {
        phalanx_graph::len(&self.graph.inputs[i].dims)
    }
}
