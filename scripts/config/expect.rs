//! The words of the checker's messages: what was expected, what was found, what was probably meant.

use serde_json::Value as Json;

use super::keywords::{alternatives, properties, resolve, words};
use super::scalar;
use super::tree::Value;

/// What a schema admits, in words.
pub fn expected(root: &Json, schema: &Json) -> String {
    let schema = resolve(root, schema);
    let choices = alternatives(root, schema);
    if !choices.is_empty() {
        return any_of(root, &choices);
    }
    let words = words(schema);
    if !words.is_empty() {
        return list(&words, "or");
    }
    let named = |name: &str| match name {
        "integer" => format!("an integer{}", bounds(schema)),
        "number" => format!("a number{}", bounds(schema)),
        "boolean" => "`true` or `false`".to_owned(),
        "string" => "text".to_owned(),
        "null" => "`null`".to_owned(),
        "array" => {
            let inner = schema.get("items").map(|items| expected(root, items));
            format!(
                "a list{}",
                inner.map_or_else(String::new, |inner| format!(" in which each item is {inner}"))
            )
        }
        _ => match properties(schema)[..] {
            [] => "a mapping".to_owned(),
            ref many if many.len() > 5 => "a mapping of keys to values".to_owned(),
            ref known => {
                let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
                format!("a mapping with {}", list(&names, "and"))
            }
        },
    };
    match schema.get("type") {
        Some(Json::String(name)) => named(name),
        Some(Json::Array(names)) => {
            names.iter().filter_map(Json::as_str).map(named).collect::<Vec<_>>().join(", or ")
        }
        _ => "a value".to_owned(),
    }
}

/// What several alternatives admit, in words.
pub fn any_of(root: &Json, choices: &[&Json]) -> String {
    let known: Vec<&str> = choices.iter().flat_map(|choice| words(choice)).collect();
    let (objects, plain): (Vec<&Json>, Vec<&Json>) = choices
        .iter()
        .filter(|choice| words(choice).is_empty())
        .partition(|choice| choice["type"] == "object");
    let variants: Vec<&str> =
        objects.iter().filter_map(|choice| properties(choice).first().map(|(name, _)| *name)).collect();
    let known = (!known.is_empty()).then(|| list(&known, "or"));
    let objects = match objects[..] {
        [] => None,
        [one] => Some(expected(root, one)),
        _ => Some(format!("a mapping with {}", list(&variants, "or"))),
    };
    let plain = plain.iter().map(|choice| expected(root, choice));
    known.into_iter().chain(plain).chain(objects).collect::<Vec<_>>().join(", or ")
}

fn bounds(schema: &Json) -> String {
    let bound = |key: &str| schema.get(key).map(number);
    if let (Some(low), Some(high)) = (bound("minimum"), bound("maximum")) {
        return format!(" from {low} to {high}");
    }
    let low = bound("minimum").map(|b| format!("of at least {b}"));
    let low = low.or_else(|| bound("exclusiveMinimum").map(|b| format!("above {b}")));
    let high = bound("maximum").map(|b| format!("of at most {b}"));
    let high = high.or_else(|| bound("exclusiveMaximum").map(|b| format!("below {b}")));
    let both: Vec<String> = low.into_iter().chain(high).collect();
    if both.is_empty() { String::new() } else { format!(" {}", both.join(" and ")) }
}

fn number(value: &Json) -> String {
    value.as_f64().map_or_else(|| value.to_string(), |x| x.to_string())
}

/// What was found, in words, with a hint where it is a common mistake.
pub fn found(value: &Value) -> String {
    match value {
        Value::Null | Value::Refused => "nothing".to_owned(),
        Value::Bool(b) => format!("`{b}`"),
        Value::Integer(i) => i.to_string(),
        Value::Float(x) => x.to_string(),
        Value::Text { text, quoted: false } if matches!(text.to_lowercase().as_str(), "yes" | "on") => {
            format!("the text `{text}` (write `true`)")
        }
        Value::Text { text, quoted: false } if matches!(text.to_lowercase().as_str(), "no" | "off") => {
            format!("the text `{text}` (write `false`)")
        }
        Value::Text { text, quoted: false } => match text.replace(',', "_") {
            number if matches!(scalar::resolve(&number), Ok(Value::Integer(_))) => {
                format!("the text `{text}` (write `{number}`)")
            }
            _ => format!("the text `{text}`"),
        },
        Value::Text { text, .. } => match scalar::resolve(text) {
            Ok(Value::Bool(_) | Value::Integer(_) | Value::Float(_)) => {
                format!("the quoted text \"{text}\" (write `{text}`)")
            }
            _ => format!("the quoted text \"{text}\""),
        },
        Value::Sequence(items) => format!("a list of {}", items.len()),
        Value::Mapping(_) => "a mapping".to_owned(),
    }
}

/// A number or text as it was written.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Text { text, .. } => text.clone(),
        other => found(other),
    }
}

/// `a`, `b` and `c`.
pub fn list(names: &[&str], last: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [front @ .., back] => format!("{} {last} {back}", front.join(", ")),
    }
}
