//! Recurrent layers, [`LANES`] units of the state at a time: no memory is needed for the gates.

use crate::format::{LANES, op, step};
use crate::kernels::transfer;
use crate::lanes::Lanes;
use crate::linear::linear;
use crate::scalars::{sigmoid, tanh};

/// Weights of all gates, each as those of a dense layer, their biases, and what they read.
struct Half<'a> {
    weight: &'a [f32],
    bias: &'a [f32],
    x: &'a [f32],
    width: usize,
}

impl Half<'_> {
    /// `W·x + b` of the units of a gate from `at` on.
    #[cfg_attr(feature = "simd", inline(always))]
    #[cfg_attr(not(feature = "simd"), inline(never))]
    fn units<L: Lanes>(&self, lanes: L, gate: usize, at: usize) -> [f32; LANES] {
        let first = gate.wrapping_mul(self.width).wrapping_add(at);
        let number = |i: usize| self.bias.get(first.wrapping_add(i)).copied().unwrap_or(0.0);
        let mut sums: [f32; LANES] = core::array::from_fn(number);
        let columns = self.x.len();
        let weight = self.weight.get(first.wrapping_mul(columns)..).unwrap_or_default();
        if let Some(sums) = sums.get_mut(..self.width.wrapping_sub(at).min(LANES)) {
            linear(lanes, &[], weight, columns, 0, self.x, sums);
        }
        sums
    }
}

/// The sum of both halves.
#[cfg_attr(feature = "simd", inline(always))]
#[cfg_attr(not(feature = "simd"), inline(never))]
fn both<L: Lanes>(lanes: L, [input, hidden]: &[Half<'_>; 2], gate: usize, at: usize) -> [f32; LANES] {
    let mut sums = input.units(lanes, gate, at);
    transfer(&hidden.units(lanes, gate, at), &mut sums, true);
    sums
}

/// A gated recurrent unit, whose state becomes `y`, or a long short-term memory, whose state is h, then c.
#[cfg_attr(feature = "simd", inline(always))]
#[cfg_attr(not(feature = "simd"), inline(never))]
pub fn recurrent<L: Lanes>(
    lanes: L,
    words: &[u32; step::WORDS],
    parameters: &[f32],
    x: &[f32],
    state: &mut [f32],
    y: &mut [f32],
) -> Option<()> {
    let (width, is_gru) = (y.len(), words[step::OP] & 0xff == op::GRU);
    let (h, rest) = state.get_mut(words[step::STATE] as usize..)?.split_at_mut_checked(width)?;
    let c = if is_gru { &mut [] } else { rest.get_mut(..width)? };
    let rows = if is_gru { 3 } else { 4 } * width;
    let (weight, rest) = parameters.split_at_checked(rows.wrapping_mul(x.len()))?;
    let (hidden, biases) = rest.split_at_checked(rows.wrapping_mul(width))?;
    let (bias, hidden_bias) = biases.split_at_checked(rows)?;
    let halves = [Half { weight, bias, x, width }, Half { weight: hidden, bias: hidden_bias, x: h, width }];
    for (block, y) in y.chunks_mut(LANES).enumerate() {
        let at = block * LANES;
        let [a, b] = [both(lanes, &halves, 0, at), both(lanes, &halves, 1, at)];
        // The two halves of a GRU's new state stay apart.
        let (new, last);
        if is_gru {
            new = halves[0].units(lanes, 2, at);
            last = halves[1].units(lanes, 2, at);
        } else {
            new = both(lanes, &halves, 2, at);
            last = both(lanes, &halves, 3, at);
        }
        for (i, y) in y.iter_mut().enumerate().take(LANES) {
            let (a, b) = (sigmoid(a[i]), sigmoid(b[i]));
            let new = tanh(if is_gru { new[i] + a * last[i] } else { new[i] });
            if is_gru {
                *y = (1.0 - b) * new + b * halves[1].x.get(at + i)?;
            } else {
                let c = c.get_mut(at + i)?;
                *c = b * *c + a * new;
                *y = sigmoid(last[i]) * tanh(*c);
            }
        }
    }
    transfer(y, h, false);
    Some(())
}
