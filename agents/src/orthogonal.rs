//! Weights at the start: orthogonal matrices.

use phalanx_envs::Generator;
use rand::RngExt;
use rand_distr::StandardNormal;

/// Fills `weight [rows, columns]` with a matrix of orthonormal rows or columns, whichever are fewer, times `gain`.
///
/// # Source
/// Saxe et al. 2014, arXiv:1312.6120; gains as in docs/ppo.md.
pub fn orthogonal(weight: &mut [f32], (rows, columns): (usize, usize), gain: f64, generator: &mut Generator) {
    let (long, short) = (rows.max(columns), rows.min(columns));
    let mut normal = vec![0.0; long * short];
    for i in 0..long {
        for j in 0..short {
            normal[j * long + i] = generator.sample(StandardNormal);
        }
    }
    for (j, column) in orthonormal(&mut normal, long).chunks_exact(long).enumerate() {
        for (i, x) in column.iter().enumerate() {
            let at = if rows < columns { j * columns + i } else { i * columns + j };
            weight[at] = (x * gain) as f32;
        }
    }
}

/// The factor Q of `columns [n, len]`, column after column, whose factor R has a positive diagonal: of normal numbers, uniformly
/// distributed.
///
/// # Source
/// Householder's reflections: Golub and Van Loan, Matrix Computations, algorithms 5.1.1 and 5.2.1.
fn orthonormal(columns: &mut [f64], len: usize) -> Vec<f64> {
    let n = columns.len() / len;
    // Of each reflection: what the projection is scaled by, and the sign of R's diagonal.
    let mut reflections = Vec::with_capacity(n);
    for k in 0..n {
        let (reflected, rest) = columns.split_at_mut((k + 1) * len);
        // What is left of the column from here on becomes the normal of the reflection's plane.
        let normal = &mut reflected[k * len + k..];
        let sign = if normal[0] < 0.0 { 1.0 } else { -1.0 };
        normal[0] -= sign * dot(normal, normal).sqrt();
        let square = dot(normal, normal);
        let scale = if square > 0.0 { 2.0 / square } else { 0.0 };
        rest.chunks_exact_mut(len).for_each(|column| reflect(&mut column[k..], normal, scale));
        reflections.push((scale, sign));
    }
    let mut q = vec![0.0; columns.len()];
    for (j, column) in q.chunks_exact_mut(len).enumerate() {
        column[j] = reflections[j].1;
        // The later reflections leave this unit vector as it is.
        for k in (0..=j).rev() {
            reflect(&mut column[k..], &columns[k * len + k..(k + 1) * len], reflections[k].0);
        }
    }
    q
}

/// Reflects `x` at the plane of this normal; `scale` is 2 over the normal's square.
fn reflect(x: &mut [f64], normal: &[f64], scale: f64) {
    let scale = scale * dot(x, normal);
    x.iter_mut().zip(normal).for_each(|(x, v)| *x -= scale * v);
}

/// Eight sums at a time, so that each addition need not wait for the one before.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)] // operators of tensors
mod tests {
    use tch::{Kind, Tensor};

    use super::*;
    use crate::stream;

    /// Against the QR decomposition of LAPACK, with the signs of its R's diagonal.
    #[test]
    fn starts_are_those_of_lapack() {
        for (rows, columns) in [(6, 4), (4, 6), (1, 64), (64, 64), (64, 17), (512, 96)] {
            let mut weight = vec![0.0; rows * columns];
            orthogonal(&mut weight, (rows, columns), 2.0, &mut stream(1, "x"));
            let (long, short) = (rows.max(columns), rows.min(columns));
            let mut generator = stream(1, "x");
            let normal: Vec<f64> = (0..long * short).map(|_| generator.sample(StandardNormal)).collect();
            let normal = Tensor::from_slice(&normal).view([long as i64, short as i64]);
            let (q, r) = Tensor::linalg_qr(&normal, "reduced");
            let q = q * r.diag(0).sign() * 2.0;
            let q = if rows < columns { q.tr() } else { q };
            let found = Tensor::from_slice(&weight).view([rows as i64, columns as i64]);
            assert!(found.allclose(&q.to_kind(Kind::Float), 1e-6, 1e-7, false), "{rows} × {columns}");
        }
    }

    #[test]
    fn starts_are_orthogonal_with_their_gain() {
        for (rows, columns) in [(6, 4), (4, 6)] {
            let mut weight = vec![0.0; 24];
            orthogonal(&mut weight, (rows, columns), 2.0, &mut stream(1, "x"));
            let w = Tensor::from_slice(&weight).view([rows as i64, columns as i64]);
            let product = if rows < columns { w.matmul(&w.tr()) } else { w.tr().matmul(&w) };
            let expected = Tensor::eye(4, (Kind::Float, tch::Device::Cpu)) * 4.0;
            assert!(product.allclose(&expected, 1e-5, 1e-5, false));
        }
    }
}
