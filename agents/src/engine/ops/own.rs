//! Operations that the program registered.

use super::{Back, Work};
use crate::operation::Backward;

/// Writes all of `y`.
pub fn forward(work: Work<'_>, x: &[f32], y: &mut [f32]) {
    let operation = work.way.plan.own(work.step.node);
    operation.forward(&x[..work.rows * work.inputs()], work.parameters(), y);
}

/// Gradients of parameters and of `x`.
pub fn backward(work: Work<'_>, y: &[f32], back: Back<'_>) {
    let below = back.below.map(|mut below| {
        below.start();
        below.gradient
    });
    work.way.plan.own(work.step.node).backward(Backward {
        x: &back.x[..work.rows * work.inputs()],
        y,
        parameters: work.parameters(),
        d_y: back.gradient,
        d_x: below,
        d_parameters: back.sum,
    });
}
