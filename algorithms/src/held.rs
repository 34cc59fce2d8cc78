//! What a rollout holds to learn from, in random order and in equal parts.

use std::borrow::Cow;
use std::collections::HashMap;

use phalanx_agents::{Agent, Batch, Pass, Sequence, Sequences, Tower};
use phalanx_envs::Generator;
use rand::seq::SliceRandom;

use crate::AlgorithmError;
use crate::sequences::transitions;

/// Transitions one by one, or the sequences that recurrent networks need.
pub enum Held<'a> {
    /// Indices t·N + row.
    Transitions(Vec<i64>),
    /// Sequences.
    Sequences {
        /// The sequences.
        list: Vec<Sequence>,
        /// Rows N.
        rows: usize,
        /// Hidden states that they begin with, `[K, S]`.
        states: &'a [f32],
    },
}

impl Held<'_> {
    /// Brings all into a random order.
    pub fn shuffle(&mut self, generator: &mut Generator) {
        match self {
            Self::Transitions(index) => index.shuffle(generator),
            Self::Sequences { list, .. } => list.shuffle(generator),
        }
    }

    /// How many parts make minibatches of about this many transitions, or of all.
    pub fn parts(&self, minibatch: Option<usize>) -> usize {
        let (count, most) = match self {
            Self::Transitions(index) => (index.len(), index.len()),
            Self::Sequences { list, .. } => (list.iter().map(|s| s.len).sum(), list.len()),
        };
        count.div_ceil(minibatch.unwrap_or(count).max(1)).min(most)
    }

    /// One of `parts` equal parts.
    pub fn part(&self, i: usize, parts: usize) -> Part<'_> {
        let share = |len: usize| len * i / parts..len * (i + 1) / parts;
        match self {
            Self::Transitions(index) => {
                let index = &index[share(index.len())];
                Part { batch: Batch::Transitions(index), index: Cow::Borrowed(index) }
            }
            Self::Sequences { list, rows, states } => {
                let list = &list[share(list.len())];
                let index = Cow::Owned(transitions(list, *rows));
                Part { batch: Batch::Sequences(Sequences { list, rows: *rows, states }), index }
            }
        }
    }

    /// Parameters of the action distribution for `count` transitions, `[count, P]`, those that are held among them.
    ///
    /// # Errors
    /// [`AlgorithmError::Agent`].
    pub fn old_outputs(&self, agent: &mut Agent, count: usize) -> Result<Vec<f32>, AlgorithmError> {
        if let Self::Transitions(_) = self {
            return Ok(agent.network_mut().infer_loaded(Tower::Actor, None)?);
        }
        let width = agent.head().outputs();
        let mut outputs = vec![0.0; count * width];
        let part = self.part(0, 1);
        for (i, row) in part.index.iter().zip(part.outputs(agent)?.chunks_exact(width)) {
            outputs[*i as usize * width..][..width].copy_from_slice(row);
        }
        Ok(outputs)
    }
}

/// A part of what is held.
pub struct Part<'a> {
    /// What is learned from.
    pub batch: Batch<'a>,
    /// Its transitions, as indices t·N + row.
    pub index: Cow<'a, [i64]>,
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
