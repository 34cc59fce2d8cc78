//! From a name and parameters to an environment.

mod entry;
mod error;
mod provider;

use std::collections::BTreeMap;

use serde::Serialize;

pub use self::entry::Entry;
pub use self::error::RegistryError;
pub use self::provider::Provider;

use crate::suggest::{nearest, split_version};
use crate::{Env, EnvError, EnvSpec, Labels, Params, Space, native, providers};

/// Environments of the features `mujoco` and `gym-rs`, known also where these are off.
const MUJOCO: [&str; 10] = [
    "Ant-v5",
    "HalfCheetah-v5",
    "Hopper-v5",
    "Humanoid-v5",
    "InvertedDoublePendulum-v5",
    "InvertedPendulum-v5",
    "Pusher-v5",
    "Reacher-v5",
    "Swimmer-v5",
    "Walker2d-v5",
];

const GYM_RS: [&str; 2] = ["gym-rs/CartPole", "gym-rs/MountainCar"];

/// An environment as shown to a person.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EnvInfo {
    /// Registered name.
    pub name: String,
    /// One line, or nothing.
    pub summary: String,
    /// Steps after which an episode is truncated, if it is.
    pub time_limit: Option<u32>,
    /// Parameters with their defaults.
    pub params: Params,
    /// Where observations come from.
    pub observation_space: Space,
    /// Where actions come from.
    pub action_space: Space,
    /// Units of the numbers of both.
    pub labels: Labels,
}

/// The known environments.
#[derive(Clone, Default)]
pub struct Registry {
    entries: BTreeMap<String, Entry>,
    providers: BTreeMap<String, Provider>,
    /// Environments that this program could have been built with, and how.
    missing: BTreeMap<String, String>,
}

impl Registry {
    /// A registry that knows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The environments that Phalanx brings along.
    pub fn standard() -> Self {
        let registry = providers::register(native::register(Self::new()))
            .with_missing(&MUJOCO, "run `cargo xtask setup --mujoco`, then build with `--features mujoco`")
            .with_missing(&GYM_RS, "build with `--features gym-rs`");
        #[cfg(feature = "gym-rs")]
        let registry = crate::gym_rs::register(registry);
        #[cfg(feature = "mujoco")]
        let registry = crate::mujoco::register(registry);
        registry
    }

    /// Adds an environment under a name; a later one of the same name replaces it.
    #[must_use]
    pub fn with(
        self,
        name: &str,
        constructor: impl Fn(&Params) -> Result<Box<dyn Env>, EnvError> + Send + Sync + 'static,
    ) -> Self {
        self.with_entry(name, Entry::new(constructor))
    }

    /// Adds an environment with all that is to be known about it.
    #[must_use]
    pub fn with_entry(mut self, name: &str, entry: Entry) -> Self {
        self.entries.insert(name.to_owned(), entry);
        self
    }

    /// Adds a family of environments: all names that begin with `prefix` and a colon.
    #[must_use]
    pub fn with_provider(mut self, prefix: &str, provider: Provider) -> Self {
        self.providers.insert(prefix.to_owned(), provider);
        self
    }

    /// All providers with their prefixes, sorted.
    pub fn providers(&self) -> impl Iterator<Item = (&str, &Provider)> {
        self.providers.iter().map(|(prefix, provider)| (prefix.as_str(), provider))
    }

    /// Whether an environment can be asked for by this name: it is registered, or its prefix is a provider's.
    ///
    /// # Errors
    /// [`RegistryError::UnknownName`] and [`RegistryError::NotBuiltIn`].
    pub fn check_name(&self, name: &str) -> Result<(), RegistryError> {
        self.entry(name, false).map(drop)
    }

    /// Knows of environments that are not in this program, and what to do to have them.
    #[must_use]
    fn with_missing(mut self, names: &[&str], remedy: &str) -> Self {
        self.missing.extend(names.iter().map(|&name| (name.to_owned(), remedy.to_owned())));
        self
    }

    /// Environments that this program could have been built with and was not, each with what to do to have it; sorted.
    pub fn missing(&self) -> impl Iterator<Item = (&str, &str)> {
        self.missing.keys().filter_map(|name| Some((name.as_str(), self.remedy(name)?)))
    }

    /// What to do to have an environment that this program could have been built with, and was not.
    pub fn remedy(&self, name: &str) -> Option<&str> {
        let remedy = self.missing.get(name).filter(|_| !self.entries.contains_key(name))?;
        Some(remedy)
    }

    /// All names, sorted; those of providers are not among them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Makes the environment that `spec` asks for: the constructor's, then the time limit, then the wrappers.
    ///
    /// It may be unable to draw itself: some draw only when they are made by [`Self::build_drawn`].
    ///
    /// # Errors
    /// [`RegistryError::UnknownName`], [`RegistryError::NotBuiltIn`], or [`RegistryError::Env`] of the constructor or a wrapper.
    pub fn build(&self, spec: &EnvSpec) -> Result<Box<dyn Env>, RegistryError> {
        Ok(Self::build_from(&self.entry(&spec.name, false)?, spec)?)
    }

