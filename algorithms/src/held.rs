//! What a rollout holds to learn from, in random order and in equal parts.
//!
//! On a mesh the order and the parts are those of all ranks' rollouts together, as if one rank had all rows. Each rank learns from what it holds of
//! a part; ranks add their gradients.

use std::borrow::Cow;
use std::collections::HashMap;

use phalanx_agents::{Agent, Batch, Pass, Rollout, Sequence, Sequences, Tower};
use phalanx_envs::Generator;
use phalanx_mesh::Mesh;
use rand::seq::SliceRandom;

use crate::AlgorithmError;
use crate::ranks::{from_bytes, gather_all};
use crate::sequences::transitions;

/// What this rank learns from, in the present order.
pub struct Held<'a> {
    items: Items<'a>,
    ranks: Option<Ranks>,
}

/// Transitions one by one, or the sequences that recurrent networks need.
enum Items<'a> {
    /// Indices t·N + row.
    Transitions(Vec<i64>),
    Sequences {
        list: Vec<Sequence>,
        /// Rows N.
        rows: usize,
        /// Hidden states that they begin with, `[K, S]`.
        states: &'a [f32],
    },
}

/// What all ranks hold.
struct Ranks {
    /// In the present order: a number from 0 is one of this rank's, −x is another rank's of x transitions.
    order: Vec<i64>,
    /// This rank's sequences, which the order counts; transitions are their indices.
    sequences: Vec<Sequence>,
    /// For each part, where it ends among this rank's items, and the transitions of all ranks in it.
    parts: Vec<(usize, usize)>,
}

impl<'a> Held<'a> {
    /// The transitions of a rollout.
    ///
    /// # Errors
    /// [`AlgorithmError::Mesh`].
    pub fn transitions(rollout: &Rollout, mesh: &Mesh) -> Result<Self, AlgorithmError> {
        let ranks = if mesh.is_alone() { None } else { Some(Ranks::of_rows(rollout, mesh)?) };
        Ok(Self { items: Items::Transitions(rollout.transitions()), ranks })
    }

    /// Sequences of a rollout of `rows` rows.
    ///
    /// # Errors
    /// [`AlgorithmError::Mesh`].
    pub fn sequences(
        list: Vec<Sequence>,
        rows: usize,
        states: &'a [f32],
        mesh: &Mesh,
    ) -> Result<Self, AlgorithmError> {
        let ranks = if mesh.is_alone() { None } else { Some(Ranks::of_sequences(&list, mesh)?) };
        Ok(Self { items: Items::Sequences { list, rows, states }, ranks })
    }

    /// How many parts make minibatches of about this many transitions, or of all.
    pub fn parts(&self, minibatch: Option<usize>) -> usize {
        let (count, most) = match (&self.ranks, &self.items) {
            (Some(ranks), _) => (ranks.count(), ranks.order.len()),
            (None, Items::Transitions(index)) => (index.len(), index.len()),
            (None, Items::Sequences { list, .. }) => (list.iter().map(|s| s.len).sum(), list.len()),
        };
        count.div_ceil(minibatch.unwrap_or(count).max(1)).min(most)
    }

    /// Brings all into a random order, to be taken in `parts` equal parts.
    pub fn shuffle(&mut self, generator: &mut Generator, parts: usize) {
        match (&mut self.ranks, &mut self.items) {
            (None, Items::Transitions(index)) => index.shuffle(generator),
            (None, Items::Sequences { list, .. }) => list.shuffle(generator),
            (Some(ranks), items) => {
                ranks.order.shuffle(generator);
                ranks.cut(parts);
                let own = ranks.order.iter().filter(|&&item| item >= 0);
                match items {
                    Items::Transitions(index) => *index = own.copied().collect(),
                    Items::Sequences { list, .. } => {
                        *list = own.map(|&item| ranks.sequences[item as usize]).collect();
                    }
                }
            }
        }
    }

    /// What this rank holds of one of the `parts` equal parts that [`Self::shuffle`] has made.
    pub fn part(&self, i: usize, parts: usize) -> Part<'_> {
        let Some(ranks) = &self.ranks else {
            return self.range(|len| len * i / parts..len * (i + 1) / parts, None);
        };
        let start = i.checked_sub(1).map_or(0, |before| ranks.parts[before].0);
        let (end, count) = ranks.parts[i];
        self.range(|_| start..end, Some(count))
    }

    /// All that this rank holds.
    pub fn all(&self) -> Part<'_> {
        self.range(|len| 0..len, self.ranks.as_ref().map(Ranks::count))
    }

    fn range(&self, range: impl Fn(usize) -> std::ops::Range<usize>, count: Option<usize>) -> Part<'_> {
        match &self.items {
            Items::Transitions(index) => {
                let index = &index[range(index.len())];
                let count = count.unwrap_or(index.len());
                Part { batch: Batch::Transitions(index), index: Cow::Borrowed(index), count }
            }
            Items::Sequences { list, rows, states } => {
                let list = &list[range(list.len())];
                let index: Cow<'_, [i64]> = Cow::Owned(transitions(list, *rows));
                let count = count.unwrap_or(index.len());
                Part { batch: Batch::Sequences(Sequences { list, rows: *rows, states }), index, count }
            }
        }
    }

    /// Parameters of the action distribution for `count` transitions, `[count, P]`, those that are held among them.
    ///
    /// # Errors
    /// [`AlgorithmError::Agent`].
    pub fn old_outputs(&self, agent: &mut Agent, count: usize) -> Result<Vec<f32>, AlgorithmError> {
        if let Items::Transitions(_) = self.items {
            return Ok(agent.network_mut().infer_loaded(Tower::Actor, None)?);
        }
        let width = agent.head().outputs();
        let mut outputs = vec![0.0; count * width];
        let part = self.all();
        for (i, row) in part.index.iter().zip(part.outputs(agent)?.chunks_exact(width)) {
            outputs[*i as usize * width..][..width].copy_from_slice(row);
        }
        Ok(outputs)
    }
}

