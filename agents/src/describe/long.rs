//! The long form: layers by name, each added when something reads it.

use std::collections::HashMap;

use phalanx_envs::Params;
use phalanx_graph::{Dim, Graph, GraphError, Own, Source};
use serde_json::json;

use super::builder::{After, conv, dense, follow, preset};
use super::check::{self, reads, tower_reads};
use super::fields::{OBSERVATION, ONLY_A_MASK, Part};
use super::mistakes::Mistake;
use super::stand_in;
use crate::layers::Operation;
use crate::operation::{dims, operation};
use crate::picture::Picture;
use crate::{AgentError, LayerSettings, Names, NetworkSettings};

/// Adds layers to a graph.
pub struct Named<'a> {
    graph: &'a mut Graph,
    settings: &'a NetworkSettings,
    parts: &'a [Part<'a>],
    /// What has been added, by name; nothing where it is not known, because of a mistake.
    added: HashMap<&'a str, Option<Source>>,
    /// Those that show when layers are added.
    mistakes: Vec<Mistake>,
}

/// What is wrong was noted.
struct Noted;

/// Why a layer cannot be added: the key below it, and what is wrong.
struct Refused {
    key: Vec<String>,
    message: String,
}

impl<'a> Named<'a> {
    /// The layers of `settings` over these parts of an observation.
    pub fn new(graph: &'a mut Graph, settings: &'a NetworkSettings, parts: &'a [Part<'a>]) -> Self {
        Self { graph, settings, parts, added: HashMap::new(), mistakes: Vec::new() }
    }

    /// All that an output layer reads, one after the other; nothing where it is not known.
    pub fn tower(&mut self, key: &str, names: Option<&'a Names>) -> Option<Source> {
        let sources = self.read_all(&[key], tower_reads(names?));
        let sources = sources.into_iter().collect::<Option<Vec<_>>>()?;
        if let [one] = sources[..] {
            return Some(one);
        }
        let concat = self.graph.add_concat(format!("{key}.concat"), &sources);
        self.noted(concat, &[key])
    }

    /// Adds the layers that nothing reads, to find their mistakes; returns all mistakes, and the layers that could not be added.
    pub fn finish(mut self) -> (Vec<Mistake>, Vec<String>) {
        let settings = self.settings;
        for name in settings.layers.keys() {
            self.read(&[], name);
        }
        let failed = self.added.iter().filter(|(_, source)| source.is_none());
        (self.mistakes, failed.map(|(name, _)| (*name).to_owned()).collect())
    }

    fn read_all(&mut self, reader: &[&str], reads: Vec<(Vec<String>, &'a str)>) -> Vec<Option<Source>> {
        let read = |(key, name): (Vec<String>, &'a str)| {
            let path: Vec<&str> = reader.iter().copied().chain(key.iter().map(String::as_str)).collect();
            self.read(&path, name)
        };
        reads.into_iter().map(read).collect()
    }

    /// What has this name: a layer or a part of the observation, of all parts where it is `observation`. The setting at `path` has it.
    fn read(&mut self, path: &[&str], name: &'a str) -> Option<Source> {
        if let Some(source) = self.added.get(name) {
            return *source;
        }
        let (layer, part) =
            (self.settings.layers.get(name), self.parts.iter().find(|part| part.name == name));
        if layer.is_none() && part.is_none() && name != OBSERVATION {
            self.note_unknown_part(path, name);
            return None;
        }
        // While it is being added; the circle is reported.
        self.added.insert(name, None);
        let source = match (layer, part) {
            (Some(layer), _) => self.layer(name, layer),
            (None, Some(part)) => self.part(part),
            (None, None) => self.observation(path),
        };
        self.added.insert(name, source);
        source
    }

    fn note_unknown_part(&mut self, path: &[&str], name: &str) {
        // Other names are those of no layer, which the check of the settings reports.
        if !check::begins(name, OBSERVATION) {
            return;
        }
        let known: Vec<&str> = self.parts.iter().map(|part| part.name.as_str()).collect();
        let message = match phalanx_envs::nearest(name, known.iter().copied()) {
            Some(near) => format!("the observation has no part {name:?}; did you mean {near:?}?"),
            None => format!("the observation has no part {name:?}; it has {}", known.join(", ")),
        };
        self.note(path, &message);
    }

    /// All parts but masks, one after the other.
    fn observation(&mut self, path: &[&str]) -> Option<Source> {
        let parts = self.parts.iter().filter(|part| !part.is_mask);
        let sources: Vec<Option<Source>> = parts.map(|part| self.read(path, &part.name)).collect();
        if sources.is_empty() {
            self.note(path, ONLY_A_MASK);
            return None;
        }
        let sources = sources.into_iter().collect::<Option<Vec<_>>>()?;
        let concat = self.graph.add_concat(OBSERVATION, &sources);
        self.noted(concat, path)
    }

    /// Layers that read this part as a picture.
    fn viewers(&self, part: &Part<'_>) -> Vec<&'a str> {
        let sees = |layer: &LayerSettings| {
            layer.of.as_deref().unwrap_or(OBSERVATION) == part.name
                && layer.operations().iter().any(|(_, operation)| operation.reads_picture())
        };
        let layers = self.settings.layers.iter();
        layers.filter(|(_, layer)| sees(layer)).map(|(name, _)| name.as_str()).collect()
    }

    /// The picture that a part is, where a layer reads it as one.
    fn picture(&mut self, part: &Part<'_>) -> Result<Option<Picture>, Noted> {
        let viewers = self.viewers(part);
        if viewers.is_empty() {
            return Ok(None);
        }
        part.picture(self.settings.channels).map(Some).map_err(|message| {
            for layer in viewers {
                self.note(&["layers", layer, "of"], &message);
            }
            Noted
        })
    }

    fn part(&mut self, part: &'a Part<'a>) -> Option<Source> {
        let picture = self.picture(part).ok()?;
        let read = part.read(self.graph, picture);
        self.noted(read, &[])
    }

    fn layer(&mut self, name: &str, layer: &'a LayerSettings) -> Option<Source> {
        let operations = layer.operations();
        let result = if let [(_, Operation::Embedding(width))] = operations[..] {
            self.embedding(name, layer, width)
        } else {
            let reads = self.read_all(&["layers", name], reads(layer));
            if !check::layer(name, layer).is_empty() {
                return None;
            }
            self.add(name, operations.first().copied(), &reads, after(layer))
        };
        match result {
            Ok(source) => source,
            Err(Refused { key, message }) => {
                let path: Vec<&str> =
                    ["layers", name].into_iter().chain(key.iter().map(String::as_str)).collect();
                self.note(&path, &message);
                None
            }
        }
    }

    /// Adds an operation with what follows it. Where it is not known what it reads, it may be known all the same what it gives.
    fn add(
        &mut self,
        name: &str,
        operation: Option<(&str, Operation<'_>)>,
        reads: &[Option<Source>],
        after: After,
    ) -> Result<Option<Source>, Refused> {
        let graph = &mut *self.graph;
        if let Some((_, Operation::Dense(widths))) = operation {
            let mut at = reads[0].unwrap_or_else(|| stand_in(graph));
            for (i, width) in widths.iter().enumerate() {
                at =
                    dense(graph, &numbered(name, i, widths.len()), at, *width, after).map_err(at_key(&[]))?;
            }
            return Ok(Some(at));
        }
        if let Some((_, Operation::Recurrent(kind, width))) = operation {
            let at = reads[0].unwrap_or_else(|| stand_in(graph));
            let at = graph.add_recurrent(name, at, kind, Dim::new("units", width));
            return at.and_then(|at| follow(graph, name, at, after)).map(Some).map_err(at_key(&[]));
        }
        let Some(reads) = reads.iter().copied().collect::<Option<Vec<_>>>() else { return Ok(None) };
        let Some((key, operation)) = operation else {
            return follow(graph, name, reads[0], after).map(Some).map_err(at_key(&[]));
        };
        let at = match operation {
            Operation::Conv(convolutions) => {
                let mut at = reads[0];
                for (i, convolution) in convolutions.iter().enumerate() {
                    let key = [key, &i.to_string(), "kernel"].map(ToString::to_string);
                    at = conv(graph, &numbered(name, i, convolutions.len()), at, *convolution, after)
                        .map_err(at_key(&key))?;
                }
                return Ok(Some(at));
            }
            Operation::Preset(known) => {
                return preset(graph, name, reads[0], known).map(Some).map_err(at_key(&[key.to_owned()]));
            }
            Operation::Pool(pool, settings) => graph.add_pool(name, reads[0], pool, settings.windows()),
            Operation::Concat(_) => graph.add_concat(name, &reads),
            Operation::Add(_) => graph.add_sum(name, &reads),
            Operation::Own(op, params) => return own(graph, name, reads[0], (op, params), after).map(Some),
            Operation::Dense(_) | Operation::Recurrent(..) | Operation::Embedding(_) => {
                unreachable!("these are added above")
            }
        };
        at.and_then(|at| follow(graph, name, at, after)).map(Some).map_err(at_key(&[key.to_owned()]))
    }

    fn embedding(
        &mut self,
        name: &str,
        layer: &'a LayerSettings,
        width: usize,
    ) -> Result<Option<Source>, Refused> {
        let of = layer.of.as_deref().unwrap_or(OBSERVATION);
        let refuse = |message: String| Err(Refused { key: vec!["of".to_owned()], message });
        let part = self.parts.iter().find(|part| part.name == of);
        if part.is_none() && !self.settings.layers.contains_key(of) && of != OBSERVATION {
            self.note_unknown_part(&["layers", name, "of"], of);
            return Ok(None);
        }
        let Some((part, options)) = part.and_then(|part| Some((part, part.options()?))) else {
            return refuse(format!("{of:?} is no observed choice, which an embedding needs"));
        };
        let [options] = options[..] else {
            return refuse(format!("{of:?} is {} choices, and an embedding needs one", options.len()));
        };
        let Ok(picture) = self.picture(part) else { return Ok(None) };
        let input = part.input(self.graph, picture).map_err(at_key(&[]))?;
        let at = self.graph.add_embedding(name, input, options, Dim::new("units", width));
        at.and_then(|at| follow(self.graph, name, at, after(layer))).map(Some).map_err(at_key(&[]))
    }

    /// What was added; the mistake at `path` otherwise.
    fn noted(&mut self, added: Result<Source, GraphError>, path: &[&str]) -> Option<Source> {
        added.map_err(|error| self.note(path, &error.to_string())).ok()
    }

    fn note(&mut self, path: &[&str], message: &str) {
        let place: Vec<&str> = ["network"].into_iter().chain(path.iter().copied()).collect();
        self.mistakes.push(Mistake::new(path, format!("{}: {message}", place.join("."))));
    }
}

fn after(layer: &LayerSettings) -> After {
    After { layer_norm: layer.layer_norm, activation: layer.activation }
}

/// Where a layer is wrong by what the graph refuses: at `key`, unless it is about what is read or about the layer's name.
fn at_key(key: &[String]) -> impl Fn(GraphError) -> Refused + use<> {
    let key = key.to_vec();
    move |error| {
        let key = match error {
            GraphError::Name { .. } => Vec::new(),
            GraphError::Picture { .. } => vec!["of".to_owned()],
            _ => key.clone(),
        };
        Refused { key, message: error.to_string() }
    }
}

/// Adds an operation that the program registered.
fn own(
    graph: &mut Graph,
    name: &str,
    of: Source,
    (op, params): (&str, &Params),
    after: After,
) -> Result<Source, Refused> {
    let own = Own { name: op.to_owned(), params: json!(params).to_string() };
    let refuse = |error: AgentError| Refused { key: vec!["op".to_owned()], message: error.to_string() };
    let operation = operation(&own, graph.dims(of)).map_err(refuse)?;
    let at = graph.add_own(name, of, own, dims(&operation.shape()), operation.parameters());
    at.and_then(|at| follow(graph, name, at, after)).map_err(at_key(&[]))
}

/// The name of one of `of` layers on top of each other.
fn numbered(name: &str, i: usize, of: usize) -> String {
    if of == 1 { name.to_owned() } else { format!("{name}.{}", i + 1) }
}
