//! Acting, with statistics that do not change.

use std::ops::Range;

use phalanx_envs::{Block, Generator, Role};

use super::Agent;
use crate::observations::{Inputs, Observations};
use crate::reader::Statistics;
use crate::{Actions, AgentError, Distribution, Memory, Tower};

/// How an action is taken from its distribution.
pub enum Mode<'a> {
    /// Drawn with this noise, which [`Actor::add_noise`] gives.
    Sample(&'a [f32]),
    /// The most probable one.
    Greedy,
}

/// An [`Agent`] whose statistics are frozen, as they are for the length of a rollout.
pub struct Actor<'a> {
    agent: &'a mut Agent,
    statistics: Statistics,
    input: Observations,
    outputs: Vec<f32>,
    mask: Vec<u8>,
}

impl Agent {
    /// This agent with its statistics frozen, ready to act.
    pub fn actor(&mut self) -> Actor<'_> {
        // P5: frozen for the lifetime of this actor.
        let statistics = self.reader.freeze(self.normalizer.as_ref());
        let (input, outputs, mask) = (Observations::default(), Vec::new(), Vec::new());
        Actor { agent: self, statistics, input, outputs, mask }
    }
}

impl Actor<'_> {
    /// Takes the actions of time `t` for the observations of `rows` there and writes them into the block, their log
    /// probabilities into `log_prob [N]`. The hidden states of these rows in `memory` are replaced by those after it.
    ///
    /// # Errors
    /// [`AgentError::Mask`] when a mask leaves a row no legal option, [`AgentError::MaskValue`] when it has another number than 0 and 1;
    /// [`AgentError::Torch`].
    /// # Panics
    /// When time or rows lie outside the block.
    pub fn act(
        &mut self,
        block: &mut Block,
        t: usize,
        rows: Range<usize>,
        mode: Mode<'_>,
        memory: &mut Memory,
        log_prob: &mut [f32],
    ) -> Result<(), AgentError> {
        self.infer(block, t, rows.clone(), memory.rows_mut(rows.clone()))?;
        let noise = mode.noise();
        let log_prob = &mut log_prob[rows.clone()];
        let head = &self.agent.head;
        self.mask.clear();
        let is_masked = add_masks(block, t, rows.clone(), &mut self.mask)?;
        if is_masked {
            for (row, mask) in rows.clone().zip(self.mask.chunks_exact(head.options())) {
                if let Some(part) = head.without_option(mask) {
                    return Err(AgentError::Mask { row, step: t, field: part.path().to_owned() });
                }
            }
        }
        let (log_std, mask) = (self.agent.network.log_std(), is_masked.then_some(&self.mask[..]));
        let distribution = Distribution { outputs: &self.outputs, log_std, mask };
        let (choices, numbers) = block.actions_mut(t, rows);
        head.act(distribution, noise, Actions { choices, numbers, log_prob });
        Ok(())
    }

    /// Outputs of the network for the rows of the latest [`Self::act`], `[B, P]`.
    pub fn outputs(&self) -> &[f32] {
        &self.outputs
    }

    /// Hidden states of `rows` rows at the start of their episodes.
    pub fn memory(&self, rows: usize) -> Memory {
        self.agent.memory(rows)
    }

    /// Random numbers that the action of a row takes.
    pub fn noise(&self) -> usize {
        self.agent.head.noise()
    }

    /// Appends the noise of actions in `rows` rows, `[rows, D + C]`.
    pub fn add_noise(&self, rows: usize, generator: &mut Generator, noise: &mut Vec<f32>) {
        self.agent.head.add_noise(rows, generator, noise);
    }

    /// Parameters of the action distribution for the observations of `rows` at time `t`; filled are `[B, P]` numbers.
    fn infer(
        &mut self,
        block: &Block,
        t: usize,
        rows: Range<usize>,
        states: &mut [f32],
    ) -> Result<(), AgentError> {
        let Self { agent, statistics, input, outputs, .. } = self;
        let Agent { network, reader, .. } = &mut **agent;
        let count = 0..rows.len();
        if let Some(observations) = reader.direct(block, t, rows.clone()) {
            return network.infer(Tower::Actor, Inputs::One(observations), count, states, outputs);
        }
        input.clear();
        reader.read(|field| block.observation_field_rows(field, t, rows.clone()), statistics, input);
        network.infer(Tower::Actor, Inputs::All(input), count, states, outputs)
    }
}

impl<'a> Mode<'a> {
    fn noise(self) -> Option<&'a [f32]> {
        match self {
            Self::Sample(noise) => Some(noise),
            Self::Greedy => None,
        }
    }
}

/// Appends the action masks of `rows` at time `t`, `[rows, K]`, to `masks`: 1 for each legal option, 0 for others. Returns false, and appends
/// nothing, where observations have none.
///
/// # Errors
/// [`AgentError::MaskValue`] when a mask has another number than 0 and 1.
pub fn add_masks(
    block: &Block,
    t: usize,
    rows: Range<usize>,
    masks: &mut Vec<u8>,
) -> Result<bool, AgentError> {
    let fields = block.layout().fields().iter().enumerate();
    let fields = || fields.clone().filter(|(_, field)| field.role == Role::Mask);
    if fields().next().is_none() {
        return Ok(false);
    }
    for row in rows {
        for (i, field) in fields() {
            let mask = block.observation_row(t, row).field_at(i);
            for option in 0..field.len {
                let value = mask.number(option);
                if value != 0.0 && value != 1.0 {
                    let element = field.element(option);
                    return Err(AgentError::MaskValue { row, step: t, element, value });
                }
                masks.push(u8::from(value != 0.0));
            }
        }
    }
    Ok(true)
}
