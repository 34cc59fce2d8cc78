//! Which rows a worker has.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Rows of a batch that are stepped independently of one another are in different groups; there are at most so many.
pub const GROUPS: usize = 2;

/// The groups of a batch: halves when it is pipelined, else one of all rows.
pub fn groups(rows: usize, pipelined: bool) -> Vec<Range<usize>> {
    let middle = if pipelined { rows / 2 } else { 0 };
    [0..middle, middle..rows].into_iter().filter(|group| !group.is_empty()).collect()
}

/// Rows of one worker: a slice of each group.
///
/// Every worker has its part of every group, so that all of them have work whichever group is stepped, and rows that are
/// slow because of their place in the batch are shared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Share(Vec<Range<usize>>);

impl Share {
    /// The share of the worker number `worker` of `workers`.
    pub fn new(groups: &[Range<usize>], worker: usize, workers: usize) -> Self {
        let part = |group: &Range<usize>| {
            let cut = |worker: usize| group.start + worker * group.len() / workers;
            cut(worker)..cut(worker + 1)
        };
        Self(groups.iter().map(part).collect())
    }

    /// Its slice of each group.
    pub fn groups(&self) -> &[Range<usize>] {
        &self.0
    }

    /// Its rows, in their order.
    pub fn rows(&self) -> impl Iterator<Item = usize> {
        self.0.iter().cloned().flatten()
    }

    /// Number of its rows.
    pub fn len(&self) -> usize {
        self.0.iter().map(Range::len).sum()
    }

    /// Whether `row` is one of them.
    pub fn contains(&self, row: usize) -> bool {
        self.0.iter().any(|rows| rows.contains(&row))
    }
}

/// For messages: `row 3`, `rows 0 to 3`, `rows 0 to 1 and 4 to 5`.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.len() == 1 { "row" } else { "rows" })?;
        for (i, rows) in self.0.iter().enumerate() {
            let and = if i == 0 { "" } else { " and" };
            write!(f, "{and} {}", rows.start)?;
            if rows.len() > 1 {
                write!(f, " to {}", rows.end - 1)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_one_worker() {
        for (rows, workers, pipelined) in [(7, 3, false), (7, 3, true), (8, 2, true), (6, 3, true)] {
            let groups = groups(rows, pipelined);
            let shares: Vec<Share> = (0..workers).map(|w| Share::new(&groups, w, workers)).collect();
            for row in 0..rows {
                assert_eq!(shares.iter().filter(|share| share.contains(row)).count(), 1, "row {row}");
            }
            assert_eq!(shares.iter().map(Share::len).sum::<usize>(), rows);
        }
        let share = Share::new(&groups(8, true), 1, 2);
        assert_eq!(share.to_string(), "rows 2 to 3 and 6 to 7");
        assert_eq!(Share::new(&groups(4, true), 1, 2).to_string(), "rows 1 and 3");
        assert_eq!(Share::new(&groups(4, false), 1, 4).to_string(), "row 1");
        assert_eq!(share.rows().collect::<Vec<_>>(), [2, 3, 6, 7]);
    }
}
