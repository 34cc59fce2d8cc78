//! What is wrong with the settings of a network.

use std::fmt;

/// One mistake in the settings of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Keys and list indices below `network` of the settings that it is about, the one to change first; nothing where it is about the
    /// spaces of the environment.
    pub paths: Vec<Vec<String>>,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Mistake {
    /// One about the setting at `path`.
    pub(super) fn new(path: &[&str], message: impl Into<String>) -> Self {
        Self { paths: vec![path.iter().map(ToString::to_string).collect()], message: message.into() }
    }

    /// The same, which is also about the setting at `path`.
    pub(super) fn and(mut self, path: &[&str]) -> Self {
        self.paths.push(path.iter().map(ToString::to_string).collect());
        self
    }
}

/// All mistakes in the settings of a network that do not follow from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl std::error::Error for Mistakes {}

impl fmt::Display for Mistakes {
    /// A line for each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let messages: Vec<&str> = self.0.iter().map(|mistake| mistake.message.as_str()).collect();
        f.write_str(&messages.join("\n"))
    }
}
