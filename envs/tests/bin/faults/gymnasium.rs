//! Environments of Gymnasium in workers.

use std::time::Instant;

use phalanx_envs::{BatchEnv, EnvSpec, Episode, Registry, WorkerOptions, Workers, Zygote, generator};
use serde_json::{Value, json};

use crate::life::{assert_childless, kill, parent, wait_until};
use crate::loss::{is_alive, once, process};
use crate::respawn::assert_truncated;
use crate::{observation, respawning, within};

/// An environment in the Python that the tests are given.
fn spec(name: &str, mut params: Value) -> EnvSpec {
    let python = std::env::var("PHALANX_PYTHON")
        .expect("PHALANX_PYTHON must name a Python with Gymnasium: `cargo xtask test` sets it");
    params["python"] = json!(python);
    let mut spec = EnvSpec::named(&format!("gymnasium:{name}"));
    spec.params = serde_json::from_value(params).unwrap();
    spec
}

/// The walk of `tests/python/fixtures.py`.
fn walk(params: Value) -> EnvSpec {
    spec("tests.python.fixtures:Walk-v0", params)
}

fn make(
    zygote: &Zygote,
    registry: &Registry,
    spec: &EnvSpec,
    rows: usize,
    workers: usize,
    options: &WorkerOptions,
) -> Box<dyn BatchEnv> {
    let options = WorkerOptions { workers: Workers::Count(workers), ..options.clone() };
    phalanx_envs::batch(Some(zygote), registry, spec, rows, 128, 7, &options).unwrap().batch
}

/// 0, 1, 2 and 5 workers bring the same bits, each with one interpreter for its rows, of which none is left in the end.
pub fn same_bits(zygote: &Zygote, registry: &Registry) {
    let mut expected = None;
    for workers in [0, 1, 2, 5] {
        let mut batch = make(zygote, registry, &walk(json!({})), 5, workers, &within(60.0));
        batch.reset(None).unwrap();
        for t in 0..128 {
            let actions = batch.block_mut().choices_mut(t, 0..5);
            actions.iter_mut().enumerate().for_each(|(row, a)| *a = ((row * 31 + t * 17) % 3) as i64);
            batch.step(t).unwrap();
        }
        let mut pythons: Vec<i32> = (0..5).map(|row| process(&mut *batch, row)).collect();
        pythons.sort_unstable();
        pythons.dedup();
        assert_eq!(pythons.len(), workers.max(1));
        let (mut bits, mut ends) = (Vec::new(), [0; 3]);
        for (t, row) in (0..128).flat_map(|t| (0..5).map(move |row| (t, row))) {
            let block = batch.block();
            ends[block.episode(t, row) as usize] += 1;
            bits.push(block.reward(t, row).to_bits());
            bits.extend(observation(block, t + 1, row).iter().map(|x| x.to_bits()));
        }
        assert!(ends[2] > 0, "{ends:?}");
        assert!(*expected.get_or_insert(bits.clone()) == bits, "{workers} workers differ");
        batch.close().unwrap();
        drop(batch);
        assert!(!pythons.into_iter().any(is_alive), "an interpreter of {workers} workers is left");
        assert_childless(zygote.pid());
    }
}

/// An endless loop meets the deadline of its step, and the interpreter ends with its worker.
pub fn hang(zygote: &Zygote, registry: &Registry) {
    let endless = walk(json!({ "fault": "hang", "phase": "step" }));
    let options = WorkerOptions { step_deadline: 0.5, ..within(60.0) };
    let mut batch = make(zygote, registry, &endless, 2, 1, &options);
    batch.reset(None).unwrap();
    let python = process(&mut *batch, 0);
    println!("error: {}", batch.step(0).unwrap_err());
    wait_until(|| !is_alive(python));
}

/// An endless reset that looks for a mask, and an endless step of an environment that is timed.
pub fn hang_before_the_first_step(zygote: &Zygote, registry: &Registry) {
    for (phase, options) in [
        ("reset", WorkerOptions { construct_deadline: 2.0, ..within(60.0) }),
        ("step", WorkerOptions { step_deadline: 0.5, ..within(60.0) }),
    ] {
        let endless = walk(json!({ "fault": "hang", "phase": phase }));
        let batch = phalanx_envs::batch(Some(zygote), registry, &endless, 2, 128, 7, &options);
        println!("error: {}", batch.err().unwrap());
    }
}

/// Errors of an environment and the end of an interpreter reach the learner through a worker.
pub fn errors(zygote: &Zygote, registry: &Registry) {
    for (fault, phase) in [("raise", "step"), ("exit", "step"), ("os_exit", "step"), ("os_exit", "reset")] {
        let faulty = walk(json!({ "fault": fault, "phase": phase, "masks": false }));
        let mut batch = make(zygote, registry, &faulty, 2, 1, &within(60.0));
        let outcome = batch.reset(None).and_then(|()| batch.step(0));
        println!("error: {}", outcome.unwrap_err());
    }
}

