//! Which rows a worker has.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Slices that a worker's rows are in, at most: while the policy acts on one, the worker steps the other.
pub const SLICES: usize = 2;

/// Rows of one worker: one slice of the batch, or one of each half.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Share(Vec<Range<usize>>);

impl Share {
    /// The share of the worker number `worker` of `workers`, who share `rows` rows: a slice of each half when each worker
    /// has at least two rows and `halves` are asked for.
    pub fn new(rows: usize, halves: bool, worker: usize, workers: usize) -> Self {
        let slice = |part: Range<usize>| {
            let cut = |worker: usize| part.start + worker * part.len() / workers;
            cut(worker)..cut(worker + 1)
        };
        let middle = rows / 2;
        if halves && workers <= middle {
            Self(vec![slice(0..middle), slice(middle..rows)])
        } else {
            Self(vec![slice(0..rows)])
        }
    }

    /// Its slices.
    pub fn slices(&self) -> &[Range<usize>] {
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
        for (rows, workers, halves) in [(7, 3, false), (7, 3, true), (8, 2, true), (6, 3, true), (5, 4, true)]
        {
            let shares: Vec<Share> = (0..workers).map(|w| Share::new(rows, halves, w, workers)).collect();
            for row in 0..rows {
                assert_eq!(shares.iter().filter(|share| share.contains(row)).count(), 1, "row {row}");
            }
            assert_eq!(shares.iter().map(Share::len).sum::<usize>(), rows);
        }
        let share = Share::new(8, true, 1, 2);
        assert_eq!(share.to_string(), "rows 2 to 3 and 6 to 7");
        assert_eq!(Share::new(4, true, 1, 2).to_string(), "rows 1 and 3");
        assert_eq!(Share::new(4, false, 1, 4).to_string(), "row 1");
        // Three workers have no two rows each.
        assert_eq!(Share::new(4, true, 2, 3).to_string(), "rows 2 to 3");
        assert_eq!(share.rows().collect::<Vec<_>>(), [2, 3, 6, 7]);
    }
}
