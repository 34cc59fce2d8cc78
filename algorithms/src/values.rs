//! Values of a rollout's observations, before an update.

use phalanx_agents::{Agent, Rollout, Tower};
use phalanx_envs::{Block, Episode};

use crate::AlgorithmError;
use crate::sequences::Cut;

/// What the critic makes of a rollout of T steps in N rows.
pub struct Values {
    /// Its output for each observation, `[T, N]`.
    pub output: Vec<f32>,
    /// Its output after each step, `[T, N]`: for the final observation where the step truncated the episode.
    pub next_output: Vec<f32>,
    /// Hidden states before the burn-in of each chunk of a [`Cut`], `[⌈T/length⌉, N, S]`; empty for networks without.
    pub states: Vec<f32>,
}

/// Values of the loaded rollout. Recurrent networks go through it step by step, from the hidden states at its start; those after its
/// last step take the place of `rollout.memory`, whose states of the critic are as old as the rollout's start.
///
/// # Errors
/// [`AlgorithmError::Agent`].
pub fn values(
    agent: &mut Agent,
    block: &Block,
    rollout: &mut Rollout,
    episode: &[Option<Episode>],
    cut: Cut,
) -> Result<Values, AlgorithmError> {
    if rollout.memory.is_empty() {
        return independent(agent, block, rollout, episode);
    }
    let rows = rollout.rows();
    let mut memory = rollout.start.clone();
    let (mut output, mut now, mut states, mut last) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for t in 0..rollout.len {
        for _ in 0..cut.states_at(t, rollout.len) {
            states.extend_from_slice(memory.states());
        }
        let step = t * rows..(t + 1) * rows;
        let network = agent.network_mut();
        network.infer_loaded_rows(Tower::Critic, step.clone(), memory.rows_mut(0..rows), &mut now)?;
        output.extend_from_slice(&now);
        let truncated: Vec<i64> =
            step.filter(|&i| episode[i] == Some(Episode::Truncated)).map(|i| i as i64).collect();
        if !truncated.is_empty() {
            let states = |&i: &i64| memory.row(i as usize - t * rows);
            let mut after: Vec<f32> = truncated.iter().flat_map(states).copied().collect();
            let values = agent.final_values(block, &truncated, &mut after)?;
            last.extend(truncated.iter().map(|&i| i as usize).zip(values));
        }
        for row in 0..rows {
            if episode[t * rows + row].is_none_or(Episode::is_over) {
                memory.begin_episode(row);
            }
        }
    }
    let after = rollout.len * rows..(rollout.len + 1) * rows;
    // The coming step computes this state again, and keeps it.
    let mut copy = memory.clone();
    agent.network_mut().infer_loaded_rows(Tower::Critic, after, copy.rows_mut(0..rows), &mut now)?;
    let mut next_output = [&output[rows..], &now].concat();
    for (i, output) in last {
        next_output[i] = output;
    }
    rollout.memory = memory;
    Ok(Values { output, next_output, states })
}

/// The values of networks without hidden states: all observations in one pass.
fn independent(
    agent: &mut Agent,
    block: &Block,
    rollout: &Rollout,
    episode: &[Option<Episode>],
) -> Result<Values, AlgorithmError> {
    // P11
    let mut output = agent.network_mut().infer_loaded(Tower::Critic, None)?;
    let mut next_output = output[rollout.rows()..].to_vec();
    output.truncate(next_output.len());
    let truncated = episode.iter().enumerate().filter(|(_, episode)| **episode == Some(Episode::Truncated));
    let truncated: Vec<i64> = truncated.map(|(i, _)| i as i64).collect();
    if !truncated.is_empty() {
        let last = agent.final_values(block, &truncated, &mut [])?;
        for (i, output) in truncated.iter().zip(last) {
            next_output[*i as usize] = output;
        }
    }
    Ok(Values { output, next_output, states: Vec::new() })
}