    /// As [`Self::build`], for an environment that will be drawn with [`Env::render`]. It may be slower, and need a display.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn build_drawn(&self, spec: &EnvSpec) -> Result<Box<dyn Env>, RegistryError> {
        Ok(Self::build_from(&self.entry(&spec.name, true)?, spec)?)
    }

    fn build_from(entry: &Entry, spec: &EnvSpec) -> Result<Box<dyn Env>, EnvError> {
        let mut params = spec.params.clone();
        let limit = match (entry.own_limit, spec.time_limit) {
            (Some(take), Some(limit)) => {
                take(&mut params, limit).map_err(|e| name_params(e, &spec.name))?;
                None
            }
            _ => spec.time_limit.or(entry.time_limit).filter(|&limit| limit > 0),
        };
        let env = (entry.constructor)(&params, limit).map_err(|e| name_params(e, &spec.name))?;
        spec.wrappers.iter().try_fold(env, |env, wrapper| wrapper.wrap(env))
    }

    /// What is to be known about an environment with its defaults; see [`Self::info_of`].
    ///
    /// # Errors
    /// [`RegistryError::UnknownName`], [`RegistryError::NotBuiltIn`], or [`RegistryError::Env`] of the constructor.
    pub fn info(&self, name: &str) -> Result<EnvInfo, RegistryError> {
        self.info_of(&EnvSpec::named(name))
    }

    /// What is to be known about an environment as it is asked for; makes one to learn its spaces.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn info_of(&self, spec: &EnvSpec) -> Result<EnvInfo, RegistryError> {
        let Entry { summary, time_limit, complete, .. } = self.entry(&spec.name, false)?;
        let mut env = self.build(spec)?;
        Ok(EnvInfo {
            name: spec.name.clone(),
            summary,
            time_limit: spec.time_limit.or(time_limit).filter(|&limit| limit > 0),
            params: complete(&spec.params),
            observation_space: env.observation_space().clone(),
            action_space: env.action_space().clone(),
            labels: env.labels()?,
        })
    }

    fn entry(&self, name: &str, drawn: bool) -> Result<Entry, RegistryError> {
        if let Some(entry) = self.entries.get(name) {
            return Ok(entry.clone());
        }
        let behind = name
            .split_once(':')
            .and_then(|(prefix, rest)| Some(self.providers.get(prefix)?.entry(rest, drawn)));
        behind.ok_or_else(|| match self.remedy(name) {
            Some(remedy) => RegistryError::NotBuiltIn { name: name.to_owned(), remedy: remedy.to_owned() },
            None => RegistryError::UnknownName { name: name.to_owned(), suggestion: self.suggestion(name) },
        })
    }

    /// What was probably meant by a name that is not known: a known one that looks like it, else one of Gymnasium's where it is written
    /// as those are.
    fn suggestion(&self, name: &str) -> Option<String> {
        let known = self.names().chain(self.missing.keys().map(String::as_str));
        let id = name.strip_prefix("gym:").unwrap_or(name);
        let is_gymnasium = || split_version(id).1.is_some() && self.providers.contains_key("gymnasium");
        let near = nearest(name, known).map(str::to_owned);
        near.or_else(|| is_gymnasium().then(|| format!("gymnasium:{id}")))
    }
}

/// Names the environment whose parameters are wrong: the parameters alone do not know it.
fn name_params(error: EnvError, env: &str) -> EnvError {
    match error {
        EnvError::Params { name, message } if name.is_empty() => {
            EnvError::Params { name: env.to_owned(), message }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn environments_of_mujoco_are_there_or_say_how_to_get_them() {
        let registry = Registry::standard();
        for name in MUJOCO {
            let outcome = registry.info(name).map(|info| info.name);
            if cfg!(feature = "mujoco") {
                assert_eq!(outcome.unwrap(), name);
                assert_eq!(registry.remedy(name), None);
            } else {
                let message = outcome.unwrap_err().to_string();
                assert!(
                    message.contains(name) && message.contains("cargo xtask setup --mujoco"),
                    "{message}"
                );
            }
        }
        let message = registry.info("HalfCheeta-v5").unwrap_err().to_string();
        assert!(message.contains("did you mean `HalfCheetah-v5`"), "{message}");
    }

    #[test]
    fn unknown_names_suggest_what_was_probably_meant() {
        let message = |name: &str| Registry::standard().check_name(name).unwrap_err().to_string();
        for (name, suggestion) in [
            ("LunarLander-v3", "; did you mean `gymnasium:LunarLander-v3`?"),
            ("ALE/Pong-v5", "; did you mean `gymnasium:ALE/Pong-v5`?"),
            ("mine:Walk-v0", "; did you mean `gymnasium:mine:Walk-v0`?"),
            ("Pong-v5", "; did you mean `gymnasium:Pong-v5`?"),
            ("gym:Taxi-v3", "; did you mean `gymnasium:Taxi-v3`?"),
            ("gym:CartPole-v1", "; did you mean `CartPole-v1`?"),
            ("CartPole-v0", "; did you mean `CartPole-v1`?"),
            ("cartpole", "; did you mean `CartPole-v1`?"),
            ("warehouse", "; `phalanx envs list` shows those that are known"),
        ] {
            assert_eq!(message(name), format!("no environment is called `{name}`{suggestion}"));
        }
        // Without Python's environments, none of them is suggested.
        let message = Registry::new().check_name("Pong-v5").unwrap_err().to_string();
        assert_eq!(
            message,
            "no environment is called `Pong-v5`; `phalanx envs list` shows those that are known"
        );
    }
}