/// The interpreter of one of two workers is lost in step 3: the worker is replaced with it, and steps continue.
pub fn respawn(zygote: &Zygote, registry: &Registry, fault: &str) {
    let faulty = walk(json!({ "fault": fault, "phase": "step", "at": 3, "once": once() }));
    let options = WorkerOptions { pipelined: Some(false), ..respawning(1) };
    let mut batch = make(zygote, registry, &faulty, 4, 2, &options);
    batch.reset(None).unwrap();
    let pythons = [0, 2].map(|row| process(&mut *batch, row));
    for t in 0..8 {
        batch.block_mut().choices_mut(t, 0..4).fill(1);
        batch.step(t).unwrap();
    }
    assert_eq!(batch.losses().len(), 1, "{:?}", batch.losses());
    println!("loss: {}", batch.losses()[0]);
    // Whichever worker removed the file first was the one.
    let lost = usize::from(batch.block().episode(3, 0) != Episode::Truncated);
    wait_until(|| !is_alive(pythons[lost]));
    for row in 0..4 {
        let steps = observation(batch.block(), 8, row)[1];
        if row / 2 == lost {
            assert_truncated(batch.block(), 3, row);
            assert_eq!(steps, 4.0, "row {row} goes on in its new episode");
        } else {
            assert_eq!(steps, 8.0, "row {row} notices nothing");
        }
    }
}

/// Kills a worker in a step: its interpreter ends with it.
pub fn worker_killed(zygote: &Zygote, registry: &Registry) {
    let endless = walk(json!({ "fault": "hang", "phase": "step" }));
    let mut batch = make(zygote, registry, &endless, 2, 1, &within(60.0));
    batch.reset(None).unwrap();
    let python = process(&mut *batch, 0);
    let started = batch.call(0, "start", &json!([true])).unwrap().as_i64().unwrap() as i32;
    let worker = parent(parent(python).unwrap()).unwrap();
    let killer = std::thread::spawn(move || kill(worker, "KILL"));
    println!("error: {}", batch.step(0).unwrap_err());
    killer.join().unwrap();
    wait_until(|| !is_alive(python) && !is_alive(started));
}

/// Signals that are sent to all do not end an interpreter, and are handled as usual by what it starts.
pub fn signals(zygote: &Zygote, registry: &Registry) {
    for workers in [0, 1] {
        let mut batch = make(zygote, registry, &walk(json!({})), 2, workers, &within(30.0));
        batch.reset(None).unwrap();
        let python = process(&mut *batch, 0);
        for signal in ["INT", "TERM", "HUP"] {
            kill(python, signal);
            assert_eq!(process(&mut *batch, 0), python);
        }
        // -15: by SIGTERM.
        assert_eq!(batch.call(0, "end_orderly", &Value::Null).unwrap(), json!([-15, -15]));
        batch.close().unwrap();
    }
}

/// Prints the interpreters of a worker and of this process, with a program in a session of its own that each started, and waits in an endless loop to be killed.
pub fn learner_killed(zygote: &Zygote, registry: &Registry) {
    let endless = walk(json!({ "fault": "hang", "phase": "step" }));
    let mut batches = [1, 0].map(|workers| make(zygote, registry, &endless, 2, workers, &within(300.0)));
    let mut pythons = Vec::new();
    for batch in &mut batches {
        batch.reset(None).unwrap();
        pythons.push(process(&mut **batch, 0).to_string());
        pythons.push(batch.call(0, "start", &json!([true])).unwrap().to_string());
    }
    println!("{}", pythons.join(" "));
    let _ = batches[1].step(0);
}

/// Prints what a step of a row costs over seven rounds of 5120 steps with random actions, resets included.
pub fn bench(zygote: &Zygote, registry: &Registry, name: &str, rows: usize, workers: usize) {
    let mut batch = make(zygote, registry, &spec(name, json!({})), rows, workers, &within(60.0));
    let mut random = generator(0);
    batch.reset(None).unwrap();
    let mut rounds = Vec::new();
    for _ in 0..7 {
        let mut seconds = 0.0;
        for _ in 0..40 {
            for t in 0..128 {
                (0..rows).for_each(|row| batch.block_mut().sample_action(t, row, &mut random));
            }
            let start = Instant::now();
            (0..128).for_each(|t| batch.step(t).unwrap());
            seconds += start.elapsed().as_secs_f64();
            batch.block_mut().carry_over(128);
        }
        rounds.push(seconds / (40 * 128 * rows) as f64 * 1e6);
    }
    rounds.sort_by(f64::total_cmp);
    println!(
        "{name}, {rows} rows, {workers} workers: {:.2} µs a step ({:.2} to {:.2})",
        rounds[3], rounds[0], rounds[6]
    );
}

/// The end of a batch whose environments do not close in order.
pub fn close(zygote: &Zygote, registry: &Registry, fault: &str) {
    let spec = walk(json!({ "fault": fault, "phase": "close" }));
    let mut batch = make(zygote, registry, &spec, 4, 2, &within(60.0));
    batch.reset(None).unwrap();
    println!("error: {}", batch.close().unwrap_err());
    batch.close().unwrap();
}

/// Environments of which a process can have one.
pub fn single(zygote: &Zygote, registry: &Registry) {
    let spec = spec("tests.python.fixtures:Single-v0", json!({}));
    make(zygote, registry, &spec, 2, 2, &within(60.0)).reset(None).unwrap();
    for pipelined in [false, true] {
        let options =
            WorkerOptions { workers: Workers::Count(1), pipelined: Some(pipelined), ..within(60.0) };
        let error = phalanx_envs::batch(Some(zygote), registry, &spec, 2, 8, 7, &options).err().unwrap();
        println!("error: {error}");
    }
}
