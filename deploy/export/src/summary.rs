//! What a policy computes, in numbers.

use std::collections::BTreeMap;

use phalanx_graph::{Node, Op};

use crate::Policy;

impl Policy<'_> {
    /// Whether a step reads an input, or a mask is in it; models of other programs have these alone.
    pub fn is_read(&self, input: usize) -> bool {
        self.reads(&self.schedule(), input)
    }

    /// Outputs of the network, deviations included.
    pub fn outputs(&self) -> usize {
        let schedule = self.schedule();
        schedule.steps[schedule.outputs[0]].len
    }

    /// Hidden states: the name of each recurrent layer and its numbers.
    pub fn states(&self) -> impl Iterator<Item = (&str, usize)> {
        self.nodes().filter(|node| node.state() > 0).map(|node| (node.name.as_str(), node.state()))
    }

    /// How often it has each operation.
    pub fn operations(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for node in self.nodes().filter(|node| node.op != Op::Parameter) {
            *counts.entry(node.op.to_string()).or_default() += 1;
        }
        counts
    }

    /// Products of weights with numbers that an action takes, each of which is added to a sum.
    pub fn multiply_accumulates(&self) -> usize {
        self.nodes().map(Node::multiplications).sum()
    }

    /// The nodes of the actor.
    fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.graph.order(&[self.output]).into_iter().map(|i| &self.graph.nodes[i])
    }
}
