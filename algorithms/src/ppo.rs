//! `BatchPPO`: proximal policy optimisation on a whole batch of environments.
//!
//! Reads top to bottom in the order of execution; docs/ppo.md explains each numbered detail.

mod state;

use std::time::Instant;

use crate::finite::{check_observations, finite};
use crate::held::{Held, Part};
use crate::loss::{Coefficients, Loss, LossInputs, Whole};
use crate::metrics::{deviations, explained_variance};
use crate::objective::{Penalty, Surrogate};
use crate::ranks::gather;
use crate::sequences::{Cut, sequences};
use crate::values::{Values, values};
use crate::{AlgorithmError, Objective, PpoSettings, Transitions, UpdateMetrics, advantages};
use phalanx_agents::{
    ActorCritic, Adam, AdamSettings, Agent, NormalizeSettings, RewardNormalizer, Rollout, ValueNormalizer,
    add_masks, stream,
};
use phalanx_envs::{Block, Episode, Generator};
use phalanx_mesh::Mesh;

/// What one step of the optimiser takes.
#[derive(Clone, Copy)]
struct Step<'a> {
    part: &'a Part<'a>,
    whole: Whole,
    progress: f64,
    learning_rate: f64,
}

/// The learner: optimiser, random order of minibatches, reward statistics and penalty.
pub struct BatchPpo {
    settings: PpoSettings,
    adam: Adam,
    minibatch: Generator,
    reward: Option<RewardNormalizer>,
    value: Option<ValueNormalizer>,
    penalty: Option<Penalty>,
}

