//! What the user types to get an environment: its name, parameters, time limit and wrappers.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{EnvError, WrapperSpec};

/// Parameters of an environment: a map of names to values, as in the YAML.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Params(pub Map<String, Value>);

impl Params {
    /// These parameters as a struct; derive `Deserialize` with `deny_unknown_fields` and defaults.
    ///
    /// # Errors
    /// [`EnvError::Params`], which names the parameter; the registry adds the environment's name.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, EnvError> {
        self.parse_beside(&Map::new())
    }

    /// These parameters as a struct, whose own defaults hold for those that are not given.
    ///
    /// # Errors
    /// [`EnvError::Params`] as [`Self::parse`] has it; a parameter that the struct does not hold is one.
    pub fn parse_over<T: Serialize + DeserializeOwned>(&self, defaults: &T) -> Result<T, EnvError> {
        let defaults = Self::of(defaults).0;
        for name in self.0.keys() {
            if !defaults.contains_key(name) {
                let known = defaults.keys().map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", ");
                let message = format!("unknown field `{name}`, expected one of {known}");
                return Err(EnvError::Params { name: String::new(), message });
            }
        }
        self.parse_beside(&defaults)
    }

    /// These parameters as a struct, with `defaults` for those that are not given. An error about a value begins with its name.
    fn parse_beside<T: DeserializeOwned>(&self, defaults: &Map<String, Value>) -> Result<T, EnvError> {
        let parse = |params: Map<String, Value>| -> Result<T, String> {
            let mut all = defaults.clone();
            all.extend(params);
            serde_json::from_value(Value::Object(all)).map_err(|e| e.to_string())
        };
        parse(self.0.clone()).map_err(|message| {
            // The parameter that is as wrong alone; fields within fields hide it from the parser.
            let guilty = |(name, value): (&String, &Value)| {
                let alone = Map::from_iter([(name.clone(), value.clone())]);
                parse(alone).is_err_and(|e| e == message).then(|| name.clone())
            };
            let message = match self.0.iter().find_map(guilty) {
                Some(name) if message.starts_with("invalid ") => format!("`{name}`: {}", plainly(&message)),
                _ => message,
            };
            EnvError::Params { name: String::new(), message }
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The parameters that a struct holds; none when it is not a map.
    pub fn of(values: &impl Serialize) -> Self {
        match serde_json::to_value(values) {
            Ok(Value::Object(map)) => Self(map),
            _ => Self::default(),
        }
    }
}

/// A parser's message with the names of Rust's types replaced.
fn plainly(message: &str) -> String {
    let types = [
        ("expected u8", "expected a whole number, 0 to 255"),
        ("expected u32", "expected a whole number, 0 or more"),
        ("expected u64", "expected a whole number, 0 or more"),
        ("expected usize", "expected a whole number, 0 or more"),
        ("expected i32", "expected a whole number"),
        ("expected i64", "expected a whole number"),
        ("expected f32", "expected a number"),
        ("expected f64", "expected a number"),
        ("expected a boolean", "expected true or false"),
    ];
    types.iter().fold(message.to_owned(), |text, (rust, plain)| text.replace(rust, plain))
}

/// An environment as typed by the user: a name alone, or a map of these fields.
///
/// JSON holds it without loss.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EnvSpec {
    /// Registered name.
    pub name: String,
    /// Parameters of the constructor.
    pub params: Params,
    /// Steps after which an episode is truncated: `None` is the environment's own limit, 0 is none.
    pub time_limit: Option<u32>,
    /// Wrappers in the order of their application: the first is the innermost, and sits on the time limit.
    pub wrappers: Vec<WrapperSpec>,
}

impl EnvSpec {
    /// An environment by its name alone.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), params: Params::default(), time_limit: None, wrappers: Vec::new() }
    }
}

/// The map form of an [`EnvSpec`], and the schema of it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EnvSpecMap {
    /// Registered name; `phalanx envs list` shows them all.
    name: String,
    /// Parameters of the constructor; `phalanx envs show NAME` shows them with their defaults.
    #[serde(default)]
    params: Params,
    /// Steps after which an episode is truncated; left out: the environment's own limit; 0: none.
    #[serde(default)]
    time_limit: Option<u32>,
    /// Wrappers, the innermost first; the time limit is inside them all.
    #[serde(default)]
    wrappers: Vec<WrapperSpec>,
}

impl<'de> Deserialize<'de> for EnvSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrMap;

        impl<'de> Visitor<'de> for NameOrMap {
            type Value = EnvSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "the name of an environment, or a map with `name`, `params`, `time_limit`, `wrappers`",
                )
            }

            fn visit_str<E>(self, name: &str) -> Result<EnvSpec, E> {
                Ok(EnvSpec::named(name))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<EnvSpec, A::Error> {
                let EnvSpecMap { name, params, time_limit, wrappers } =
                    Deserialize::deserialize(MapAccessDeserializer::new(map))?;
                Ok(EnvSpec { name, params, time_limit, wrappers })
            }
        }

        deserializer.deserialize_any(NameOrMap)
    }
}

impl JsonSchema for EnvSpec {
    fn schema_name() -> Cow<'static, str> {
        "EnvSpec".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let map = generator.subschema_for::<EnvSpecMap>();
        json_schema!({
            "description": "An environment: its name, or a map with more.",
            "anyOf": [{ "type": "string" }, map],
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(json: &str) -> Result<EnvSpec, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn a_name_alone_is_enough() {
        assert_eq!(read("\"CartPole-v1\"").unwrap(), EnvSpec::named("CartPole-v1"));
        assert_eq!(read(r#"{"name": "CartPole-v1"}"#).unwrap(), EnvSpec::named("CartPole-v1"));
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let message = read(r#"{"name": "CartPole-v1", "wrapper": []}"#).unwrap_err().to_string();
        assert!(message.contains("unknown field `wrapper`"), "{message}");
        let message = read("3").unwrap_err().to_string();
        assert!(message.contains("the name of an environment, or a map"), "{message}");
    }

    #[test]
    fn json_holds_everything() {
        let spec = EnvSpec {
            // Not every parser gives these bits back.
            params: Params(
                serde_json::from_str(r#"{"g": 9.800000000000002, "deep": [1, {"a": null}]}"#).unwrap(),
            ),
            time_limit: Some(0),
            wrappers: WrapperSpec::examples(),
            ..EnvSpec::named("Pendulum-v1")
        };
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(read(&text).unwrap(), spec);
    }
}
