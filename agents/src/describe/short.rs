//! The short form: convolutions over pictures, hidden layers over all numbers, and a recurrent layer on top.

use phalanx_graph::{Dim, Graph, GraphError, Recurrent, Source};

use super::builder::{After, conv, dense};
use super::fields::{ONLY_A_MASK, Part};
use super::mistakes::Mistake;
use super::stand_in;
use crate::{MemorySettings, NetworkSettings};

/// Adds the layers of the short form to a graph.
pub struct Short<'a> {
    graph: &'a mut Graph,
    settings: &'a NetworkSettings,
    parts: &'a [Part<'a>],
    /// Those that show when layers are added.
    pub mistakes: Vec<Mistake>,
    /// What the names of nodes begin with that could not be added.
    pub failed: Vec<String>,
}

impl<'a> Short<'a> {
    /// The layers of `settings` over these parts of an observation.
    pub fn new(graph: &'a mut Graph, settings: &'a NetworkSettings, parts: &'a [Part<'a>]) -> Self {
        Self { graph, settings, parts, mistakes: Vec::new(), failed: Vec::new() }
    }

    /// Layers with names that begin with `prefix`, on top of the observation.
    ///
    /// # Errors
    /// [`GraphError::Name`].
    pub fn tower(&mut self, prefix: &str) -> Result<Source, GraphError> {
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
        self.graph.add_recurrent(format!("{prefix}memory"), at, kind, Dim::new("units", width))
    }

    /// All parts of the observation: pictures after their convolutions, choices as one-hot vectors.
    fn observation(&mut self, prefix: &str, after: After) -> Result<Source, GraphError> {
        let mut sources = Vec::new();
        let parts = || self.parts.iter().filter(|part| !part.is_mask);
        let several = parts().count() > 1;
        for part in parts() {
            // Of several parts, those that have the axes of a picture are read by convolutions.
            let is_picture = !self.settings.convolutions.is_empty() && (!several || part.may_be_picture());
            sources.push(if is_picture {
                self.picture(prefix, part, after)?
            } else {
                part.read(self.graph, None)?
            });
        }
        match sources[..] {
            [] => {
                self.mistakes.push(Mistake::new(&[], ONLY_A_MASK));
                Ok(stand_in(self.graph))
            }
            [one] => Ok(one),
            _ => self.graph.add_concat(format!("{prefix}numbers"), &sources),
        }
    }

    /// The convolutions over a part, of which the critic's are those of the actor.
    fn picture(&mut self, prefix: &str, part: &Part<'_>, after: After) -> Result<Source, GraphError> {
        let path = part.name.split_once('.').map_or(String::new(), |(_, path)| format!("{path}."));
        let prefix = format!("{prefix}{path}conv");
        let picture = match part.picture(self.settings.channels) {
            Ok(picture) => picture,
            Err(message) => return Ok(self.refuse(&["convolutions"], &message, prefix)),
        };
        let mut at = part.read(self.graph, Some(picture))?;
        for (i, &convolution) in self.settings.convolutions.iter().enumerate() {
            at = match conv(self.graph, &format!("{prefix}{}", i + 1), at, convolution, after) {
                Ok(at) => at,
                Err(error) => {
                    let path = ["convolutions", &i.to_string(), "kernel"];
                    return Ok(self.refuse(&path, &error.to_string(), prefix));
                }
            };
        }
        Ok(at)
    }

    /// Notes a mistake; something in place of what could not be added.
    fn refuse(&mut self, path: &[&str], message: &str, failed: String) -> Source {
        self.mistakes.push(Mistake::new(path, format!("network.{}: {message}", path.join("."))));
        self.failed.push(failed);
        stand_in(self.graph)
    }
}
