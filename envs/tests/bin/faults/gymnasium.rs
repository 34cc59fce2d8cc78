//! Environments of Gymnasium in workers.

use std::time::Instant;

use phalanx_envs::{BatchEnv, EnvSpec, Registry, WorkerOptions, Workers, Zygote, generator};
use serde_json::json;

/// An environment of `tests/python/fixtures.py`, or any other, in the Python that the tests are given.
fn spec(name: &str) -> EnvSpec {
    let python = std::env::var("PHALANX_PYTHON").expect("PHALANX_PYTHON names a Python with Gymnasium");
    let mut spec = EnvSpec::named(&format!("gymnasium:{name}"));
    spec.params.0.insert("python".to_owned(), json!(python));
    spec
}

fn make(zygote: &Zygote, registry: &Registry, spec: &EnvSpec, rows: usize, workers: usize) -> Box<dyn BatchEnv> {
    let options = WorkerOptions { workers: Workers::Count(workers), ..WorkerOptions::default() };
    phalanx_envs::batch(Some(zygote), registry, spec, rows, 128, 7, &options).unwrap().batch
}

/// Prints what a step of a row costs over seven rounds of 5120 steps with random actions, resets included.
pub fn bench(zygote: &Zygote, registry: &Registry, name: &str, rows: usize, workers: usize) {
    let mut batch = make(zygote, registry, &spec(name), rows, workers);
    let (mut random, space) = (generator(0), batch.action_space().clone());
    let width = space.len();
    batch.reset(None).unwrap();
    let mut rounds = Vec::new();
    for _ in 0..7 {
        let mut seconds = 0.0;
        for _ in 0..40 {
            for t in 0..128 {
                for row in 0..rows {
                    let part = row * width..(row + 1) * width;
                    let block = batch.block();
                    if block.layout().is_discrete() {
                        space.sample(&mut random, &mut block.discrete_actions(t)[part], &mut []);
                    } else {
                        space.sample(&mut random, &mut [], &mut block.continuous_actions(t)[part]);
                    }
                }
            }
            let start = Instant::now();
            (0..128).for_each(|t| batch.step(t).unwrap());
            seconds += start.elapsed().as_secs_f64();
            batch.block().carry_over(128);
        }
        rounds.push(seconds / (40 * 128 * rows) as f64 * 1e6);
    }
    rounds.sort_by(f64::total_cmp);
    println!(
        "{name}, {rows} rows, {workers} workers: {:.2} µs a step ({:.2} to {:.2})",
        rounds[3], rounds[0], rounds[6]
    );
}
