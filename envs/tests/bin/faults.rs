//! Programs that `tests/workers.rs` runs: a fork belongs into a process of its own, never into a test harness.
//!
//! Each prints what happened; the test judges. Exit code 0 unless the program was to be killed.
#![allow(clippy::unwrap_used)]

#[path = "faults/env.rs"]
mod env;
#[path = "faults/scenarios.rs"]
mod scenarios;

use phalanx_envs::{Registry, Zygote};

fn main() {
    let registry = Registry::new().with("faulty", |params| Ok(Box::new(env::Faulty::new(params)?)));
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments[0] == "threads" {
        return scenarios::threads(&registry);
    }
    let zygote = Zygote::start(&registry).unwrap();
    scenarios::run(&zygote, &registry, &arguments);
    println!("end");
}
