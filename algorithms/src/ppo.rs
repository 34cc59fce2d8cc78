//! `BatchPPO`: proximal policy optimisation on a whole batch of environments.
//!
//! Reads top to bottom in the order of execution; docs/ppo.md explains each numbered detail.

use phalanx_agents::{
    Actor, Adam, AdamSettings, Agent, AgentError, Checkpoint, NormalizeSettings, RewardNormalizer, Rollout,
    stream,
};
use phalanx_envs::{Block, Episode, Generator};
use rand::seq::SliceRandom;
use serde::Serialize;
use tch::Tensor;

use crate::loss::{Given, Learned, LossGradient};
use crate::objective::{Penalty, Surrogate};
use crate::{AlgorithmError, Objective, PpoSettings, Transitions, advantages};

/// The learner: optimiser, random order of minibatches, reward statistics and penalty.
pub struct BatchPpo {
    settings: PpoSettings,
    adam: Adam,
    minibatch: Generator,
    reward: Option<RewardNormalizer>,
    penalty: Option<Penalty>,
    loss: LossGradient,
}

/// What an update did, averaged over its minibatches where nothing else is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct UpdateMetrics {
    /// Surrogate, or surrogate with penalty.
    pub policy_loss: f64,
    /// Half the mean squared error of the values, before its coefficient.
    pub value_loss: f64,
    /// Entropy of the policy, in nats.
    pub entropy: f64,
    /// Estimate of KL(old ‖ new), in nats: mean of ratio − 1 − ln ratio.
    pub approx_kl: f64,
    /// Share of transitions whose ratio left the clip range.
    pub clip_fraction: f64,
    /// Norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Share of the returns' variance that the values before the update explain.
    pub explained_variance: f64,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// Weight of the KL penalty after this update; 0 for the clipped objective.
    pub penalty: f64,
    /// Gradient steps taken.
    pub gradient_steps: u64,
}

impl BatchPpo {
    /// A learner at rest for `agent` over `rows` rows.
    pub fn new(
        settings: &PpoSettings,
        normalize: &NormalizeSettings,
        agent: &Agent,
        rows: usize,
        seed: u64,
    ) -> Self {
        let adam = AdamSettings { epsilon: settings.adam_epsilon, ..AdamSettings::default() };
        let reward =
            normalize.reward.then(|| RewardNormalizer::new(rows, settings.discount, normalize.reward_clip));
        let penalty = match &settings.objective {
            Objective::Clip(_) => None,
            Objective::KlPenalty(kl) => Some(Penalty::new(kl)),
        };
        Self {
            settings: settings.clone(),
            adam: Adam::new(agent.network().flat(), adam),
            minibatch: stream(seed, "minibatch"),
            reward,
            penalty,
            loss: LossGradient::default(),
        }
    }

    /// Learns from a rollout, `progress` ∈ [0, 1] of the training being over.
    ///
    /// # Errors
    /// [`AlgorithmError::NotFinite`] before a step that would spoil the parameters.
    pub fn update(
        &mut self,
        agent: &mut Agent,
        block: &Block,
        rollout: &Rollout,
        progress: f64,
    ) -> Result<UpdateMetrics, AlgorithmError> {
        let actor = agent.actor();
        // 1. What the networks saw, under the statistics of the rollout.
        let input = actor.input(&rollout.observations());
        // 2. Values of all observations in one pass.
        // P11
        let value = values(agent, &input)?;
        // 3. Values after each step; truncation takes that of the final observation.
        let episode = episodes(block, rollout);
        let next_value = next_values(agent, &actor, rollout, &episode, &value)?;
        // 4. Rewards on their scale.
        let reward = self.rewards(block, rollout, &episode)?;
        // 5. Advantages and returns.
        let value = &value[..reward.len()];
        let transitions = Transitions { reward: &reward, value, next_value: &next_value, episode: &episode };
        let lambda = self.settings.gae_lambda.unwrap_or(1.0);
        let (advantage, returns) = advantages(&transitions, rollout.rows(), self.settings.discount, lambda)?;
        let held = rollout.transitions();
        let explained_variance = explained_variance(&held, &returns, value);
        // 6. What the loss reads, with the old policy's outputs if the objective needs them.
        let old = self.penalty.is_some().then(|| outputs(agent, &input)).transpose()?;
        let learned = Learned {
            block,
            log_prob: &rollout.log_prob,
            advantage: &advantage,
            returns: &returns,
            value,
            old: old.map(|outputs| (outputs, agent.log_std())),
        };
        // 7. Epochs over minibatches.
        let mut metrics = self.epochs(agent, &input, &learned, held, progress)?;
        metrics.explained_variance = explained_variance;
        // 8. Statistics for the next rollout.
        // P28
        if let Some(normalizer) = agent.normalizer_mut() {
            let len = block.layout().observation_space.len();
            let observations = block.observations_f32();
            normalizer.update(rollout.transitions().iter().map(|&i| {
                let start = i as usize * len;
                &observations[start..start + len]
            }));
        }
        Ok(metrics)
    }

