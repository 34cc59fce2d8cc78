//! Environments of Gymnasium in this process; a module for each subject.
//!
//! What concerns workers is in `workers.rs`. The environments are those of `python/fixtures.py` and Gymnasium's own.
#![allow(clippy::unwrap_used)]

#[path = "gymnasium/atari.rs"]
mod atari;
#[path = "gymnasium/episodes.rs"]
mod episodes;
#[path = "gymnasium/errors.rs"]
mod errors;
#[path = "gymnasium/fields.rs"]
mod fields;
#[path = "gymnasium/interpreter.rs"]
mod interpreter;
#[path = "gymnasium/pictures.rs"]
mod pictures;
#[path = "gymnasium/spaces.rs"]
mod spaces;

use phalanx_envs::{Action, Dtype, Env, EnvSpec, Registry, RegistryError, Row, Space, contract};
use serde_json::{Value, json};

/// The Python that all tests use.
fn python() -> String {
    std::env::var("PHALANX_PYTHON").expect(
        "PHALANX_PYTHON must name a Python with Gymnasium: `cargo xtask test` sets it, `cargo xtask setup --gymnasium` installs one",
    )
}

/// An environment with parameters of its own.
fn spec(name: &str, params: &Value) -> EnvSpec {
    let mut spec = EnvSpec::named(&format!("gymnasium:{name}"));
    spec.params = serde_json::from_value(params.clone()).unwrap();
    spec.params.0.entry("python").or_insert_with(|| json!(python()));
    spec
}

fn make(name: &str, params: &Value) -> Result<Box<dyn Env>, RegistryError> {
    Registry::standard().build(&spec(name, params))
}

/// An environment of the fixtures.
fn fixture(name: &str, params: &Value) -> Box<dyn Env> {
    make(&format!("tests.python.fixtures:{name}"), params).unwrap()
}

/// An environment of the fixtures, made to be drawn.
fn drawn(name: &str, params: &Value) -> Result<Box<dyn Env>, RegistryError> {
    Registry::standard().build_drawn(&spec(&format!("tests.python.fixtures:{name}"), params))
}

/// An observation of one field of floats, rounded to 32 bits, filled by `work`.
fn shown<T>(env: &mut dyn Env, work: impl FnOnce(&mut dyn Env, Row<'_>) -> T) -> (Vec<f32>, T) {
    let len = env.observation_space().len();
    if matches!(env.observation_space(), Space::Box { dtype: Dtype::F64, .. }) {
        let mut row = vec![f64::NAN; len];
        let outcome = work(env, Row::F64(&mut row));
        return (row.into_iter().map(|x| x as f32).collect(), outcome);
    }
    let mut row = vec![f32::NAN; len];
    let outcome = work(env, Row::F32(&mut row));
    (row, outcome)
}

fn reset(env: &mut dyn Env, seed: Option<u64>) -> Vec<f32> {
    let (row, outcome) = shown(env, |env, row| env.reset(seed, row));
    outcome.unwrap();
    row
}

/// The error of a first step with `action`.
fn step_error(env: &mut dyn Env, action: Action<'_>) -> String {
    shown(env, |env, row| env.step(action, row)).1.unwrap_err().to_string()
}

#[test]
fn environments_of_a_provider_keep_the_contract() {
    for (name, frame) in
        [("CartPole-v1", Some((600, 400))), ("tests.python.fixtures:Pixels-v0", Some((4, 5)))]
    {
        let report = contract::check(&Registry::standard(), &spec(name, &json!({})));
        assert_eq!(report.findings, [], "{report}");
        assert_eq!(report.frame, frame, "{report}");
    }
}
