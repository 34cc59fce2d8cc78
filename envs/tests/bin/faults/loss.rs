//! Workers, zygotes and learners that are lost.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use phalanx_envs::{BatchEnv, EnvSpec, WorkerBatch, Zygote};
use serde_json::{Value, json};

use crate::equal::pipelined;
use crate::life::{assert_childless, kill, wait_until};
use crate::{act, batch, spec, within};

/// Two workers with two rows each, ten steps: prints the first error and how the batch behaves after it.
pub fn fault(zygote: &Zygote, params: &str, deadline: f64) {
    let params = serde_json::from_str(params).unwrap();
    let mut batch = match WorkerBatch::new(zygote, &spec(&params), 4, 10, 7, 2, &within(deadline)) {
        Ok(batch) => batch,
        Err(e) => {
            println!("error: {e}");
            return assert_childless(zygote.pid());
        }
    };
    let mut outcome = batch.reset(None);
    for t in 0..10 {
        act(batch.block_mut(), t, 0);
        outcome = outcome.and_then(|()| batch.step(t));
    }
    println!("error: {}", outcome.unwrap_err());
    println!("again: {}", batch.step(0).unwrap_err());
    batch.close().unwrap();
    batch.close().unwrap();
    assert_childless(zygote.pid());
}

/// As [`fault`], with an environment of a provider that has choices to make: always the first one.
pub fn of_a_provider(zygote: &Zygote, name: &str, params: &str, deadline: f64) {
    let spec = EnvSpec { params: serde_json::from_str(params).unwrap(), ..EnvSpec::named(name) };
    let mut batch = WorkerBatch::new(zygote, &spec, 4, 10, 7, 2, &within(deadline)).unwrap();
    let mut outcome = batch.reset(None);
    for t in 0..10 {
        batch.block_mut().choices_mut(t, 0..4).fill(0);
        outcome = outcome.and_then(|()| batch.step(t));
    }
    println!("error: {}", outcome.unwrap_err());
    batch.close().unwrap();
    assert_childless(zygote.pid());
}

/// The environment of a worker's first slice panics while the learner is elsewhere, and the second slice is never stepped.
pub fn last_words(zygote: &Zygote) {
    let params = json!({ "fault": "panic", "phase": "step" });
    let mut batch = pipelined(zygote, &params, 4, 1, &within(30.0));
    batch.reset(None).unwrap();
    let worker = process(&mut batch, 0);
    act(batch.block_mut(), 0, 0);
    assert_eq!(batch.groups().len(), 2);
    (0..2).for_each(|group| batch.begin(group, 0).unwrap());
    wait_until(|| !is_alive(worker));
    println!("error: {}", batch.finish(1).unwrap_err());
}

/// Kills a worker between two steps, and one within a step.
pub fn worker_killed(zygote: &Zygote) {
    let mut idle = batch(zygote, &json!({}), 4, 2, &within(30.0));
    idle.reset(None).unwrap();
    act(idle.block_mut(), 0, 0);
    idle.step(0).unwrap();
    kill(process(&mut idle, 3), "KILL");
    act(idle.block_mut(), 1, 0);
    let start = Instant::now();
    println!("error: {}", idle.step(1).unwrap_err());
    assert!(start.elapsed() < Duration::from_secs(5), "a death is not waited for");

    let once = once();
    let params = json!({ "fault": "hang", "phase": "step", "at": 1, "once": once });
    let mut busy = batch(zygote, &params, 2, 1, &within(30.0));
    busy.reset(None).unwrap();
    let worker = process(&mut busy, 0);
    let killer = std::thread::spawn(move || {
        wait_until(|| !once.exists());
        kill(worker, "KILL");
    });
    act(busy.block_mut(), 0, 0);
    busy.step(0).unwrap();
    act(busy.block_mut(), 1, 0);
    println!("error: {}", busy.step(1).unwrap_err());
    killer.join().unwrap();
}

/// A file that one environment alone can remove.
pub fn once() -> PathBuf {
    let once = std::env::temp_dir().join(format!("phalanx-once-{}", std::process::id()));
    std::fs::write(&once, "").unwrap();
    once
}

/// Kills the zygote: its workers die with it, and every batch reports it.
pub fn zygote_killed(zygote: &Zygote) {
    let mut batch = batch(zygote, &json!({}), 4, 2, &within(30.0));
    batch.reset(None).unwrap();
    let workers = [process(&mut batch, 0), process(&mut batch, 2)];
    kill(zygote.pid(), "KILL");
    wait_until(|| workers.iter().all(|&pid| !is_alive(pid)));
    act(batch.block_mut(), 0, 0);
    println!("error: {}", batch.step(0).unwrap_err());
    let refused = WorkerBatch::new(zygote, &spec(&json!({})), 1, 1, 7, 1, &within(30.0));
    println!("new batch: {}", refused.err().unwrap());
    batch.close().unwrap();
}

/// Prints its workers and hangs in a step until it is killed itself.
pub fn learner_killed(zygote: &Zygote) {
    let mut batch = batch(zygote, &json!({ "fault": "hang", "phase": "step" }), 4, 4, &within(300.0));
    batch.reset(None).unwrap();
    let workers: Vec<String> = (0..4).map(|row| process(&mut batch, row).to_string()).collect();
    println!("{} {}", zygote.pid(), workers.join(" "));
    act(batch.block_mut(), 0, 0);
    let _ = batch.step(0);
}

/// Process of a row's worker.
pub fn process(batch: &mut dyn BatchEnv, row: usize) -> i32 {
    batch.call(row, "pid", &Value::Null).unwrap().as_i64().unwrap() as i32
}

/// State of a process, as one letter; `None` when there is none.
fn state(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

/// Whether a process runs; a zombie does not.
pub fn is_alive(pid: i32) -> bool {
    state(pid).is_some_and(|state| state != 'Z')
}
