//! The axes of a mesh and the layout of a training over them, as they are written: `rows:2,cols:2` and `env:rows,h1:cols`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// An axis of a mesh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axis {
    /// Its name.
    pub name: String,
    /// Ranks along it.
    pub size: usize,
}

/// The axes of a mesh, the one along which neighbours have successive numbers last: `rows:2,cols:2`. Without any, all ranks are along one
/// axis, `rows`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape(pub Vec<Axis>);

/// The dimension of the rows of environments.
pub const ENV: &str = "env";

/// The axis of a mesh without axes of its own.
pub const ROWS: &str = "rows";

/// A dimension that is divided, and the axis along which it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// `env`, `hK` or a layer.
    pub dimension: String,
    /// The axis.
    pub axis: String,
}

/// What is divided along which axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// By these rules: `env:rows,h1:cols`.
    Rules(Vec<Rule>),
    /// The fastest.
    Auto,
}

impl Default for Layout {
    fn default() -> Self {
        Self::Rules(vec![Rule { dimension: ENV.into(), axis: ROWS.into() }])
    }
}

impl Shape {
    /// Ranks in all; one without axes.
    pub fn size(&self) -> usize {
        self.0.iter().map(|axis| axis.size).product()
    }

    /// The axes of a mesh of `ranks` ranks.
    pub fn axes(&self, ranks: usize) -> Vec<Axis> {
        if self.0.is_empty() { vec![Axis { name: ROWS.into(), size: ranks }] } else { self.0.clone() }
    }
}

/// The two sides of each `A:B`.
fn pairs(text: &str, example: &str) -> Result<Vec<(String, String)>, String> {
    let mut found: Vec<(String, String)> = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let sides = part.split_once(':').map(|(a, b)| (a.trim(), b.trim()));
        match sides {
            Some((a, b)) if !a.is_empty() && !b.is_empty() => {
                if found.iter().any(|(other, _)| other == a) {
                    return Err(format!("{text:?} has {a} twice"));
                }
                found.push((a.into(), b.into()));
            }
            _ => return Err(format!("{part:?} in {text:?} is not of the form {example}")),
        }
    }
    Ok(found)
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let axis = |(name, size): (String, String)| match size.parse() {
            Ok(size) if size > 0 => Ok(Axis { name, size }),
            _ => Err(format!("axis {name} has {size:?} ranks, which must be a number from 1 on")),
        };
        pairs(text, "AXIS:RANKS, such as rows:2")?.into_iter().map(axis).collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for Layout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == "auto" {
            return Ok(Self::Auto);
        }
        let rules = pairs(text, "DIMENSION:AXIS, such as env:rows")?.into_iter();
        Ok(Self::Rules(rules.map(|(dimension, axis)| Rule { dimension, axis }).collect()))
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.size)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.dimension, self.axis)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let axes: Vec<String> = self.0.iter().map(Axis::to_string).collect();
        f.write_str(&axes.join(","))
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Rules(rules) => {
                let rules: Vec<String> = rules.iter().map(Rule::to_string).collect();
                f.write_str(&rules.join(","))
            }
        }
    }
}

/// Reads and writes a type as its text.
macro_rules! as_text {
    ($type:ident, $pattern:literal) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    };
}

as_text!(Shape, r"^([^:,]+:[0-9]+(,[^:,]+:[0-9]+)*)?$");
as_text!(Layout, r"^(auto|[^:,]+:[^:,]+(,[^:,]+:[^:,]+)*)?$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_mistakes_are_named() {
        for text in ["", "rows:2", "rows:2,cols:3"] {
            assert_eq!(text.parse::<Shape>().map(|shape| shape.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "auto", "env:rows,h1:cols"] {
            assert_eq!(text.parse::<Layout>().map(|layout| layout.to_string()), Ok(text.to_owned()));
        }
        for (text, expected) in [
            ("rows", "\"rows\" in \"rows\" is not of the form AXIS:RANKS, such as rows:2"),
            ("rows:0", "axis rows has \"0\" ranks, which must be a number from 1 on"),
            ("rows:2,rows:2", "\"rows:2,rows:2\" has rows twice"),
        ] {
            assert_eq!(text.parse::<Shape>(), Err(expected.to_owned()));
        }
        assert!("env:".parse::<Layout>().is_err_and(|reason| reason.contains("env:rows")));
        assert_eq!("rows:2,cols:3".parse().map(|shape: Shape| shape.size()), Ok(6));
    }
}
