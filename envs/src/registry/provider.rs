//! Families of environments that others have.

use std::sync::Arc;

use super::entry::{Entry, OwnLimit};
use crate::{Env, EnvError, Params};

/// A family of environments that others have: `gymnasium:CartPole-v1` comes from the provider `gymnasium`.
#[derive(Clone)]
pub struct Provider {
    summary: String,
    open: Arc<Open>,
    open_drawn: Option<Arc<Open>>,
    remedy: Arc<dyn Fn() -> Option<String> + Send + Sync>,
    own_limit: Option<OwnLimit>,
    complete: fn(&Params) -> Params,
}

/// Makes one environment from what follows the colon, and its parameters.
type Open = dyn Fn(&str, &Params) -> Result<Box<dyn Env>, EnvError> + Send + Sync;

impl Provider {
    /// A provider, and in one line what it provides. `open` makes an environment from what follows the colon.
    pub fn new(
        summary: &str,
        open: impl Fn(&str, &Params) -> Result<Box<dyn Env>, EnvError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            summary: summary.to_owned(),
            open: Arc::new(open),
            open_drawn: None,
            remedy: Arc::new(|| None),
            own_limit: None,
            complete: Params::clone,
        }
    }

    /// Environments that have to know when they are made whether they will be drawn are made by `open` then; see
    /// [`Registry::build_drawn`](crate::Registry::build_drawn).
    #[must_use]
    pub fn drawn(
        mut self,
        open: impl Fn(&str, &Params) -> Result<Box<dyn Env>, EnvError> + Send + Sync + 'static,
    ) -> Self {
        self.open_drawn = Some(Arc::new(open));
        self
    }

    /// Environments that may have a time limit of their own take the user's in their parameters, 0 for none: `take` puts it there.
    #[must_use]
    pub fn limits_itself(mut self, take: fn(&mut Params, u32) -> Result<(), EnvError>) -> Self {
        self.own_limit = Some(take);
        self
    }

    /// Shows the parameters of its environments by `complete`, which adds those that are not set, with their defaults.
    #[must_use]
    pub fn params(mut self, complete: fn(&Params) -> Params) -> Self {
        self.complete = complete;
        self
    }

    /// `remedy` returns what this machine lacks for it, if anything, and what to do; it is called only when that is to be shown.
    #[must_use]
    pub fn needs(mut self, remedy: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        self.remedy = Arc::new(remedy);
        self
    }

    /// What this machine lacks for it, and what to do; it is looked for, which takes some time.
    pub fn remedy(&self) -> Option<String> {
        (self.remedy)()
    }

    /// What is behind it, in one line.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// The environment `name` of this provider, made to be `drawn` or not. It brings its own time limit, or none.
    pub(super) fn entry(&self, name: &str, drawn: bool) -> Entry {
        let open = self.open_drawn.as_ref().filter(|_| drawn).unwrap_or(&self.open);
        let (open, name) = (Arc::clone(open), name.to_owned());
        let entry = Entry::new(move |params| open(&name, params)).summary(&self.summary);
        Entry { own_limit: self.own_limit, complete: Arc::new(self.complete), ..entry }
    }
}
