//! One function for each program.

use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use phalanx_envs::{
    BatchEnv, Block, EnvSpec, OnWorkerLoss, Params, Registry, WorkerBatch, WorkerOptions, Workers, Zygote,
    batch,
};
use serde_json::json;

pub fn run(zygote: &Zygote, registry: &Registry, arguments: &[String]) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["fault", params, deadline] => fault(zygote, params, deadline.parse().unwrap()),
        ["bench", rows, workers, busy] => {
            bench(zygote, rows.parse().unwrap(), workers.parse().unwrap(), busy.parse().unwrap(), registry);
        }
        _ => panic!("no scenario {arguments:?}"),
    }
}

/// The environment with these parameters.
fn spec(params: &str) -> EnvSpec {
    let mut spec = EnvSpec::named("faulty");
    spec.params = serde_json::from_str::<Params>(params).unwrap();
    spec
}

fn options(deadline: f64, on_worker_loss: OnWorkerLoss) -> WorkerOptions {
    WorkerOptions {
        workers: Workers::Auto,
        on_worker_loss,
        step_deadline: deadline,
        command_deadline: deadline,
        construct_deadline: deadline,
    }
}

/// Actions that depend on time and row alone.
fn act(block: &Block, t: usize, salt: usize) {
    for (row, action) in block.continuous_actions(t).iter_mut().enumerate() {
        *action = ((row * 31 + t * 17 + salt * 7) % 21) as f32 / 10.0 - 1.0;
    }
}

/// Two workers with two rows each, ten steps: prints the first error and how the batch behaves after it.
fn fault(zygote: &Zygote, params: &str, deadline: f64) {
    let made = WorkerBatch::new(zygote, &spec(params), 4, 10, 7, 2, &options(deadline, OnWorkerLoss::Fail));
    let mut batch = match made {
        Ok(batch) => batch,
        Err(e) => return println!("error: {e}"),
    };
    let mut outcome = batch.reset(None);
    for t in 0..10 {
        act(batch.block(), t, 0);
        outcome = outcome.and_then(|()| batch.step(t));
    }
    match outcome {
        Ok(()) => println!("no error"),
        Err(e) => {
            println!("error: {e}");
            println!("again: {}", batch.step(0).unwrap_err());
        }
    }
    println!("closed: {:?}", batch.close());
    println!("closed twice: {:?}", batch.close());
}

/// Prints what a step of the batch costs.
fn bench(zygote: &Zygote, rows: usize, workers: usize, busy: f64, registry: &Registry) {
    let params = json!({ "busy": busy, "limit": 200 }).to_string();
    let options = WorkerOptions { workers: Workers::Count(workers), ..WorkerOptions::default() };
    let mut chosen = batch(Some(zygote), registry, &spec(&params), rows, 128, 7, &options).unwrap();
    chosen.batch.reset(None).unwrap();
    let mut times = Vec::new();
    for round in 0..40 {
        for t in 0..128 {
            act(chosen.batch.block(), t, round);
            let start = Instant::now();
            chosen.batch.step(t).unwrap();
            times.push(start.elapsed().as_secs_f64() * 1e6);
        }
        chosen.batch.block().carry_over(128);
    }
    times.sort_by(f64::total_cmp);
    let at = |q: f64| times[(q * times.len() as f64) as usize];
    println!(
        "{rows} rows, {} workers, {busy} µs: p10 {:.1} p50 {:.1} p90 {:.1} p99 {:.1} µs a batch step",
        chosen.workers,
        at(0.1),
        at(0.5),
        at(0.9),
        at(0.99)
    );
}

/// Starts a zygote where it must not be started.
pub fn threads(registry: &Registry) {
    let (keep, wait) = mpsc::channel::<()>();
    let other = thread::spawn(move || wait.recv().is_err());
    println!("error: {}", Zygote::start(registry).err().unwrap());
    drop(keep);
    other.join().unwrap();
}
