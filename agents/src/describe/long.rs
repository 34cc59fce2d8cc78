//! The long form: layers by name, each added when something reads it.

use std::collections::HashMap;

use phalanx_envs::Params;
use phalanx_graph::{Dim, Graph, Own, Pool, Recurrent, Source};
use serde_json::json;

use super::builder::{After, conv, dense, follow, preset};
use super::fields::{OBSERVATION, Part};
use crate::operation::{dims, operation};
use crate::{AgentError, LayerSettings, NetworkSettings, Widths};

/// Adds layers to a graph.
pub struct Named<'a> {
    graph: &'a mut Graph,
    settings: &'a NetworkSettings,
    parts: &'a [Part<'a>],
    /// What has been added, by name; nothing while a layer is being added.
    added: HashMap<String, Option<Source>>,
}

impl<'a> Named<'a> {
    /// The layers of `settings` over these parts of an observation.
    pub fn new(graph: &'a mut Graph, settings: &'a NetworkSettings, parts: &'a [Part<'a>]) -> Self {
        Self { graph, settings, parts, added: HashMap::new() }
    }

    /// All of these, one after the other.
    ///
    /// # Errors
    /// [`AgentError::Settings`], which names the layer, as of all that follow; those of the graph.
    pub fn all(&mut self, what: &str, names: &[String]) -> Result<Source, AgentError> {
        let sources = self.list(what, names)?;
        match sources[..] {
            [one] => Ok(one),
            _ => Ok(self.graph.add_concat(format!("{what}.concat"), &sources)?),
        }
    }

    /// Fails where a layer is read by nothing.
    pub fn check_all_are_read(&self) -> Result<(), AgentError> {
        match self.settings.layers.keys().find(|name| !self.added.contains_key(*name)) {
            Some(name) => wrong(
                name,
                "is read by nothing: name it in network.actor or network.critic, or in a layer that they read",
            ),
            None => Ok(()),
        }
    }

    fn list(&mut self, reader: &str, names: &[String]) -> Result<Vec<Source>, AgentError> {
        names.iter().map(|name| self.read(reader, name)).collect()
    }

    /// What has this name: a layer or a part of the observation, of all parts where it is `observation`.
    fn read(&mut self, reader: &str, name: &str) -> Result<Source, AgentError> {
        match self.added.get(name) {
            Some(Some(source)) => return Ok(*source),
            Some(None) => return wrong(reader, &format!("reads {name:?}, which is made of it")),
            None => {}
        }
        self.added.insert(name.to_owned(), None);
        let source = if let Some(layer) = self.settings.layers.get(name) {
            self.layer(name, layer)?
        } else if let Some(part) = self.parts.iter().find(|part| part.name == name) {
            match part.read(self.graph, self.is_picture(part), self.settings.channels) {
                Err(AgentError::Space { space, reason }) => {
                    return wrong(reader, &format!("reads {name:?}, {space}: {reason}"));
                }
                source => source?,
            }
        } else if name == OBSERVATION {
            let parts = self.parts.iter().filter(|part| !part.is_mask);
            let names: Vec<String> = parts.map(|part| part.name.clone()).collect();
            let sources = self.list(reader, &names)?;
            self.graph.add_concat(OBSERVATION, &sources)?
        } else {
            let known = self.settings.layers.keys().chain(self.parts.iter().map(|part| &part.name));
            let known: Vec<&str> = known.map(String::as_str).collect();
            return wrong(reader, &format!("reads {name:?}, and there is only {}", known.join(", ")));
        };
        self.added.insert(name.to_owned(), Some(source));
        Ok(source)
    }

    /// Whether a layer reads this part as a picture.
    fn is_picture(&self, part: &Part<'_>) -> bool {
        let sees = |layer: &LayerSettings| {
            let windows = layer.conv.is_some() || layer.preset.is_some();
            (windows || layer.max_pool.is_some() || layer.average_pool.is_some())
                && layer.of.as_ref() == Some(&part.name)
        };
        self.settings.layers.values().any(sees)
    }

    fn layer(&mut self, name: &str, layer: &LayerSettings) -> Result<Source, AgentError> {
        check(name, layer)?;
        let after = After { layer_norm: layer.layer_norm, activation: layer.activation };
        if let Some(names) = layer.concat.as_ref().or(layer.add.as_ref()) {
            let sources = self.list(name, names)?;
            let at = match layer.add {
                Some(_) => self.graph.add_sum(name, &sources)?,
                None => self.graph.add_concat(name, &sources)?,
            };
            return follow(self.graph, name, at, after);
        }
        let of = layer.of.as_deref().unwrap_or(OBSERVATION);
        if let Some(width) = layer.embedding {
            let Some((part, options)) =
                self.parts.iter().find(|part| part.name == of).and_then(|part| Some((part, part.options()?)))
            else {
                return wrong(name, &format!("is an embedding of {of:?}, which is no observed choice"));
            };
            let [options] = options[..] else {
                return wrong(
                    name,
                    &format!("is an embedding of {of:?}, which are {} choices and not one", options.len()),
                );
            };
            let input = part.input(self.graph, self.is_picture(part), self.settings.channels)?;
            let at = self.graph.add_embedding(name, input, options, Dim::new("units", width))?;
            return follow(self.graph, name, at, after);
        }
        let of = self.read(name, of)?;
        let graph = &mut *self.graph;
        if let Some(convolutions) = &layer.conv {
            let mut each = convolutions.iter().zip(1..);
            return each.try_fold(of, |at, (c, i)| {
                conv(graph, &numbered(name, i, convolutions.len()), at, *c, after)
            });
        }
        if let Some(widths) = &layer.dense {
            let widths = match widths {
                Widths::One(width) => std::slice::from_ref(width),
                Widths::Many(widths) => widths,
            };
            let mut each = widths.iter().zip(1..);
            return each
                .try_fold(of, |at, (w, i)| dense(graph, &numbered(name, i, widths.len()), at, *w, after));
        }
        if let Some(known) = layer.preset {
            return preset(graph, name, of, known);
        }
        let recurrent = layer.gru.map(|width| (Recurrent::Gru, width));
        let at = if let Some((kind, width)) = recurrent.or(layer.lstm.map(|width| (Recurrent::Lstm, width))) {
            graph.add_recurrent(name, of, kind, Dim::new("units", width))?
        } else if let Some(pool) = layer.max_pool {
            graph.add_pool(name, of, Pool::Max, pool.windows())?
        } else if let Some(pool) = layer.average_pool {
            graph.add_pool(name, of, Pool::Average, pool.windows())?
        } else if let Some(op) = &layer.op {
            own(graph, name, of, op, &layer.params)?
        } else {
            of
        };
        follow(graph, name, at, after)
    }
}

