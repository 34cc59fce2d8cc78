//! Products of a matrix with numbers, in 32-bit floats.
//!
//! Weights lie as they are read: those of [`LANES`] outputs side by side, so that a number of `x` is loaded once for all of them and no sum waits for
//! another one.

use crate::format::LANES;
use crate::lanes::Lanes;

/// Blocks of outputs that are computed at a time where there are vector instructions: as many as hide the latency of an addition.
#[cfg(feature = "simd")]
const BLOCKS: usize = 4;

/// Adds the products with the weights of a block, `[x, LANES]`.
#[inline(always)]
fn add_block<L: Lanes>(lanes: L, sums: [f32; LANES], weight: &[[f32; LANES]], x: &[f32]) -> [f32; LANES] {
    let mut sums = lanes.load(sums);
    for (weights, &x) in weight.iter().zip(x) {
        sums = lanes.add(sums, weights, x);
    }
    lanes.store(sums)
}

/// The same for several blocks, each with the weights from a number on.
#[cfg(feature = "simd")]
#[inline(always)]
fn add_blocks<L: Lanes>(
    lanes: L,
    sums: &mut [[f32; LANES]; BLOCKS],
    [wa, wb, wc, wd]: [&[[f32; LANES]]; BLOCKS],
    x: &[f32],
) {
    let [mut a, mut b, mut c, mut d] = sums.map(|sums| lanes.load(sums));
    for ((((&x, wa), wb), wc), wd) in x.iter().zip(wa).zip(wb).zip(wc).zip(wd) {
        (a, b) = (lanes.add(a, wa, x), lanes.add(b, wb, x));
        (c, d) = (lanes.add(c, wc, x), lanes.add(d, wd, x));
    }
    *sums = [a, b, c, d].map(|sums| lanes.store(sums));
}

/// `sum + weight·x`, by four sums, so that none waits for another one.
#[inline(always)]
fn add_row(sum: f32, weight: &[f32], x: &[f32]) -> f32 {
    let ((weights, weight_rest), (xs, x_rest)) = (weight.as_chunks::<4>(), x.as_chunks::<4>());
    let [mut a, mut b, mut c, mut d] = [sum, 0.0, 0.0, 0.0];
    for (w, x) in weights.iter().zip(xs) {
        (a, b, c, d) = (a + w[0] * x[0], b + w[1] * x[1], c + w[2] * x[2], d + w[3] * x[3]);
    }
    weight_rest.iter().zip(x_rest).fold((a + b) + (c + d), |sum, (w, x)| sum + w * x)
}

/// `y = bias + W·x`, or `y += W·x` without biases, with blocks of weights `[y/LANES, columns, LANES]` and rows `[y mod LANES, columns]`, of which the
/// columns from `at` on are used; nothing where there are fewer.
#[cfg_attr(feature = "simd", inline(always))]
#[cfg_attr(not(feature = "simd"), inline(never))]
pub fn linear<L: Lanes>(
    lanes: L,
    bias: &[f32],
    weight: &[f32],
    columns: usize,
    at: usize,
    x: &[f32],
    y: &mut [f32],
) -> Option<()> {
    let (blocked, rows) = weight.split_at_checked((y.len() / LANES * LANES).wrapping_mul(columns))?;
    let (blocks, rest) = y.as_chunks_mut::<LANES>();
    let (bias, bias_rest) = bias.as_chunks();
    let (blocked, _) = blocked.as_chunks();
    let end = at.checked_add(x.len()).filter(|&end| end <= columns && columns > 0)?;

    #[cfg(feature = "simd")]
    let (blocks, blocked, bias) = {
        let (fours, blocks) = blocks.as_chunks_mut::<BLOCKS>();
        let (own, blocked) = blocked.split_at_checked(fours.len() * BLOCKS * columns)?;
        for (i, (y, weight)) in fours.iter_mut().zip(own.chunks_exact(BLOCKS * columns)).enumerate() {
            if let Some(bias) = bias.get(i * BLOCKS..).and_then(|bias| bias.first_chunk()) {
                *y = *bias;
            }
            let weights =
                core::array::from_fn(|i| weight.get(i * columns + at..i * columns + end).unwrap_or_default());
            add_blocks(lanes, y, weights, x);
        }
        (blocks, blocked, bias.get(fours.len() * BLOCKS..).unwrap_or_default())
    };
    for (i, (y, weight)) in blocks.iter_mut().zip(blocked.chunks_exact(columns)).enumerate() {
        let sums = *bias.get(i).unwrap_or(y);
        *y = add_block(lanes, sums, weight.get(at..end)?, x);
    }
    for (i, (y, weight)) in rest.iter_mut().zip(rows.chunks_exact(columns)).enumerate() {
        let sum = *bias_rest.get(i).unwrap_or(y);
        *y = add_row(sum, weight.get(at..end)?, x);
    }
    Some(())
}

/// A dense layer: weights, then biases.
#[inline(always)]
pub fn dense<L: Lanes>(lanes: L, parameters: &[f32], x: &[f32], y: &mut [f32]) -> Option<()> {
    let (weight, bias) = parameters.split_at_checked(x.len().wrapping_mul(y.len()))?;
    linear(lanes, bias.get(..y.len())?, weight, x.len(), 0, x, y)
}
