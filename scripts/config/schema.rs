//! Walks a tree against a JSON schema and collects everything that does not fit.
//!
//! Understands what `schemars` writes: references, objects, lists, bounds, and enums as alternatives. What does
//! not fit is taken out of the tree, so that the rest can be checked further.

use std::slice;

use phalanx_envs::nearest;
use serde_json::{Value as Json, json};

use super::expect::{any_of, expected, found, list, plain};
use super::finding::{Finding, Place};
use super::fits::{admits, fits, is_integer};
use super::keywords::{alternatives, properties, resolve, strings, words};
use super::tree::{Entry, Node, Value};

/// A path of keys and list indices.
pub type Path = Vec<String>;

/// Checks `root` against `schema`; returns the findings and the paths that were taken out of the tree.
pub fn check(schema: &Json, root: &mut Node) -> (Vec<Finding>, Vec<Path>) {
    let mut walker = Walker { schema, path: Vec::new(), findings: Vec::new(), pruned: Vec::new() };
    let at = root.place;
    if !walker.node(schema, root, at) && !matches!(root.value, Value::Mapping(_)) {
        root.value = Value::Mapping(Vec::new());
        walker.pruned.push(Vec::new());
    }
    (walker.findings, walker.pruned)
}

/// Permits a choice whose settings all have defaults to be written as its name alone, anywhere in `schema`, a part of `root`.
pub fn allow_names(root: &Json, schema: &mut Json) {
    let needs_nothing = |choice: &Json| match properties(choice)[..] {
        [(name, settings)] => {
            let settings = resolve(root, settings);
            let free = settings["type"] == "object" && strings(settings.get("required")).is_empty();
            free.then(|| json!({ "type": "string", "const": name }))
        }
        _ => None,
    };
    match schema {
        Json::Object(keys) => {
            for (key, inner) in keys.iter_mut() {
                allow_names(root, inner);
                if let (true, Json::Array(choices)) = (key == "oneOf" || key == "anyOf", inner) {
                    let names: Vec<Json> = choices.iter().filter_map(needs_nothing).collect();
                    choices.extend(names);
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| allow_names(root, item)),
        _ => {}
    }
}

struct Walker<'s> {
    schema: &'s Json,
    path: Path,
    findings: Vec<Finding>,
    pruned: Vec<Path>,
}

impl<'s> Walker<'s> {
    /// Whether `node` fits; `at` is where something that is missing from it should be reported.
    fn node(&mut self, schema: &'s Json, node: &mut Node, at: Place) -> bool {
        let schema = resolve(self.schema, schema);
        if node.value == Value::Refused {
            return false;
        }
        let alternatives = alternatives(self.schema, schema);
        if !alternatives.is_empty() {
            return self.choose(&alternatives, node, at);
        }
        if is_integer(schema)
            && let Value::Float(x) = node.value
            && x.fract() == 0.0
            && x.abs() < 2f64.powi(53)
        {
            node.value = Value::Integer(x as i128);
        }
        if !fits(schema, &node.value) {
            let mut message =
                format!("expected {}, found {}", expected(self.schema, schema), found(&node.value));
            if let (Some(items), Value::Text { .. } | Value::Integer(_) | Value::Float(_)) =
                (schema.get("items"), &node.value)
                && admits(self.schema, items, &node.value)
            {
                message = format!("expected a list, found {0}; write `[{0}]`", plain(&node.value));
            }
            return self.note(node.place, message);
        }
        match &mut node.value {
            Value::Sequence(items) => self.items(schema, items),
            Value::Mapping(entries) => self.object(schema, entries, at),
            _ => true,
        }
    }

    fn items(&mut self, schema: &'s Json, items: &mut [Node]) -> bool {
        let any = &Json::Bool(true);
        let schema = schema.get("items").unwrap_or(any);
        let mut fit = true;
        for (i, item) in items.iter_mut().enumerate() {
            self.path.push(i.to_string());
            let at = item.place;
            fit &= self.node(schema, item, at);
            self.path.pop();
        }
        fit
    }

    fn object(&mut self, schema: &'s Json, entries: &mut Vec<Entry>, at: Place) -> bool {
        let known = properties(schema);
        let other = schema.get("additionalProperties");
        let mut listed = false;
        entries.retain_mut(|entry| {
            self.path.push(entry.key.clone());
            let keep = match (known.iter().find(|(key, _)| **key == entry.key), other) {
                (Some((_, schema)), _) => self.node(schema, &mut entry.value, entry.key_place),
                (None, Some(Json::Bool(false))) => {
                    let help = self.suggestion(&entry.key, &known, &mut listed);
                    self.note(entry.key_place, format!("unknown key `{}`{help}", entry.key))
                }
                (None, Some(schema)) => self.node(schema, &mut entry.value, entry.key_place),
                (None, None) => true,
            };
            if !keep {
                self.pruned.push(self.path.clone());
            }
            self.path.pop();
            keep
        });
        let mut complete = true;
        for key in strings(schema.get("required")) {
            let mut path = self.path.clone();
            path.push(key.to_owned());
            if entries.iter().any(|e| e.key == key) {
                continue;
            }
            complete = false;
            if !self.pruned.contains(&path) {
                self.note(at, format!("the key `{key}` is missing"));
            }
        }
        complete
    }

    /// What to write in place of an unknown key: the same key where it belongs, the nearest one here, or any of those that are
    /// known here, unless they were `listed` already.
    fn suggestion(&self, key: &str, known: &[(&str, &Json)], listed: &mut bool) -> String {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let mut homes = Vec::new();
        find_key(self.schema, self.schema, key, &mut Vec::new(), &mut homes);
        homes.retain(|home| *home != self.path[..self.path.len() - 1].join("."));
        if let Some(home) = homes.first() {
            let home = if home.is_empty() { "the top level".to_owned() } else { format!("`{home}`") };
            return format!("; it belongs under {home}");
        }
        match nearest(key, names.iter().copied()) {
            Some(name) => format!("; did you mean `{name}`?"),
            None if names.is_empty() => "; there is nothing to set here".to_owned(),
            None if std::mem::replace(listed, true) => String::new(),
            None => format!("; the keys here are {}", list(&names, "and")),
        }
    }

    /// Picks the alternative that `node` means: by its type, its words or, for a mapping, its keys.
    fn choose(&mut self, alternatives: &[&'s Json], node: &mut Node, at: Place) -> bool {
        spell_out(alternatives, node);
        let Value::Mapping(entries) = &mut node.value else {
            return match alternatives.iter().find(|a| fits(a, &node.value)) {
                Some(schema) => self.node(schema, node, at),
                None => self.no_alternative(alternatives, node),
            };
        };
        let objects: Vec<&'s Json> = alternatives.iter().filter(|a| a["type"] == "object").copied().collect();
        let knows = |schema: &Json, key: &str| properties(schema).iter().any(|(name, _)| *name == key);
        let known = |schema: &Json| entries.iter().filter(|e| knows(schema, &e.key)).count();
        let Some(best) = objects.iter().copied().reduce(|a, b| if known(b) > known(a) { b } else { a })
        else {
            return self.no_alternative(alternatives, node);
        };
        let Some(first) = entries.iter().find(|e| knows(best, &e.key)).map(|e| e.key.clone()) else {
            return if objects.len() == 1 {
                self.node(best, node, at)
            } else {
                self.no_choice(alternatives, node, at)
            };
        };
        entries.retain(|entry| {
            let foreign = !knows(best, &entry.key) && objects.iter().any(|a| knows(a, &entry.key));
            if foreign {
                self.note(
                    entry.key_place,
                    format!("`{}` and `{first}` exclude each other; take one out", entry.key),
                );
                self.pruned.push([self.path.as_slice(), slice::from_ref(&entry.key)].concat());
            }
            !foreign
        });
        self.node(best, node, at)
    }

    /// For a mapping none of whose keys chooses among the alternatives.
    fn no_choice(&mut self, alternatives: &[&Json], node: &Node, at: Place) -> bool {
        let names: Vec<&str> =
            alternatives.iter().flat_map(|a| properties(a)).map(|(name, _)| name).collect();
        let Value::Mapping(entries) = &node.value else { return true };
        let Some(Entry { key, key_place, .. }) = entries.first() else {
            return self.note(at, format!("expected one of {} here", list(&names, "or")));
        };
        let help = if alternatives.iter().any(|a| words(a).contains(&key.as_str())) {
            format!("write `{key}` alone")
        } else if let Some(name) = nearest(key, names.iter().copied()) {
            format!("did you mean `{name}`?")
        } else {
            format!("the choices are {}", list(&names, "and"))
        };
        self.note(*key_place, format!("unknown choice `{key}`; {help}"))
    }

    /// For a value that is of the type of no alternative.
    fn no_alternative(&mut self, alternatives: &[&Json], node: &Node) -> bool {
        let mut message =
            format!("expected {}, found {}", any_of(self.schema, alternatives), found(&node.value));
        if let Value::Text { text, .. } = &node.value {
            let variants = alternatives.iter().flat_map(|a| properties(a)).map(|(name, _)| name);
            if variants.clone().any(|name| name == text) {
                message = format!("`{text}` needs settings of its own; write `{text}: …`");
            } else if let Some(word) =
                nearest(text, alternatives.iter().flat_map(|a| words(a)).chain(variants))
            {
                message = format!("{message}; did you mean `{word}`?");
            }
        }
        self.note(node.place, message)
    }

    fn note(&mut self, place: Place, message: String) -> bool {
        self.findings.push(Finding { place, message });
        false
    }
}

/// `NAME` as `NAME: {}` where it is a choice with settings.
fn spell_out(alternatives: &[&Json], node: &mut Node) {
    let place = node.place;
    if let Value::Text { text, .. } = &node.value
        && alternatives.iter().any(|a| words(a).contains(&text.as_str()))
        && alternatives.iter().any(|a| matches!(properties(a)[..], [(name, _)] if name == text))
    {
        let settings = Node { value: Value::Mapping(Vec::new()), place };
        node.value = Value::Mapping(vec![Entry { key: text.clone(), key_place: place, value: settings }]);
    }
}

/// Every path below the root at which `key` is known.
fn find_key(root: &Json, schema: &Json, key: &str, path: &mut Vec<String>, homes: &mut Vec<String>) {
    let schema = resolve(root, schema);
    for (name, inner) in properties(schema) {
        if name == key {
            homes.push(path.join("."));
        } else if path.len() < 8 {
            path.push(name.to_owned());
            find_key(root, inner, key, path, homes);
            path.pop();
        }
    }
    for alternative in alternatives(root, schema) {
        if path.len() < 8 {
            find_key(root, alternative, key, path, homes);
        }
    }
}
