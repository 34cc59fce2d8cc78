//! `--set key.path=value`: settings of the command line, laid over those of the file.

use serde_json::Map;

use super::finding::{Finding, Place, Problems, Source};
use super::tree::{self, Entry, Node, Value};

/// Lays one `key.path=value` over a tree; its value is read as YAML.
///
/// List items are named by their index, as in `env.wrappers.0`.
///
/// # Errors
/// The finding about what does not fit; the tree is then unchanged.
pub fn apply(root: &mut Node, argument: &str, source: usize) -> Result<(), Finding> {
    let whole = Place { width: argument.chars().count(), ..Place::whole(source) };
    let error = |place, message: &str| Err(Finding { place, message: message.to_owned() });
    let Some((path, right)) = argument.split_once('=') else {
        return error(whole, "an override has the form key.path=value");
    };
    // Blanks in place of the key keep the columns of the value.
    let blanks = " ".repeat(path.chars().count() + 1);
    let mut findings = Vec::new();
    let value = tree::parse(&format!("{blanks}{right}"), source, &mut findings);
    if let Some(finding) = findings.into_iter().next() {
        return Err(finding);
    }
    let mut column = 1;
    let mut keys = Vec::new();
    for key in path.split('.') {
        let width = key.chars().count();
        if key.is_empty() {
            return error(whole, "an override has the form key.path=value, with a word between two dots");
        }
        keys.push((key.to_owned(), Place { column, width, ..whole }));
        column += width + 1;
    }
    let Some(mut value) = value else { return Ok(()) };
    if value.place.width == 0 {
        value.place = whole;
    }
    put(root, &keys, value)
}

/// The settings that these arguments make on their own.
///
/// # Errors
/// Everything that is wrong with them.
pub fn from_sets(arguments: &[String]) -> Result<Map<String, serde_json::Value>, Problems> {
    let mut root = Node { value: Value::Mapping(Vec::new()), place: Place::whole(0) };
    let applied = arguments.iter().enumerate().map(|(i, argument)| apply(&mut root, argument, i));
    let findings: Vec<Finding> = applied.filter_map(Result::err).collect();
    match root.to_json() {
        serde_json::Value::Object(settings) if findings.is_empty() => Ok(settings),
        _ => Err(Problems::new(arguments.iter().cloned().map(Source::Set).collect(), findings)),
    }
}

fn put(node: &mut Node, keys: &[(String, Place)], value: Node) -> Result<(), Finding> {
    let Some(((key, place), rest)) = keys.split_first() else {
        *node = value;
        return Ok(());
    };
    match &node.value {
        Value::Null => node.value = Value::Mapping(Vec::new()),
        // A choice by its name alone, as in `algorithm: ppo`, gets settings.
        Value::Text { text, .. } if text == key => {
            let value = Node { value: Value::Null, place: node.place };
            node.value = Value::Mapping(vec![Entry { key: key.clone(), key_place: node.place, value }]);
        }
        _ => {}
    }
    let child = match &mut node.value {
        Value::Mapping(entries) => {
            let i = entries.iter().position(|e| e.key == *key).unwrap_or_else(|| {
                let value = Node { value: Value::Null, place: *place };
                entries.push(Entry { key: key.clone(), key_place: *place, value });
                entries.len() - 1
            });
            // The place of what was typed last.
            entries[i].key_place = *place;
            &mut entries[i].value
        }
        Value::Sequence(items) => {
            let count = items.len();
            let item = key.parse().ok().and_then(|i: usize| items.get_mut(i));
            item.ok_or_else(|| {
                let message = format!("`{key}` is no index into a list of {count}");
                Finding { place: *place, message }
            })?
        }
        _ => {
            let message = format!("`{key}` cannot be set: what is above it is neither a mapping nor a list");
            return Err(Finding { place: *place, message });
        }
    };
    put(child, rest, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(yaml: &str, arguments: &[&str]) -> Result<serde_json::Value, Finding> {
        let mut root = tree::parse(yaml, 0, &mut Vec::new()).expect("YAML");
        for (i, argument) in arguments.iter().enumerate() {
            apply(&mut root, argument, i + 1)?;
        }
        Ok(root.to_json())
    }

    #[test]
    fn values_are_yaml_and_paths_are_made_as_needed() {
        let json = set("rows: 8\nlist: [{a: 1}]", &["rows=1_6", "x.y=[64, 64]", "list.0.a=~", "x.z=a=b"]);
        let expected =
            serde_json::json!({"rows": 16, "list": [{"a": null}], "x": {"y": [64, 64], "z": "a=b"}});
        assert_eq!(json, Ok(expected));
    }

    #[test]
    fn errors_point_into_the_argument() {
        for (argument, column, width) in
            [("rows", 1, 4), ("rows..x=1", 1, 9), ("rows.x=1", 6, 1), ("list.7=1", 6, 1), ("list=[1", 6, 1)]
        {
            let finding = set("rows: 8\nlist: [1]", &[argument]).expect_err(argument);
            assert_eq!(
                (finding.place.source, finding.place.column, finding.place.width),
                (1, column, width),
                "{finding:?}"
            );
        }
    }
}