impl BatchPpo {
    /// A learner for `agent` over `rows` rows, before its first update.
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
            adam: Adam::new(agent.network().parameters().len(), adam),
            minibatch: stream(seed, "minibatch"),
            reward,
            value: normalize.value.then(ValueNormalizer::default),
            penalty,
        }
    }

    /// Learns from the rollouts of all ranks, of which this one has `rollout`, `progress` ∈ [0, 1] of the training being over.
    ///
    /// # Errors
    /// [`AlgorithmError::NotFinite`] before a step that would make parameters non-finite; [`AlgorithmError::Mesh`].
    pub fn update(
        &mut self,
        agent: &mut Agent,
        block: &Block,
        rollout: &mut Rollout,
        progress: f64,
        mesh: &Mesh,
    ) -> Result<UpdateMetrics, AlgorithmError> {
        let started = Instant::now();
        let held = rollout.transitions();
        check_observations(block, rollout, &held)?;
        // 1. Observations, normalised with the statistics of the rollout.
        agent.load(block, rollout)?;
        // 2. Values of all observations, in one pass where nothing is remembered.
        let episode = episodes(block, rollout);
        let cut = Cut { length: self.settings.sequence, burn_in: self.settings.burn_in };
        let Values { output, next_output, states } = values(agent, block, rollout, &episode, cut)?;
        // 3. Values after each step; truncation takes that of the final observation.
        let value = self.in_reward_units(output.clone());
        let next_value = self.next_values(next_output, &episode);
        // 4. Rewards on their scale.
        let reward = self.rewards(block, rollout, &episode, mesh)?;
        // 5. Advantages and returns.
        let transitions =
            Transitions { reward: &reward, value: &value, next_value: &next_value, episode: &episode };
        let lambda = self.settings.gae_lambda.unwrap_or(1.0);
        let (advantage, mut returns) =
            advantages(&transitions, rollout.rows(), self.settings.discount, lambda)?;
        let explained_variance = explained_variance(&held, &returns, &value, mesh)?;
        if let Some(normalizer) = &mut self.value {
            normalizer.update(held.iter().map(|&i| returns[i as usize]), |own| gather(mesh, own))?;
            normalizer.normalize(&mut returns);
        }
        // 6. What the loss reads, with the old policy's outputs if the objective needs them.
        let held = if states.is_empty() {
            Held::transitions(rollout, mesh)?
        } else {
            let (rows, list) = (rollout.rows(), sequences(&episode, rollout.rows(), cut));
            Held::sequences(list, rows, &states, mesh)?
        };
        let old = match &self.penalty {
            Some(_) => Some(held.old_outputs(agent, reward.len())?),
            None => None,
        };
        let inputs = LossInputs {
            block,
            mask: masks(block, rollout.len)?,
            coefficients: Coefficients::new(&self.settings, agent.head(), progress),
            log_prob: &rollout.log_prob,
            advantage: &advantage,
            returns: &returns,
            value: &output,
            old: old.map(|outputs| (outputs, agent.network().log_std().to_vec())),
        };
        let seconds_advantage = started.elapsed().as_secs_f64();
        // 7. Epochs over minibatches.
        let (metrics, held) = self.epochs(agent, &inputs, held, progress, mesh)?;
        let action_std = deviations(agent, &held, mesh)?;
        let metrics = UpdateMetrics { explained_variance, seconds_advantage, action_std, ..metrics };
        // 8. Statistics for the next rollout.
        // P28
        agent.update_statistics(block, &rollout.transitions(), |own| gather(mesh, own))?;
        Ok(metrics)
    }

    /// Values that the critic output, in reward units.
    fn in_reward_units(&self, mut output: Vec<f32>) -> Vec<f32> {
        if let Some(normalizer) = &self.value {
            normalizer.denormalize(&mut output);
        }
        output
    }

    /// Rewards `[T, N]`, scaled by statistics that include them.
    fn rewards(
        &mut self,
        block: &Block,
        rollout: &Rollout,
        episode: &[Option<Episode>],
        mesh: &Mesh,
    ) -> Result<Vec<f32>, AlgorithmError> {
        let rows = rollout.rows();
        let mut reward = block.rewards(0..rollout.len).to_vec();
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
            normalizer.update(&reward, episode, |own| gather(mesh, own))?;
            normalizer.apply(&mut reward);
        }
        Ok(reward)
    }

    /// Values after each step, `[T, N]`, in reward units: 0 where it terminated or a life was lost.
    fn next_values(&self, output: Vec<f32>, episode: &[Option<Episode>]) -> Vec<f32> {
        let mut next_value = self.in_reward_units(output);
        for (value, episode) in next_value.iter_mut().zip(episode) {
            // P12
            if matches!(episode, Some(Episode::Terminated | Episode::LifeLost)) {
                *value = 0.0;
            }
        }
        next_value
    }

    /// Learns from what is held, which it returns in another order.
    fn epochs<'a>(
        &mut self,
        agent: &mut Agent,
        inputs: &LossInputs<'_>,
        mut held: Held<'a>,
        progress: f64,
        mesh: &Mesh,
    ) -> Result<(UpdateMetrics, Held<'a>), AlgorithmError> {
        let learning_rate = self.settings.learning_rate.at(progress);
        let parts = held.parts(self.settings.minibatch);
        let mut totals = UpdateMetrics::default();
        'update: for _ in 0..self.settings.epochs {
            // P16: all transitions in random order, in equal parts.
            held.shuffle(&mut self.minibatch, parts);
            let parts: Vec<Part<'_>> = (0..parts).map(|i| held.part(i, parts)).collect();
            let indices: Vec<_> = parts.iter().map(|part| (part.count, &*part.index)).collect();
            let wholes = Whole::of(&indices, inputs.advantage, self.settings.normalize_advantage, mesh)?;
            for (part, whole) in parts.iter().zip(wholes) {
                let step = Step { part, whole, progress, learning_rate };
                let (metrics, divergence) = self.gradient_step(agent, inputs, step, mesh)?;
                totals = totals.plus(metrics);
                // P26: stop early at the target divergence.
                if self.settings.target_kl.is_some_and(|target| divergence > 1.5 * target) {
                    break 'update;
                }
            }
        }
        if let Some(penalty) = &mut self.penalty {
            penalty.adapt(mean_kl(agent, inputs, &held.all(), mesh)?);
        }
        let penalty = self.penalty.as_ref().map_or(0.0, Penalty::weight);
        Ok((UpdateMetrics { learning_rate, penalty, ..totals.over(mesh)?.mean() }, held))
    }

    /// One step of the optimiser on a part of what is held; what this rank measured, and the divergence that all did, where it has a target.
    fn gradient_step(
        &mut self,
        agent: &mut Agent,
        inputs: &LossInputs<'_>,
        Step { part, whole, progress, learning_rate }: Step<'_>,
        mesh: &Mesh,
    ) -> Result<(UpdateMetrics, f64), AlgorithmError> {
        let (surrogate, kl) = match (&self.settings.objective, &self.penalty) {
            (Objective::Clip(clip), _) => (Surrogate::Clip { range: clip.range.at(progress) as f32 }, 0.0),
            (Objective::KlPenalty(_), Some(penalty)) => {
                (Surrogate::Penalized(penalty), mean_kl(agent, inputs, part, mesh)?)
            }
            (Objective::KlPenalty(_), None) => unreachable!("the penalty comes with the objective"),
        };
        let (head, network) = agent.parts_mut();
        let log_std = network.log_std().to_vec();
        let loss = Loss::new(head, &self.settings, surrogate, inputs, &log_std, whole, kl);
        let parts: Vec<UpdateMetrics> = network.learn(part.batch, |parts, pass| loss.add(parts, pass))?;
        let mut metrics = parts.into_iter().fold(UpdateMetrics::default(), UpdateMetrics::plus);
        // P27: no step is taken with a non-finite loss or gradient.
        finite("loss", loss.total(&mut metrics), self.adam.steps)?;
        let mut divergence = metrics.approx_kl;
        let together = self.settings.target_kl.map(|_| &mut divergence);
        network.sum_gradient(|gradient| sum_over(mesh, gradient, together))?;
        let norm = finite("gradient", norm(network)?, self.adam.steps)?;
        // P23: the gradient is clipped to a norm.
        let scale = self.settings.max_gradient_norm.map_or(1.0, |most| (most / norm).min(1.0));
        network.change(|parameters, gradient| {
            self.adam.step(parameters, gradient, scale, learning_rate);
            Ok(())
        })?;
        Ok((UpdateMetrics { gradient_norm: norm, gradient_steps: 1, ..metrics }, divergence))
    }

    /// Resets the discounted return of a row, which begins a new episode.
    pub fn begin_episode(&mut self, row: usize) {
        if let Some(normalizer) = &mut self.reward {
            normalizer.begin_episode(row);
        }
    }
}

