//! How zygotes and workers begin and end.

use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use phalanx_envs::{BatchEnv, EnvSpec, LocalBatch, Registry, WorkerBatch, WorkerOptions, Workers, Zygote};
use serde_json::json;

use crate::loss::process;
use crate::{act, batch, observation, spec, within};

/// Sends a signal by its name.
pub fn kill(pid: i32, signal: &str) {
    assert!(Command::new("kill").args([format!("-{signal}"), pid.to_string()]).status().unwrap().success());
}

/// Waits for something that is bound to happen.
pub fn wait_until(happened: impl Fn() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < Duration::from_secs(30), "it never happened");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Processes whose parent is `pid`, zombies included.
fn children(pid: i32) -> Vec<i32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    numbers.filter(|&other| parent(other) == Some(pid)).collect()
}

/// Sees that a process has no child left, not even a zombie.
pub fn assert_childless(pid: i32) {
    assert_eq!(children(pid), Vec::<i32>::new());
}

/// The parent of a process.
pub fn parent(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.split(' ').nth(1)?.parse().ok()
}

/// Starts a zygote where it must not be started.
pub fn threads(registry: &Registry) {
    let (keep, wait) = mpsc::channel::<()>();
    let other = thread::spawn(move || wait.recv().is_err());
    println!("error: {}", Zygote::start(registry).err().unwrap());
    drop(keep);
    other.join().unwrap();
}

/// Another thread closes the zygote while this one waits for a step that never ends.
pub fn close_during_step(zygote: &Zygote) {
    let params = json!({ "fault": "hang", "phase": "step" });
    let mut batch = batch(zygote, &params, 4, 2, &within(300.0));
    batch.reset(None).unwrap();
    act(batch.block_mut(), 0, 0);
    let (handle, started) = (zygote.clone(), Instant::now());
    let closer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        handle.close();
        handle.close();
    });
    println!("error: {}", batch.step(0).unwrap_err());
    closer.join().unwrap();
    assert!(started.elapsed() < Duration::from_secs(10));
    batch.close().unwrap();
    assert_childless(std::process::id() as i32);
}

/// A hundred workers bring what none brings.
pub fn hundred(zygote: &Zygote, registry: &Registry) {
    let params = json!({ "limit": 4 });
    let mut many = batch(zygote, &params, 150, 100, &within(60.0));
    let mut local = LocalBatch::new(registry, &spec(&params), 150, 10, 7).unwrap();
    let batches: [&mut dyn BatchEnv; 2] = [&mut many, &mut local];
    for batch in batches {
        batch.reset(None).unwrap();
        for t in 0..10 {
            act(batch.block_mut(), t, 0);
            batch.step(t).unwrap();
        }
    }
    for row in 0..150 {
        assert_eq!(observation(many.block(), 10, row), observation(local.block(), 10, row));
    }
    assert_eq!(children(zygote.pid()).len(), 100);
    many.close().unwrap();
    assert_childless(zygote.pid());
}

/// A thousand batches come and go, and leave nothing behind in the learner or the zygote.
pub fn cycles(zygote: &Zygote) {
    let cycle = || {
        let mut batch = batch(zygote, &json!({}), 2, 2, &within(30.0));
        batch.reset(None).unwrap();
        act(batch.block_mut(), 0, 0);
        batch.step(0).unwrap();
    };
    let processes = [std::process::id() as i32, zygote.pid()];
    let descriptors = || processes.map(|pid| std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count());
    let maps = || processes.map(|pid| read(pid, "maps").lines().count());
    // The first ones find their buffers.
    (0..50).for_each(|_| cycle());
    let before = (descriptors(), maps(), processes.map(resident));
    (0..1000).for_each(|_| cycle());
    let after = (descriptors(), maps(), processes.map(resident));
    assert_eq!(before.0, after.0, "open descriptors");
    // The allocator may map or unmap an area or two of its own.
    assert!(after.1.iter().zip(before.1).all(|(after, before)| *after <= before + 5), "{before:?} {after:?}");
    assert!(
        after.2.iter().zip(before.2).all(|(after, before)| *after <= before + 2000),
        "{before:?} {after:?}"
    );
    assert_childless(zygote.pid());
    assert_eq!(children(std::process::id() as i32), [zygote.pid()]);
}

fn read(pid: i32, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap()
}

/// Resident memory in kB.
fn resident(pid: i32) -> u64 {
    let status = read(pid, "status");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Cheap environments stay here, expensive ones are shared out, and a number is obeyed.
pub fn auto(zygote: &Zygote, registry: &Registry) {
    let choose = |busy: f64, rows: usize, workers: Workers| {
        let options = WorkerOptions { workers, ..within(30.0) };
        let spec = spec(&json!({ "busy": busy }));
        let chosen = phalanx_envs::batch(Some(zygote), registry, &spec, rows, 4, 7, &options).unwrap();
        println!("{} workers: {}", chosen.workers, chosen.why);
        assert_eq!(children(zygote.pid()).len(), chosen.workers);
        chosen.workers
    };
    let cores = thread::available_parallelism().unwrap().get();
    assert_eq!(choose(0.0, 8, Workers::Auto), 0);
    assert_eq!(choose(1000.0, 8, Workers::Auto), if cores == 1 { 0 } else { cores.min(8) });
    assert_eq!(choose(1000.0, 8, Workers::Count(0)), 0);
    assert_eq!(choose(0.0, 8, Workers::Count(3)), 3);
    assert_eq!(choose(0.0, 2, Workers::Count(3)), 2);
    // A worker that can be replaced, though the environment costs nothing.
    let options = WorkerOptions { workers: Workers::Auto, ..crate::respawning(1) };
    let free = spec(&json!({ "busy": 0.0 }));
    let chosen = phalanx_envs::batch(Some(zygote), registry, &free, 8, 4, 7, &options).unwrap();
    assert_eq!(chosen.workers, 1);
    let auto = WorkerOptions::default();
    let alone =
        phalanx_envs::batch(None, registry, &spec(&json!({ "busy": 1000.0 })), 8, 4, 7, &auto).unwrap();
    assert_eq!(alone.workers, 0);
}

/// What cannot be had is refused in words.
pub fn refused(zygote: &Zygote, registry: &Registry) {
    let one = WorkerOptions { workers: Workers::Count(1), ..WorkerOptions::default() };
    let impatient = WorkerOptions { step_deadline: 0.0, ..one.clone() };
    let fine = spec(&json!({}));
    let errors = [
        phalanx_envs::batch(None, registry, &fine, 1, 1, 7, &one).err(),
        phalanx_envs::batch(Some(zygote), registry, &fine, 1, 1, 7, &impatient).err(),
        phalanx_envs::batch(Some(zygote), registry, &EnvSpec::named("faulti"), 1, 1, 7, &one).err(),
        WorkerBatch::new(zygote, &fine, 2, 1, 7, 3, &one).err(),
        WorkerBatch::new(zygote, &fine, 100_000, 1, 7, 100_000, &one).err(),
    ];
    for error in errors {
        println!("{}", error.unwrap());
    }
    assert_childless(zygote.pid());
}

/// What a terminal sends to all is the learner's to answer.
pub fn signals(zygote: &Zygote) {
    let mut batch = batch(zygote, &json!({}), 2, 2, &within(30.0));
    batch.reset(None).unwrap();
    for signal in ["INT", "TERM", "HUP"] {
        let all = [zygote.pid(), process(&mut batch, 0), process(&mut batch, 1)];
        for pid in all {
            kill(pid, signal);
        }
        act(batch.block_mut(), 0, 0);
        batch.step(0).unwrap();
    }
    batch.close().unwrap();
}
