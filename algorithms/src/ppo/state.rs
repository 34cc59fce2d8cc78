//! What a learner keeps between updates: in checkpoints, and from another training.

use std::ops::Range;

use phalanx_agents::{Agent, AgentError, Checkpoint, Matches, RewardNormalizer, ValueNormalizer};

use super::BatchPpo;
use crate::AlgorithmError;
use crate::objective::Penalty;

impl BatchPpo {
    /// Takes the statistics of rewards and values, in whose units a critic's output is, from another training's checkpoint, and reports which.
    pub fn init_from(&mut self, checkpoint: Option<&Checkpoint>, matches: &mut Matches) {
        let reward: Option<RewardNormalizer> = checkpoint.and_then(|c| c.state("reward").unwrap_or_default());
        matches.report_statistics("rewards", self.reward.is_some(), reward.is_some());
        if let (Some(normalizer), Some(theirs)) = (&mut self.reward, reward) {
            normalizer.take_statistics(theirs);
        }
        let value: Option<ValueNormalizer> = checkpoint.and_then(|c| c.state("value").unwrap_or_default());
        matches.report_statistics("values", self.value.is_some(), value.is_some());
        if let (Some(normalizer), Some(theirs)) = (&mut self.value, value) {
            *normalizer = theirs;
        }
    }

    /// Discounted returns of this rank's rows, where rewards are normalised.
    pub fn returns(&self) -> &[f32] {
        self.reward.as_ref().map_or(&[], RewardNormalizer::returns)
    }

    /// The optimiser's moments of this rank's parameters: the gradient's mean and that of its square.
    pub fn moments(&self) -> [&[f32]; 2] {
        [&self.adam.mean, &self.adam.square]
    }

    /// Puts everything that learning needs into a checkpoint, with the moments of all parameters and the discounted returns of all rows.
    pub fn save(&self, moments: [Vec<f32>; 2], returns: &[f32], checkpoint: &mut Checkpoint) {
        let [mean, square] = moments;
        checkpoint.put_vector("adam.mean", mean);
        checkpoint.put_vector("adam.square", square);
        self.save_around(returns, checkpoint);
    }

    /// Puts everything besides moments into a checkpoint.
    pub fn save_around(&self, returns: &[f32], checkpoint: &mut Checkpoint) {
        checkpoint.put_state("adam.steps", &self.adam.steps);
        checkpoint.put_state("minibatch", &self.minibatch);
        checkpoint.put_state("reward", &self.reward.as_ref().map(|reward| reward.with_returns(returns)));
        checkpoint.put_state("value", &self.value);
        checkpoint.put_state("penalty", &self.penalty.as_ref().map(Penalty::weight));
    }

    /// Takes everything that learning needs from a checkpoint, for this rank's `rows`.
    ///
    /// # Errors
    /// [`AlgorithmError::Agent`] when it was made for another network or algorithm.
    pub fn restore(
        &mut self,
        agent: &Agent,
        checkpoint: &Checkpoint,
        rows: Range<usize>,
    ) -> Result<(), AlgorithmError> {
        let divided = agent.network().divided();
        let whole = divided.whole().parameters();
        divided.take_part(checkpoint.vector("adam.mean", whole)?, &mut self.adam.mean);
        // What was trained before and is frozen now must not be moved by gradients of then.
        for node in divided.part().nodes.iter().filter(|node| !node.trainable) {
            self.adam.mean[node.parameters.clone()].fill(0.0);
        }
        divided.take_part(checkpoint.vector("adam.square", whole)?, &mut self.adam.square);
        self.adam.steps = checkpoint.state("adam.steps")?;
        self.minibatch = checkpoint.state("minibatch")?;
        // Settings are the configuration's, which may have changed.
        let reward: Option<RewardNormalizer> = checkpoint.state("reward")?;
        if let (Some(normalizer), Some(restored)) = (&mut self.reward, reward) {
            let reason = || format!("holds returns of {} rows", restored.returns().len());
            let returns = restored
                .returns()
                .get(rows)
                .ok_or_else(|| AgentError::Entry { name: "reward".to_owned(), reason: reason() })?;
            normalizer.set_returns(returns);
            normalizer.take_statistics(restored);
        }
        // Checkpoints of the first versions do not have it.
        let value: Option<ValueNormalizer> = checkpoint.state("value").unwrap_or_default();
        if let (Some(normalizer), Some(restored)) = (&mut self.value, value) {
            *normalizer = restored;
        }
        let weight: Option<f64> = checkpoint.state("penalty")?;
        if let (Some(penalty), Some(weight)) = (&mut self.penalty, weight) {
            penalty.set_weight(weight);
        }
        Ok(())
    }
}
