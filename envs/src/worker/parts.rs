//! The slices of all workers, and how far each of them is.

use std::ops::Range;
use std::time::Duration;

use super::share::{SLICES, Share};

/// A slice of a worker's rows.
pub struct Part {
    pub worker: usize,
    /// Which of the worker's slices it is.
    pub slice: usize,
    pub rows: Range<usize>,
    /// Time of the step that it takes, or took last.
    pub t: usize,
    /// The step that it takes.
    pub begun: Option<Begun>,
}

/// A step that was asked for.
pub struct Begun {
    /// Its number.
    pub number: u32,
    /// When it was asked for, on the pool's clock.
    pub at: Duration,
}

/// The parts of workers with these shares, in the order of their rows.
pub fn parts(shares: &[Share]) -> Vec<Part> {
    let slices = |slice: usize| {
        let rows = move |(worker, share): (usize, &Share)| {
            let rows = share.slices().get(slice)?.clone();
            Some(Part { worker, slice, rows, t: 0, begun: None })
        };
        shares.iter().enumerate().filter_map(rows)
    };
    (0..SLICES).flat_map(slices).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_one_another() {
        for (rows, halves, workers, count) in
            [(9, true, 2, 4), (9, false, 2, 2), (5, true, 5, 5), (3, true, 1, 2)]
        {
            let shares: Vec<Share> = (0..workers).map(|w| Share::new(rows, halves, w, workers)).collect();
            let parts = parts(&shares);
            assert_eq!(parts.len(), count);
            let mut next = 0;
            for part in &parts {
                assert_eq!(part.rows.start, next);
                assert_eq!(shares[part.worker].slices()[part.slice], part.rows);
                next = part.rows.end;
            }
            assert_eq!(next, rows);
        }
    }
}
