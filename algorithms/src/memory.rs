//! What a training takes of memory, computed before it is taken.

use bytesize::ByteSize;
use phalanx_agents::Graph;
use phalanx_envs::{Layout, check_memory};

use crate::AlgorithmError;

/// Copies of the parameters as f32 that a training has at once: they, their gradient and the optimiser's two moments.
const COPIES: u64 = 4;

/// Bytes of a transition beside the block: its log probability, value, value after it, reward, advantage, return and index, how it left
/// its episode, and whether it was active.
const PER_TRANSITION: u64 = 6 * size_of::<f32>() as u64 + size_of::<i64>() as u64 + 2;

/// Bytes that a training takes at least; its environments, their workers and libtorch are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrainingMemory {
    /// A rollout: the block, the observations as the networks read them, and what an update computes of each transition.
    pub rollout: u64,
    /// The networks and their optimiser.
    pub network: u64,
    rows: usize,
    steps: usize,
    parameters: usize,
}

impl TrainingMemory {
    /// Of rollouts of this layout and of networks, or a rank's part of them, recurrent ones trained on sequences of `sequence` steps.
    pub fn new(layout: &Layout, graph: &Graph, sequence: usize) -> Self {
        let parameters = graph.parameters();
        let Layout { rows, steps, .. } = *layout;
        let read = layout.observation_bytes() as u64;
        let transition = read.saturating_add(PER_TRANSITION);
        let transitions = (rows as u64).saturating_mul(steps as u64);
        // Hidden states: at the start of each sequence, of a rollout and of the next one.
        let states = (steps.div_ceil(sequence.max(1)) as u64 + 2).saturating_mul(rows as u64);
        let states = states.saturating_mul(graph.state() as u64).saturating_mul(size_of::<f32>() as u64);
        Self {
            rollout: transitions
                .saturating_mul(transition)
                .saturating_add(layout.bytes() as u64)
                .saturating_add(states),
            network: (parameters as u64).saturating_mul(COPIES * size_of::<f32>() as u64),
            rows,
            steps,
            parameters,
        }
    }

    /// Fails when this process cannot have as much.
    ///
    /// # Errors
    /// [`AlgorithmError::Memory`], which names the settings and both parts.
    pub fn check(self) -> Result<(), AlgorithmError> {
        let Self { rollout, network, .. } = self;
        check_memory(rollout.saturating_add(network))
            .map_err(|cause| AlgorithmError::Memory { memory: self, cause })
    }
}

impl std::fmt::Display for TrainingMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { rollout, network, rows, steps, parameters } = *self;
        let [rollout, network] = [rollout, network].map(ByteSize);
        write!(
            f,
            "{rollout} for rollouts of {rows} rows × {steps} steps, {network} for networks of {parameters} parameters"
        )
    }
}

#[cfg(test)]
mod tests {
    use phalanx_agents::{MemorySettings, NetworkSettings, describe};
    use phalanx_envs::Space;

    use super::*;

    fn graph(layout: &Layout, network: &NetworkSettings) -> Graph {
        describe(network, &layout.observation_space, &layout.action_space).expect("networks")
    }

    fn memory(rows: usize, steps: usize, hidden: &[usize]) -> TrainingMemory {
        let layout =
            Layout::new(rows, steps, Space::unbounded(3), Space::Discrete { n: 2 }).expect("a layout");
        let network = NetworkSettings { hidden: hidden.to_vec(), ..NetworkSettings::default() };
        TrainingMemory::new(&layout, &graph(&layout, &network), 16)
    }

    /// 4 rows × 16 steps: observations 17·4·12, final observations, actions, rewards, ends and 4 flags, each padded to 64 bytes;
    /// observations as read, and 34 bytes a transition. Two networks of 3-5-2 and 3-5-1.
    #[test]
    fn sizes_are_those_of_hand_arithmetic() {
        let found = memory(4, 16, &[5]);
        assert_eq!(found.rollout, (832 + 768 + 512 + 256 + 64 + 64) + 64 * (12 + 34));
        assert_eq!(found.network, 16 * ((3 * 5 + 5 + 5 * 2 + 2) + (3 * 5 + 5 + 5 + 1)));
        found.check().expect("little memory");
    }

    /// Sequences of 5 steps begin at four times of 16; actor and critic have states of 6 numbers each.
    #[test]
    fn hidden_states_count() {
        let layout = Layout::new(4, 16, Space::unbounded(3), Space::Discrete { n: 2 }).expect("a layout");
        let memory = Some(MemorySettings::Lstm(3));
        let network = NetworkSettings { hidden: vec![5], memory, ..NetworkSettings::default() };
        let found = TrainingMemory::new(&layout, &graph(&layout, &network), 5);
        assert_eq!(found.rollout - super::tests::memory(4, 16, &[5]).rollout, (4 + 2) * 4 * (2 * 6) * 4);
    }

    #[test]
    fn networks_larger_than_any_machine_are_refused_with_their_settings() {
        let error = memory(1, 1, &[1 << 20; 4]).check().expect_err("twelve tebinumbers");
        let text = error.to_string();
        assert!(text.contains("for networks of 659") && text.contains("`network.hidden`"), "{text}");
        // More than fits into a number.
        assert_eq!(memory(1, 1, &[1 << 40; 3]).network, u64::MAX);
    }
}
