//! The networks on the processor: tiles of rows, spread over the threads of rayon's pool.
//!
//! Rows are cut into the same shards whatever the number of threads, and the gradients of shards are added in their
//! order: the same numbers come out with one thread and with many.

use std::ops::Range;

use phalanx_envs::Elements;
use rayon::prelude::*;

use super::Pass;
use super::tile::Tile;
use crate::observations::{len, part};
use crate::plan::{Plan, Tower};

/// Shards of a pass at most: each has a gradient of its own.
const SHARDS: usize = 16;

/// Gradients that one task adds up.
const ADDED: usize = 8192;

/// The memory of passes over many rows.
pub struct Cpu {
    shards: Vec<Shard>,
}

struct Shard {
    tile: Tile,
    gradient: Vec<f32>,
}

impl Cpu {
    /// Memory for a pass of at most one tile; larger ones make more.
    pub fn new() -> Self {
        Self { shards: Vec::new() }
    }

    fn shards(&mut self, plan: &Plan, wanted: usize) -> &mut [Shard] {
        let fresh = || Shard { tile: Tile::new(plan), gradient: Vec::new() };
        self.shards.resize_with(wanted.max(self.shards.len()), fresh);
        &mut self.shards[..wanted]
    }

    /// Outputs of `tower` for `x [B, inputs]`, into `out [B, …]`.
    pub fn infer(&mut self, plan: &Plan, parameters: &[f32], tower: Tower, x: Elements<'_>, out: &mut [f32]) {
        let (inputs, outputs, tile) = (plan.inputs, plan.outputs(tower), Tile::rows(plan));
        let rows = len(x) / inputs;
        let shards =
            self.shards(plan, rows.div_ceil(Tile::least(plan)).clamp(1, rayon::current_num_threads()));
        let run = |shard: &mut Shard, first: usize, out: &mut [f32]| {
            for (i, out) in out.chunks_mut(tile * outputs).enumerate() {
                let first = first + i * tile;
                let x = part(x, first * inputs..(first + out.len() / outputs) * inputs);
                out.copy_from_slice(shard.tile.infer(plan, parameters, tower, x));
            }
        };
        if let [shard] = shards {
            return run(shard, 0, out);
        }
        let rows = rows.div_ceil(shards.len());
        let parts = out.par_chunks_mut(rows * outputs).enumerate();
        shards.par_iter_mut().zip(parts).for_each(|(shard, (i, out))| run(shard, i * rows, out));
    }

    /// Writes the gradient of the sum of `loss` over the rows `index` of `x [M, inputs]`. `loss` is called for some rows at
    /// a time, with the sums of their shard; those of all shards are returned in their order.
    pub fn learn<S: Default + Send>(
        &mut self,
        plan: &Plan,
        parameters: &[f32],
        x: Elements<'_>,
        index: &[i64],
        gradient: &mut [f32],
        loss: impl Fn(&mut S, Pass<'_>) + Sync,
    ) -> Vec<S> {
        let tile = Tile::rows(plan);
        let shards = self.shards(plan, index.len().div_ceil(tile).clamp(1, SHARDS));
        let count = shards.len();
        let part = |i: usize| -> Range<usize> { index.len() * i / count..index.len() * (i + 1) / count };
        let run = |(i, shard): (usize, &mut Shard)| {
            let mut sums = S::default();
            shard.gradient.clear();
            shard.gradient.resize(plan.len(), 0.0);
            for index in index[part(i)].chunks(tile) {
                let loss = |pass: Pass<'_>| loss(&mut sums, pass);
                shard.tile.learn(plan, parameters, x, index, &mut shard.gradient, loss);
            }
            sums
        };
        if let [shard] = shards {
            let sums = run((0, shard));
            gradient.copy_from_slice(&shard.gradient);
            return vec![sums];
        }
        let sums = shards.par_iter_mut().enumerate().map(run).collect();
        gradient.par_chunks_mut(ADDED).enumerate().for_each(|(i, gradient)| {
            let part = |shard: &'_ Shard| -> Range<usize> {
                let start = i * ADDED;
                start..(start + ADDED).min(shard.gradient.len())
            };
            gradient.copy_from_slice(&shards[0].gradient[part(&shards[0])]);
            for shard in &shards[1..] {
                for (sum, g) in gradient.iter_mut().zip(&shard.gradient[part(shard)]) {
                    *sum += g;
                }
            }
        });
        sums
    }
}
