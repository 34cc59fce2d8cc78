//! What an update reports.

use phalanx_agents::{Agent, Distribution};
use phalanx_mesh::{Mesh, MeshError};
use serde::Serialize;

use crate::AlgorithmError;
use crate::held::Held;
use crate::ranks::gather;

/// What an update did, averaged over its minibatches unless noted otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct UpdateMetrics {
    /// Surrogate, or surrogate with penalty.
    pub policy_loss: f64,
    /// Half the mean squared error of the values, before its coefficient.
    pub value_loss: f64,
    /// Entropy of the policy, in nats.
    pub entropy: f64,
    /// What entropies add to the loss: minus their sum over the fields of an action, each times its coefficient.
    pub entropy_loss: f64,
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
    /// Seconds for values, advantages and returns, before the first gradient step.
    pub seconds_advantage: f64,
    /// Mean and largest standard deviation of the policy's numbers after this update, where it has some.
    pub action_std: Option<(f64, f64)>,
}

impl UpdateMetrics {
    /// The sum over gradient steps.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            policy_loss: self.policy_loss + other.policy_loss,
            value_loss: self.value_loss + other.value_loss,
            entropy: self.entropy + other.entropy,
            entropy_loss: self.entropy_loss + other.entropy_loss,
            approx_kl: self.approx_kl + other.approx_kl,
            clip_fraction: self.clip_fraction + other.clip_fraction,
            gradient_norm: self.gradient_norm + other.gradient_norm,
            gradient_steps: self.gradient_steps + other.gradient_steps,
            ..self
        }
    }

    /// The sums over all ranks, of each of which these are the sums over its part of each minibatch.
    pub(crate) fn over(self, mesh: &Mesh) -> Result<Self, MeshError> {
        let mut sums = [
            self.policy_loss,
            self.value_loss,
            self.entropy,
            self.entropy_loss,
            self.approx_kl,
            self.clip_fraction,
        ];
        mesh.all_reduce(&mut sums)?;
        let [policy_loss, value_loss, entropy, entropy_loss, approx_kl, clip_fraction] = sums;
        Ok(Self { policy_loss, value_loss, entropy, entropy_loss, approx_kl, clip_fraction, ..self })
    }

    /// Sums over gradient steps, divided by their number.
    pub(crate) fn mean(self) -> Self {
        let n = self.gradient_steps.max(1) as f64;
        Self {
            policy_loss: self.policy_loss / n,
            value_loss: self.value_loss / n,
            entropy: self.entropy / n,
            entropy_loss: self.entropy_loss / n,
            approx_kl: self.approx_kl / n,
            clip_fraction: self.clip_fraction / n,
            gradient_norm: self.gradient_norm / n,
            ..self
        }
    }
}

/// 1 − Var(returns − value) / Var(returns) over the transitions `held` of all ranks; NaN when the returns do not vary.
///
/// # Errors
/// [`MeshError`].
pub fn explained_variance(
    held: &[i64],
    returns: &[f32],
    value: &[f32],
    mesh: &Mesh,
) -> Result<f64, MeshError> {
    let errors = |i: usize| f64::from(returns[i] - value[i]);
    let targets = |i: usize| f64::from(returns[i]);
    let sum = |x: &dyn Fn(usize) -> f64| held.iter().map(|&i| x(i as usize)).sum::<f64>();
    let mut sums = [sum(&errors), sum(&targets), held.len() as f64];
    mesh.all_reduce(&mut sums)?;
    let [error, target, n] = sums;
    let (error, target) = (error / n, target / n);
    let mut squares = [sum(&|i| (errors(i) - error).powi(2)), sum(&|i| (targets(i) - target).powi(2))];
    mesh.all_reduce(&mut squares)?;
    Ok(1.0 - squares[0] / n / (squares[1] / n))
}

/// Mean and largest standard deviation of the present policy's numbers, over what all ranks hold where they depend on observations;
/// nothing without numbers.
pub fn deviations(
    agent: &mut Agent,
    held: &Held<'_>,
    mesh: &Mesh,
) -> Result<Option<(f64, f64)>, AlgorithmError> {
    let (width, numbers) = (agent.head().outputs(), agent.head().numbers());
    if numbers == 0 {
        return Ok(None);
    }
    let outputs =
        if agent.head().log_std() == numbers { vec![0.0; width] } else { held.all().outputs(agent)? };
    let (head, log_std) = (agent.head(), agent.network().log_std());
    let rows = outputs.chunks_exact(width);
    let std =
        || rows.clone().flat_map(|outputs| head.deviations(Distribution { outputs, log_std, mask: None }));
    let own =
        vec![std().map(f64::from).sum(), std().count() as f64, std().map(f64::from).fold(0.0, f64::max)];
    let ranks = gather(mesh, own)?;
    let sum = |i: usize| ranks.iter().map(|rank| rank[i]).sum::<f64>();
    Ok(Some((sum(0) / sum(1), ranks.iter().map(|rank| rank[2]).fold(0.0, f64::max))))
}
