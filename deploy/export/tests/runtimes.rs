//! Models for other programs, run by those programs: they give what policy files give.
//!
//! `cargo xtask setup --runtimes` installs them; without it these tests say so and pass.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use common::Example;
use phalanx_export::{Policy, Quantization, Record, Recorded, aligned, onnx, tflite, write};
use phalanx_graph::Activation;
use phalanx_micro::Policy as Micro;
use serde_json::{Value, json};

/// The outputs of a step by name.
type Outputs = HashMap<String, Vec<f32>>;

/// The Python with the programs, if there is one.
fn python() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = std::env::var_os("PHALANX_RUNTIMES")
        .map_or_else(|| root.join(".cache/runtimes/bin/python"), PathBuf::from);
    if !python.exists() {
        println!("skipped: `cargo xtask setup --runtimes` installs what this test needs");
    }
    python.exists().then_some(python)
}

/// A model with its name and its steps, each of several rows.
struct Case {
    name: String,
    model: Vec<u8>,
    steps: Value,
}

/// What a program gives for the steps of each case.
fn run(python: &Path, runtime: &str, cases: &[Case]) -> Vec<Vec<Outputs>> {
    let folder = tempfile::tempdir().unwrap();
    let case = |(i, case): (usize, &Case)| {
        let path = folder.path().join(i.to_string());
        std::fs::write(&path, &case.model).unwrap();
        json!({ "name": case.name, "model": path, "steps": case.steps })
    };
    let all: Value = cases.iter().enumerate().map(case).collect();
    let path = folder.path().join("cases.json");
    std::fs::write(&path, all.to_string()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/run.py");
    let output = Command::new(python).arg(script).arg(runtime).arg(&path).output().unwrap();
    assert!(output.status.success(), "{runtime}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// One step for each record.
fn one_by_one(policy: &Policy<'_>) -> Value {
    let steps = policy.records.iter();
    steps
        .map(|record| json!({ "begins": record.begins, "rows": 1, "inputs": inputs(policy, &[record]) }))
        .collect()
}

/// One step with a row for each record.
fn together(policy: &Policy<'_>) -> Value {
    let records: Vec<&Record> = policy.records.iter().collect();
    json!([{ "begins": true, "rows": records.len(), "inputs": inputs(policy, &records) }])
}

fn inputs(policy: &Policy<'_>, records: &[&Record]) -> Value {
    let of = |i: usize| -> Value {
        let elements = records.iter().flat_map(|record| match &record.observation[i] {
            Recorded::F32(x) => x.clone(),
            Recorded::U8(x) => x.iter().map(|&x| f32::from(x)).collect(),
        });
        elements.collect::<Vec<f32>>().into()
    };
    policy
        .inputs
        .iter()
        .enumerate()
        .map(|(i, input)| (input.name.clone(), of(i)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// What the policy file gives: the outputs of the parts of an action, the action, and the hidden state.
fn expected(policy: &Policy<'_>, int8: Option<&Quantization>, always_begins: bool) -> Vec<[Vec<f32>; 3]> {
    let plain = Policy { records: vec![], ..policy.clone() };
    let bytes = write(&plain, int8).unwrap();
    let mut memory = vec![];
    let file = aligned(&bytes, &mut memory);
    let mut arena = vec![0.0; Micro::arena(file).unwrap()];
    let mut micro = Micro::new(file, &mut arena).unwrap();
    let mut action = vec![0.0; micro.action_len()];
    let mut act = |record: &Record| {
        if record.begins || always_begins {
            micro.reset();
        }
        let elements: Vec<_> = record.observation.iter().map(Recorded::elements).collect();
        micro.act(&elements, &mut action).unwrap();
        [micro.outputs().collect(), action.clone(), micro.state().to_vec()]
    };
    policy.records.iter().map(&mut act).collect()
}

/// Fails unless numbers agree to 10⁻⁵ of the largest one.
fn agree(what: &str, here: &[f32], expected: &[f32]) {
    assert_eq!(here.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1.0_f32, |most, x| most.max(x.abs()));
    for (i, (here, expected)) in here.iter().zip(expected).enumerate() {
        assert!((here - expected).abs() <= 1e-5 * largest, "{what}: number {i} is {here}, not {expected}");
    }
}

/// Fails unless models give what policy files give: step by step, and with a row for each record where the program can.
fn compare(runtime: &str, model: impl Fn(&Policy<'_>) -> Vec<u8>, has_rows: bool) {
    let Some(python) = python() else { return };
    let examples = examples();
    let case =
        |name: &str, policy: &Policy<'_>, steps| Case { name: name.into(), model: model(policy), steps };
    let mut cases = Vec::new();
    for (name, example) in &examples {
        let policy = example.policy();
        cases.push(case(name, &policy, one_by_one(&policy)));
        if has_rows {
            cases.push(case(name, &policy, together(&policy)));
        }
    }
    let mut results = run(&python, runtime, &cases).into_iter();
    for (name, example) in &examples {
        let policy = example.policy();
        let states = policy.graph.nodes.iter().filter(|node| node.state() > 0);
        let states: Vec<String> = states.map(|node| format!("next_state.{}", node.name)).collect();
        let steps = results.next().unwrap();
        assert_eq!(steps.len(), policy.records.len());
        for (i, (outputs, [parts, action, state])) in
            steps.iter().zip(expected(&policy, None, false)).enumerate()
        {
            let what = format!("{name} in {runtime}, step {i}");
            agree(&what, &outputs["outputs"], &parts);
            agree(&what, &outputs["action"], &action);
            let here: Vec<f32> = states.iter().flat_map(|name| outputs[name].clone()).collect();
            agree(&what, &here, &state);
        }
        if has_rows {
            let actions = expected(&policy, None, true).into_iter().flat_map(|[_, action, _]| action);
            let here = &results.next().unwrap()[0]["action"];
            agree(&format!("{name} in {runtime}, all rows"), here, &actions.collect::<Vec<f32>>());
        }
    }
}

/// Policies that have everything between them.
fn examples() -> Vec<(String, Example)> {
    let mut all = vec![("everything".into(), Example::everything())];
    for channels_first in [false, true] {
        for (padding, dilation) in [(0, 1), (1, 1), (0, 2), (2, 2)] {
            let name =
                format!("pictures, channels first {channels_first}, padding {padding}, dilation {dilation}");
            all.push((name, Example::pictures(channels_first, padding, dilation)));
        }
    }
    let of = |activation: Activation| (activation.to_string(), Example::layers(activation, 1, false, 8));
    all.extend(Activation::ALL.map(of));
    all
}

#[test]
fn onnxruntime_acts_as_policy_files_do() {
    compare("onnxruntime", |policy| onnx(policy).unwrap(), true);
}

#[test]
fn litert_acts_as_policy_files_do() {
    compare("LiteRT", |policy| tflite(policy, None).unwrap(), true);
}

#[test]
fn tensorflow_lite_micro_acts_as_policy_files_do() {
    compare("TensorFlow Lite Micro", |policy| tflite(policy, None).unwrap(), false);
}

/// Layers in 8 bits give the same bytes as those of policy files, within the ranges that were measured and beyond.
#[test]
fn tensorflow_lite_micro_has_the_same_bytes() {
    let Some(python) = python() else { return };
    let (mut cases, mut all) = (Vec::new(), Vec::new());
    for activation in [Activation::Identity, Activation::Relu, Activation::Tanh] {
        for (padding, channels_first, gain) in
            [(0, false, 0.1), (1, false, 1.0), (1, true, 1.0), (2, true, 20.0)]
        {
            let mut example = Example::layers(activation, padding, channels_first, 300);
            example.parameters.iter_mut().for_each(|x| *x *= gain);
            let policy = example.policy();
            let int8 = Quantization::new(&policy, &policy.records[..100]).unwrap();
            let name =
                format!("{activation}, padding {padding}, channels first {channels_first}, gain {gain}");
            let last = int8.layers.last().unwrap().as_ref().unwrap().write;
            let model = tflite(&policy, Some(&int8)).unwrap();
            all.push((name.clone(), expected(&policy, Some(&int8), false), last));
            cases.push(Case { name, model, steps: one_by_one(&policy) });
        }
    }
    for ((name, expected, last), steps) in all.iter().zip(run(&python, "TensorFlow Lite Micro", &cases)) {
        let mut seen = HashSet::new();
        for (i, (outputs, [parts, ..])) in steps.iter().zip(expected).enumerate() {
            let bytes = parts.iter().map(|x| (x / last.scale).round() + f32::from(last.zero));
            assert_eq!(outputs["outputs"], *parts, "{name}, step {i}");
            assert_eq!(outputs["bytes"], bytes.collect::<Vec<f32>>(), "{name}, step {i}");
            seen.extend(outputs["bytes"].iter().map(|x| *x as i8));
        }
        assert!(seen.len() > 100, "{name}: {} bytes alone", seen.len());
    }
}