    /// Rewards `[T, N]`, scaled by statistics that include them.
    fn rewards(
        &mut self,
        block: &Block,
        rollout: &Rollout,
        episode: &[Option<Episode>],
    ) -> Result<Vec<f32>, AlgorithmError> {
        let rows = rollout.rows();
        let mut reward = block.reward()[..rollout.len * rows].to_vec();
        for (i, (reward, episode)) in reward.iter_mut().zip(episode).enumerate() {
            if episode.is_none() {
                *reward = 0.0;
            } else if !reward.is_finite() {
                return Err(AlgorithmError::NotFinite {
                    what: "reward".into(),
                    value: f64::from(*reward),
                    place: format!("row {}, time {} of the rollout", i % rows, i / rows),
                });
            }
        }
        if let Some(normalizer) = &mut self.reward {
            for (reward, episode) in reward.chunks(rows).zip(episode.chunks(rows)) {
                normalizer.update(reward, |row| episode[row]);
            }
            normalizer.apply(&mut reward);
        }
        Ok(reward)
    }

    fn epochs(
        &mut self,
        agent: &mut Agent,
        input: &Tensor,
        learned: &Learned<'_>,
        mut held: Vec<i64>,
        progress: f64,
    ) -> Result<UpdateMetrics, AlgorithmError> {
        let learning_rate = self.settings.learning_rate.at(progress);
        let parts = held.len().div_ceil(self.settings.minibatch.unwrap_or(held.len()).max(1));
        let mut totals = UpdateMetrics::default();
        'update: for _ in 0..self.settings.epochs {
            // P16: all transitions in random order, in equal parts.
            held.shuffle(&mut self.minibatch);
            for part in 0..parts {
                let index = &held[held.len() * part / parts..held.len() * (part + 1) / parts];
                let metrics = self.gradient_step(agent, input, learned, index, progress, learning_rate)?;
                totals.add(&metrics);
                // P26: far enough.
                if self.settings.target_kl.is_some_and(|target| metrics.approx_kl > 1.5 * target) {
                    break 'update;
                }
            }
        }
        if let Some(penalty) = &mut self.penalty {
            penalty.adapt(mean_kl(agent, input, learned, &held)?);
        }
        let penalty = self.penalty.as_ref().map_or(0.0, Penalty::weight);
        Ok(UpdateMetrics { learning_rate, penalty, ..totals.mean() })
    }

    /// One step of the optimiser on the transitions `index [B]`.
    fn gradient_step(
        &mut self,
        agent: &mut Agent,
        input: &Tensor,
        learned: &Learned<'_>,
        index: &[i64],
        progress: f64,
        learning_rate: f64,
    ) -> Result<UpdateMetrics, AlgorithmError> {
        let device = input.device();
        let minibatch = input.index_select(0, &Tensor::from_slice(index).to_device(device));
        let (outputs, value) = agent.network_mut().forward(&minibatch);
        let (shape, outputs, value) = (outputs.size(), numbers(&outputs)?, numbers(&value)?);
        let log_std = agent.log_std();
        let surrogate = match (&self.settings.objective, &self.penalty) {
            (Objective::Clip(clip), _) => Surrogate::Clip { range: clip.range.at(progress) as f32 },
            (Objective::KlPenalty(_), Some(penalty)) => Surrogate::Penalized(penalty),
            (Objective::KlPenalty(_), None) => unreachable!("the penalty comes with the objective"),
        };
        let given = Given { index, outputs: &outputs, value: &value, log_std: &log_std };
        let (total, mut metrics) =
            self.loss.compute(agent.head(), &self.settings, surrogate, learned, &given);
        // P27: nothing is learned from numbers that are none.
        finite("loss", total, self.adam.steps)?;
        let to = |numbers: &[f32]| Tensor::from_slice(numbers).to_device(device);
        let d_outputs = to(&self.loss.outputs).view(shape.as_slice());
        let gradient =
            agent.network_mut().backward(d_outputs, &to(&self.loss.value), &to(&self.loss.log_std));
        let mut gradient = gradient.shallow_clone();
        metrics.gradient_norm = finite("gradient", gradient.norm().double_value(&[]), self.adam.steps)?;
        if let Some(most) = self.settings.max_gradient_norm.filter(|&most| metrics.gradient_norm > most) {
            // P23: no longer than allowed.
            gradient *= most / metrics.gradient_norm;
        }
        self.adam.step(agent.network().flat(), &gradient, learning_rate);
        metrics.gradient_steps = 1;
        Ok(metrics)
    }

    /// Puts everything that learning needs into a checkpoint.
    pub fn save(&self, checkpoint: &mut Checkpoint) {
        checkpoint.put_tensor("adam.mean", &self.adam.mean);
        checkpoint.put_tensor("adam.square", &self.adam.square);
        checkpoint.put_state("adam.steps", &self.adam.steps);
        checkpoint.put_state("minibatch", &self.minibatch);
        checkpoint.put_state("reward", &self.reward);
        checkpoint.put_state("penalty", &self.penalty);
    }

    /// Takes everything that learning needs from a checkpoint.
    ///
    /// # Errors
    /// [`AlgorithmError::Agent`] when it was made for another network or algorithm.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), AlgorithmError> {
        checkpoint.copy_tensor("adam.mean", &self.adam.mean)?;
        checkpoint.copy_tensor("adam.square", &self.adam.square)?;
        self.adam.steps = checkpoint.state("adam.steps")?;
        self.minibatch = checkpoint.state("minibatch")?;
        self.reward = checkpoint.state("reward")?;
        self.penalty = checkpoint.state("penalty")?;
        Ok(())
    }
}

