//! Mistakes in the settings of a network that show without the spaces of an environment.

use std::collections::HashMap;

use phalanx_envs::nearest;

use super::fields::OBSERVATION;
use super::mistakes::Mistake;
use super::{ACTION, LOG_STD, VALUE};
use crate::layers::Operation;
use crate::{LayerSettings, Names, NetworkSettings};

/// All of them. Layers that are `unknown` could not be read: nothing is reported that may follow from it.
pub fn check(settings: &NetworkSettings, unknown: &[String]) -> Vec<Mistake> {
    let mut mistakes = if is_short(settings, unknown) { short(settings) } else { long(settings, unknown) };
    if let Err(error) = settings.log_std_bounds() {
        let deviation = Mistake::new(&["initial_std"], error.to_string());
        mistakes.push(deviation.and(&["min_std"]).and(&["max_std"]));
    }
    mistakes
}

/// Whether there are no layers by name.
pub fn is_short(settings: &NetworkSettings, unknown: &[String]) -> bool {
    settings.layers.is_empty() && unknown.is_empty()
}

fn short(settings: &NetworkSettings) -> Vec<Mistake> {
    let NetworkSettings { convolutions, hidden, memory, actor, critic, .. } = settings;
    let mut mistakes = Vec::new();
    if settings.shared && convolutions.is_empty() && hidden.is_empty() && memory.is_none() {
        let message = "actor and critic cannot share hidden layers when there are none";
        mistakes.push(Mistake::new(&["shared"], message).and(&["hidden"]));
    }
    for (key, set) in [("actor", actor.is_some()), ("critic", critic.is_some())] {
        if set {
            let message =
                format!("network.{key} has no effect without network.layers: name layers, or remove it");
            mistakes.push(Mistake::new(&[key], message).and(&["layers"]));
        }
    }
    mistakes
}

fn long(settings: &NetworkSettings, unknown: &[String]) -> Vec<Mistake> {
    let mut mistakes = beside(settings);
    for (name, layer) in &settings.layers {
        mistakes.extend(reserved(name));
        mistakes.extend(self::layer(name, layer));
    }
    let mut names = Graph { settings, unknown, open: HashMap::new(), mistakes: Vec::new() };
    for (key, tower) in [("actor", &settings.actor), ("critic", &settings.critic)] {
        match tower {
            None => mistakes.push(Mistake::new(
                &[key],
                format!("network.layers need network.{key}, which names what the {key} reads: layers or parts of the observation"),
            )),
            Some(names) if names.list().is_empty() => {
                mistakes.push(Mistake::new(&[key], nothing(&[key])));
            }
            Some(tower) => names.visit_all(&[key], tower_reads(tower)),
        }
    }
    // Otherwise a layer that is read by nothing may be what another name should be.
    let is_complete = settings.actor.is_some() && settings.critic.is_some();
    let are_all_known = is_complete && names.mistakes.is_empty() && unknown.is_empty();
    for name in settings.layers.keys().filter(|_| are_all_known) {
        if !names.open.contains_key(name.as_str()) {
            let message = format!(
                "network.layers.{name} is read by nothing: name it in network.actor or network.critic, or in a layer that they read"
            );
            mistakes.push(Mistake::new(&["layers", name], message).and(&["actor"]).and(&["critic"]));
        }
    }
    settings.layers.keys().for_each(|name| names.visit(name));
    mistakes.extend(names.mistakes);
    mistakes
}

/// Keys of the short form that are set beside layers, which take their place.
fn beside(settings: &NetworkSettings) -> Vec<Mistake> {
    let fresh = NetworkSettings::default();
    let set = [
        ("convolutions", settings.convolutions != fresh.convolutions),
        ("hidden", settings.hidden != fresh.hidden),
        ("activation", settings.activation != fresh.activation),
        ("layer_norm", settings.layer_norm),
        ("memory", settings.memory.is_some()),
        ("shared", settings.shared),
    ];
    let mistake = |(key, _): (&str, bool)| {
        let message =
            format!("network.{key} has no effect beside network.layers: make it a layer, or remove it");
        Mistake::new(&[key], message).and(&["layers"])
    };
    set.into_iter().filter(|(_, set)| *set).map(mistake).collect()
}

