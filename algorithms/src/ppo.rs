//! `BatchPPO`: proximal policy optimisation on a whole batch of environments.
//!
//! Reads top to bottom in the order of execution; docs/ppo.md explains each numbered detail.

use phalanx_agents::{
    Actor, Adam, AdamSettings, Agent, Checkpoint, Distribution, NormalizeSettings, RewardNormalizer, Rollout,
    stream,
};
use phalanx_envs::{Block, Episode, Generator};
use rand::seq::SliceRandom;
use serde::Serialize;
use tch::{Kind, Tensor, no_grad};

use crate::objective::{Penalty, clipped, penalized};
use crate::{AlgorithmError, Objective, PpoSettings, Transitions, advantages};

/// The learner: optimiser, random order of minibatches, reward statistics and penalty.
pub struct BatchPpo {
    settings: PpoSettings,
    adam: Adam,
    minibatch: Generator,
    reward: Option<RewardNormalizer>,
    penalty: Option<Penalty>,
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

/// A rollout as the update needs it: M transitions, flat.
struct Batch {
    /// What the networks see, `[M, O]`.
    input: Tensor,
    /// `[M, A]`.
    action: Tensor,
    /// Log probability, advantage, returns and value of each transition, `[4, M]`.
    numbers: Tensor,
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
        // 6. Flat transitions.
        let numbers = [&rollout.log_prob[..reward.len()], &advantage, &returns, value].concat();
        let numbers = Tensor::from_slice(&numbers).view([4, -1]).to_device(input.device());
        let action = rollout.actions().to_device(input.device());
        let batch = Batch { input, action, numbers };
        // 7. Epochs over minibatches.
        let mut metrics = self.epochs(agent, &batch, held, progress)?;
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
        agent: &Agent,
        batch: &Batch,
        mut held: Vec<i64>,
        progress: f64,
    ) -> Result<UpdateMetrics, AlgorithmError> {
        let old = self.penalty.is_some().then(|| no_grad(|| distribution(agent, &batch.input)));
        let learning_rate = self.settings.learning_rate.at(progress);
        let parts = held.len().div_ceil(self.settings.minibatch.unwrap_or(held.len()).max(1));
        let mut totals = Totals::default();
        'update: for _ in 0..self.settings.epochs {
            // P16
            held.shuffle(&mut self.minibatch);
            for part in 0..parts {
                let share = held.len() * part / parts..held.len() * (part + 1) / parts;
                let index = Tensor::from_slice(&held[share]).to_device(batch.input.device());
                let loss = self.loss(agent, batch, &index, old.as_ref(), progress);
                let place = || format!("gradient step {}", self.adam.steps + 1);
                let (mut gradient, norm) = gradient(agent, &loss.total, place)?;
                if let Some(most) = self.settings.max_gradient_norm.filter(|&most| norm > most) {
                    // P23
                    gradient *= most / norm;
                }
                self.adam.step(agent.network().flat(), &gradient, learning_rate);
                let kl = totals.add(&loss, norm);
                // P26
                if self.settings.target_kl.is_some_and(|target| kl > 1.5 * target) {
                    break 'update;
                }
            }
        }
        if let (Some(penalty), Some(old)) = (&mut self.penalty, &old) {
            let index = Tensor::from_slice(&held).to_device(batch.input.device());
            let new = no_grad(|| distribution(agent, &batch.input));
            let kl = old.select(&index).kl(&new.select(&index)).mean(Kind::Float).double_value(&[]);
            penalty.adapt(kl);
        }
        Ok(UpdateMetrics {
            learning_rate,
            penalty: self.penalty.as_ref().map_or(0.0, Penalty::weight),
            ..totals.metrics()
        })
    }

    /// The loss of the transitions `index [B]`.
    fn loss(
        &self,
        agent: &Agent,
        batch: &Batch,
        index: &Tensor,
        old: Option<&Distribution>,
        progress: f64,
    ) -> Loss {
        let input = batch.input.index_select(0, index);
        let action = batch.action.index_select(0, index);
        let numbers = batch.numbers.index_select(1, index);
        let [old_log_prob, advantage, returns, old_value] = [0, 1, 2, 3].map(|i| numbers.select(0, i));
        let advantage = if self.settings.normalize_advantage && advantage.size()[0] > 1 {
            // P17
            (&advantage - advantage.mean(Kind::Float)) / (advantage.std(true) + 1e-8)
        } else {
            advantage
        };
        let (outputs, value) = agent.network().both(&input);
        let new = agent.head().distribution(&outputs, agent.network().log_std());
        let log_ratio = new.log_prob(&action) - old_log_prob;
        let ratio = log_ratio.exp();
        let (policy, clip_fraction) = match (&self.settings.objective, &self.penalty, old) {
            (Objective::KlPenalty(_), Some(penalty), Some(old)) => {
                (penalized(&ratio, &advantage, &old.select(index).kl(&new), penalty), 0.0)
            }
            (Objective::Clip(clip), ..) => {
                let range = clip.range.at(progress);
                let outside = (ratio.detach() - 1.0).abs().gt(range).to_kind(Kind::Float);
                (clipped(&ratio, &advantage, range), outside.mean(Kind::Float).double_value(&[]))
            }
            _ => unreachable!("the penalty and the old policy are there for the penalised objective"),
        };
        let value_loss = value_loss(&value, &returns, &old_value, self.settings.value_clip);
        // P22
        let entropy = new.entropy().mean(Kind::Float);
        let total = &policy + &value_loss * self.settings.value_coefficient
            - &entropy * self.settings.entropy_coefficient;
        let approx_kl = (ratio.detach() - 1.0 - log_ratio.detach()).mean(Kind::Float).double_value(&[]);
        Loss { total, policy, value: value_loss, entropy, approx_kl, clip_fraction }
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

/// The parts of one minibatch's loss.
struct Loss {
    total: Tensor,
    policy: Tensor,
    value: Tensor,
    entropy: Tensor,
    approx_kl: f64,
    clip_fraction: f64,
}

/// Sums over minibatches.
#[derive(Default)]
struct Totals {
    sums: UpdateMetrics,
}

impl Totals {
    fn add(&mut self, loss: &Loss, norm: f64) -> f64 {
        let sums = &mut self.sums;
        sums.policy_loss += loss.policy.double_value(&[]);
        sums.value_loss += loss.value.double_value(&[]);
        sums.entropy += loss.entropy.double_value(&[]);
        sums.approx_kl += loss.approx_kl;
        sums.clip_fraction += loss.clip_fraction;
        sums.gradient_norm += norm;
        sums.gradient_steps += 1;
        loss.approx_kl
    }

    fn metrics(self) -> UpdateMetrics {
        let n = self.sums.gradient_steps.max(1) as f64;
        UpdateMetrics {
            policy_loss: self.sums.policy_loss / n,
            value_loss: self.sums.value_loss / n,
            entropy: self.sums.entropy / n,
            approx_kl: self.sums.approx_kl / n,
            clip_fraction: self.sums.clip_fraction / n,
            gradient_norm: self.sums.gradient_norm / n,
            ..self.sums
        }
    }
}

/// Action distributions of all transitions.
fn distribution(agent: &Agent, input: &Tensor) -> Distribution {
    agent.head().distribution(&agent.network().actor(input), agent.network().log_std())
}

/// Values of `input [B, O]`.
fn values(agent: &Agent, input: &Tensor) -> Result<Vec<f32>, AlgorithmError> {
    let value = no_grad(|| agent.network().critic(input));
    let mut numbers = vec![0.0; value.numel()];
    value.f_copy_data(&mut numbers, value.numel()).map_err(phalanx_agents::AgentError::from)?;
    Ok(numbers)
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

/// Half the mean squared error of `value [B]`, optionally of the worse of it and its clipped form.
fn value_loss(value: &Tensor, returns: &Tensor, old_value: &Tensor, clip: Option<f64>) -> Tensor {
    let error = (value - returns).square();
    let error = match clip {
        None => error,
        Some(range) => {
            // P21
            let near = old_value + (value - old_value).clamp(-range, range);
            error.max_other(&(near - returns).square())
        }
    };
    error.mean(Kind::Float) * 0.5
}

/// Gradient of `loss` over all parameters `[P]`, and its norm.
fn gradient(
    agent: &Agent,
    loss: &Tensor,
    place: impl Fn() -> String,
) -> Result<(Tensor, f64), AlgorithmError> {
    let not_finite =
        |what: &str, value| AlgorithmError::NotFinite { what: what.into(), value, place: place() };
    let value = loss.double_value(&[]);
    if !value.is_finite() {
        // P27
        return Err(not_finite("loss", value));
    }
    let parts = Tensor::run_backward(&[loss], agent.network().parameters(), false, false);
    let gradient = Tensor::cat(&parts.iter().map(|g| g.flatten(0, -1)).collect::<Vec<_>>(), 0);
    let norm = gradient.norm().double_value(&[]);
    if norm.is_finite() { Ok((gradient, norm)) } else { Err(not_finite("gradient", norm)) }
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