impl Ranks {
    /// Transitions in the order of time, then of the rows of all ranks. The steps of a row in a rollout are its first.
    fn of_rows(rollout: &Rollout, mesh: &Mesh) -> Result<Self, AlgorithmError> {
        let rows = rollout.rows();
        let first_row = mesh.rank() * rows;
        let steps = |row| (0..rollout.len).take_while(move |t| rollout.active[t * rows + row]).count() as u64;
        let own: Vec<u64> = (0..rows).map(steps).collect();
        let lens: Vec<u64> = gather_all(mesh, &own)?;
        let (mut order, longest) = (Vec::new(), lens.iter().copied().max().unwrap_or(0));
        for t in 0..longest {
            let rows_at = lens.iter().enumerate().filter(|(_, len)| t < **len);
            order.extend(rows_at.map(|(row, _)| match row.checked_sub(first_row) {
                Some(own) if own < rows => (t as usize * rows + own) as i64,
                _ => -1,
            }));
        }
        Ok(Self { order, sequences: Vec::new(), parts: Vec::new() })
    }

    /// Sequences in the order of the rows of all ranks.
    fn of_sequences(list: &[Sequence], mesh: &Mesh) -> Result<Self, AlgorithmError> {
        let own: Vec<u64> = list.iter().map(|sequence| sequence.len as u64).collect();
        let mut order = Vec::new();
        for (rank, lens) in mesh.gather(bytemuck::cast_slice(&own))?.iter().enumerate() {
            if rank == mesh.rank() {
                order.extend(0..list.len() as i64);
            } else {
                order.extend(from_bytes::<u64>(lens).iter().map(|&len| -(len as i64)));
            }
        }
        Ok(Self { order, sequences: list.to_vec(), parts: Vec::new() })
    }

    /// Transitions of an item of the order.
    fn len(&self, item: i64) -> usize {
        match self.sequences.get(item as usize) {
            Some(own) if item >= 0 => own.len,
            _ if item >= 0 => 1,
            _ => -item as usize,
        }
    }

    /// Transitions of all ranks.
    fn count(&self) -> usize {
        self.order.iter().map(|&item| self.len(item)).sum()
    }

    /// Cuts the present order into equal parts.
    fn cut(&mut self, parts: usize) {
        let (len, mut end) = (self.order.len(), 0);
        let cut = |i| {
            let part = &self.order[len * i / parts..len * (i + 1) / parts];
            end += part.iter().filter(|&&item| item >= 0).count();
            (end, part.iter().map(|&item| self.len(item)).sum())
        };
        self.parts = (0..parts).map(cut).collect();
    }
}

/// A part of what is held.
pub struct Part<'a> {
    /// What is learned from.
    pub batch: Batch<'a>,
    /// Its transitions, as indices t·N + row.
    pub index: Cow<'a, [i64]>,
    /// Transitions of all ranks in it.
    pub count: usize,
}

impl Part<'_> {
    /// Parameters of the present action distribution, `[B, P]`, in the order of `index`.
    ///
    /// # Errors
    /// [`AlgorithmError::Agent`].
    pub fn outputs(&self, agent: &mut Agent) -> Result<Vec<f32>, AlgorithmError> {
        if let Batch::Transitions(index) = self.batch {
            return Ok(agent.network_mut().infer_loaded(Tower::Actor, Some(index))?);
        }
        let width = agent.head().outputs();
        let seen = agent.network_mut().learn(self.batch, |seen: &mut Vec<(i64, Vec<f32>)>, pass| {
            let Pass { index, outputs, d_outputs, d_value, .. } = pass;
            seen.extend(index.iter().zip(outputs.chunks_exact(width)).map(|(&i, row)| (i, row.to_vec())));
            d_outputs.fill(0.0);
            d_value.fill(0.0);
        })?;
        let by_index: HashMap<i64, Vec<f32>> = seen.into_iter().flatten().collect();
        Ok(self.index.iter().flat_map(|i| by_index[i].iter().copied()).collect())
    }
}
