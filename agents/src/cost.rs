//! What passes through networks take of a rank: arithmetic, and numbers that ranks sum.

use std::sync::Arc;

use phalanx_graph::{Graph, Schedule};

use crate::AgentError;
use crate::engine::DIVIDED;
use crate::plan::{Plan, Tower};

/// What a pass takes for each row.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// Floating-point operations.
    pub flops: f64,
    /// Bytes of results and gradients that are summed with other ranks'.
    pub bytes: f64,
    /// Sums for each [`Costs::tile`] rows.
    pub sums: usize,
}

/// What the passes of a training take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Costs {
    /// For actions.
    pub actor: Cost,
    /// For values.
    pub critic: Cost,
    /// For both and the gradient.
    pub learn: Cost,
    /// Rows that ranks sum at once.
    pub tile: usize,
}

impl Costs {
    /// Those of a rank that has this part of a network, or of one that has all.
    ///
    /// # Errors
    /// [`AgentError::Operation`].
    pub fn new(part: &Graph) -> Result<Self, AgentError> {
        let plan = Plan::new(part.clone(), Vec::new(), Arc::default())?;
        let forward = |schedule: &Schedule| {
            let mut cost = Cost::default();
            for step in &schedule.steps {
                let node = &part.nodes[step.node];
                cost.flops += 2.0 * node.multiplications() as f64;
                if node.division.inputs.is_some() {
                    cost.sums += 1;
                    cost.bytes += (step.len * size_of::<f32>()) as f64;
                }
            }
            cost
        };
        let learn = &plan.learn;
        let mut both = forward(learn);
        // Gradients of weights and of what is read.
        both.flops *= 3.0;
        for step in learn.steps.iter().filter(|step| step.gradient.is_some()) {
            let read = &step.reads[0];
            if part.nodes[step.node].division.outputs.is_some() && read.gradient.is_some() {
                both.sums += 1;
                both.bytes += (read.len * size_of::<f32>()) as f64;
            }
        }
        let [actor, critic] = [Tower::Actor, Tower::Critic].map(|tower| forward(plan.tower(tower)));
        Ok(Self { actor, critic, learn: both, tile: DIVIDED })
    }
}
