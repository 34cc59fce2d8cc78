//! The parameters of an environment of Gymnasium that are not its own.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{EnvError, Params};

/// As typed; docs/environments.md has their meaning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub python: PathBuf,
    pub keys: Option<Vec<String>>,
    pub drop: Vec<String>,
    pub flatten: bool,
    /// By default where observations are not flattened: a mask among the numbers of an array is none.
    masks: Option<bool>,
    pub reward_weights: Option<Vec<f64>>,
    pub seed_resets: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            python: usual_interpreter(),
            keys: None,
            drop: Vec::new(),
            flatten: false,
            masks: None,
            reward_weights: None,
            seed_resets: true,
        }
    }
}

impl Settings {
    /// Takes them out of the parameters; returns what is left, which is the environment's.
    ///
    /// # Errors
    /// [`EnvError::Params`] when one is not of its type.
    pub fn take(params: &Params) -> Result<(Self, Map<String, Value>), EnvError> {
        let known = Params::of(&Self::default()).0;
        let (own, rest) = params.0.clone().into_iter().partition(|(name, _)| known.contains_key(name));
        Ok((Params(own).parse()?, rest))
    }

    /// Whether masks are looked for outside of observations.
    pub fn masks(&self) -> bool {
        self.masks.unwrap_or(!self.flatten)
    }

    /// All parameters of an environment for which these are set, with their defaults.
    pub fn complete(params: &Params) -> Params {
        let Ok((settings, rest)) = Self::take(params) else { return params.clone() };
        let mut all = Params::of(&Self { masks: Some(settings.masks()), ..settings });
        all.0.extend(rest);
        all
    }
}

/// That of the virtual environment, if one is active.
pub fn usual_interpreter() -> PathBuf {
    std::env::var_os("VIRTUAL_ENV")
        .map_or_else(|| "python3".into(), |folder| PathBuf::from(folder).join("bin/python"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn params(value: Value) -> Params {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_is_not_ours_is_the_environments() {
        let set =
            params(json!({ "g": 9.8, "python": "bin/python", "drop": ["mission"], "max_episode_steps": 5 }));
        let (settings, rest) = Settings::take(&set).unwrap();
        let expected =
            Settings { python: "bin/python".into(), drop: vec!["mission".to_owned()], ..Settings::default() };
        assert_eq!(settings, expected);
        assert_eq!(Value::Object(rest), json!({ "g": 9.8, "max_episode_steps": 5 }));
        let flat = params(json!({ "flatten": true, "g": 9.8 }));
        let all = Settings::complete(&flat).0;
        assert_eq!(
            (&all["masks"], &all["flatten"], &all["keys"]),
            (&json!(false), &json!(true), &Value::Null)
        );
        assert_eq!((all.len(), &all["g"]), (8, &json!(9.8)));
        assert_eq!(Settings::complete(&params(json!({}))).0["masks"], json!(true));
    }

    #[test]
    fn a_parameter_of_another_type_is_named() {
        for (set, expected) in [
            (json!({ "python": 3 }), "`python`: invalid type: integer `3`, expected path string"),
            (json!({ "seed_resets": 3 }), "`seed_resets`: invalid type: integer `3`, expected true or false"),
            (json!({ "keys": "image" }), "`keys`: invalid type: string \"image\", expected a sequence"),
            (
                json!({ "reward_weights": [1, null] }),
                "`reward_weights`: invalid type: null, expected a number",
            ),
        ] {
            let error = Settings::take(&params(set)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
