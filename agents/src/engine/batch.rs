//! Which transitions a pass is about, and how sequences lie in a tile.

use std::mem::take;

/// Transitions that a gradient step learns from, as indices t·N + row.
#[derive(Clone, Copy)]
pub enum Batch<'a> {
    /// Each on its own.
    Transitions(&'a [i64]),
    /// Consecutive ones of a row, whose hidden states go from one to the next.
    Sequences(Sequences<'a>),
}

/// Sequences of transitions.
#[derive(Clone, Copy)]
pub struct Sequences<'a> {
    /// The sequences.
    pub list: &'a [Sequence],
    /// Rows N: what an index grows by from one time to the next.
    pub rows: usize,
    /// Hidden states `[K, S]` that sequences begin with.
    pub states: &'a [f32],
}

/// Consecutive transitions of one row, all of one episode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequence {
    /// Index of the first one.
    pub start: i64,
    /// Their number.
    pub len: usize,
    /// The hidden state before the first one, or before the burn-in; zeros without one, where an episode begins.
    pub state: Option<usize>,
    /// Earlier transitions that the hidden state is computed through again before the first one, and that nothing is learned from.
    pub burn_in: usize,
}

impl<'a> Batch<'a> {
    /// Number of transitions.
    pub fn count(self) -> usize {
        match self {
            Self::Transitions(index) => index.len(),
            Self::Sequences(sequences) => sequences.list.iter().map(|s| s.len).sum(),
        }
    }

    /// The part of these shares, of `of` equal ones.
    #[must_use]
    pub fn share(self, i: usize, of: usize) -> Self {
        let part = |len: usize| len * i / of..len * (i + 1) / of;
        match self {
            Self::Transitions(index) => Self::Transitions(&index[part(index.len())]),
            Self::Sequences(s) => Self::Sequences(Sequences { list: &s.list[part(s.list.len())], ..s }),
        }
    }

    /// As many of the first transitions as tiles of `rows` rows take, and the rest; whole sequences, at least one.
    pub fn split(self, rows: usize) -> (Self, Self) {
        match self {
            Self::Transitions(index) => {
                let (now, later) = index.split_at(rows.min(index.len()));
                (Self::Transitions(now), Self::Transitions(later))
            }
            Self::Sequences(s) => {
                let mut sum = 0;
                let mut fits = |s: &Sequence| {
                    sum += s.len;
                    sum <= rows
                };
                let n = s.list.iter().take_while(|s| fits(s)).count().max(1).min(s.list.len());
                let (now, later) = s.list.split_at(n);
                let of = |list: &'a [Sequence]| Self::Sequences(Sequences { list, ..s });
                (of(now), of(later))
            }
        }
    }

    /// The longest sequence; 1 for single transitions.
    pub fn longest(self) -> usize {
        match self {
            Self::Transitions(_) => 1,
            Self::Sequences(s) => s.list.iter().map(|s| s.len).max().unwrap_or(1),
        }
    }
}

/// Rows of a tile in the order of time: first those of all sequences' first transitions, then those of the second ones, and so on.
/// Sequences are in the order of falling length, so that those that last to a time are the first ones of the time before.
pub struct Packed<'a> {
    /// Rows in all.
    pub rows: usize,
    /// Rows of each time.
    pub counts: &'a [usize],
    /// Hidden states `[counts[0], S]` before the first time; a pass of one time replaces them by those after it.
    pub states: &'a mut [f32],
}

/// Memory for packing.
#[derive(Default)]
pub struct Packing {
    index: Vec<i64>,
    counts: Vec<usize>,
    states: Vec<f32>,
    sorted: Vec<Sequence>,
}

impl Packing {
    /// Packs the transitions of `batch` for hidden states of `width` numbers; returns the index of each row's, to be given back.
    pub fn pack(&mut self, batch: Batch<'_>, width: usize) -> Vec<i64> {
        let Self { index, counts, states, sorted } = self;
        index.clear();
        counts.clear();
        states.clear();
        match batch {
            Batch::Transitions(given) => {
                index.extend_from_slice(given);
                counts.push(given.len());
            }
            Batch::Sequences(s) => {
                sorted.clear();
                sorted.extend_from_slice(s.list);
                sorted.sort_by_key(|s| std::cmp::Reverse(s.len));
                for time in 0..sorted.first().map_or(0, |s| s.len) {
                    let last = sorted.partition_point(|s| s.len > time);
                    index.extend(sorted[..last].iter().map(|first| first.start + (time * s.rows) as i64));
                    counts.push(last);
                }
                for sequence in &*sorted {
                    match sequence.state {
                        Some(i) => states.extend_from_slice(&s.states[i * width..(i + 1) * width]),
                        None => states.extend(std::iter::repeat_n(0.0, width)),
                    }
                }
            }
        }
        take(index)
    }

    /// What was packed.
    pub fn packed(&mut self) -> Packed<'_> {
        Packed { rows: self.counts.iter().sum(), counts: &self.counts, states: &mut self.states }
    }

    /// Rows of each time in what was packed.
    pub fn counts(&self) -> &[usize] {
        &self.counts
    }

    /// Rows of one time alone.
    pub fn one_step(&mut self, rows: usize) -> &[usize] {
        self.counts.clear();
        self.counts.push(rows);
        &self.counts
    }

    /// Keeps the memory of an index for the next one.
    pub fn take_back(&mut self, index: Vec<i64>) {
        self.index = index;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_lie_time_after_time_the_longest_first() {
        // Rows N = 10; lengths 1, 3 and 2.
        let list = [
            Sequence { start: 7, len: 1, state: Some(1), burn_in: 0 },
            Sequence { start: 12, len: 3, state: None, burn_in: 0 },
            Sequence { start: 3, len: 2, state: Some(0), burn_in: 0 },
        ];
        let states = [0.5, 0.25, 1.5, 1.25];
        let batch = Batch::Sequences(Sequences { list: &list, rows: 10, states: &states });
        let mut packing = Packing::default();
        let index = packing.pack(batch, 2);
        assert_eq!(index, [12, 3, 7, 22, 13, 32]);
        let packed = packing.packed();
        assert_eq!((packed.rows, packed.counts), (6, &[3, 2, 1][..]));
        assert_eq!(packed.states, [0.0, 0.0, 0.5, 0.25, 1.5, 1.25]);
        assert_eq!((batch.count(), batch.longest()), (6, 3));
        let (now, later) = batch.split(4);
        assert_eq!((now.count(), later.count()), (4, 2));
        // One sequence at least, however long.
        assert_eq!(later.split(1).0.count(), 2);
    }
}
