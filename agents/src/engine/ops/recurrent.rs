//! Recurrent layers. The input's half of the gates is one product over all rows of a tile; the hidden state's half goes through
//! time, each time with the rows of all sequences that last to it.

use phalanx_graph::Recurrent;

use super::{Back, Work};
use crate::engine::batch::Packed;
use crate::engine::cells::{gru, gru_backward, lstm, lstm_backward};
use crate::engine::matrix::{BLOCK, Matrix, Store, product, products};
use crate::engine::vector::{add_to_rows, sum_rows};

/// Numbers that are kept of a row, in widths of the layer.
pub fn kept(layer: Recurrent) -> usize {
    // Gates, their hidden half, the hidden state before; the GRU's n of the hidden half, or the LSTM's c before and after.
    2 * layer.gates() + 1 + layer.states()
}

/// What is kept, `[rows, …]` each.
struct Kept<'a> {
    /// The gates, `[rows, gates·H]`; on the way back their gradient.
    gates: &'a mut [f32],
    /// The hidden state's half of them; on the way back its gradient.
    hidden: &'a mut [f32],
    /// h before, `[rows, H]`.
    before: &'a mut [f32],
    /// GRU: n of the hidden half, before the gate r. LSTM: c after.
    cell: &'a mut [f32],
    /// LSTM: c before; on the way back its gradient.
    cell_before: &'a mut [f32],
}

impl<'a> Kept<'a> {
    fn new(layer: Recurrent, width: usize, numbers: &'a mut [f32]) -> Self {
        let rows = numbers.len() / (kept(layer) * width);
        let (gates, rest) = numbers.split_at_mut(rows * layer.gates() * width);
        let (hidden, rest) = rest.split_at_mut(rows * layer.gates() * width);
        let (before, rest) = rest.split_at_mut(rows * width);
        let (cell, cell_before) = rest.split_at_mut(rows * width);
        Self { gates, hidden, before, cell, cell_before }
    }
}

/// Weights and biases.
struct Weights<'a> {
    input: Matrix<'a>,
    hidden: Matrix<'a>,
    input_bias: &'a [f32],
    hidden_bias: &'a [f32],
}

impl<'a> Weights<'a> {
    fn new(work: Work<'a>, layer: Recurrent) -> Self {
        let (h, inputs) = (work.step.len, work.inputs());
        let rows = layer.gates() * h;
        let (input, rest) = work.parameters().split_at(rows * inputs);
        let (hidden, biases) = rest.split_at(rows * h);
        let (input_bias, hidden_bias) = biases.split_at(rows);
        let (input, hidden) = (Matrix::new(input, rows, inputs), Matrix::new(hidden, rows, h));
        Self { input, hidden, input_bias, hidden_bias }
    }
}

/// Fills `y [rows, H]`, time after time.
pub fn forward(
    work: Work<'_>,
    layer: Recurrent,
    packed: &mut Packed<'_>,
    x: &[f32],
    y: &mut [f32],
    numbers: &mut [f32],
) {
    let (h, wide, all) =
        (work.step.len, layer.gates() * work.step.len, packed.states.len() / packed.counts[0]);
    let weights = Weights::new(work, layer);
    let Kept { gates, hidden, before, cell, cell_before } = Kept::new(layer, h, numbers);
    multiply(work, gates, Matrix::new(x, padded(work, work.rows), work.inputs()), weights.input);
    add_to_rows(&mut gates[..work.rows * wide], weights.input_bias);
    let (mut at, mut earlier) = (0, 0);
    for (time, &n) in packed.counts.iter().enumerate() {
        let (rows, state) = (at * h..(at + n) * h, work.step.state.start);
        if time == 0 {
            for (i, states) in packed.states.chunks_exact(all).enumerate() {
                before[i * h..][..h].copy_from_slice(&states[state..][..h]);
                if layer == Recurrent::Lstm {
                    cell_before[i * h..][..h].copy_from_slice(&states[state + h..][..h]);
                }
            }
        } else {
            before[rows.clone()].copy_from_slice(&y[earlier * h..][..n * h]);
            if layer == Recurrent::Lstm {
                cell_before[rows.clone()].copy_from_slice(&cell[earlier * h..][..n * h]);
            }
        }
        let hidden = &mut hidden[at * wide..];
        multiply(work, hidden, Matrix::new(&before[at * h..], padded(work, n), h), weights.hidden);
        let hidden = &mut hidden[..n * wide];
        add_to_rows(hidden, weights.hidden_bias);
        let (gates, before) = (&mut gates[at * wide..(at + n) * wide], &before[rows.clone()]);
        match layer {
            Recurrent::Gru => gru(h, gates, hidden, before, &mut cell[rows.clone()], &mut y[rows]),
            Recurrent::Lstm => {
                let cells = (&cell_before[rows.clone()], &mut cell[rows.clone()]);
                lstm(h, gates, hidden, cells.0, cells.1, &mut y[rows]);
            }
        }
        (earlier, at) = (at, at + n);
    }
    if packed.counts.len() == 1 {
        for (i, states) in packed.states.chunks_exact_mut(all).enumerate() {
            let state = work.step.state.start;
            states[state..][..h].copy_from_slice(&y[i * h..][..h]);
            if layer == Recurrent::Lstm {
                states[state + h..][..h].copy_from_slice(&cell[i * h..][..h]);
            }
        }
    }
}

