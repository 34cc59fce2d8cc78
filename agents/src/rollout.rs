//! The rollout memory: tensors over the batch's block, and what the learner remembers beside it.
//!
//! Nothing is stacked or copied: the workers wrote the observations where these tensors read them.
#![allow(unsafe_code)]

use std::sync::Arc;

use phalanx_envs::{Block, Dtype, Memory};
use tch::{Device, Kind, Tensor};

use crate::{Array, Checkpoint};

/// One rollout of T steps in N rows.
pub struct Rollout {
    /// `[T+1, N, O]`.
    observation: Tensor,
    /// `[N, O]` of each time, made once so that a step makes no tensor.
    observation_at: Vec<Tensor>,
    /// `[T, N, O]`.
    final_observation: Tensor,
    /// `[T, N, A]`.
    action: Tensor,
    /// Log probabilities of the actions when they were taken, `[T, N]`.
    pub log_prob: Vec<f32>,
    /// Which rows were stepped at each time, `[T, N]`.
    pub active: Vec<bool>,
    /// Steps that the present rollout holds; at most T.
    pub len: usize,
    rows: usize,
    /// The tensors above read this memory.
    _memory: Arc<dyn Memory>,
}

impl Rollout {
    /// The memory of rollouts over `block`, empty.
    pub fn new(block: &Block) -> Self {
        let layout = block.layout();
        let (t, n) = (layout.steps as i64, layout.rows as i64);
        let o = layout.observation_space.len() as i64;
        let a = layout.action_space.len() as i64;
        let kind = match layout.dtype() {
            Dtype::F32 => Kind::Float,
            Dtype::U8 => Kind::Uint8,
        };
        let actions = if layout.is_discrete() { Kind::Int64 } else { Kind::Float };
        let view = |at: *mut u8, shape: &[i64], kind| {
            // SAFETY: the block has these shapes at these places, and `_memory` outlives the tensors of this struct.
            unsafe { Tensor::from_blob(at, shape, &[], kind, Device::Cpu) }
        };
        let observation = view(block.observation_ptr(), &[t + 1, n, o], kind);
        Self {
            observation_at: (0..=t).map(|t| observation.select(0, t)).collect(),
            observation,
            final_observation: view(block.final_observation_ptr(), &[t, n, o], kind),
            action: view(block.action_ptr(), &[t, n, a], actions),
            log_prob: vec![0.0; layout.steps * layout.rows],
            active: vec![true; layout.steps * layout.rows],
            len: 0,
            rows: layout.rows,
            _memory: block.memory(),
        }
    }

    /// Rows N.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Observations of time `t`, `[N, O]`, and the place for the log probabilities of the actions taken then, `[N]`.
    pub fn at(&mut self, t: usize) -> (&Tensor, &mut [f32]) {
        (&self.observation_at[t], &mut self.log_prob[t * self.rows..(t + 1) * self.rows])
    }

    /// Observations of this rollout and after it, `[(len + 1)·N, O]`.
    pub fn observations(&self) -> Tensor {
        self.observation.narrow(0, 0, self.len as i64 + 1).flatten(0, 1)
    }

    /// Final observations of the steps `index` (as t·N + row), `[index, O]`.
    pub fn final_observations(&self, index: &[i64]) -> Tensor {
        self.final_observation.flatten(0, 1).index_select(0, &Tensor::from_slice(index))
    }

    /// Indices (as t·N + row) of the transitions that this rollout holds.
    pub fn transitions(&self) -> Vec<i64> {
        let held = self.active[..self.len * self.rows].iter().enumerate();
        held.filter(|(_, active)| **active).map(|(i, _)| i as i64).collect()
    }

    /// Puts the rollout into a checkpoint, to be looked at.
    pub fn save(&self, checkpoint: &mut Checkpoint) {
        checkpoint.put_tensor("rollout.observation", &self.observation.narrow(0, 0, self.len as i64 + 1));
        checkpoint.put_tensor("rollout.action", &self.action.narrow(0, 0, self.len as i64));
        checkpoint.put_array(
            "rollout.log_prob",
            Array::F32(vec![self.len, self.rows], self.log_prob[..self.len * self.rows].to_vec()),
        );
    }
}
