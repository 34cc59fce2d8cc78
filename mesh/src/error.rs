//! What can go wrong between ranks.

/// Why ranks cannot work together.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum MeshError {
    /// The variables of the environment that say which rank this is.
    #[error("{0}")]
    Place(String),
    /// No store could be opened or reached.
    #[error("cannot {action} {address}: {reason}")]
    Store {
        /// What was tried.
        action: &'static str,
        /// Host and port.
        address: String,
        /// Why not.
        reason: String,
    },
    /// Some ranks have not come.
    #[error("{} of {size} did not come to {address} within {seconds} s", ranks(.missing))]
    Late {
        /// Which.
        missing: Vec<usize>,
        /// Ranks in all.
        size: usize,
        /// Host and port of the store.
        address: String,
        /// How long they were waited for.
        seconds: u64,
    },
    /// A shape or layout that does not fit the ranks or the network.
    #[error("{0}")]
    Layout(String),
    /// A rank stopped or ended, or cannot be reached any more.
    #[error("{reason}")]
    Lost {
        /// The rank, where it ended without a word, as a process that is killed does.
        ended: Option<usize>,
        /// Which, and what is known of it.
        reason: String,
    },
    /// A collective call failed.
    #[error("{what} failed: {reason}")]
    Failed {
        /// Which.
        what: &'static str,
        /// Why.
        reason: String,
    },
}

/// `rank 2`, `ranks 2, 3`.
fn ranks(list: &[usize]) -> String {
    let words: Vec<String> = list.iter().map(usize::to_string).collect();
    format!("rank{} {}", if list.len() == 1 { "" } else { "s" }, words.join(", "))
}
