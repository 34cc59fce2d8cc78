//! What spaces leave open: the units of numbers, and which number the first option of a choice has.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{EnvError, Space};

/// What the space of a field leaves open.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Label {
    /// The unit of all numbers, or that of each, as in `m/s`; `1` has none. Empty where they are not known.
    pub unit: Vec<String>,
    /// What the first option of each choice is called outside, where that is not 0 for all.
    pub start: Vec<i64>,
}

/// Labels on all fields: one for each leaf of a space, in their order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Labels {
    /// On those of an observation.
    pub observation: Vec<Label>,
    /// On those of an action.
    pub action: Vec<Label>,
}

impl Label {
    /// Of a field whose numbers have these units.
    pub fn units(unit: Vec<String>) -> Self {
        Self { unit, ..Self::default() }
    }

    /// The unit of each of `len` numbers; nothing where they are not known.
    pub(crate) fn each(&self, len: usize) -> Vec<String> {
        match &self.unit[..] {
            [all] => vec![all.clone(); len],
            each => each.to_vec(),
        }
    }
}

impl Labels {
    /// None on any field of these spaces.
    pub fn none(observation: &Space, action: &Space) -> Self {
        let none = |space: &Space| vec![Label::default(); space.leaves().len()];
        Self { observation: none(observation), action: none(action) }
    }

    /// The same with units: a map from the names of fields, `observation.levels` or `action` for example, to the unit of all
    /// numbers, or to a list of those of each. Anything but a map has none.
    ///
    /// # Errors
    /// [`EnvError::Failed`] where it names a field that there is not, or has another number of units than a field has numbers.
    pub fn with_units(
        mut self,
        units: &Value,
        observation: &Space,
        action: &Space,
    ) -> Result<Self, EnvError> {
        let fields = |name: &'static str, space: &Space| -> Vec<(String, usize)> {
            let name = |path: &str| if path.is_empty() { name.to_owned() } else { format!("{name}.{path}") };
            space.leaves().iter().map(|(path, leaf)| (name(path), leaf.len())).collect()
        };
        let all: Vec<_> =
            [fields("observation", observation), fields("action", action)].into_iter().flatten().collect();
        let mut labels: Vec<_> = self.observation.iter_mut().chain(&mut self.action).collect();
        for (field, unit) in units.as_object().into_iter().flatten() {
            let refuse = |reason: String| Err(EnvError::failed(format!("units of {field}: {reason}")));
            let Some(i) = all.iter().position(|(name, _)| name == field) else {
                let known: Vec<_> = all.iter().map(|(name, _)| name.as_str()).collect();
                return refuse(format!("the fields are {}", known.join(", ")));
            };
            let words: Option<Vec<String>> = match unit {
                Value::String(all) => Some(vec![all.clone()]),
                Value::Array(each) => each.iter().map(|unit| Some(unit.as_str()?.to_owned())).collect(),
                _ => None,
            };
            let Some(words) = words else {
                return refuse(format!("a text is needed, or a list of them, and it is {unit}"));
            };
            if ![1, all[i].1].contains(&words.len()) {
                return refuse(format!("there are {}, and the field has {} numbers", words.len(), all[i].1));
            }
            labels[i].unit = words;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn units_are_those_of_fields_that_exist() {
        let observation = Space::Dict(vec![
            ("levels".into(), Space::unbounded(2)),
            ("free".into(), Space::MultiBinary { n: 3 }),
        ]);
        let action = Space::unbounded(1);
        let with =
            |units: &Value| Labels::none(&observation, &action).with_units(units, &observation, &action);
        let labels = with(&json!({"observation.levels": ["m", "m/s"], "action": "N"})).unwrap();
        assert_eq!(labels.observation[0].unit, ["m", "m/s"]);
        assert_eq!(
            (labels.observation[1].clone(), &labels.action[0].unit[..]),
            (Label::default(), &["N".into()][..])
        );
        assert_eq!(with(&json!(null)).unwrap(), Labels::none(&observation, &action));
        for (units, expected) in [
            (json!({"levels": "m"}), "the fields are observation.levels, observation.free, action"),
            (json!({"observation.free": ["1", "1"]}), "there are 2, and the field has 3 numbers"),
            (json!({"action": 3}), "a text is needed, or a list of them, and it is 3"),
        ] {
            let message = with(&units).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
