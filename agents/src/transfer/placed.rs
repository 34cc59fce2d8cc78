//! How pictures lie among numbers, and how numbers move from one order to another.

use std::ops::Range;

use phalanx_envs::Space;
use phalanx_graph::Graph;
use serde::{Deserialize, Serialize};

use crate::Channels;
use crate::describe::input_name;
use crate::picture::Picture;

/// An array of three axes among numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// The first of its numbers.
    start: usize,
    /// Its axes as they lie.
    shape: [usize; 3],
    /// Which of them are the channels, where that is known.
    channels: Option<Channels>,
}

/// Why numbers cannot move.
#[derive(Debug, PartialEq, Eq)]
pub enum Misfit {
    /// Pictures of other sizes: the shapes here and there.
    Size([[usize; 3]; 2]),
    /// Arrays whose channels are not known, of these shapes here and there.
    Unknown([[usize; 3]; 2]),
}

impl Placed {
    /// A picture of this height, width and channels that begins the numbers.
    pub fn new([height, width, depth]: [usize; 3], channels: Channels) -> Self {
        let shape = match channels {
            Channels::First => [depth, height, width],
            Channels::Last => [height, width, depth],
        };
        Self { start: 0, shape, channels: Some(channels) }
    }

    /// The same, `numbers` later.
    pub fn after(mut self, numbers: usize) -> Self {
        self.start += numbers;
        self
    }

    /// The same, with the channels on this axis.
    pub fn moved(self, channels: Channels) -> Self {
        self.size().map_or(self.clone(), |size| Self::new(size, channels).after(self.start))
    }

    /// What an operation of one's own makes of it: only that knows how its numbers lie.
    pub fn unknown(mut self) -> Self {
        self.channels = None;
        self
    }

    /// The axis of the channels, where it is known.
    pub fn channels(&self) -> Option<Channels> {
        self.channels
    }

    /// Height, width and channels.
    fn size(&self) -> Option<[usize; 3]> {
        let [a, b, c] = self.shape;
        self.channels.map(|channels| match channels {
            Channels::First => [b, c, a],
            Channels::Last => self.shape,
        })
    }

    /// For each of its numbers, the index of the same one in `there`.
    fn order(&self, there: &Self) -> Result<Vec<usize>, Misfit> {
        let shapes = [self.shape, there.shape];
        let (Some(size), Some(other)) = (self.size(), there.size()) else {
            let same = shapes[0] == shapes[1];
            return if same { Ok(self.range().collect()) } else { Err(Misfit::Unknown(shapes)) };
        };
        if size != other {
            return Err(Misfit::Size(shapes));
        }
        let ([height, width, depth], [_, b, c]) = (size, self.shape);
        let index = |i: usize| {
            let (i, j, k) = (i / (b * c), i / c % b, i % c);
            let (line, column, channel) = match self.channels {
                Some(Channels::First) => (j, k, i),
                _ => (i, j, k),
            };
            there.start
                + match there.channels {
                    Some(Channels::First) => (channel * height + line) * width + column,
                    _ => (line * width + column) * depth + channel,
                }
        };
        Ok((0..self.range().len()).map(index).collect())
    }

    fn range(&self) -> Range<usize> {
        self.start..self.start + self.shape.iter().product::<usize>()
    }
}

/// For each of `numbers` numbers, among which the pictures `ours` lie, the index of the same one where `theirs` lie. What is a picture on one
/// side alone lies the same on both.
pub fn order(numbers: usize, ours: &[Placed], theirs: &[Placed]) -> Result<Vec<usize>, Misfit> {
    let mut all: Vec<usize> = (0..numbers).collect();
    for own in ours {
        if let Some(other) = theirs.iter().find(|other| other.start == own.start) {
            all[own.range()].copy_from_slice(&own.order(other)?);
        }
    }
    Ok(all)
}

/// For each input of a graph, how it lies where it is an observation of three axes: with the channels where networks read them, or where `channels`
/// or the shape shows them.
pub fn inputs(graph: &Graph, space: &Space, channels: Option<Channels>) -> Vec<Option<Placed>> {
    let leaves = space.leaves();
    let placed = |input: &phalanx_graph::Input| {
        if let [a, b, c] = &input.dims[..] {
            let (first, shape) = (a.name == "channels", [a.size, b.size, c.size]);
            let channels = Some(if first { Channels::First } else { Channels::Last });
            return Some(Placed { start: 0, shape, channels });
        }
        let (_, leaf) = leaves.iter().find(|(path, _)| input_name(path) == input.name)?;
        let Space::Box { shape, .. } = leaf else { return None };
        let channels = Picture::new(shape, channels).ok().map(|picture| picture.channels);
        Some(Placed { start: 0, shape: shape[..].try_into().ok()?, channels })
    };
    graph.inputs.iter().map(placed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_move_with_the_channels() {
        // 2 lines of 3 pixels of 2 channels after one number; pixel (line, column) channel c is 100·line + 10·column + c.
        let last = [7, 0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121, 8];
        let first = [7, 0, 10, 20, 100, 110, 120, 1, 11, 21, 101, 111, 121, 8];
        let [a, b] =
            [Channels::Last, Channels::First].map(|channels| [Placed::new([2, 3, 2], channels).after(1)]);
        for (ours, theirs, here, there) in
            [(&a, &b, last, first), (&b, &a, first, last), (&a, &a, last, last)]
        {
            let order = order(14, ours, theirs).expect("one size");
            assert_eq!(order.iter().map(|&i| there[i]).collect::<Vec<_>>(), here);
        }
        let moved = a[0].clone().moved(Channels::First);
        assert_eq!(moved, b[0]);
    }

    #[test]
    fn other_sizes_and_what_is_not_known_do_not_move() {
        let last = |size| [Placed::new(size, Channels::Last)];
        let error = order(12, &last([2, 3, 2]), &last([3, 2, 2])).expect_err("another size");
        assert_eq!(error, Misfit::Size([[2, 3, 2], [3, 2, 2]]));
        let unknown = [Placed::new([2, 3, 2], Channels::First).unknown()];
        let error = order(12, &last([2, 3, 2]), &unknown).expect_err("not known");
        assert_eq!(error, Misfit::Unknown([[2, 3, 2], [2, 2, 3]]));
        let same = order(12, &last([2, 2, 3]), &unknown).expect("the same shape");
        assert_eq!((same, order(3, &[], &unknown)), ((0..12).collect(), Ok(vec![0, 1, 2])));
    }
}
