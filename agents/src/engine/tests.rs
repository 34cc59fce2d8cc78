//! Every operation in both engines: that of tiles against libtorch's operations and autograd.

use std::sync::Arc;

use phalanx_envs::Elements;
use phalanx_graph::{Activation, Convolution, Dim, Dtype, Graph, Pool, Recurrent, Source};
use tch::Device;

use super::{Batch, Cpu, Pass, Sequence, Sequences, Tensors};
use crate::bytes::ByteScale;
use crate::observations::{Inputs, Observations};
use crate::plan::{Plan, Tower};

/// Numbers in [−1, 1] without a pattern.
fn numbers(n: usize, start: usize) -> Vec<f32> {
    (start..start + n).map(|i| ((i * i) as f32 * 0.37 + i as f32).sin()).collect()
}

/// A network with the inputs `x [rows, 6]`, floats, and `choices [rows, 2]`, of 3 and 5 options, and what `body` makes of them.
fn plan(body: impl FnOnce(&mut Graph, Source, Source) -> Vec<Source>) -> Plan {
    let mut graph = Graph::default();
    let x = graph.add_input("x", vec![Dim::new("numbers", 6)], Dtype::F32).expect("new");
    let choices = graph.add_input("choices", vec![Dim::new("numbers", 2)], Dtype::F32).expect("new");
    let parts = body(&mut graph, x, choices);
    finish(graph, &parts)
}

/// Actor and critic on top of what all parts give.
fn finish(mut graph: Graph, parts: &[Source]) -> Plan {
    let all = graph.add_concat("all", parts).expect("parts");
    let action = graph.add_dense("action", all, Dim::new("means", 3)).expect("new");
    let value = graph.add_dense("value", all, Dim::new("value", 1)).expect("new");
    graph.add_output("action", action);
    graph.add_output("value", value);
    let scales = graph.inputs.iter().map(|_| ByteScale::All { low: 0.0, range: 255.0 }).collect();
    Plan::new(graph, scales, Arc::default()).expect("a plan")
}

fn loss((): &mut (), pass: Pass<'_>) {
    let Pass { index, outputs, value, d_outputs, d_value, .. } = pass;
    let at = |i: usize| 0.3 + 0.1 * (index[i] % 7) as f32;
    for (i, (d, y)) in d_outputs.chunks_mut(3).zip(outputs.chunks(3)).enumerate() {
        d.iter_mut().zip(y).for_each(|(d, y)| *d = (at(i) * y).cos());
    }
    for (i, (d, v)) in d_value.iter_mut().zip(value).enumerate() {
        *d = at(i) * v;
    }
}

/// Rows enough for several tiles.
const ROWS: usize = 300;

fn observations() -> Observations {
    let mut observations = Observations::default();
    observations.add(0, Elements::F32(&numbers(ROWS * 6, 0)), None);
    let choices: Vec<f32> = (0..ROWS * 2).map(|i| (i * i % [3, 5][i % 2]) as f32).collect();
    observations.add(1, Elements::F32(&choices), None);
    observations
}

fn close(ours: &[f32], other: &[f32], what: &str) {
    assert_eq!(ours.len(), other.len(), "{what}");
    let scale = other.iter().fold(1.0_f32, |most, x| most.max(x.abs()));
    for (i, (a, b)) in ours.iter().zip(other).enumerate() {
        assert!((a - b).abs() <= 1e-5 * scale, "{what}, number {i}: {a} and {b}");
    }
}

/// Both engines on all rows: outputs and gradients agree.
fn agree(plan: &Plan, observations: &Observations, batch: Batch<'_>, what: &str) {
    let parameters: Vec<f32> = numbers(plan.len(), 1000).iter().map(|p| p * 0.5).collect();
    let (mut cpu, mut tensors) = (Cpu::default(), Tensors::new(plan, Device::Cpu).expect("a CPU"));
    tensors.set_parameters(&parameters).expect("a CPU");
    let x = Inputs::All(observations);
    let rows = observations.rows(plan.input(0));
    for tower in [Tower::Actor, Tower::Critic] {
        let states = numbers(rows * plan.graph.state(), 5);
        let (mut ours, mut theirs) = (states.clone(), states);
        let mut out = [vec![0.0; rows * plan.outputs(tower)], vec![0.0; rows * plan.outputs(tower)]];
        cpu.infer((plan, &parameters), tower, x, 0..rows, &mut ours, &mut out[0]);
        tensors.infer(plan, tower, x, 0..rows, &mut theirs, &mut out[1]).expect("a CPU");
        close(&out[0], &out[1], &format!("{what}, {tower:?}"));
        close(&ours, &theirs, &format!("{what}, states of {tower:?}"));
    }
    tensors.load(plan, x).expect("a CPU");
    let mut gradients = [vec![0.0; plan.len()], vec![0.0; plan.len()]];
    cpu.learn((plan, &parameters), x, batch, &mut gradients[0], loss);
    tensors.learn(plan, batch, &mut gradients[1], loss).expect("a CPU");
    assert!(gradients[1].iter().any(|g| *g != 0.0), "{what}");
    close(&gradients[0], &gradients[1], &format!("{what}, gradient"));
}

