//! Weights at the start: orthogonal matrices.
#![deny(clippy::arithmetic_side_effects)] // operators of tensors panic

use phalanx_envs::Generator;
use rand::RngExt;
use rand_distr::StandardNormal;
use tch::{Kind, Tensor};

use crate::AgentError;

/// Fills `weight [rows, columns]` with a matrix of orthonormal rows or columns, whichever are fewer, times `gain`.
///
/// # Errors
/// [`AgentError::Torch`].
/// # Source
/// Saxe et al. 2014, arXiv:1312.6120; gains as in docs/ppo.md.
pub fn orthogonal(
    weight: &mut [f32],
    (rows, columns): (usize, usize),
    gain: f64,
    generator: &mut Generator,
) -> Result<(), AgentError> {
    let (long, short) = (rows.max(columns), rows.min(columns));
    let normal: Vec<f64> = (0..long * short).map(|_| generator.sample(StandardNormal)).collect();
    let normal = Tensor::f_from_slice(&normal)?.f_view([long as i64, short as i64])?;
    let (q, r) = Tensor::f_linalg_qr(&normal, "reduced")?;
    // QR leaves the columns' signs open; those of R's diagonal make the result uniformly distributed.
    let q = q.f_mul(&r.f_diag(0)?.f_sign()?)?;
    let q = if rows < columns { q.f_tr()? } else { q };
    let q = q.f_mul_scalar(gain)?.f_to_kind(Kind::Float)?.f_contiguous()?;
    Ok(q.f_copy_data(weight, rows * columns)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]
    use tch::Device;

    use super::*;
    use crate::stream;

    #[test]
    fn starts_are_orthogonal_with_their_gain() {
        for (rows, columns) in [(6, 4), (4, 6)] {
            let mut weight = vec![0.0; 24];
            orthogonal(&mut weight, (rows, columns), 2.0, &mut stream(1, "x")).expect("libtorch");
            let w = Tensor::from_slice(&weight).view([rows as i64, columns as i64]);
            let product = if rows < columns { w.matmul(&w.tr()) } else { w.tr().matmul(&w) };
            let expected = Tensor::eye(4, (Kind::Float, Device::Cpu)) * 4.0;
            assert!(product.allclose(&expected, 1e-5, 1e-5, false));
        }
    }
}
