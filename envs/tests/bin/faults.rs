//! Programs that `tests/workers.rs` runs: a fork belongs into a process of its own, never into a test harness.
//!
//! Each asserts what it can see itself and prints what only its parent can judge; it ends with the line `end`.
#![allow(clippy::unwrap_used)]

#[path = "faults/bench.rs"]
mod bench;
#[path = "faults/env.rs"]
mod env;
#[path = "faults/equal.rs"]
mod equal;
#[path = "faults/gymnasium.rs"]
mod gymnasium;
#[path = "faults/life.rs"]
mod life;
#[path = "faults/loss.rs"]
mod loss;
#[path = "faults/respawn.rs"]
mod respawn;

use phalanx_envs::{Block, Elements, EnvSpec, OnWorkerLoss, Registry, WorkerBatch, WorkerOptions, Zygote};
use serde_json::Value;

fn main() {
    let registry = Registry::standard()
        .with("faulty", |params| Ok(Box::new(env::Faulty::new(params)?)))
        .with("pixels", |_| Ok(Box::new(bench::Pixels::new())));
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if arguments == ["threads"] {
        life::threads(&registry);
    } else {
        run(&Zygote::start(&registry).unwrap(), &registry, &arguments);
    }
    println!("end");
}

fn run(zygote: &Zygote, registry: &Registry, arguments: &[&str]) {
    match arguments {
        ["fault", params, deadline] => loss::fault(zygote, params, deadline.parse().unwrap()),
        ["provider", name, params, deadline] => {
            loss::of_a_provider(zygote, name, params, deadline.parse().unwrap());
        }
        ["last-words"] => loss::last_words(zygote),
        ["worker-killed"] => loss::worker_killed(zygote),
        ["zygote-killed"] => loss::zygote_killed(zygote),
        ["learner-killed"] => loss::learner_killed(zygote),
        ["respawn", fault] => respawn::after(zygote, fault),
        ["respawn-killed"] => respawn::killed(zygote),
        ["respawn-at-most"] => respawn::at_most(zygote),
        ["respawn-reset"] => respawn::in_reset(zygote),
        ["respawn-pipelined"] => respawn::pipelined(zygote),
        ["respawn-resting"] => respawn::resting_rows(zygote),
        ["same-bits"] => equal::same_bits(zygote, registry),
        ["replay"] => {
            equal::replay(zygote, registry);
            equal::replay_elsewhere(zygote, registry);
        }
        ["replay-lost", fault] => equal::replay_lost(zygote, fault),
        ["infos"] => equal::infos(zygote, registry),
        ["pictures"] => equal::pictures(zygote, registry),
        ["calls"] => equal::calls(zygote, registry),
        ["close-during-step"] => life::close_during_step(zygote),
        ["hundred"] => life::hundred(zygote, registry),
        ["cycles"] => life::cycles(zygote),
        ["auto"] => life::auto(zygote, registry),
        ["refused"] => life::refused(zygote, registry),
        ["signals"] => life::signals(zygote),
        ["bench", rows, workers, "pixels"] => {
            bench::pixels(zygote, registry, rows.parse().unwrap(), workers.parse().unwrap());
        }
        ["bench", rows, workers, busy, uneven @ ..] => {
            let [rows, workers] = [rows, workers].map(|text| text.parse().unwrap());
            let uneven = uneven == ["uneven"];
            bench::steps(zygote, registry, rows, workers, busy.parse().unwrap(), uneven);
        }
        ["gymnasium-same-bits"] => gymnasium::same_bits(zygote, registry),
        ["gymnasium-hang"] => gymnasium::hang(zygote, registry),
        ["gymnasium-hang-before"] => gymnasium::hang_before_the_first_step(zygote, registry),
        ["gymnasium-errors"] => gymnasium::errors(zygote, registry),
        ["gymnasium-respawn", fault] => gymnasium::respawn(zygote, registry, fault),
        ["gymnasium-close", fault] => gymnasium::close(zygote, registry, fault),
        ["gymnasium-single"] => gymnasium::single(zygote, registry),
        ["gymnasium-signals"] => gymnasium::signals(zygote, registry),
        ["gymnasium-worker-killed"] => gymnasium::worker_killed(zygote, registry),
        ["gymnasium-learner-killed"] => gymnasium::learner_killed(zygote, registry),
        ["gymnasium-bench", name, rows, workers] => {
            let [rows, workers] = [rows, workers].map(|text| text.parse().unwrap());
            gymnasium::bench(zygote, registry, name, rows, workers);
        }
        _ => panic!("no program {arguments:?}"),
    }
}

/// The faulty environment with these parameters.
fn spec(params: &Value) -> EnvSpec {
    let mut spec = EnvSpec::named("faulty");
    spec.params = serde_json::from_value(params.clone()).unwrap();
    spec
}

/// A batch of run 7 over ten steps.
fn batch(
    zygote: &Zygote,
    params: &Value,
    rows: usize,
    workers: usize,
    options: &WorkerOptions,
) -> WorkerBatch {
    WorkerBatch::new(zygote, &spec(params), rows, 10, 7, workers, options).unwrap()
}

/// All deadlines at so many seconds.
fn within(deadline: f64) -> WorkerOptions {
    WorkerOptions {
        step_deadline: deadline,
        command_deadline: deadline,
        construct_deadline: deadline,
        ..WorkerOptions::default()
    }
}

/// Replaces lost workers so many times.
fn respawning(at_most: usize) -> WorkerOptions {
    WorkerOptions { on_worker_loss: OnWorkerLoss::Respawn { at_most }, ..within(30.0) }
}

/// Actions that depend on time and row alone.
fn act(block: &mut Block, t: usize, salt: usize) {
    let rows = block.layout().rows;
    for (row, action) in block.numbers_mut(t, 0..rows).iter_mut().enumerate() {
        *action = ((row * 31 + t * 17 + salt * 7) % 21) as f32 / 10.0 - 1.0;
    }
}

/// A row of observations, copied.
fn observation(block: &Block, t: usize, row: usize) -> Vec<f32> {
    numbers(block.observation_row(t, row))
}

/// A row of final observations, copied.
fn final_observation(block: &Block, t: usize, row: usize) -> Vec<f32> {
    numbers(block.final_observation_row(t, row))
}

fn numbers(row: Elements<'_>) -> Vec<f32> {
    (0..row.len()).map(|i| row.number(i)).collect()
}
