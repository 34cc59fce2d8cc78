//! Products of a matrix with numbers, for floats and for 8 bits.
//!
//! Weights lie as they are read: those of [`LANES`] outputs side by side, so that a number of `x` is loaded once for all of them and no sum waits for
//! another one.

use crate::format::LANES;

/// Blocks of outputs that are computed at a time where there are vector instructions: as many as hide the latency of an addition.
#[cfg(feature = "simd")]
const BLOCKS: usize = 4;

/// How outputs are computed from their weights.
pub trait Layer {
    /// Weights, inputs and outputs.
    type Number: Copy;
    /// What the products of an output are added in.
    type Sum: Copy;
    /// The sums of [`LANES`] outputs.
    type Sums: Copy;

    /// The sums of the outputs from `first` on, before a product is added.
    fn begin(&self, first: usize) -> Self::Sums;

    /// `sums + weights·x`.
    fn add(&self, sums: Self::Sums, weights: &[Self::Number; LANES], x: Self::Number) -> Self::Sums;

    /// The outputs from `first` on, of their sums.
    fn end(&self, first: usize, sums: Self::Sums) -> [Self::Number; LANES];

    /// The sum of one output, before a product is added.
    fn begin_row(&self, output: usize) -> Self::Sum;

    /// `sum + weight·x`.
    fn add_row(&self, sum: Self::Sum, weight: &[Self::Number], x: &[Self::Number]) -> Self::Sum;

    /// One output, of its sum.
    fn end_row(&self, output: usize, sum: Self::Sum) -> Self::Number;
}

/// Adds the products with the weights of a block, `[x, LANES]`.
#[cfg_attr(feature = "simd", inline(always))]
pub fn add_block<A: Layer>(
    layer: &A,
    mut sums: A::Sums,
    weight: &[[A::Number; LANES]],
    x: &[A::Number],
) -> A::Sums {
    for (weights, &x) in weight.iter().zip(x) {
        sums = layer.add(sums, weights, x);
    }
    sums
}

/// The same for several blocks.
#[cfg(feature = "simd")]
#[inline(always)]
fn add_blocks<A: Layer>(
    layer: &A,
    [mut a, mut b, mut c, mut d]: [A::Sums; BLOCKS],
    [wa, wb, wc, wd]: [&[[A::Number; LANES]]; BLOCKS],
    x: &[A::Number],
) -> [A::Sums; BLOCKS] {
    for ((((&x, wa), wb), wc), wd) in x.iter().zip(wa).zip(wb).zip(wc).zip(wd) {
        (a, b) = (layer.add(a, wa, x), layer.add(b, wb, x));
        (c, d) = (layer.add(c, wc, x), layer.add(d, wd, x));
    }
    [a, b, c, d]
}

/// `y = W·x + b`, with blocks of weights `[y/LANES, x, LANES]` and then rows `[y mod LANES, x]`. The `n` numbers of `x` come in pieces, each with the
/// index of its first one.
#[cfg_attr(feature = "simd", inline(always))]
pub fn linear<'a, A: Layer, P: Iterator<Item = (usize, &'a [A::Number])>>(
    layer: &A,
    weight: &[A::Number],
    n: usize,
    pieces: impl Fn() -> P,
    y: &mut [A::Number],
) where
    A::Number: 'a,
{
    let (blocks, rest) = y.as_chunks_mut::<LANES>();
    let (blocked, rows) =
        weight.split_at_checked(blocks.len().wrapping_mul(LANES).wrapping_mul(n)).unwrap_or_default();
    let (blocked, _) = blocked.as_chunks::<LANES>();
    let (n, first_row) = (n.max(1), blocks.len() * LANES);
    let mut first = 0;

    #[cfg(feature = "simd")]
    let (blocks, blocked) = {
        let (fours, blocks) = blocks.as_chunks_mut::<BLOCKS>();
        for (y, weight) in fours.iter_mut().zip(blocked.chunks_exact(BLOCKS * n)) {
            let mut sums: [_; BLOCKS] = core::array::from_fn(|i| layer.begin(first + i * LANES));
            for (at, x) in pieces() {
                let weights = core::array::from_fn(|i| weight.get(i * n + at..).unwrap_or_default());
                sums = add_blocks(layer, sums, weights, x);
            }
            for (i, (y, sums)) in y.iter_mut().zip(sums).enumerate() {
                *y = layer.end(first + i * LANES, sums);
            }
            first += BLOCKS * LANES;
        }
        (blocks, blocked.get(first / LANES * n..).unwrap_or_default())
    };
    for (y, weight) in blocks.iter_mut().zip(blocked.chunks_exact(n)) {
        let mut sums = layer.begin(first);
        for (at, x) in pieces() {
            sums = add_block(layer, sums, weight.get(at..).unwrap_or_default(), x);
        }
        *y = layer.end(first, sums);
        first += LANES;
    }
    for (i, (y, weight)) in rest.iter_mut().zip(rows.chunks_exact(n)).enumerate() {
        let mut sum = layer.begin_row(first_row + i);
        for (at, x) in pieces() {
            sum = layer.add_row(sum, weight.get(at..at.saturating_add(x.len())).unwrap_or_default(), x);
        }
        *y = layer.end_row(first_row + i, sum);
    }
}
