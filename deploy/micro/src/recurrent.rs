//! Recurrent layers, one number of the state at a time: no memory is needed for the gates.

use phalanx_maths::{sigmoid, tanh};

use crate::kernels::dot;

/// Weights and biases of some gates.
struct Gates<'a> {
    input: &'a [f32],
    hidden: &'a [f32],
    input_bias: &'a [f32],
    hidden_bias: &'a [f32],
    inputs: usize,
    width: usize,
}

impl<'a> Gates<'a> {
    fn new(parameters: &'a [f32], gates: usize, inputs: usize, width: usize) -> Self {
        let rows = gates.wrapping_mul(width);
        let split = |from: &'a [f32], at: usize| from.split_at_checked(at).unwrap_or_default();
        let (input, rest) = split(parameters, rows.wrapping_mul(inputs));
        let (hidden, biases) = split(rest, rows.wrapping_mul(width));
        let (input_bias, hidden_bias) = split(biases, rows);
        Self { input, hidden, input_bias, hidden_bias, inputs, width }
    }

    /// The input's and the hidden state's half of number `i` of a gate.
    fn halves(&self, gate: usize, i: usize, x: &[f32], h: &[f32]) -> [f32; 2] {
        let row = gate.wrapping_mul(self.width).wrapping_add(i);
        let half = |weight: &[f32], bias: &[f32], columns: usize, of: &[f32]| {
            let start = row.wrapping_mul(columns);
            let weight = weight.get(start..start.wrapping_add(columns)).unwrap_or_default();
            dot(weight, of) + bias.get(row).copied().unwrap_or(0.0)
        };
        [
            half(self.input, self.input_bias, self.inputs, x),
            half(self.hidden, self.hidden_bias, self.width, h),
        ]
    }

    fn sigmoid(&self, gate: usize, i: usize, x: &[f32], h: &[f32]) -> f32 {
        let [input, hidden] = self.halves(gate, i, x, h);
        sigmoid(input + hidden)
    }
}

/// A gated recurrent unit; `state` becomes `y`.
pub fn gru(parameters: &[f32], x: &[f32], state: &mut [f32], y: &mut [f32]) {
    let gates = Gates::new(parameters, 3, x.len(), y.len());
    for (i, (y, before)) in y.iter_mut().zip(&*state).enumerate() {
        let r = gates.sigmoid(0, i, x, state);
        let z = gates.sigmoid(1, i, x, state);
        let [input, hidden] = gates.halves(2, i, x, state);
        let n = tanh(input + r * hidden);
        *y = (1.0 - z) * n + z * before;
    }
    state.iter_mut().zip(y).for_each(|(state, y)| *state = *y);
}

/// A long short-term memory; `state` is h, then c.
pub fn lstm(parameters: &[f32], x: &[f32], state: &mut [f32], y: &mut [f32]) {
    let gates = Gates::new(parameters, 4, x.len(), y.len());
    let Some((h, c)) = state.split_at_mut_checked(y.len()) else { return };
    for (i, (y, c)) in y.iter_mut().zip(c).enumerate() {
        let input = gates.sigmoid(0, i, x, h);
        let forget = gates.sigmoid(1, i, x, h);
        let [a, b] = gates.halves(2, i, x, h);
        let output = gates.sigmoid(3, i, x, h);
        *c = forget * *c + input * tanh(a + b);
        *y = output * tanh(*c);
    }
    h.iter_mut().zip(y).for_each(|(h, y)| *h = *y);
}
