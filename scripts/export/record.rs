//! Records what a trained policy does.

use std::time::Duration;

use phalanx_agents::Agent;
use phalanx_algorithms::{AgentPolicy, AlgorithmError, Policy};
use phalanx_envs::{BatchEnv, Block, Elements, RunningEpisode};
use phalanx_export::{Record, Recorded};

/// Steps of the first row of `batch` with the most probable actions, and the network's outputs for each.
///
/// # Errors
/// Those of the environment and the agent.
pub fn record(
    agent: &mut Agent,
    batch: &mut dyn BatchEnv,
    steps: usize,
) -> Result<(Vec<Record>, Vec<Vec<f32>>), AlgorithmError> {
    let rows = batch.block().layout().rows;
    let mut policy = AgentPolicy::new(agent, None);
    policy.begin(rows);
    batch.replay(&vec![RunningEpisode::default(); rows], Duration::ZERO, &mut |_| ())?;
    let (mut records, mut all, mut begins) = (Vec::new(), Vec::new(), true);
    for _ in 0..steps {
        let observation = observed(batch.block(), 0);
        policy.act(batch.block_mut())?;
        all.push(policy.outputs()[..policy.outputs().len() / rows].to_vec());
        records.push(Record { begins, observation, action: action(batch.block()) });
        batch.step(0)?;
        let block = batch.block_mut();
        begins = block.episode(0, 0).is_over();
        for row in 0..rows {
            if block.episode(0, row).is_over() {
                policy.begin_episode(row);
            }
        }
        block.carry_over(1);
    }
    Ok((records, all))
}

/// The fields of a row's observation at time 0.
pub fn observed(block: &Block, row: usize) -> Vec<Recorded> {
    let fields = 0..block.layout().fields().len();
    fields
        .map(|field| match block.observation_field_rows(field, 0, row..row + 1).row(0) {
            Elements::F32(x) => Recorded::F32(x.to_vec()),
            Elements::F64(x) => Recorded::F32(x.iter().map(|&x| x as f32).collect()),
            Elements::U8(x) => Recorded::U8(x.to_vec()),
            Elements::Fields { .. } => unreachable!("a field has no fields"),
        })
        .collect()
}

/// The first row's action as its environment is given it, in the order of its fields.
fn action(block: &Block) -> Vec<f32> {
    let layout = block.layout();
    let mut numbers = vec![0.0; block.numbers(0).len()];
    layout.action_scale.apply(block.numbers(0), &mut numbers);
    let (mut choices, mut numbers) = (block.choices(0).iter(), numbers.iter());
    let mut all = Vec::new();
    for (_, leaf) in layout.action_space.leaves() {
        all.extend(choices.by_ref().take(leaf.choices_len()).map(|&choice| choice as f32));
        all.extend(numbers.by_ref().take(leaf.numbers_len()));
    }
    all
}
