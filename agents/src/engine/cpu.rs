//! The networks on the processor: tiles of rows, spread over the threads of rayon's pool.
//!
//! Rows are cut into the same shards whatever the number of threads, and the gradients of shards are added in their
//! order: the same numbers come out with one thread and with many.

use std::ops::Range;

use rayon::prelude::*;

use super::Pass;
use super::batch::Batch;
use super::ops::Way;
use super::tile::Tile;
use crate::observations::Inputs;
use crate::plan::{Plan, Tower};

/// Shards of a pass at most: each has a gradient of its own.
const SHARDS: usize = 16;

/// Gradients that one task adds up.
const ADDED: usize = 8192;

/// The memory of passes over many rows.
#[derive(Default)]
pub struct Cpu {
    actor: Vec<Tile>,
    critic: Vec<Tile>,
    shards: Vec<Shard>,
}

struct Shard {
    tile: Tile,
    gradient: Vec<f32>,
}

impl Cpu {
    /// Outputs of `tower` for these rows of `x`, into `out [B, …]`. Hidden states `[B, S]` are replaced by those after it.
    pub fn infer(
        &mut self,
        (plan, parameters): (&Plan, &[f32]),
        tower: Tower,
        x: Inputs<'_>,
        rows: Range<usize>,
        states: &mut [f32],
        out: &mut [f32],
    ) {
        let (schedule, outputs, state) = (plan.tower(tower), plan.outputs(tower), plan.graph.state());
        let tiles = match tower {
            Tower::Actor => &mut self.actor,
            Tower::Critic => &mut self.critic,
        };
        let tile = Tile::rows(plan);
        let (start, rows) = (rows.start, rows.len());
        let threads = if plan.parts().is_some() { 1 } else { rayon::current_num_threads() };
        let parts = rows.div_ceil(Tile::least(plan)).clamp(1, threads);
        while tiles.len() < parts {
            tiles.push(Tile::new(plan, schedule, tile));
        }
        let way = Way { plan, schedule, parameters, row_invariant: true };
        let run = |memory: &mut Tile, first: usize, out: &mut [f32], states: &mut [f32]| {
            for (i, out) in out.chunks_mut(tile * outputs).enumerate() {
                let (first, rows) = (first + i * tile, out.len() / outputs);
                let states = &mut states[i * tile * state..][..rows * state];
                out.copy_from_slice(memory.infer(way, x, start + first, rows, states));
            }
        };
        if let [tile] = &mut tiles[..parts] {
            return run(tile, 0, out, states);
        }
        let part = rows.div_ceil(parts);
        let outs = out.par_chunks_mut(part * outputs).enumerate();
        if state == 0 {
            tiles.par_iter_mut().zip(outs).for_each(|(tile, (i, out))| run(tile, i * part, out, &mut []));
        } else {
            let states = states.par_chunks_mut(part * state);
            let parts = tiles.par_iter_mut().zip(outs).zip(states);
            parts.for_each(|((tile, (i, out)), states)| run(tile, i * part, out, states));
        }
    }

    /// Writes the gradient of the sum of `loss` over the transitions `batch` of `x [M, …]`. `loss` is called for some rows at
    /// a time, with the sums of their shard; those of all shards are returned in their order.
    pub fn learn<S: Default + Send>(
        &mut self,
        (plan, parameters): (&Plan, &[f32]),
        x: Inputs<'_>,
        batch: Batch<'_>,
        gradient: &mut [f32],
        loss: impl Fn(&mut S, Pass<'_>) + Sync,
    ) -> Vec<S> {
        let (schedule, rows) = (&plan.learn, Tile::rows(plan).max(batch.longest()));
        let most = if plan.parts().is_some() { 1 } else { SHARDS };
        let count = batch.count().div_ceil(rows).clamp(1, most);
        let fresh = || Shard { tile: Tile::new(plan, schedule, rows), gradient: Vec::new() };
        self.shards.resize_with(count.max(self.shards.len()), fresh);
        let shards = &mut self.shards[..count];
        let way = Way { plan, schedule, parameters, row_invariant: false };
        let run = |i: usize, tile: &mut Tile, gradient: &mut [f32]| {
            let mut sums = S::default();
            tile.grow(plan, schedule, rows);
            let mut left = batch.share(i, count);
            while left.count() > 0 {
                let (now, later) = left.split(rows);
                let loss = |pass: Pass<'_>| loss(&mut sums, pass);
                tile.learn(way, x, now, gradient, loss);
                left = later;
            }
            sums
        };
        if let [Shard { tile, .. }] = shards {
            gradient.fill(0.0);
            return vec![run(0, tile, gradient)];
        }
        let all = shards.par_iter_mut().enumerate();
        let sums = all.map(|(i, Shard { tile, gradient })| {
            gradient.clear();
            gradient.resize(plan.len(), 0.0);
            run(i, tile, gradient)
        });
        let sums = sums.collect();
        let shards = &*shards;
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