impl UpdateMetrics {
    fn add(&mut self, other: &Self) {
        self.policy_loss += other.policy_loss;
        self.value_loss += other.value_loss;
        self.entropy += other.entropy;
        self.approx_kl += other.approx_kl;
        self.clip_fraction += other.clip_fraction;
        self.gradient_norm += other.gradient_norm;
        self.gradient_steps += other.gradient_steps;
    }

    /// Sums over gradient steps, divided by their number.
    fn mean(self) -> Self {
        let n = self.gradient_steps.max(1) as f64;
        Self {
            policy_loss: self.policy_loss / n,
            value_loss: self.value_loss / n,
            entropy: self.entropy / n,
            approx_kl: self.approx_kl / n,
            clip_fraction: self.clip_fraction / n,
            gradient_norm: self.gradient_norm / n,
            ..self
        }
    }
}

/// The numbers of a tensor, in this process's memory.
fn numbers(tensor: &Tensor) -> Result<Vec<f32>, AlgorithmError> {
    let mut numbers = vec![0.0; tensor.numel()];
    tensor.f_copy_data(&mut numbers, tensor.numel()).map_err(AgentError::from)?;
    Ok(numbers)
}

fn finite(what: &str, value: f64, steps: u64) -> Result<f64, AlgorithmError> {
    if value.is_finite() {
        return Ok(value);
    }
    Err(AlgorithmError::NotFinite { what: what.into(), value, place: format!("gradient step {}", steps + 1) })
}

/// Values of `input [B, O]`.
fn values(agent: &Agent, input: &Tensor) -> Result<Vec<f32>, AlgorithmError> {
    numbers(&agent.network().critic(input))
}

/// Distribution parameters `[B, P]` of `input [B, O]`.
fn outputs(agent: &Agent, input: &Tensor) -> Result<Vec<f32>, AlgorithmError> {
    numbers(&agent.network().actor(input))
}

/// Mean divergence of the policy before the update from the one after it, over the transitions `held`.
fn mean_kl(
    agent: &Agent,
    input: &Tensor,
    learned: &Learned<'_>,
    held: &[i64],
) -> Result<f64, AlgorithmError> {
    let (width, log_std, outputs) = (agent.head().outputs(), agent.log_std(), outputs(agent, input)?);
    let kl = |&i: &i64| {
        let i = i as usize;
        let row = &outputs[i * width..(i + 1) * width];
        f64::from(learned.evaluate(agent.head(), row, &log_std, i).kl)
    };
    Ok(held.iter().map(kl).sum::<f64>() / held.len() as f64)
}

/// How each step left its episode, `[T, N]`; `None` where the row rested.
fn episodes(block: &Block, rollout: &Rollout) -> Vec<Option<Episode>> {
    let rows = rollout.rows();
    let held = rollout.active[..rollout.len * rows].iter().enumerate();
    held.map(|(i, active)| active.then(|| block.episode(i / rows, i % rows))).collect()
}

/// Values after each step, `[T, N]`, from those of all observations, `[T+1, N]`.
fn next_values(
    agent: &Agent,
    actor: &Actor<'_>,
    rollout: &Rollout,
    episode: &[Option<Episode>],
    value: &[f32],
) -> Result<Vec<f32>, AlgorithmError> {
    let mut next_value = value[rollout.rows()..].to_vec();
    let mut truncated = Vec::new();
    for (i, episode) in episode.iter().enumerate() {
        match episode {
            // P12
            Some(Episode::Terminated) => next_value[i] = 0.0,
            Some(Episode::Truncated) => truncated.push(i as i64),
            _ => {}
        }
    }
    if !truncated.is_empty() {
        let last = values(agent, &actor.input(&rollout.final_observations(&truncated)))?;
        for (i, value) in truncated.iter().zip(last) {
            next_value[*i as usize] = value;
        }
    }
    Ok(next_value)
}

/// 1 − Var(returns − value) / Var(returns) over the transitions `held`; NaN when the returns do not vary.
fn explained_variance(held: &[i64], returns: &[f32], value: &[f32]) -> f64 {
    let variance = |x: &dyn Fn(usize) -> f32| {
        let n = held.len() as f64;
        let mean = held.iter().map(|&i| f64::from(x(i as usize))).sum::<f64>() / n;
        held.iter().map(|&i| (f64::from(x(i as usize)) - mean).powi(2)).sum::<f64>() / n
    };
    1.0 - variance(&|i| returns[i] - value[i]) / variance(&|i| returns[i])
}
