//! The package in Python acts as numpy has it.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

use phalanx_export::{Deviations, Field, Input, Kind, Part, Policy, write};
use phalanx_graph::{Dim, Dtype, Graph, InputScale};

const DESCRIPTION: &str = r#"{
    "observation": [
        {"name": "observation.x", "dtype": "f32", "shape": [2], "options": []},
        {"name": "observation.choice", "dtype": "f32", "shape": [], "options": [3], "start": [5]}
    ],
    "action": [
        {"name": "action.gear", "dtype": "f32", "shape": [], "options": [2], "start": [-1]},
        {"name": "action.aim", "dtype": "f32", "shape": [2], "options": [], "unit": ["rad", "rad"]}
    ]
}"#;

/// Needs `PHALANX_PYTHON`, an interpreter with numpy, as `cargo xtask test` sets it.
#[test]
fn the_package_agrees_with_numpy() {
    let Some(python) = std::env::var_os("PHALANX_PYTHON") else {
        return eprintln!("skipped: PHALANX_PYTHON is not set");
    };
    let folder = tempfile::tempdir().unwrap();
    let (file, numbers) = (folder.path().join("policy.phx"), folder.path().join("parameters"));
    let dim = |n| Dim::new("numbers", n);
    let mut graph = Graph::default();
    let x = graph.add_input("observation.x", vec![dim(2)], Dtype::F32).unwrap();
    let choice = graph.add_input("observation.choice", vec![dim(1)], Dtype::F32).unwrap();
    let one = graph.add_one_hot("one", choice, vec![3]).unwrap();
    let all = graph.add_concat("all", &[x, one]).unwrap();
    let heads = [graph.add_dense("gear", all, dim(2)).unwrap(), graph.add_dense("aim", all, dim(2)).unwrap()];
    let action = graph.add_concat("action", &heads).unwrap();
    let parameters: Vec<f32> = (0..graph.parameters()).map(|i| (i as f32 * 0.9).sin()).collect();
    std::fs::write(&numbers, parameters.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    let input = |name: &str, shape: &[usize], scale| Input {
        name: name.into(),
        is_bytes: false,
        shape: shape.to_vec(),
        scale,
    };
    // The first of its options is 5.
    let from = InputScale::Normalize { mean: vec![5.0], factor: vec![1.0], bound: f32::INFINITY };
    let part = |kind, outputs, start, action| Part { kind, outputs, len: 2, mask: None, start, action };
    let scale = vec![[0.0, 10.0, -10.0, 10.0]; 2];
    let deviations = Deviations::Fixed(vec![0.5_f32.ln(), 0.25_f32.ln()]);
    let policy = Policy {
        graph: &graph,
        parameters: parameters[..].into(),
        output: action,
        inputs: vec![input("observation.x", &[2], InputScale::Same), input("observation.choice", &[], from)],
        parts: vec![
            part(Kind::Choice, 0, -1, 0),
            part(Kind::Numbers { tanh: false, scale, deviations }, 2, 0, 1),
        ],
        action: [("action.gear", vec![]), ("action.aim", vec![2])]
            .map(|(name, shape)| Field { name: name.into(), shape })
            .to_vec(),
        time_step: 0.0,
        text: DESCRIPTION.into(),
        records: vec![],
    };
    std::fs::write(&file, write(&policy, None).unwrap()).unwrap();
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../python");
    let libraries = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let output = Command::new(python)
        .arg(package.join("check.py"))
        .args([&file, &numbers])
        .env("PYTHONPATH", &package)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PHALANX_POLICY_LIBRARY", libraries.join("libphalanx_policy.so"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
