//! Operations that move numbers: concatenation, sums, one-hot vectors and embeddings.

use super::{Back, Work};

/// The rows of all parts, each with the numbers that it has of a row, one after the other.
pub fn concat<'a>(work: Work<'_>, parts: impl Iterator<Item = (&'a [f32], usize)>, y: &mut [f32]) {
    let mut at = 0;
    for (x, len) in parts {
        for (y, x) in y[..work.rows * work.step.len].chunks_exact_mut(work.step.len).zip(x.chunks_exact(len))
        {
            y[at..at + len].copy_from_slice(x);
        }
        at += len;
    }
}

/// The sum of all parts.
pub fn add<'a>(mut parts: impl Iterator<Item = &'a [f32]>, y: &mut [f32]) {
    if let Some(first) = parts.next() {
        y.copy_from_slice(&first[..y.len()]);
    }
    for x in parts {
        for (y, x) in y.iter_mut().zip(x) {
            *y += x;
        }
    }
}

/// The option that a number stands for: always one of them.
fn option(x: f32, options: usize) -> usize {
    (x as usize).min(options - 1)
}

/// A one for the option of each choice, zeros for the others.
pub fn one_hot(work: Work<'_>, options: &[usize], x: &[f32], y: &mut [f32]) {
    let len = work.step.len;
    for (x, y) in x.chunks_exact(options.len()).zip(y[..work.rows * len].chunks_exact_mut(len)) {
        y.fill(0.0);
        let mut start = 0;
        for (x, &n) in x.iter().zip(options) {
            y[start + option(*x, n)] = 1.0;
            start += n;
        }
    }
}

/// The row of the table that belongs to the option.
pub fn embed(work: Work<'_>, options: usize, x: &[f32], y: &mut [f32]) {
    let (len, table) = (work.step.len, work.parameters());
    for (x, y) in x.iter().zip(y[..work.rows * len].chunks_exact_mut(len)) {
        y.copy_from_slice(&table[option(*x, options) * len..][..len]);
    }
}

/// The gradient of the table.
pub fn embed_backward(options: usize, len: usize, back: Back<'_>) {
    let Some(sum) = back.sum else { return };
    for (x, g) in back.x.iter().zip(back.gradient.chunks_exact(len)) {
        let row = &mut sum[option(*x, options) * len..][..len];
        row.iter_mut().zip(g).for_each(|(sum, g)| *sum += g);
    }
}
