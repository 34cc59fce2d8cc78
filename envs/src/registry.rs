//! From a name and parameters to an environment.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Env, EnvError};

/// Makes one environment from its parameters.
pub type Constructor = Arc<dyn Fn(&Params) -> Result<Box<dyn Env>, EnvError> + Send + Sync>;

/// Parameters of an environment or wrapper: a map of names to values, as in the YAML.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Params(pub Map<String, Value>);

impl Params {
    /// These parameters as a struct; derive `Deserialize` with `deny_unknown_fields` and defaults.
    ///
    /// # Errors
    /// [`EnvError::Failed`] that says which parameter does not fit.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, EnvError> {
        serde_json::from_value(Value::Object(self.0.clone())).map_err(EnvError::failed)
    }
}

/// An environment as typed by the user: name, parameters and wrappers from the inside out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnvSpec {
    /// Registered name.
    pub name: String,
    /// Parameters of the constructor.
    #[serde(default)]
    pub params: Params,
    /// Wrappers, the innermost first.
    #[serde(default)]
    pub wrappers: Vec<Value>,
}

impl EnvSpec {
    /// An environment by its name alone.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), params: Params::default(), wrappers: Vec::new() }
    }
}

/// The known environments.
#[derive(Clone, Default)]
pub struct Registry {
    constructors: BTreeMap<String, Constructor>,
}

impl Registry {
    /// A registry that knows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an environment under a name; a later one of the same name replaces it.
    #[must_use]
    pub fn with(
        mut self,
        name: &str,
        constructor: impl Fn(&Params) -> Result<Box<dyn Env>, EnvError> + Send + Sync + 'static,
    ) -> Self {
        self.constructors.insert(name.to_owned(), Arc::new(constructor));
        self
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.constructors.keys().map(String::as_str)
    }

    /// Makes the environment that `spec` asks for.
    ///
    /// # Errors
    /// [`EnvError::UnknownName`], or what the constructor or a wrapper says.
    pub fn build(&self, spec: &EnvSpec) -> Result<Box<dyn Env>, EnvError> {
        let constructor = self
            .constructors
            .get(&spec.name)
            .ok_or_else(|| EnvError::UnknownName { name: spec.name.clone(), nearest: None })?;
        constructor(&spec.params)
    }
}
