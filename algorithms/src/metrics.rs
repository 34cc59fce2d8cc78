//! What an update reports.

use phalanx_agents::{Agent, Distribution};
use serde::Serialize;

use crate::AlgorithmError;
use crate::held::Held;

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

/// 1 − Var(returns − value) / Var(returns) over the transitions `held`; NaN when the returns do not vary.
pub fn explained_variance(held: &[i64], returns: &[f32], value: &[f32]) -> f64 {
    let variance = |x: &dyn Fn(usize) -> f32| {
        let n = held.len() as f64;
        let mean = held.iter().map(|&i| f64::from(x(i as usize))).sum::<f64>() / n;
        held.iter().map(|&i| (f64::from(x(i as usize)) - mean).powi(2)).sum::<f64>() / n
    };
    1.0 - variance(&|i| returns[i] - value[i]) / variance(&|i| returns[i])
}

/// Mean and largest standard deviation of the present policy's numbers, over what is held where they depend on observations;
/// nothing without numbers.
pub fn deviations(agent: &mut Agent, held: &Held<'_>) -> Result<Option<(f64, f64)>, AlgorithmError> {
    let (width, numbers) = (agent.head().outputs(), agent.head().numbers());
    if numbers == 0 {
        return Ok(None);
    }
    let outputs =
        if agent.head().log_std() == numbers { vec![0.0; width] } else { held.part(0, 1).outputs(agent)? };
    let (head, log_std) = (agent.head(), agent.network().log_std());
    let rows = outputs.chunks_exact(width);
    let std =
        || rows.clone().flat_map(|outputs| head.deviations(Distribution { outputs, log_std, mask: None }));
    let sum: f64 = std().map(f64::from).sum();
    Ok(Some((sum / std().count() as f64, std().map(f64::from).fold(0.0, f64::max))))
}
