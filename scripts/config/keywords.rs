//! The keywords of JSON schemas that `schemars` writes: references, alternatives, properties and words.

use serde_json::Value as Json;

/// Follows `$ref`; the schemas of `schemars` keep their definitions at the root.
pub fn resolve<'s>(root: &'s Json, mut schema: &'s Json) -> &'s Json {
    while let Some(target) = schema.get("$ref").and_then(Json::as_str) {
        let Some(next) = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer)) else { break };
        schema = next;
    }
    schema
}

/// The alternatives of an enum or an optional value, those of nested ones included; empty for anything else.
pub fn alternatives<'s>(root: &'s Json, schema: &'s Json) -> Vec<&'s Json> {
    let schema = resolve(root, schema);
    let Some(list) = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Json::as_array) else {
        return Vec::new();
    };
    let nested = |schema| {
        let inner = alternatives(root, schema);
        if inner.is_empty() { vec![resolve(root, schema)] } else { inner }
    };
    list.iter().flat_map(nested).collect()
}

pub fn properties(schema: &Json) -> Vec<(&str, &Json)> {
    let object = schema.get("properties").and_then(Json::as_object);
    object.into_iter().flatten().map(|(name, schema)| (name.as_str(), schema)).collect()
}

/// The words that an enum of plain words admits.
pub fn words(schema: &Json) -> Vec<&str> {
    schema.get("const").and_then(Json::as_str).into_iter().chain(strings(schema.get("enum"))).collect()
}

pub fn strings(list: Option<&Json>) -> Vec<&str> {
    list.and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect()
}
