//! Models for other programs, run by those programs: they give what policy files give.
//!
//! `cargo xtask setup --runtimes` installs them; without it these tests print so and pass.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Parts, convolution, dim, everything, observed, policy_of, several_choices, windows};
use phalanx_export::{
    ExportError, Field, Input, Kind, Policy, Quantization, Record, Recorded, Scale, aligned, onnx, tflite,
    write,
};
use phalanx_graph::{Activation, Dtype, Graph, InputScale, Own};
use phalanx_micro::Policy as Micro;
use serde_json::{Map, Value, json};

const ONNX: &str = "onnxruntime";
const LITE: &str = "LiteRT";
const MICRO: &str = "TensorFlow Lite Micro";

/// A model with its name and its steps, each of several rows.
struct Case {
    name: String,
    model: Vec<u8>,
    steps: Value,
    /// The fields of an action.
    action: Vec<Field>,
}

/// The outputs of a step by name.
type Outputs = HashMap<String, Vec<f32>>;

/// What a program gives for a model: the description that is in it, the outputs of each step, and their types and shapes.
#[derive(serde::Deserialize)]
struct Given {
    text: String,
    steps: Vec<Outputs>,
    types: HashMap<String, (String, Vec<usize>)>,
}

/// What a policy file gives for a step: the outputs of the parts of an action, the action, and the hidden state.
type Expected = [Vec<f32>; 3];

/// The Python with this program, if there is one.
fn python(runtime: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = std::env::var_os("PHALANX_RUNTIMES")
        .map_or_else(|| root.join(".cache/runtimes/bin/python"), PathBuf::from);
    let is_for_linux = runtime == MICRO && !cfg!(all(target_os = "linux", target_arch = "x86_64"));
    if is_for_linux || !python.exists() {
        println!(
            "skipped: there is no {runtime}; `cargo xtask setup --runtimes` installs it where it can be"
        );
        return None;
    }
    Some(python)
}

/// What a program gives for each case.
fn run(python: &Path, runtime: &str, cases: &[Case]) -> Vec<Given> {
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
    let step =
        |record: &Record| json!({ "begins": record.begins, "rows": 1, "inputs": inputs(policy, &[record]) });
    policy.records.iter().map(step).collect()
}

/// One step with a row for each record.
fn together(policy: &Policy<'_>) -> Value {
    let records: Vec<&Record> = policy.records.iter().collect();
    json!([{ "begins": true, "rows": records.len(), "inputs": inputs(policy, &records) }])
}

/// The numbers of each input in the rows of these records.
fn inputs(policy: &Policy<'_>, records: &[&Record]) -> Value {
    let numbers = |i: usize| -> Vec<f32> {
        let of = |record: &&Record| match &record.observation[i] {
            Recorded::F32(x) => x.clone(),
            Recorded::U8(x) => x.iter().map(|&x| f32::from(x)).collect(),
        };
        records.iter().flat_map(of).collect()
    };
    let inputs = policy.inputs.iter().enumerate().map(|(i, input)| (input.name.clone(), numbers(i).into()));
    inputs.collect::<Map<_, _>>().into()
}