/// Adds an operation that the program registered.
fn own(graph: &mut Graph, name: &str, of: Source, op: &str, params: &Params) -> Result<Source, AgentError> {
    let own = Own { name: op.to_owned(), params: json!(params).to_string() };
    let operation = operation(&own, graph.dims(of))?;
    Ok(graph.add_own(name, of, own, dims(&operation.shape()), operation.parameters())?)
}

/// The name of one of `of` layers on top of each other.
fn numbered(name: &str, i: usize, of: usize) -> String {
    if of == 1 { name.to_owned() } else { format!("{name}.{i}") }
}

/// Fails unless the layer has one operation, or none but what follows one.
fn check(name: &str, layer: &LayerSettings) -> Result<(), AgentError> {
    let operations = [
        ("dense", layer.dense.is_some()),
        ("conv", layer.conv.is_some()),
        ("max_pool", layer.max_pool.is_some()),
        ("average_pool", layer.average_pool.is_some()),
        ("preset", layer.preset.is_some()),
        ("gru", layer.gru.is_some()),
        ("lstm", layer.lstm.is_some()),
        ("concat", layer.concat.is_some()),
        ("add", layer.add.is_some()),
        ("embedding", layer.embedding.is_some()),
        ("op", layer.op.is_some()),
    ];
    let given: Vec<&str> = operations.iter().filter(|(_, given)| *given).map(|(key, _)| *key).collect();
    if layer.op.is_none() && !layer.params.is_empty() {
        return wrong(name, "has `params`, which are those of `op`");
    }
    match given[..] {
        [] if !layer.layer_norm && layer.activation.is_none() => {
            wrong(name, &format!("needs one of {}", operations.map(|(key, _)| key).join(", ")))
        }
        [key @ ("concat" | "add")] if layer.of.is_some() => {
            wrong(name, &format!("has both {key} and `of`; {key} names what is read"))
        }
        ["preset"] if layer.layer_norm || layer.activation.is_some() => {
            wrong(name, "is a preset, which has its own activations")
        }
        [] | [_] => Ok(()),
        _ => wrong(name, &format!("has {}; make each a layer of its own", given.join(" and "))),
    }
}

fn wrong<T>(layer: &str, message: &str) -> Result<T, AgentError> {
    let place = if matches!(layer, "actor" | "critic") { "" } else { "layers." };
    Err(AgentError::Settings(format!("network.{place}{layer} {message}")))
}
