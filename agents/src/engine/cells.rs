//! Cells of recurrent layers, row by row. Gates lie as `[B, gates·H]`, all other numbers as `[B, H]`.
#![allow(unsafe_code)]

use phalanx_maths::{sigmoid, tanh};

use super::vector::vectorised;

/// `H` numbers of the gate `i` of a row.
#[inline(always)]
#[allow(clippy::inline_always)] // to be compiled within both forms
fn gate(row: &[f32], h: usize, i: usize) -> &[f32] {
    &row[i * h..(i + 1) * h]
}

vectorised! {
    /// A gated recurrent unit: the inputs' half of r, z, n in `gates` becomes the gates, n's hidden half goes to `hidden_n`, the state to `y`.
    pub fn gru(h: usize, gates: &mut [f32], hidden: &[f32], before: &[f32], hidden_n: &mut [f32], y: &mut [f32]) {
        let rows = gates.chunks_exact_mut(3 * h).zip(hidden.chunks_exact(3 * h)).zip(before.chunks_exact(h));
        let results = hidden_n.chunks_exact_mut(h).zip(y.chunks_exact_mut(h));
        for (((gates, hidden), before), (hidden_n, y)) in rows.zip(results) {
            hidden_n.copy_from_slice(gate(hidden, h, 2));
            let (r, rest) = gates.split_at_mut(h);
            let (z, n) = rest.split_at_mut(h);
            for (r, x) in r.iter_mut().zip(gate(hidden, h, 0)) {
                *r = sigmoid(*r + x);
            }
            for (z, x) in z.iter_mut().zip(gate(hidden, h, 1)) {
                *z = sigmoid(*z + x);
            }
            for ((n, r), x) in n.iter_mut().zip(&*r).zip(&*hidden_n) {
                *n = tanh(*n + r * x);
            }
            for (((y, z), n), before) in y.iter_mut().zip(&*z).zip(&*n).zip(before) {
                *y = (1.0 - z) * n + z * before;
            }
        }
    }
}

vectorised! {
    /// From the gradient `g` of the state: that of the gates before their activation to `gates` (inputs' half) and `hidden` (hidden
    /// half); what goes to the state before past the gates stays in `g`.
    pub fn gru_backward(h: usize, g: &mut [f32], gates: &mut [f32], hidden: &mut [f32], before: &[f32], hidden_n: &[f32]) {
        let rows = gates.chunks_exact_mut(3 * h).zip(hidden.chunks_exact_mut(3 * h)).zip(before.chunks_exact(h));
        for (((gates, hidden), before), (hidden_n, g)) in rows.zip(hidden_n.chunks_exact(h).zip(g.chunks_exact_mut(h))) {
            let (r, rest) = gates.split_at_mut(h);
            let (z, n) = rest.split_at_mut(h);
            let (hidden_r, rest) = hidden.split_at_mut(h);
            let (hidden_z, d_hidden_n) = rest.split_at_mut(h);
            for i in 0..h {
                let (gr, gz, gn, g_h) = (r[i], z[i], n[i], g[i]);
                let d_n = g_h * (1.0 - gz) * (1.0 - gn * gn);
                let d_z = g_h * (before[i] - gn) * gz * (1.0 - gz);
                let d_r = d_n * hidden_n[i] * gr * (1.0 - gr);
                (r[i], z[i], n[i]) = (d_r, d_z, d_n);
                (hidden_r[i], hidden_z[i], d_hidden_n[i]) = (d_r, d_z, d_n * gr);
                g[i] = g_h * gz;
            }
        }
    }
}

vectorised! {
    /// A long short-term memory: the inputs' half of i, f, g, o in `gates` becomes the gates, c after goes to `cell`, h to `y`.
    pub fn lstm(h: usize, gates: &mut [f32], hidden: &[f32], cell_before: &[f32], cell: &mut [f32], y: &mut [f32]) {
        let rows = gates.chunks_exact_mut(4 * h).zip(hidden.chunks_exact(4 * h)).zip(cell_before.chunks_exact(h));
        let results = cell.chunks_exact_mut(h).zip(y.chunks_exact_mut(h));
        for (((gates, hidden), before), (cell, y)) in rows.zip(results) {
            for (x, hidden) in gates.iter_mut().zip(hidden) {
                *x += hidden;
            }
            let (input_forget, rest) = gates.split_at_mut(2 * h);
            let (new, output) = rest.split_at_mut(h);
            for x in input_forget.iter_mut().chain(output.iter_mut()) {
                *x = sigmoid(*x);
            }
            for x in new.iter_mut() {
                *x = tanh(*x);
            }
            let (input, forget) = input_forget.split_at(h);
            for i in 0..h {
                cell[i] = forget[i] * before[i] + input[i] * new[i];
                y[i] = output[i] * tanh(cell[i]);
            }
        }
    }
}

vectorised! {
    /// From the gradient `g` of h and, for the first rows, `later` of c: that of the gates before their activation, to `gates`; that
    /// of c before replaces it.
    pub fn lstm_backward(h: usize, g: &[f32], gates: &mut [f32], cell: &[f32], cell_before: &mut [f32], later: &[f32]) {
        let rows = gates.chunks_exact_mut(4 * h).zip(cell.chunks_exact(h)).zip(cell_before.chunks_exact_mut(h));
        for (row, (((gates, cell), before), g)) in rows.zip(g.chunks_exact(h)).enumerate() {
            let (input, rest) = gates.split_at_mut(h);
            let (forget, rest) = rest.split_at_mut(h);
            let (new, output) = rest.split_at_mut(h);
            let later = later.get(row * h..(row + 1) * h).unwrap_or(&[]);
            for i in 0..h {
                let (gi, gf, gn, go) = (input[i], forget[i], new[i], output[i]);
                let active = tanh(cell[i]);
                let d_c = later.get(i).copied().unwrap_or(0.0) + g[i] * go * (1.0 - active * active);
                input[i] = d_c * gn * gi * (1.0 - gi);
                forget[i] = d_c * before[i] * gf * (1.0 - gf);
                new[i] = d_c * gi * (1.0 - gn * gn);
                output[i] = g[i] * active * go * (1.0 - go);
                before[i] = d_c * gf;
            }
        }
    }
}
