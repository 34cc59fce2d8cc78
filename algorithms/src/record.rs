//! The metrics of one iteration.

use std::borrow::Cow;

/// Named numbers after `step` environment steps, in the order in which they are logged.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record {
    /// Environment steps taken so far.
    pub step: u64,
    /// Name and value of each metric; docs/ppo.md explains them. NaN: there is none yet.
    pub values: Vec<(Cow<'static, str>, f64)>,
    /// Messages of the workers that were lost and replaced since the record before, those of evaluations included.
    pub losses: Vec<String>,
}

impl Record {
    /// A record without metrics.
    pub fn new(step: u64) -> Self {
        Self { step, ..Self::default() }
    }

    /// Adds a metric.
    pub fn push(&mut self, name: impl Into<Cow<'static, str>>, value: f64) {
        self.values.push((name.into(), value));
    }

    /// A metric by name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|(n, _)| *n == name).map(|(_, value)| *value)
    }
}
