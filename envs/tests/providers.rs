//! Providers of other languages: the examples pass the contract, and each mistake of a library or a simulator has its message.
//!
//! Examples and faulty ones are built with the C and C++ compilers that the project needs anyway.
#![allow(clippy::unwrap_used)]

#[path = "providers/build.rs"]
mod build;
#[path = "providers/dylib.rs"]
mod dylib;
#[path = "providers/exec.rs"]
mod exec;
#[allow(dead_code)] // `start` is for other tests
mod programs;

use phalanx_envs::{BatchEnv, EnvSpec, LocalBatch, Registry, contract, generator};
use serde_json::Value;

/// An environment of a provider, with parameters.
fn spec(name: &str, params: &Value) -> EnvSpec {
    EnvSpec { params: serde_json::from_value(params.clone()).unwrap(), ..EnvSpec::named(name) }
}

/// The error of making it.
fn refusal(name: &str, params: &Value) -> String {
    Registry::standard().build(&spec(name, params)).err().unwrap().to_string()
}

/// Asserts that the checker finds nothing.
fn assert_keeps_the_contract(spec: &EnvSpec) -> contract::Report {
    let report = contract::check(&Registry::standard(), spec);
    assert_eq!(report.findings, [], "{report}");
    report
}

/// Four rows, a hundred steps of random actions, everything that was seen and rewarded; episodes must end.
fn rollout(spec: &EnvSpec) -> Vec<u32> {
    let mut batch = LocalBatch::new(&Registry::standard(), spec, 4, 100, 1).unwrap();
    let mut generator = generator(0);
    batch.reset(None).unwrap();
    let (mut seen, mut ends) = (Vec::new(), 0);
    for t in 0..100 {
        (0..4).for_each(|row| batch.block_mut().sample_action(t, row, &mut generator));
        batch.step(t).unwrap();
        for row in 0..4 {
            seen.extend(batch.block().observation_row(t + 1, row).f32().iter().map(|x| x.to_bits()));
            ends += usize::from(batch.block().episode(t, row).is_over());
        }
    }
    assert!(ends > 0);
    seen.extend(batch.block().rewards(0..100).iter().map(|x| x.to_bits()));
    seen
}
