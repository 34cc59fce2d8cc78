//! The short form: convolutions over pictures, hidden layers over all numbers, and a recurrent layer on top.

use phalanx_graph::{Dim, Graph, Recurrent, Source};

use super::builder::{After, conv, dense};
use super::fields::Part;
use crate::{AgentError, MemorySettings, NetworkSettings};

/// Adds the layers of the short form to a graph.
pub struct Short<'a> {
    graph: &'a mut Graph,
    settings: &'a NetworkSettings,
    parts: &'a [Part<'a>],
}

impl<'a> Short<'a> {
    /// The layers of `settings` over these parts of an observation.
    pub fn new(graph: &'a mut Graph, settings: &'a NetworkSettings, parts: &'a [Part<'a>]) -> Self {
        Self { graph, settings, parts }
    }

    /// Layers with names that begin with `prefix`, on top of the observation.
    ///
    /// # Errors
    /// Those of the graph; [`AgentError::Space`] when convolutions have no picture to read.
    pub fn tower(&mut self, prefix: &str) -> Result<Source, AgentError> {
        let after =
            After { layer_norm: self.settings.layer_norm, activation: Some(self.settings.activation) };
        let mut at = self.observation(prefix, After { layer_norm: false, ..after })?;
        for (i, &width) in (1..).zip(&self.settings.hidden) {
            at = dense(self.graph, &format!("{prefix}hidden{i}"), at, width, after)?;
        }
        let (kind, width) = match self.settings.memory {
            None => return Ok(at),
            Some(MemorySettings::Gru(width)) => (Recurrent::Gru, width),
            Some(MemorySettings::Lstm(width)) => (Recurrent::Lstm, width),
        };
        Ok(self.graph.add_recurrent(format!("{prefix}memory"), at, kind, Dim::new("units", width))?)
    }

    /// All parts of the observation: pictures after their convolutions, choices as one-hot vectors.
    fn observation(&mut self, prefix: &str, after: After) -> Result<Source, AgentError> {
        let mut sources = Vec::new();
        let parts = || self.parts.iter().filter(|part| !part.is_mask);
        let several = parts().count() > 1;
        for part in parts() {
            // Of several parts, those that have the axes of a picture are read by convolutions.
            let is_picture = !self.settings.convolutions.is_empty() && (!several || part.may_be_picture());
            let mut at = part.read(self.graph, is_picture, self.settings.channels)?;
            if is_picture {
                let path = part.name.split_once('.').map_or(String::new(), |(_, path)| format!("{path}."));
                for (i, &convolution) in (1..).zip(&self.settings.convolutions) {
                    at = conv(self.graph, &format!("{prefix}{path}conv{i}"), at, convolution, after)?;
                }
            }
            sources.push(at);
        }
        match sources[..] {
            [] => Err(AgentError::Settings(
                "the observation has nothing but an action mask: observe something beside it, or name layers that read \
                 `observation.action_mask` in network.layers"
                    .into(),
            )),
            [one] => Ok(one),
            _ => Ok(self.graph.add_concat(format!("{prefix}numbers"), &sources)?),
        }
    }
}
