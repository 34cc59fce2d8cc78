//! A policy and its actions by hand.

use std::path::{Path, PathBuf};

use phalanx_export::{Deviations, Field, Input, Kind, Part, Policy, write};
use phalanx_graph::{Dim, Dtype, Graph, InputScale, Recurrent};

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of this build's libraries.
pub fn libraries() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().to_owned()
}

fn parameters(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i as f32 * 0.7).sin()).collect()
}

/// What it does for zeros, step after step, in 64 bits: only biases and the hidden state count.
pub fn by_hand(steps: usize) -> Vec<f64> {
    let p: Vec<f64> = parameters(70).into_iter().map(f64::from).collect();
    let (hidden, input_bias, hidden_bias) = (&p[18..45], &p[45..54], &p[54..63]);
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let (mut h, mut actions) = (vec![0.0; 3], Vec::new());
    for _ in 0..steps {
        let half = |row: usize| hidden_bias[row] + (0..3).map(|i| hidden[row * 3 + i] * h[i]).sum::<f64>();
        let next = (0..3).map(|i| {
            let (r, z) = (sigmoid(input_bias[i] + half(i)), sigmoid(input_bias[3 + i] + half(3 + i)));
            let n = (input_bias[6 + i] + r * half(6 + i)).tanh();
            (1.0 - z) * n + z * h[i]
        });
        h = next.collect();
        let mean: f64 = p[66] + (0..3).map(|i| p[63 + i] * h[i]).sum::<f64>();
        actions.push((15.0 + 5.0 * mean).clamp(10.0, 20.0));
    }
    actions
}

/// A recurrent policy of two floats and a number: a GRU and a mean, scaled to 10…20.
pub fn policy(path: &Path) {
    let mut graph = Graph::default();
    let dim = |n| Dim::new("numbers", n);
    let x = graph.add_input("observation", vec![dim(2)], Dtype::F32).unwrap();
    let memory = graph.add_recurrent("memory", x, Recurrent::Gru, dim(3)).unwrap();
    let action = graph.add_dense("action", memory, dim(1)).unwrap();
    graph.add_output("action", action);
    let parameters = parameters(graph.parameters());
    let kind = Kind::Numbers {
        tanh: false,
        scale: vec![[15.0, 5.0, 10.0, 20.0]],
        deviations: Deviations::Fixed(vec![-1.0]),
    };
    let policy = Policy {
        graph: &graph,
        parameters: parameters[..].into(),
        output: action,
        inputs: vec![Input {
            name: "observation".into(),
            is_bytes: false,
            shape: vec![2],
            scale: InputScale::Same,
        }],
        parts: vec![Part { kind, outputs: 0, len: 1, mask: None, start: 0, action: 0 }],
        action: vec![Field { name: "action".into(), shape: vec![1] }],
        time_step: 0.0,
        text: r#"{"env":{"name":"test"}}"#.into(),
        records: vec![],
    };
    std::fs::write(path, write(&policy, None).unwrap()).unwrap();
}
