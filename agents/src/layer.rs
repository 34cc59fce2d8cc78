//! One fully connected layer: its parameters, and what a pass leaves for the pass back.

use phalanx_envs::Generator;
use rand::RngExt;
use rand_distr::StandardNormal;
use tch::{Kind, Tensor, no_grad};

/// Views of a weight `[out, in]` and a bias `[out]` and of their gradients, and the buffers of a pass.
pub struct Layer {
    bias: Tensor,
    /// The weight turned over, `[in, out]`.
    turned: Tensor,
    weight: Tensor,
    weight_gradient: Tensor,
    bias_gradient: Tensor,
    input: Tensor,
    /// Result of the latest [`Self::forward`]; the activation is applied to it in place.
    pub output: Tensor,
    /// Room for as many rows as any pass had.
    room: Tensor,
    input_room: Tensor,
}

impl Layer {
    /// A layer over views of parameters, each with the view of its gradient.
    pub fn new(weight: (Tensor, Tensor), bias: (Tensor, Tensor)) -> Self {
        let nothing = || Tensor::zeros([0], (Kind::Float, weight.0.device()));
        Self {
            turned: weight.0.tr(),
            input: nothing(),
            output: nothing(),
            room: nothing(),
            input_room: nothing(),
            weight: weight.0,
            weight_gradient: weight.1,
            bias: bias.0,
            bias_gradient: bias.1,
        }
    }

    /// `x·Wᵀ + b` in a tensor of its own.
    ///
    /// # Shapes
    /// `x [B, in]` → `[B, out]`.
    pub fn apply(&self, x: &Tensor) -> Tensor {
        self.bias.addmm(x, &self.turned)
    }

    /// [`Self::apply`] in this layer's own memory, remembering the input.
    pub fn forward(&mut self, x: Tensor) -> Tensor {
        let output = rows(&mut self.room, x.size()[0], self.weight.size()[0]);
        let _ = no_grad(|| self.bias.addmm_out(&output, &x, &self.turned));
        self.input = x;
        self.output = output.shallow_clone();
        output
    }

    /// Writes the gradients of weight and bias, from that of the result `[B, out]`.
    pub fn backward(&mut self, gradient: &Tensor) {
        no_grad(|| {
            let _ = gradient.tr().mm_out(&self.weight_gradient, &self.input);
            let _ = gradient.sum_intlist_out(&self.bias_gradient, [0i64].as_slice(), false, None::<Kind>);
        });
    }

    /// Gradient of the input `[B, in]`, from that of the result `[B, out]`.
    pub fn input_gradient(&mut self, gradient: &Tensor) -> Tensor {
        let into = rows(&mut self.input_room, gradient.size()[0], self.weight.size()[1]);
        no_grad(|| gradient.mm_out(&into, &self.weight))
    }
}

/// The first `rows` rows of `room`, which is made larger when it has fewer.
fn rows(room: &mut Tensor, rows: i64, width: i64) -> Tensor {
    if room.numel() < (rows * width) as usize {
        *room = Tensor::zeros([rows, width], (Kind::Float, room.device()));
    }
    room.narrow(0, 0, rows)
}

/// A matrix `[rows, columns]` with orthonormal rows or columns, whichever are fewer, times `gain`.
pub fn orthogonal(rows: usize, columns: usize, gain: f64, generator: &mut Generator) -> Tensor {
    let (long, short) = (rows.max(columns), rows.min(columns));
    let normal: Vec<f64> = (0..long * short).map(|_| generator.sample(StandardNormal)).collect();
    let (q, r) = Tensor::linalg_qr(&Tensor::from_slice(&normal).view([long as i64, short as i64]), "reduced");
    // QR leaves the columns' signs open; those of R's diagonal make the result uniformly distributed.
    let q = q * r.diag(0).sign();
    let q = if rows < columns { q.tr() } else { q };
    // P9: orthogonal with its gain.
    (q * gain).to_kind(Kind::Float).contiguous()
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::stream;

    #[test]
    fn starts_are_orthogonal_with_their_gain() {
        for (rows, columns) in [(6, 4), (4, 6)] {
            let w = orthogonal(rows, columns, 2.0, &mut stream(1, "x"));
            let product = if rows < columns { w.matmul(&w.tr()) } else { w.tr().matmul(&w) };
            let expected = Tensor::eye(4, (Kind::Float, Device::Cpu)) * 4.0;
            assert!(product.allclose(&expected, 1e-5, 1e-5, false));
        }
    }
}
