//! The one error of this crate.

/// What went wrong in an environment or in a batch of them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvError {
    /// The environment itself reported a problem, in its own words.
    #[error("{0}")]
    Failed(String),
    /// No environment has this name.
    #[error("no environment is called {name:?}{}", suggestion(.nearest.as_deref()))]
    UnknownName {
        /// The name as asked for.
        name: String,
        /// The registered name that looks most like it.
        nearest: Option<String>,
    },
    /// The parameters of an environment or wrapper do not fit it.
    #[error("parameters of {name}: {message}")]
    Params {
        /// Environment or wrapper.
        name: String,
        /// What is wrong and what would be right.
        message: String,
    },
    /// A wrapper or batch cannot work with this space.
    #[error("{what} cannot work with {space}: {reason}")]
    Space {
        /// Who refuses.
        what: String,
        /// The space as text.
        space: String,
        /// Why.
        reason: String,
    },
    /// An action lies outside the action space.
    #[error("row {row}: action {action} lies outside the action space {space}")]
    Action {
        /// Row of the batch.
        row: usize,
        /// The action as text.
        action: String,
        /// The space as text.
        space: String,
    },
    /// An environment of a batch failed, with all that is known about it.
    #[error(
        "row {row}: {phase} failed at step {step} of episode {episode} (seed {seed}), last action {action}: {message}{}",
        backtrace_text(.backtrace)
    )]
    Row {
        /// Row of the batch.
        row: usize,
        /// `new`, `reset`, `step`, `render` or `call`.
        phase: String,
        /// Step within the episode.
        step: u64,
        /// Episode of the row, counted from 0.
        episode: u64,
        /// Seed of that episode.
        seed: u64,
        /// Last action as text.
        action: String,
        /// Message of the error or panic.
        message: String,
        /// Backtrace of a panic; empty for an error that was returned.
        backtrace: String,
    },
    /// The environment has no method or attribute of this name.
    #[error("no method or attribute {0:?}")]
    NoMethod(String),
    /// The environment does not draw itself.
    #[error("{0} does not render")]
    NoRender(String),
}

impl EnvError {
    /// An environment's own message.
    pub fn failed(message: impl std::fmt::Display) -> Self {
        Self::Failed(message.to_string())
    }
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |n| format!(" (did you mean {n:?}?)"))
}

fn backtrace_text(backtrace: &str) -> String {
    if backtrace.is_empty() { String::new() } else { format!("\n{backtrace}") }
}
