//! The rollout memory: what the learner keeps of a rollout beside the batch's block.
//!
//! Observations, actions and rewards stay where the workers wrote them; nothing is stacked or copied.

use std::ops::Range;

use phalanx_envs::Block;

use crate::{Array, Checkpoint, Memory};

/// One rollout of T steps in N rows.
pub struct Rollout {
    /// Log probabilities of the actions when they were taken, `[T, N]`.
    pub log_prob: Vec<f32>,
    /// Which rows were stepped at each time, `[T, N]`.
    pub active: Vec<bool>,
    /// Steps that the present rollout holds; at most T.
    pub len: usize,
    /// Hidden states of recurrent networks before the coming step, `[N, S]`.
    pub memory: Memory,
    /// Those before the first step of the present rollout.
    pub start: Memory,
    rows: usize,
}

impl Rollout {
    /// The memory of rollouts over `block`, empty, for hidden states of `memory`.
    pub fn new(block: &Block, memory: Memory) -> Self {
        let layout = block.layout();
        let transitions = layout.steps * layout.rows;
        Self {
            log_prob: vec![0.0; transitions],
            active: vec![true; transitions],
            len: 0,
            start: memory.clone(),
            memory,
            rows: layout.rows,
        }
    }

    /// Begins the next rollout with the present hidden states.
    pub fn begin(&mut self) {
        self.start.clone_from(&self.memory);
    }

    /// Forgets the hidden states of those of `rows` whose episode the step of time `t` has ended.
    pub fn end_episodes(&mut self, block: &Block, t: usize, rows: Range<usize>) {
        if !self.memory.is_empty() {
            rows.filter(|&row| block.episode(t, row).is_over())
                .for_each(|row| self.memory.begin_episode(row));
        }
    }

    /// Rows N.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// What acting at time `t` writes: the hidden states, and the place for the log probabilities of the actions, `[N]`.
    pub fn acting_mut(&mut self, t: usize) -> (&mut Memory, &mut [f32]) {
        (&mut self.memory, &mut self.log_prob[t * self.rows..(t + 1) * self.rows])
    }

    /// Indices (as t·N + row) of the transitions that this rollout holds.
    pub fn transitions(&self) -> Vec<i64> {
        let held = self.active[..self.len * self.rows].iter().enumerate();
        held.filter(|(_, active)| **active).map(|(i, _)| i as i64).collect()
    }

    /// Puts the rollout over `block` into a checkpoint, to be looked at.
    pub fn save(&self, block: &Block, checkpoint: &mut Checkpoint) {
        let layout = block.layout();
        for (i, field) in layout.fields().iter().enumerate() {
            let rows = block.observation_field(i, 0..self.len + 1);
            let numbers = (0..rows.rows()).map(|row| rows.row(row));
            let numbers = numbers.flat_map(|row| (0..field.len).map(move |number| row.number(number)));
            let dot = if field.path.is_empty() { "" } else { "." };
            let name = format!("rollout.observation{dot}{}", field.path);
            let shape = vec![self.len + 1, self.rows, field.len];
            checkpoint.put_array(&name, Array::F32(shape, numbers.collect()));
        }
        let transitions = || 0..self.len * self.rows;
        let shape = |width| vec![self.len, self.rows, width];
        let (choices, numbers) = (layout.action_space.choices_len(), layout.action_space.numbers_len());
        if choices > 0 {
            let all = transitions().flat_map(|i| block.choices(i).to_vec()).collect();
            checkpoint.put_array("rollout.choices", Array::I64(shape(choices), all));
        }
        if numbers > 0 {
            let all = transitions().flat_map(|i| block.numbers(i).to_vec()).collect();
            checkpoint.put_array("rollout.numbers", Array::F32(shape(numbers), all));
        }
        checkpoint.put_array(
            "rollout.log_prob",
            Array::F32(vec![self.len, self.rows], self.log_prob[..self.len * self.rows].to_vec()),
        );
    }
}
