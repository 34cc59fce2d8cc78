//! Time of one environment step in process: trait objects, time limit, resets and their seeds included.
//!
//! `cargo bench -p phalanx-envs --bench step [NAME]` prints nanoseconds and millions of steps a second for 64 rows.

use std::time::{Duration, Instant};

use phalanx_envs::{BatchEnv, BatchError, EnvSpec, LocalBatch, Registry, generator};

const ROWS: usize = 64;
const STEPS: usize = 128;
/// The fastest of these counts: what else the machine does only ever adds.
const ROUNDS: usize = 40;

fn main() -> Result<(), BatchError> {
    let wish = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let registry = Registry::standard();
    for name in registry.names().filter(|name| wish.as_ref().is_none_or(|wish| name.contains(wish.as_str())))
    {
        let mut batch = LocalBatch::new(&registry, &EnvSpec::named(name), ROWS, STEPS, 1)?;
        act_at_random(&mut batch);
        batch.reset(None)?;
        let mut fastest = Duration::MAX;
        for _ in 0..ROUNDS {
            let start = Instant::now();
            for t in 0..STEPS {
                batch.step(t)?;
            }
            fastest = fastest.min(start.elapsed());
            batch.block_mut().carry_over(STEPS);
        }
        let nanoseconds = fastest.as_secs_f64() * 1e9 / (ROWS * STEPS) as f64;
        println!("{name:26} {nanoseconds:9.1} ns a step {:8.3} M steps/s", 1e3 / nanoseconds);
    }
    Ok(())
}

/// Writes random actions for all times.
fn act_at_random(batch: &mut LocalBatch) {
    let mut generator = generator(0);
    for t in 0..STEPS {
        (0..ROWS).for_each(|row| batch.block_mut().sample_action(t, row, &mut generator));
    }
}