/// What the policy file gives for each record, all of which may be the first of their episodes.
fn expected(policy: &Policy<'_>, int8: Option<&Quantization>, always_begins: bool) -> Vec<Expected> {
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

/// Fails unless numbers agree to so much of the largest one.
fn agree(what: &str, here: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(here.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1.0_f32, |most, x| most.max(x.abs()));
    for (i, (here, expected)) in here.iter().zip(expected).enumerate() {
        assert!(
            (here - expected).abs() <= tolerance * largest,
            "{what}: number {i} is {here}, not {expected}"
        );
    }
}

/// The fields of the action in one of the rows, one after the other.
fn action_of(fields: &[Field], outputs: &Outputs, row: usize) -> Vec<f32> {
    let field = |field: &Field| {
        let len = field.shape.iter().product::<usize>();
        outputs[&field.name][row * len..][..len].to_vec()
    };
    fields.iter().flat_map(field).collect()
}

/// Fails unless each field of the action has its shape, choices and bits as whole numbers.
fn check_types(policy: &Policy<'_>, given: &Given, whole: &str) {
    let mut start = 0;
    for field in &policy.action {
        let part = policy.parts.iter().find(|part| part.action == start).unwrap();
        let dtype = if matches!(part.kind, Kind::Numbers { .. }) { "float32" } else { whole };
        assert_eq!(given.types[&field.name], (dtype.to_string(), field.shape.clone()), "{}", field.name);
        start += field.shape.iter().product::<usize>();
    }
}

/// Policies that have everything between them, and steps.
fn examples() -> Vec<(String, Parts, Vec<Record>)> {
    let (all, _) = everything();
    let mut examples =
        vec![("everything".to_string(), all), ("several choices".to_string(), several_choices())];
    for channels_first in [false, true] {
        for (padding, dilation) in [(0, 1), (1, 1), (0, 2), (1, 2)] {
            let name = format!("channels first {channels_first}, padding {padding}, dilation {dilation}");
            examples.push((name, windows(padding, dilation, channels_first)));
        }
    }
    let of = |activation: Activation| (activation.to_string(), convolution(activation, 1, false));
    examples.extend(Activation::ALL.map(of));
    let with_steps = |(name, parts)| {
        let records = observed(&parts, 20);
        (name, parts, records)
    };
    examples.into_iter().map(with_steps).collect()
}

/// Fails unless models give what policy files give: step by step, and with a row for each record where the program can.
fn compare(runtime: &str, model: impl Fn(&Policy<'_>) -> Vec<u8>, has_rows: bool) {
    let Some(python) = python(runtime) else { return };
    let examples = examples();
    let mut cases = Vec::new();
    for (name, parts, records) in &examples {
        let policy = policy_of(parts, records);
        let action = &policy.action;
        let case = |steps| Case { name: name.clone(), model: model(&policy), steps, action: action.clone() };
        cases.push(case(one_by_one(&policy)));
        cases.extend(has_rows.then(|| case(together(&policy))));
    }
    let mut given = run(&python, runtime, &cases).into_iter();
    for (name, parts, records) in &examples {
        let policy = policy_of(parts, records);
        let states = policy.graph.nodes.iter().filter(|node| node.state() > 0);
        let states: Vec<String> = states.map(|node| format!("next_state.{}", node.name)).collect();
        // Differences of rounding add up over the steps of an episode.
        let tolerance = if policy.graph.state() > 0 { 1e-5 } else { 1e-6 };
        let first = given.next().unwrap();
        check_types(&policy, &first, if runtime == ONNX { "int64" } else { "int32" });
        let Given { text, steps, .. } = first;
        assert_eq!((text, steps.len()), (policy.text.clone(), policy.records.len()));
        for (i, (outputs, [parts, action, state])) in
            steps.iter().zip(expected(&policy, None, false)).enumerate()
        {
            let what = format!("{name} in {runtime}, step {i}");
            agree(&what, &outputs["outputs"], &parts, tolerance);
            agree(&what, &action_of(&policy.action, outputs, 0), &action, tolerance);
            let here: Vec<f32> = states.iter().flat_map(|name| outputs[name].clone()).collect();
            agree(&what, &here, &state, 1e-5);
        }
        if has_rows {
            let all = &given.next().unwrap().steps[0];
            for (row, [_, action, _]) in expected(&policy, None, true).iter().enumerate() {
                let what = format!("{name} in {runtime}, row {row} of all");
                agree(&what, &action_of(&policy.action, all, row), action, tolerance);
            }
        }
    }
}

#[test]
fn onnxruntime_acts_as_policy_files_do() {
    compare(ONNX, |policy| onnx(policy).unwrap(), true);
}

#[test]
fn litert_acts_as_policy_files_do() {
    compare(LITE, |policy| tflite(policy, None).unwrap(), true);
}

#[test]
fn tensorflow_lite_micro_acts_as_policy_files_do() {
    compare(MICRO, |policy| tflite(policy, None).unwrap(), false);
}

/// A case with layers in 8 bits, what the policy file gives, and the unit and the zero point of the last layer.
fn int8_case(name: String, parts: &Parts) -> (Case, (Vec<Expected>, Scale)) {
    let records = observed(parts, 300);
    let mut policy = policy_of(parts, &records);
    // Others go beyond the ranges of these.
    let int8 = Quantization::new(&mut policy, &records[..100]).unwrap();
    let last = int8.layers.last().unwrap().as_ref().unwrap().write;
    let model = tflite(&policy, Some(&int8)).unwrap();
    let action = policy.action.clone();
    (Case { name, model, steps: one_by_one(&policy), action }, (expected(&policy, Some(&int8), false), last))
}

/// Convolutions and dense layers with each activation, with small and large numbers, and every operation.
fn int8_cases() -> (Vec<Case>, Vec<(Vec<Expected>, Scale)>) {
    let mut all = vec![int8_case("everything".into(), &everything().0)];
    for activation in Activation::ALL {
        for (padding, channels_first, gain) in [(0, false, 0.4), (1, false, 1.0), (2, true, 20.0)] {
            let mut parts = convolution(activation, padding, channels_first);
            parts.1.iter_mut().for_each(|x| *x *= gain);
            all.push(int8_case(format!("{activation}, padding {padding}, gain {gain}"), &parts));
        }
    }
    all.into_iter().unzip()
}

#[test]
fn layers_in_8_bits_give_the_bytes_of_tensorflow_lite_micro() {
    let Some(python) = python(MICRO) else { return };
    let (cases, all) = int8_cases();
    for ((case, (expected, last)), given) in cases.iter().zip(&all).zip(run(&python, MICRO, &cases)) {
        let mut seen = HashSet::new();
        for (i, (outputs, [parts, action, _])) in given.steps.iter().zip(expected).enumerate() {
            let what = format!("{}, step {i}", case.name);
            let bytes = parts.iter().map(|x| (x / last.scale).round() + f32::from(last.zero));
            assert_eq!(outputs["bytes"], bytes.collect::<Vec<f32>>(), "{what}");
            assert_eq!(outputs["outputs"], *parts, "{what}");
            agree(&what, &action_of(&case.action, outputs, 0), action, 1e-5);
            seen.extend(outputs["bytes"].iter().map(|x| *x as i8));
        }
        assert!(seen.len() > 30, "{}: {} different bytes", case.name, seen.len());
    }
}

/// Its kernels for processors round in another way.
#[test]
fn layers_in_8_bits_are_those_of_litert_up_to_few_units() {
    let Some(python) = python(LITE) else { return };
    let (cases, all) = int8_cases();
    for ((case, (expected, last)), given) in cases.iter().zip(&all).zip(run(&python, LITE, &cases)) {
        let pairs = given.steps.iter().zip(expected);
        let pairs = pairs.flat_map(|(outputs, [parts, ..])| outputs["outputs"].iter().zip(parts));
        let units: Vec<f32> =
            pairs.map(|(here, there)| ((here - there) / last.scale).abs().round()).collect();
        let largest = units.iter().fold(0.0_f32, |most, units| most.max(*units));
        let mean = units.iter().sum::<f32>() / units.len() as f32;
        assert!(largest <= 3.0 && mean < 0.1, "{}: {largest} units, {mean} in the mean", case.name);
    }
}

#[test]
fn operations_of_ones_own_are_refused() {
    let mut graph = Graph::default();
    let x = graph.add_input("observation.x", vec![dim(2)], Dtype::F32).unwrap();
    let own = Own { name: "mine".into(), params: "{}".into() };
    let own = graph.add_own("odd", x, own, vec![dim(2)], 0).unwrap();
    graph.add_output("action", own);
    let shape = vec![2];
    let input = Input { name: "observation.x".into(), is_bytes: false, shape, scale: InputScale::Same };
    let parts = (graph, vec![], vec![input], vec![]);
    let policy = policy_of(&parts, &[]);
    for refused in [onnx(&policy), tflite(&policy, None)] {
        assert!(matches!(refused, Err(ExportError::Operation { node, op }) if node == "odd" && op == "mine"));
    }
}
