//! Whether a value is of a schema's type and within its bounds; its items are not checked.

use serde_json::Value as Json;

use super::keywords::{alternatives, resolve, strings, words};
use super::tree::Value;

/// Whether type, words and bounds of `schema` admit `value`; lists and mappings are not looked into.
pub fn fits(schema: &Json, value: &Value) -> bool {
    if let Value::Text { text, .. } = value
        && (schema.get("const").is_some() || schema.get("enum").is_some())
    {
        return words(schema).contains(&text.as_str());
    }
    let types = match schema.get("type") {
        None => return true,
        Some(Json::String(one)) => vec![one.as_str()],
        types => strings(types),
    };
    let number = |x: f64| {
        let bound = |key| schema.get(key).and_then(Json::as_f64);
        bound("minimum").is_none_or(|b| x >= b)
            && bound("maximum").is_none_or(|b| x <= b)
            && bound("exclusiveMinimum").is_none_or(|b| x > b)
            && bound("exclusiveMaximum").is_none_or(|b| x < b)
    };
    types.iter().any(|name| match (value, *name) {
        (Value::Null, "null") | (Value::Bool(_), "boolean") | (Value::Mapping(_), "object") => true,
        (Value::Text { text, .. }, "string") => {
            length(schema, "minLength", "maxLength", text.chars().count())
        }
        (Value::Sequence(items), "array") => length(schema, "minItems", "maxItems", items.len()),
        (Value::Integer(i), "integer" | "number") => number(*i as f64),
        (Value::Float(x), "number") => number(*x),
        _ => false,
    })
}

/// As [`fits`], of a schema with references and alternatives.
pub fn admits(root: &Json, schema: &Json, value: &Value) -> bool {
    let schema = resolve(root, schema);
    let choices = alternatives(root, schema);
    if choices.is_empty() { fits(schema, value) } else { choices.iter().any(|choice| fits(choice, value)) }
}

fn length(schema: &Json, least: &str, most: &str, length: usize) -> bool {
    let bound = |key| schema.get(key).and_then(Json::as_u64);
    bound(least).is_none_or(|b| length as u64 >= b) && bound(most).is_none_or(|b| length as u64 <= b)
}

/// Whether `schema` is that of an integer.
pub fn is_integer(schema: &Json) -> bool {
    schema["type"] == "integer" || strings(schema.get("type")).contains(&"integer")
}
