//! Convolutions: the same product for all windows of a picture, one picture after the other.

use phalanx_graph::Window;

use super::dense::finish;
use super::{Back, Scratch, Work};
use crate::engine::matrix::{Matrix, Store, product};
use crate::engine::vector::sum_rows;

/// `y [B, windows, filters] = f(W·window + b)`.
pub fn forward(work: Work<'_>, window: &Window, x: &[f32], y: &mut [f32], scratch: &mut Scratch) {
    let (count, width) = (window.count(), window.width());
    let filters = work.step.len / count;
    let (weight, bias) = work.parameters().split_at(filters * width);
    let weight = Matrix::new(weight, filters, width).transpose();
    let y = &mut y[..work.rows * work.step.len];
    for (x, y) in x.chunks_exact(work.inputs()).zip(y.chunks_exact_mut(work.step.len)) {
        product(y, windows(window, x, scratch), weight, Store::Set);
    }
    finish(work, bias, y);
}

/// Gradients of weight and bias, and of the pictures `x`.
pub fn backward(work: Work<'_>, window: &Window, back: Back<'_>, scratch: &mut Scratch) {
    let (count, width, outputs) = (window.count(), window.width(), work.step.len);
    let filters = outputs / count;
    if let Some(sum) = back.sum {
        let (weight, bias) = sum.split_at_mut(filters * width);
        for (x, gradient) in back.x.chunks_exact(work.inputs()).zip(back.gradient.chunks_exact(outputs)) {
            let gradient = Matrix::new(gradient, count, filters).transpose();
            product(weight, gradient, windows(window, x, scratch), Store::Add);
        }
        sum_rows(bias, back.gradient);
    }
    if let Some(mut below) = back.below {
        below.start();
        let weight = Matrix::new(work.parameters(), filters, width);
        let pictures = below.gradient.chunks_exact_mut(work.inputs());
        for (picture, gradient) in pictures.zip(back.gradient.chunks_exact(outputs)) {
            let (windows, padded) = scratch.of(window);
            product(windows, Matrix::new(gradient, count, filters), weight, Store::Set);
            window.scatter(windows, picture, padded);
        }
    }
}

/// The windows of one picture as rows of a matrix.
fn windows<'a>(window: &Window, x: &[f32], scratch: &'a mut Scratch) -> Matrix<'a> {
    let (windows, padded) = scratch.of(window);
    window.gather(x, windows, padded, 0.0);
    Matrix::new(windows, window.count(), window.width())
}
