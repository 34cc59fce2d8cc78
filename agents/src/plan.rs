//! The layers of actor and critic, and where the parameters of each lie in the one flat buffer.

use std::ops::Range;

use phalanx_envs::Space;

use crate::bytes::ByteScale;
use crate::picture::Picture;
use crate::window::Window;
use crate::{Activation, AgentError, Channels, Head, NetworkSettings};

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
    fn full(inputs: usize, outputs: usize, start: usize) -> Self {
        Self { inputs, outputs, filters: outputs, window: None, start }
    }

    fn convolution(window: Window, filters: usize, start: usize) -> Self {
        let inputs = window.picture.iter().fold(1_usize, |n, &axis| n.saturating_mul(axis));
        let outputs = window.count().saturating_mul(filters);
        Self { inputs, outputs, filters, window: Some(window), start }
    }

    /// Numbers that it reads of a window.
    pub fn width(&self) -> usize {
        self.window.as_ref().map_or(self.inputs, Window::len)
    }

    /// Where its weight lies, row-major.
    pub fn weight(&self) -> Range<usize> {
        self.start..self.start.saturating_add(self.filters.saturating_mul(self.width()))
    }

    /// Where its bias lies.
    pub fn bias(&self) -> Range<usize> {
        let start = self.weight().end;
        start..start.saturating_add(self.filters)
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
    /// The layers of `settings` for observations of this space.
    ///
    /// # Errors
    /// [`AgentError::Space`] when these are no pictures for the convolutions.
    pub fn new(
        settings: &NetworkSettings,
        observations: &Space,
        outputs: usize,
        gaussian: bool,
    ) -> Result<Self, AgentError> {
        let inputs = observations.len();
        let shape: &[usize] = match observations {
            Space::Box { shape, .. } => shape,
            _ => &[inputs],
        };
        let hidden = |start| -> Result<Builder, AgentError> {
            let mut tower = Builder { layers: Vec::new(), width: inputs, start };
            tower.convolve(settings, shape)?;
            tower.connect(&settings.hidden);
            Ok(tower)
        };
        // P8: separate, or with a common trunk.
        let (trunk, actor, critic) = if settings.shared {
            let Builder { layers, width, start } = hidden(0)?;
            let actor = Builder { layers: Vec::new(), width, start }.ending(outputs);
            let critic = Builder { layers: Vec::new(), width, start: actor.start }.ending(1);
            (layers, actor, critic)
        } else {
            let actor = hidden(0)?.ending(outputs);
            let critic = hidden(actor.start)?.ending(1);
            (Vec::new(), actor, critic)
        };
        let log_std = critic.start..critic.start.saturating_add(if gaussian { outputs } else { 0 });
        Ok(Self {
            trunk,
            actor: actor.layers,
            critic: critic.layers,
            log_std,
            activation: settings.activation,
            inputs,
            bytes: ByteScale::new(observations),
        })
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

/// Parameters of networks of these settings, without making them: `usize::MAX` where there are more than fit into a number.
///
/// # Errors
/// [`AgentError::Space`] when the observations are no pictures for the convolutions, or no distribution covers the actions.
pub fn parameter_count(
    settings: &NetworkSettings,
    observations: &Space,
    actions: &Space,
) -> Result<usize, AgentError> {
    let head = Head::new(actions)?;
    Ok(Plan::new(settings, observations, head.outputs(), head.is_gaussian())?.len())
}

/// Layers, one on top of the other.
struct Builder {
    layers: Vec<Layer>,
    /// Numbers that the next layer reads.
    width: usize,
    /// Where its parameters begin.
    start: usize,
}

impl Builder {
    fn push(&mut self, layer: Layer) {
        (self.width, self.start) = (layer.outputs, layer.bias().end);
        self.layers.push(layer);
    }

    fn ending(mut self, outputs: usize) -> Self {
        self.connect(&[outputs]);
        self
    }

    fn connect(&mut self, widths: &[usize]) {
        for &outputs in widths {
            self.push(Layer::full(self.width, outputs, self.start));
        }
    }

    fn convolve(&mut self, settings: &NetworkSettings, shape: &[usize]) -> Result<(), AgentError> {
        if settings.convolutions.is_empty() {
            return Ok(());
        }
        let Picture { size: mut picture, mut channels } = Picture::new(shape, settings.channels)?;
        for &convolution in &settings.convolutions {
            let window = Window::new(picture, channels == Channels::First, convolution).ok_or_else(|| {
                let ([height, width, _], kernel) = (picture, convolution.kernel);
                AgentError::Space {
                    space: format!("observations of shape {shape:?}"),
                    reason: format!(
                        "network.convolutions has a kernel of {kernel} pixels for {height} × {width} pixels"
                    ),
                }
            })?;
            let [height, width] = window.result();
            (picture, channels) = ([height, width, convolution.filters], Channels::Last);
            self.push(Layer::convolution(window, convolution.filters, self.start));
        }
        Ok(())
    }
}