/// Gradients of weights and biases, and of `x`, through all times; the hidden states before the first one get none.
pub fn backward(work: Work<'_>, layer: Recurrent, counts: &[usize], back: Back<'_>, numbers: &mut [f32]) {
    let (h, wide, rows) = (work.step.len, layer.gates() * work.step.len, work.rows);
    let weights = Weights::new(work, layer);
    let Kept { gates, hidden, before, cell, cell_before } = Kept::new(layer, h, numbers);
    let mut end = rows;
    // Rows of the time after, whose gradient of c has been left in its place before.
    let mut later = 0;
    for (time, &n) in counts.iter().enumerate().rev() {
        let at = end - n;
        let part = at * h..end * h;
        let (earlier, g) = back.gradient.split_at_mut(at * h);
        let g = &mut g[..n * h];
        let (gates, hidden) = (&mut gates[at * wide..end * wide], &mut hidden[at * wide..end * wide]);
        match layer {
            Recurrent::Gru => gru_backward(h, g, gates, hidden, &before[part.clone()], &cell[part]),
            Recurrent::Lstm => {
                let (cell_before, after) = cell_before[at * h..].split_at_mut(n * h);
                lstm_backward(h, g, gates, &cell[part], cell_before, &after[..later * h]);
                hidden.copy_from_slice(gates);
                later = n;
            }
        }
        if time > 0 {
            let before = &mut earlier[(at - counts[time - 1]) * h..][..n * h];
            if layer == Recurrent::Gru {
                // What is left of the gradient after the gates: dh·z.
                before.iter_mut().zip(&*g).for_each(|(sum, g)| *sum += g);
            }
            product(before, Matrix::new(hidden, n, wide), weights.hidden, Store::Add);
        }
        end = at;
    }
    let gradient = |numbers| Matrix::new(numbers, rows, wide);
    if let Some(sum) = back.sum {
        let inputs = work.inputs();
        let (d_input, rest) = sum.split_at_mut(wide * inputs);
        let (d_hidden, biases) = rest.split_at_mut(wide * h);
        let (input_bias, hidden_bias) = biases.split_at_mut(wide);
        product(d_input, gradient(gates).transpose(), Matrix::new(back.x, rows, inputs), Store::Add);
        product(d_hidden, gradient(hidden).transpose(), Matrix::new(before, rows, h), Store::Add);
        sum_rows(input_bias, &gates[..rows * wide]);
        sum_rows(hidden_bias, &hidden[..rows * wide]);
    }
    if let Some(below) = back.below {
        let store = below.store();
        product(below.gradient, gradient(gates), weights.input, store);
    }
}

/// Rows of a product: whole blocks where a row's bits are not to depend on the others.
fn padded(work: Work<'_>, rows: usize) -> usize {
    if work.way.row_invariant { rows.next_multiple_of(BLOCK) } else { rows }
}

fn multiply(work: Work<'_>, into: &mut [f32], x: Matrix<'_>, weight: Matrix<'_>) {
    if work.way.row_invariant {
        products(into, x, weight.transpose());
    } else {
        product(into, x, weight.transpose(), Store::Set);
    }
}