/// Whether `name` is `with`, or goes on after it with a dot.
pub fn begins(name: &str, with: &str) -> bool {
    name.strip_prefix(with).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Names that something else has.
fn reserved(name: &str) -> Option<Mistake> {
    let what = match name {
        "" => "is no name",
        VALUE | LOG_STD => "is the name of an output",
        _ if begins(name, ACTION) => "is the name of an output",
        _ if begins(name, OBSERVATION) => "is what an observation or a part of it is called",
        _ => return None,
    };
    Some(Mistake::new(
        &["layers", name],
        format!("network.layers has {name:?}, which {what}: take another name"),
    ))
}

/// Whether a layer has one operation, or none but what follows one, and what goes with it.
pub fn layer(name: &str, layer: &LayerSettings) -> Vec<Mistake> {
    let operations = layer.operations();
    let wrong = |key: &str, message: &str| {
        let path = if key.is_empty() { vec!["layers", name] } else { vec!["layers", name, key] };
        Mistake::new(&path, format!("network.layers.{name} {message}"))
    };
    let mut mistakes = Vec::new();
    if layer.op.is_none() && !layer.params.is_empty() {
        mistakes.push(wrong("params", "has `params`, which are those of `op`"));
    }
    match operations[..] {
        [] if !layer.layer_norm && layer.activation.is_none() => {
            mistakes.push(wrong("", &format!("needs one of {}", LayerSettings::OPERATIONS.join(", "))));
        }
        [(key, Operation::Concat(_) | Operation::Add(_))] if layer.of.is_some() => {
            mistakes.push(wrong("of", &format!("has both {key} and `of`; {key} names what is read")));
        }
        [(_, Operation::Preset(_))] if layer.layer_norm || layer.activation.is_some() => {
            let key = if layer.layer_norm { "layer_norm" } else { "activation" };
            mistakes
                .push(wrong(key, &format!("is a preset, which has its own activations: take out `{key}`")));
        }
        [] | [_] => {}
        [.., (last, _)] => {
            let keys: Vec<&str> = operations.iter().map(|(key, _)| *key).collect();
            mistakes.push(wrong(last, &format!("has {}; make each a layer of its own", keys.join(" and "))));
        }
    }
    for (key, operation) in operations {
        match operation {
            Operation::Dense([]) => {
                mistakes.push(wrong(key, "has no widths: `dense: 64`, or `dense: [64, 32]`"));
            }
            Operation::Conv([]) => {
                mistakes.push(wrong(key, "has no convolutions: `conv: [{filters: 32, kernel: 3}]`"));
            }
            Operation::Concat([]) | Operation::Add([]) => {
                mistakes.push(Mistake::new(&["layers", name, key], nothing(&["layers", name, key])));
            }
            _ => {}
        }
    }
    mistakes
}

fn nothing(path: &[&str]) -> String {
    format!("network.{} names nothing: layers or parts of the observation", path.join("."))
}

/// What a layer reads, with the keys below it.
pub fn reads(layer: &LayerSettings) -> Vec<(Vec<String>, &str)> {
    let mut reads = Vec::new();
    for (key, operation) in layer.operations() {
        if let Operation::Concat(names) | Operation::Add(names) = operation {
            reads.extend(numbered(&[key], names));
        }
    }
    match &layer.of {
        Some(of) => reads.push((vec!["of".to_owned()], of)),
        None if layer.concat.is_none() && layer.add.is_none() => {
            reads.push((vec!["of".to_owned()], OBSERVATION));
        }
        None => {}
    }
    reads
}

/// What an output layer reads, with the keys below it.
pub fn tower_reads(names: &Names) -> Vec<(Vec<String>, &str)> {
    match names {
        Names::One(name) => vec![(Vec::new(), name)],
        Names::Many(names) => numbered(&[], names).collect(),
    }
}

fn numbered<'a>(key: &[&str], names: &'a [String]) -> impl Iterator<Item = (Vec<String>, &'a str)> {
    let path = |i: usize| key.iter().map(ToString::to_string).chain([i.to_string()]).collect();
    names.iter().enumerate().map(move |(i, name)| (path(i), name.as_str()))
}

/// Layers and who reads them.
struct Graph<'a> {
    settings: &'a NetworkSettings,
    unknown: &'a [String],
    /// Layers that were visited; whether what they read is being visited.
    open: HashMap<&'a str, bool>,
    mistakes: Vec<Mistake>,
}

impl<'a> Graph<'a> {
    fn visit(&mut self, name: &'a str) {
        let Some(layer) = self.settings.layers.get(name) else { return };
        if !self.open.contains_key(name) {
            self.open.insert(name, true);
            self.visit_all(&["layers", name], reads(layer));
            self.open.insert(name, false);
        }
    }

    fn visit_all(&mut self, reader: &[&str], reads: Vec<(Vec<String>, &'a str)>) {
        for (key, name) in reads {
            let path: Vec<&str> = reader.iter().copied().chain(key.iter().map(String::as_str)).collect();
            let reader = reader.join(".");
            if self.open.get(name) == Some(&true) {
                let message = format!(
                    "network.{reader} reads {name:?}, which is made of it: layers cannot form a circle"
                );
                self.mistakes.push(Mistake::new(&path, message));
            } else if self.is_known(name) {
                self.visit(name);
            } else {
                let message =
                    format!("network.{reader} reads {name:?}, and there is no such layer{}", self.help(name));
                self.mistakes.push(Mistake::new(&path, message));
            }
        }
    }

    /// Whether it is a layer, or may be a part of the observation.
    fn is_known(&self, name: &str) -> bool {
        self.settings.layers.contains_key(name)
            || self.unknown.iter().any(|unknown| unknown == name)
            || begins(name, OBSERVATION)
    }

    fn help(&self, name: &str) -> String {
        let known = || self.settings.layers.keys().map(String::as_str);
        match nearest(name, known().chain([OBSERVATION])) {
            Some(name) => format!("; did you mean {name:?}?"),
            None => format!(
                ": layers are {}, and parts of the observation have names that begin with \"observation.\"",
                known().collect::<Vec<_>>().join(", ")
            ),
        }
    }
}