fn all_rows() -> Vec<i64> {
    (0..ROWS as i64).rev().collect()
}

#[test]
fn operations_on_numbers_agree() {
    let index = all_rows();
    let dim = |size| Dim::new("units", size);
    let plans = [
        (
            "layer norm",
            plan(|g, x, _| {
                let h = g.add_dense("h", x, dim(7)).expect("new");
                let h = g.add_layer_norm("norm", h).expect("new");
                vec![g.add_activation("act", h, Activation::Silu).expect("new")]
            }),
        ),
        (
            "one-hot and embedding",
            plan(|g, x, choices| {
                let one = g.add_one_hot("one", choices, vec![3, 5]).expect("choices");
                vec![x, one]
            }),
        ),
        (
            "residual",
            plan(|g, x, _| {
                let a = g.add_dense("a", x, dim(6)).expect("new");
                let a = g.add_activation("a.gelu", a, Activation::Gelu).expect("new");
                let sum = g.add_sum("sum", &[x, a, a]).expect("one shape");
                let b = g.add_dense("b", sum, dim(6)).expect("new");
                vec![g.add_sum("more", &[b, sum]).expect("one shape"), a]
            }),
        ),
    ];
    for (what, plan) in &plans {
        agree(plan, &observations(), Batch::Transitions(&index), what);
    }
}

#[test]
fn an_embedding_agrees() {
    let mut graph = Graph::default();
    let choice = graph.add_input("choice", vec![Dim::new("numbers", 1)], Dtype::F32).expect("new");
    let table = graph.add_embedding("table", choice, 5, Dim::new("units", 4)).expect("one choice");
    let plan = finish(graph, &[table]);
    let mut observations = Observations::default();
    let choices: Vec<f32> = (0..ROWS).map(|i| (i * i % 5) as f32).collect();
    observations.add(0, Elements::F32(&choices), None);
    agree(&plan, &observations, Batch::Transitions(&all_rows()), "embedding");
}

/// Convolutions and pools with padding and dilation, over bytes with the channels first and last, beside numbers.
#[test]
fn operations_on_pictures_agree() {
    for first in [false, true] {
        let mut graph = Graph::default();
        let mut dims = vec![Dim::new("height", 7), Dim::new("width", 8), Dim::new("channels", 2)];
        dims.rotate_right(usize::from(first));
        let eye = graph.add_input("eye", dims, Dtype::U8).expect("new");
        let x = graph.add_input("x", vec![Dim::new("numbers", 6)], Dtype::F32).expect("new");
        let wide = Convolution { padding: 2, dilation: 2, ..Convolution::new(3, 3, 2) };
        let conv = graph.add_conv("conv", eye, wide).expect("it fits");
        let conv = graph.add_activation("conv.relu", conv, Activation::Relu).expect("new");
        let same = Convolution { padding: 1, ..Convolution::new(0, 3, 1) };
        let most = graph.add_pool("most", conv, Pool::Max, same).expect("it fits");
        let direct = graph.add_pool("direct", eye, Pool::Max, Convolution::new(0, 2, 2)).expect("it fits");
        let narrow = Convolution { padding: 1, ..Convolution::new(4, 2, 1) };
        let conv = graph.add_conv("conv2", most, narrow).expect("it fits");
        let mean =
            graph.add_pool("mean", conv, Pool::Average, Convolution { stride: 2, ..same }).expect("it fits");
        let plan = finish(graph, &[mean, x, direct]);
        let mut observations = Observations::default();
        let bytes: Vec<u8> = (0..ROWS * 112).map(|i| (i * i % 251) as u8).collect();
        observations.add(0, Elements::U8(&bytes), None);
        observations.add(1, Elements::F32(&numbers(ROWS * 6, 0)), None);
        agree(&plan, &observations, Batch::Transitions(&all_rows()), &format!("pictures, first {first}"));
    }
}

