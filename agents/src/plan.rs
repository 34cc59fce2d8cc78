//! Where the parameters of every layer lie in the one flat buffer.

use std::ops::Range;

use crate::{Activation, NetworkSettings};

/// One fully connected layer: a weight `[outputs, inputs]`, then a bias `[outputs]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    /// Numbers that it reads of a row.
    pub inputs: usize,
    /// Numbers that it writes of a row.
    pub outputs: usize,
    start: usize,
}

impl Layer {
    /// Where its weight lies, row-major.
    pub fn weight(&self) -> Range<usize> {
        self.start..self.start + self.outputs * self.inputs
    }

    /// Where its bias lies.
    pub fn bias(&self) -> Range<usize> {
        let start = self.weight().end;
        start..start + self.outputs
    }
}

/// What a network is asked for.
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
    /// Layers of the actor's own; the last one gives the action distribution.
    pub actor: Vec<Layer>,
    /// Layers of the critic's own; the last one gives the value.
    pub critic: Vec<Layer>,
    /// Log standard deviations of a Gaussian policy, after all layers; empty without one.
    pub log_std: Range<usize>,
    /// Function after each hidden layer.
    pub activation: Activation,
    /// Numbers in an observation.
    pub inputs: usize,
}

impl Plan {
    /// The layers that `settings` ask for.
    pub fn new(settings: &NetworkSettings, inputs: usize, outputs: usize, gaussian: bool) -> Self {
        let mut start = 0;
        let mut tower = |mut width: usize, widths: &[usize]| -> Vec<Layer> {
            let layer = |&outputs: &usize| {
                let layer = Layer { inputs: width, outputs, start };
                (width, start) = (outputs, layer.bias().end);
                layer
            };
            widths.iter().map(layer).collect()
        };
        // P8: separate, or with a common trunk.
        let (common, own): (&[usize], &[usize]) =
            if settings.shared { (&settings.hidden, &[]) } else { (&[], &settings.hidden) };
        let branch = common.last().copied().unwrap_or(inputs);
        let trunk = tower(inputs, common);
        let actor = tower(branch, &[own, &[outputs]].concat());
        let critic = tower(branch, &[own, &[1]].concat());
        let log_std = start..start + if gaussian { outputs } else { 0 };
        Self { trunk, actor, critic, log_std, activation: settings.activation, inputs }
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

    /// Numbers that a tower gives for a row.
    pub fn outputs(&self, tower: Tower) -> usize {
        self.tower(tower).last().map_or(self.inputs, |layer| layer.outputs)
    }
}
