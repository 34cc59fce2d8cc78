//! Recurrent layers, [`LANES`] units of the state at a time: no memory is needed for the gates.

use crate::format::LANES;
use crate::kernels::Floats;
use crate::lanes::Lanes;
use crate::linear::{Layer, add_block};
use crate::scalars::{sigmoid, tanh};

/// Weights of some gates, each as those of a dense layer, and their biases.
struct Half<'a, L> {
    lanes: L,
    weight: &'a [f32],
    bias: &'a [f32],
    columns: usize,
    width: usize,
}

impl<L: Lanes> Half<'_, L> {
    /// `W·x + b` of the units of a gate from `at` on.
    #[cfg_attr(feature = "simd", inline(always))]
    fn units(&self, gate: usize, at: usize, x: &[f32]) -> [f32; LANES] {
        let first = gate.wrapping_mul(self.width).wrapping_add(at);
        let weight = self.weight.get(first.wrapping_mul(self.columns)..).unwrap_or_default();
        let layer = Floats { bias: self.bias, lanes: self.lanes };
        let rest = self.width.wrapping_sub(at);
        if rest >= LANES {
            return layer.end(first, add_block(&layer, layer.begin(first), weight.as_chunks().0, x));
        }
        let mut sums = [0.0; LANES];
        let rows = weight.chunks_exact(self.columns.max(1)).take(rest);
        for (i, (sum, row)) in sums.iter_mut().zip(rows).enumerate() {
            *sum = layer.add_row(layer.begin_row(first.wrapping_add(i)), row, x);
        }
        sums
    }
}

/// The input's and the hidden state's half of a layer of `gates` gates.
fn halves<L: Lanes>(
    lanes: L,
    parameters: &[f32],
    gates: usize,
    inputs: usize,
    width: usize,
) -> [Half<'_, L>; 2] {
    let rows = gates.wrapping_mul(width);
    let (input, rest) = parameters.split_at_checked(rows.wrapping_mul(inputs)).unwrap_or_default();
    let (hidden, biases) = rest.split_at_checked(rows.wrapping_mul(width)).unwrap_or_default();
    let (input_bias, hidden_bias) = biases.split_at_checked(rows).unwrap_or_default();
    [
        Half { lanes, weight: input, bias: input_bias, columns: inputs, width },
        Half { lanes, weight: hidden, bias: hidden_bias, columns: width, width },
    ]
}

/// A gated recurrent unit; `state` becomes `y`.
#[cfg_attr(feature = "simd", inline(always))]
pub fn gru<L: Lanes>(lanes: L, parameters: &[f32], x: &[f32], state: &mut [f32], y: &mut [f32]) {
    let [input, hidden] = halves(lanes, parameters, 3, x.len(), y.len());
    for (block, (y, before)) in y.chunks_mut(LANES).zip(state.chunks(LANES)).enumerate() {
        let gate = |i: usize| [input.units(i, block * LANES, x), hidden.units(i, block * LANES, state)];
        let ([r, r_hidden], [z, z_hidden], [n, n_hidden]) = (gate(0), gate(1), gate(2));
        for (i, (y, before)) in y.iter_mut().zip(before).enumerate().take(LANES) {
            let r = sigmoid(r[i] + r_hidden[i]);
            let z = sigmoid(z[i] + z_hidden[i]);
            let n = tanh(n[i] + r * n_hidden[i]);
            *y = (1.0 - z) * n + z * before;
        }
    }
    state.iter_mut().zip(y).for_each(|(state, y)| *state = *y);
}

/// A long short-term memory; `state` is h, then c.
#[cfg_attr(feature = "simd", inline(always))]
pub fn lstm<L: Lanes>(lanes: L, parameters: &[f32], x: &[f32], state: &mut [f32], y: &mut [f32]) {
    let [input, hidden] = halves(lanes, parameters, 4, x.len(), y.len());
    let Some((h, c)) = state.split_at_mut_checked(y.len()) else { return };
    for (block, (y, c)) in y.chunks_mut(LANES).zip(c.chunks_mut(LANES)).enumerate() {
        let gate = |i: usize| {
            let mut sums = input.units(i, block * LANES, x);
            let hidden = hidden.units(i, block * LANES, h);
            sums.iter_mut().zip(hidden).for_each(|(sum, hidden)| *sum += hidden);
            sums
        };
        let [take, forget, new, give] = [gate(0), gate(1), gate(2), gate(3)];
        for (i, (y, c)) in y.iter_mut().zip(c).enumerate().take(LANES) {
            *c = sigmoid(forget[i]) * *c + sigmoid(take[i]) * tanh(new[i]);
            *y = sigmoid(give[i]) * tanh(*c);
        }
    }
    h.iter_mut().zip(y).for_each(|(h, y)| *h = *y);
}