/// Sequences of many lengths over 20 rows × 15 times, half of them with hidden states at their starts.
#[test]
fn recurrent_layers_agree_through_time() {
    let mut list = Vec::new();
    for row in 0..20 {
        let mut time = 0;
        while time < 15 {
            let len = (1 + (row * 7 + time * 3) % 6).min(15 - time);
            let state = ((row + time) % 2 == 0).then_some(row);
            list.push(Sequence { start: (time * 20 + row) as i64, len, state, burn_in: 0 });
            time += len;
        }
    }
    for (layer, what) in [(Recurrent::Gru, "gru"), (Recurrent::Lstm, "lstm")] {
        let plan = plan(|graph, x, _| {
            let h = graph.add_dense("h", x, Dim::new("units", 5)).expect("new");
            let h = graph.add_activation("h.tanh", h, Activation::Tanh).expect("new");
            let memory = graph.add_recurrent("memory", h, layer, Dim::new("units", 9)).expect("new");
            let second =
                graph.add_recurrent("second", memory, Recurrent::Gru, Dim::new("units", 4)).expect("new");
            vec![memory, second, x]
        });
        let states = numbers(20 * plan.graph.state(), 77);
        let batch = Batch::Sequences(Sequences { list: &list, rows: 20, states: &states });
        assert_eq!(batch.count(), ROWS);
        agree(&plan, &observations(), batch, what);
    }
}

/// Step by step with the state carried along and as one sequence: the same outputs within rounding.
#[test]
fn stepping_and_sequences_give_the_same_numbers() {
    for layer in [Recurrent::Gru, Recurrent::Lstm] {
        let plan = plan(|graph, x, _| {
            vec![graph.add_recurrent("memory", x, layer, Dim::new("units", 8)).expect("new")]
        });
        let (parameters, mut cpu) = (numbers(plan.len(), 9), Cpu::default());
        let (rows, times, observations) = (20, 15, observations());
        let list: Vec<Sequence> = (0..rows)
            .map(|row| Sequence { start: row as i64, len: times, state: Some(row), burn_in: 0 })
            .collect();
        let start = numbers(rows * plan.graph.state(), 3);
        let batch = Batch::Sequences(Sequences { list: &list, rows, states: &start });
        let mut states = start.clone();
        let mut stepped = vec![0.0; ROWS * 3];
        for (time, out) in stepped.chunks_mut(rows * 3).enumerate() {
            let mut now = Observations::default();
            for (input, width) in [(0, 6), (1, 2)] {
                let part = time * rows * width..(time + 1) * rows * width;
                now.add(input, Inputs::All(&observations).part(input, part), None);
            }
            cpu.infer((&plan, &parameters), Tower::Actor, Inputs::All(&now), 0..rows, &mut states, out);
        }
        let mut gradient = vec![0.0; plan.len()];
        let seen = |seen: &mut Vec<(i64, Vec<f32>)>, pass: Pass<'_>| {
            seen.extend(pass.index.iter().zip(pass.outputs.chunks(3)).map(|(&i, y)| (i, y.to_vec())));
        };
        let learned = cpu.learn((&plan, &parameters), Inputs::All(&observations), batch, &mut gradient, seen);
        for (i, y) in learned.into_iter().flatten() {
            close(&y, &stepped[i as usize * 3..][..3], "outputs");
        }
    }
}

#[test]
fn what_is_frozen_has_no_gradient_and_lets_that_of_others_through() {
    let frozen = |names: &[&str]| {
        let mut graph = Graph::default();
        let x = graph.add_input("x", vec![Dim::new("numbers", 6)], Dtype::F32).expect("new");
        let choices = graph.add_input("choices", vec![Dim::new("numbers", 2)], Dtype::F32).expect("new");
        let low = graph.add_dense("low", x, Dim::new("units", 4)).expect("new");
        let high = graph.add_dense("high", low, Dim::new("units", 4)).expect("new");
        for node in &mut graph.nodes {
            node.trainable = !names.contains(&node.name.as_str());
        }
        finish(graph, &[high, choices])
    };
    let index = all_rows();
    for names in [&["high"][..], &["low"], &["low", "high"]] {
        let plan = frozen(names);
        agree(&plan, &observations(), Batch::Transitions(&index), &format!("{names:?} frozen"));
        let mut gradient = vec![0.0; plan.len()];
        let parameters = numbers(plan.len(), 1);
        let observations = observations();
        let x = Inputs::All(&observations);
        Cpu::default().learn((&plan, &parameters), x, Batch::Transitions(&index), &mut gradient, loss);
        for node in &plan.graph.nodes {
            let moves = gradient[node.parameters.clone()].iter().any(|g| *g != 0.0);
            assert_eq!(
                moves,
                !names.contains(&node.name.as_str()) && !node.parameters.is_empty(),
                "{}",
                node.name
            );
        }
    }
}