/// Euclidean norm of the gradient of all parameters, of which this rank may have a part.
fn norm(network: &ActorCritic) -> Result<f64, AlgorithmError> {
    let (divided, gradient) = (network.divided(), network.gradient());
    if !divided.parts().is_divided() {
        return Ok(squares(gradient).sqrt());
    }
    let mut sum = [divided.counted().into_iter().map(|range| squares(&gradient[range])).sum::<f64>()];
    divided.parts().all.all_reduce(&mut sum)?;
    Ok(sum[0].sqrt())
}

/// Sum of squares. Four sums at a time, so that each addition need not wait for the one before.
fn squares(numbers: &[f32]) -> f64 {
    let (fours, rest) = numbers.as_chunks::<4>();
    let mut sums = [0.0; 4];
    for four in fours {
        for (sum, &x) in sums.iter_mut().zip(four) {
            *sum += f64::from(x) * f64::from(x);
        }
    }
    let rest: f64 = rest.iter().map(|&x| f64::from(x).powi(2)).sum();
    sums.iter().sum::<f64>() + rest
}

/// Replaces a gradient by its sum over all ranks, and a number with it, in one exchange.
fn sum_over(mesh: &Mesh, gradient: &mut [f32], number: Option<&mut f64>) -> Result<(), AlgorithmError> {
    match number {
        Some(number) if !mesh.is_alone() => {
            let mut all = [&*gradient, &[*number as f32]].concat();
            mesh.all_reduce(&mut all)?;
            let (sums, last) = all.split_at(gradient.len());
            gradient.copy_from_slice(sums);
            *number = f64::from(last[0]);
        }
        _ => mesh.all_reduce(gradient)?,
    }
    Ok(())
}

/// Mean divergence of the policy before the update from the present one, over a part of what all ranks hold.
fn mean_kl(
    agent: &mut Agent,
    inputs: &LossInputs<'_>,
    part: &Part<'_>,
    mesh: &Mesh,
) -> Result<f64, AlgorithmError> {
    let (outputs, index) = (part.outputs(agent)?, &part.index);
    let (width, log_std) = (agent.head().outputs(), agent.network().log_std());
    let rows = index.iter().zip(outputs.chunks_exact(width));
    let kl = |(&i, row)| f64::from(inputs.evaluate(agent.head(), row, log_std, i as usize).kl);
    let mut sum = [rows.map(kl).sum::<f64>()];
    mesh.all_reduce(&mut sum)?;
    Ok(sum[0] / part.count as f64)
}

/// Masks of the actions of the first `steps` steps, `[T·N, K]`, where there are some.
fn masks(block: &Block, steps: usize) -> Result<Option<Vec<u8>>, AlgorithmError> {
    let (mut masks, rows) = (Vec::new(), block.layout().rows);
    let mut is_masked = true;
    for t in 0..steps {
        is_masked &= add_masks(block, t, 0..rows, &mut masks)?;
    }
    Ok(is_masked.then_some(masks))
}

/// How each step left its episode, `[T, N]`; `None` where the row was inactive.
fn episodes(block: &Block, rollout: &Rollout) -> Vec<Option<Episode>> {
    let rows = rollout.rows();
    let held = rollout.active[..rollout.len * rows].iter().enumerate();
    held.map(|(i, active)| active.then(|| block.episode(i / rows, i % rows))).collect()
}
