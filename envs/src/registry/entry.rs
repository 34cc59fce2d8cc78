//! One environment of the registry.

use std::sync::Arc;

use serde::Serialize;

use crate::wrappers::{Boxed, LimitDuration};
use crate::{Env, EnvError, Params};

/// Makes one environment from its parameters and, if there is one, its time limit.
pub(super) type Constructor =
    Arc<dyn Fn(&Params, Option<u32>) -> Result<Box<dyn Env>, EnvError> + Send + Sync>;

/// Puts a time limit, or 0 for none, into the parameters of an environment that keeps it itself.
pub(super) type OwnLimit = fn(&mut Params, u32) -> Result<(), EnvError>;

/// What the registry knows about one environment.
#[derive(Clone)]
pub struct Entry {
    pub(super) constructor: Constructor,
    pub(super) summary: String,
    pub(super) time_limit: Option<u32>,
    pub(super) own_limit: Option<OwnLimit>,
    /// All parameters, from those that are set.
    pub(super) complete: Arc<dyn Fn(&Params) -> Params + Send + Sync>,
}

impl Entry {
    /// An environment without a summary, a time limit or parameters.
    pub fn new(
        constructor: impl Fn(&Params) -> Result<Box<dyn Env>, EnvError> + Send + Sync + 'static,
    ) -> Self {
        Self::of(move |params| constructor(params).map(Boxed))
    }

    /// As [`Self::new`], for environments of one type: the batch calls each together with its time limit, at once.
    pub fn of<E: Env + 'static>(
        constructor: impl Fn(&Params) -> Result<E, EnvError> + Send + Sync + 'static,
    ) -> Self {
        let constructor = move |params: &Params, limit: Option<u32>| -> Result<Box<dyn Env>, EnvError> {
            let env = constructor(params)?;
            Ok(match limit {
                Some(steps) => Box::new(LimitDuration::new(env, steps)?),
                None => Box::new(env),
            })
        };
        Self {
            constructor: Arc::new(constructor),
            summary: String::new(),
            time_limit: None,
            own_limit: None,
            complete: Arc::new(Params::clone),
        }
    }

    /// Describes the environment in one line.
    #[must_use]
    pub fn summary(mut self, summary: &str) -> Self {
        summary.clone_into(&mut self.summary);
        self
    }

    /// Truncates episodes after this many steps, unless the user asks otherwise; 0 is no limit.
    #[must_use]
    pub fn time_limit(mut self, steps: u32) -> Self {
        self.time_limit = (steps > 0).then_some(steps);
        self
    }

    /// Shows the parameters with their defaults.
    #[must_use]
    pub fn params(mut self, defaults: &impl Serialize) -> Self {
        let defaults = Params::of(defaults);
        self.complete = Arc::new(move |set| {
            let mut all = defaults.clone();
            all.0.extend(set.0.clone());
            all
        });
        self
    }
}
