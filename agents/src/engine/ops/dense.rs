//! Dense layers.

use super::{Back, Work};
use crate::engine::matrix::{BLOCK, Matrix, Store, product, products};
use crate::engine::vector::{add_and_activate, add_to_rows, sum_rows};

/// `y = f(W·x + b)`.
pub fn forward(work: Work<'_>, x: &[f32], y: &mut [f32]) {
    let (outputs, inputs) = (work.step.len, work.inputs());
    let (weight, bias) = work.parameters().split_at(outputs * inputs);
    let weight = Matrix::new(weight, outputs, inputs).transpose();
    if work.way.row_invariant {
        products(y, Matrix::new(x, work.rows.next_multiple_of(BLOCK), inputs), weight);
    } else {
        product(y, Matrix::new(x, work.rows, inputs), weight, Store::Set);
    }
    let y = &mut y[..work.rows * outputs];
    if let (Some(parts), Some(axis)) = (work.way.plan.parts(), work.division().inputs) {
        parts.sum(axis, y);
    }
    finish(work, bias, y);
}

/// Adds the bias and applies the activation, for rows of as many numbers as the bias has.
pub fn finish(work: Work<'_>, bias: &[f32], y: &mut [f32]) {
    match work.step.activation {
        Some(activation) => add_and_activate(y, bias, activation),
        None => add_to_rows(y, bias),
    }
}

/// Gradients of weight and bias, and of `x`.
pub fn backward(work: Work<'_>, back: Back<'_>) {
    let (rows, outputs, inputs) = (work.rows, work.step.len, work.inputs());
    let gradient = Matrix::new(back.gradient, rows, outputs);
    if let Some(sum) = back.sum {
        let (weight, bias) = sum.split_at_mut(outputs * inputs);
        product(weight, gradient.transpose(), Matrix::new(back.x, rows, inputs), Store::Add);
        sum_rows(bias, back.gradient);
    }
    if let Some(mut below) = back.below {
        let weight = Matrix::new(work.parameters(), outputs, inputs);
        if let (Some(parts), Some(axis)) = (work.way.plan.parts(), work.division().outputs) {
            let mut all = vec![0.0; rows * inputs];
            product(&mut all, gradient, weight, Store::Set);
            parts.sum(axis, &mut all);
            below.put(all.iter());
            return;
        }
        let store = below.store();
        product(below.gradient, gradient, weight, store);
    }
}
