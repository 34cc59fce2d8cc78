//! What a step of a batch costs.

use std::time::Instant;

use phalanx_envs::{Registry, WorkerOptions, Workers, Zygote};
use serde_json::json;

use crate::{act, spec};

/// Prints quantiles over 5120 steps of `rows` environments, each of which keeps its core `busy` for so many µs.
pub fn steps(zygote: &Zygote, registry: &Registry, rows: usize, workers: usize, busy: f64) {
    let params = json!({ "busy": busy, "limit": 200 });
    let options = WorkerOptions { workers: Workers::Count(workers), ..WorkerOptions::default() };
    let chosen = phalanx_envs::batch(Some(zygote), registry, &spec(&params), rows, 128, 7, &options).unwrap();
    let mut batch = chosen.batch;
    batch.reset(None).unwrap();
    let mut times = Vec::new();
    for round in 0..40 {
        for t in 0..128 {
            act(batch.block(), t, round);
            let start = Instant::now();
            batch.step(t).unwrap();
            times.push(start.elapsed().as_secs_f64() * 1e6);
        }
        batch.block().carry_over(128);
    }
    times.sort_by(f64::total_cmp);
    let at = |quantile: f64| times[(quantile * times.len() as f64) as usize];
    let [low, median, high, worst] = [0.1, 0.5, 0.9, 0.99].map(at);
    println!(
        "{rows} rows of {busy} µs, {workers} workers: p10 {low:.1}, p50 {median:.1}, p90 {high:.1}, p99 {worst:.1} µs"
    );
}
