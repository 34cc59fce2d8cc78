//! Every setting of the schema of configurations, by its path.

use std::collections::BTreeSet;

use serde_json::Value;

/// Paths of all settings. `[]` is any item of a list; `PATH=word` is a choice by its name alone among choices that have settings.
pub fn settings(schema: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    walk(schema, schema, "", &mut found);
    found
}

fn walk(root: &Value, schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    let schema = resolve(root, schema);
    let list = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array);
    let properties = |schema: &Value| schema.get("properties").and_then(Value::as_object).cloned();
    // The same as those of `env`, of which all are in the table.
    if path == "evaluation.env.wrappers" {
        found.insert(path.to_owned());
    } else if let Some(choices) = list {
        let choices: Vec<&Value> = choices.iter().map(|choice| resolve(root, choice)).collect();
        let names: BTreeSet<String> =
            choices.iter().filter_map(|choice| properties(choice)).flatten().map(|(name, _)| name).collect();
        for choice in choices {
            match choice.get("const").and_then(Value::as_str) {
                // The short form of a choice whose settings all have defaults.
                Some(word) if names.contains(word) => {}
                Some(word) if !names.is_empty() => drop(found.insert(format!("{path}={word}"))),
                _ => walk(root, choice, path, found),
            }
        }
    } else if let Some(properties) = properties(schema) {
        for (name, inner) in properties {
            let path = if path.is_empty() { name } else { format!("{path}.{name}") };
            walk(root, &inner, &path, found);
        }
    } else if let Some(item) = schema.get("items") {
        walk(root, item, &format!("{path}[]"), found);
    } else if schema["type"] != "null" {
        found.insert(path.to_owned());
    }
}

fn resolve<'s>(root: &'s Value, mut schema: &'s Value) -> &'s Value {
    while let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        schema = root.pointer(&target[1..]).unwrap();
    }
    schema
}

/// The path of the setting that `--set` changes.
pub fn setting_of(set: &str, all: &BTreeSet<String>) -> String {
    let (keys, value) = set.split_once('=').unwrap();
    let mut path = String::new();
    for key in keys.split('.') {
        if key.parse::<usize>().is_ok() {
            path.push_str("[]");
        } else {
            path.push_str(if path.is_empty() { "" } else { "." });
            path.push_str(key);
        }
    }
    let choice = format!("{path}={value}");
    if all.contains(&choice) {
        return choice;
    }
    // What is below a map belongs to the map.
    let mut known = path.as_str();
    while !all.contains(known) {
        let Some((above, _)) = known.rsplit_once('.') else { return path };
        known = above;
    }
    known.to_owned()
}
