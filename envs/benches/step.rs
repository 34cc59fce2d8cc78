//! Time of one environment step in process: trait objects, time limit, resets and their seeds included.
//!
//! `cargo bench -p phalanx-envs --bench step [NAME]` prints nanoseconds and millions of steps a second for 64 rows.

use std::time::{Duration, Instant};

use phalanx_envs::{BatchEnv, EnvError, EnvSpec, LocalBatch, Registry, generator};

const ROWS: usize = 64;
const STEPS: usize = 128;
/// The fastest of these counts: what else the machine does only ever adds.
const ROUNDS: usize = 40;

fn main() -> Result<(), EnvError> {
    let wish = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let registry = Registry::standard();
    for name in registry.names().filter(|name| wish.as_ref().is_none_or(|wish| name.contains(wish.as_str())))
    {
        let mut batch = LocalBatch::new(&registry, &EnvSpec::named(name), ROWS, STEPS, 1)?;
        act_at_random(&batch);
        batch.reset(None)?;
        let mut fastest = Duration::MAX;
        for _ in 0..ROUNDS {
            let start = Instant::now();
            for t in 0..STEPS {
                batch.step(t)?;
            }
            fastest = fastest.min(start.elapsed());
            batch.block().carry_over(STEPS);
        }
        let nanoseconds = fastest.as_secs_f64() * 1e9 / (ROWS * STEPS) as f64;
        println!("{name:26} {nanoseconds:9.1} ns a step {:8.3} M steps/s", 1e3 / nanoseconds);
    }
    Ok(())
}

/// Writes random actions for all times.
fn act_at_random(batch: &LocalBatch) {
    let (block, space) = (batch.block(), batch.action_space());
    let mut generator = generator(0);
    let (mut discrete, mut continuous) = (vec![0; space.len()], vec![0.0; space.len()]);
    for t in 0..STEPS {
        for row in 0..ROWS {
            space.sample(&mut generator, &mut discrete, &mut continuous);
            let place = row * space.len()..(row + 1) * space.len();
            if block.layout().is_discrete() {
                block.discrete_actions(t)[place].copy_from_slice(&discrete);
            } else {
                block.continuous_actions(t)[place].copy_from_slice(&continuous);
            }
        }
    }
}
