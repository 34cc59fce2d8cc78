//! Policies of tests.
#![allow(dead_code, clippy::unwrap_used)] // not every test has all

use phalanx_export::{
    Deviations, Field, Input, Kind, Mask, Part, Policy, Quantization, Record, Recorded, write,
};
use phalanx_graph::{Activation, Convolution, Dim, Dtype, Graph, InputScale, Pool, Recurrent};

/// Graph, parameters, inputs and parts of an action.
pub type Parts = (Graph, Vec<f32>, Vec<Input>, Vec<Part>);

/// Numbers in [−1, 1] without a pattern.
pub fn numbers(n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * i) as f32 * 0.37 + i as f32).sin()).collect()
}

pub fn dim(size: usize) -> Dim {
    Dim::new("numbers", size)
}

/// A policy of these parts.
pub fn policy_of<'a>((graph, parameters, inputs, parts): &'a Parts, records: &[Record]) -> Policy<'a> {
    Policy {
        graph,
        parameters: parameters.into(),
        output: graph.output("action").unwrap(),
        inputs: inputs.clone(),
        parts: parts.clone(),
        action: fields(parts),
        time_step: 0.02,
        text: "{}".into(),
        records: records.to_vec(),
    }
}

/// The fields of an action, of which choices beside one another are one.
fn fields(parts: &[Part]) -> Vec<Field> {
    let groups: Vec<&[Part]> =
        parts.chunk_by(|a, b| [a, b].iter().all(|part| part.kind == Kind::Choice)).collect();
    let name = |i| if groups.len() == 1 { "action".into() } else { format!("action.{i}") };
    let shape = |group: &[Part]| match group {
        [part] if part.kind == Kind::Choice => vec![],
        [part] => vec![part.len],
        several => vec![several.len()],
    };
    groups.iter().enumerate().map(|(i, group)| Field { name: name(i), shape: shape(group) }).collect()
}

/// The file of a policy, in floats or with layers in 8 bits.
pub fn file_of(all: &Parts, records: &[Record], in_int8: bool) -> Vec<u8> {
    let mut policy = policy_of(all, records);
    let int8 = in_int8.then(|| Quantization::new(&mut policy, records).unwrap());
    write(&policy, int8.as_ref()).unwrap()
}

/// Every operation once, and two steps of an episode.
pub fn everything() -> (Parts, Vec<Record>) {
    let mut graph = Graph::default();
    let picture = vec![Dim::new("height", 6), Dim::new("width", 5), Dim::new("channels", 2)];
    let eye = graph.add_input("observation.eye", picture, Dtype::U8).unwrap();
    let x = graph.add_input("observation.x", vec![dim(3)], Dtype::F32).unwrap();
    let choice = graph.add_input("observation.choice", vec![], Dtype::F32).unwrap();
    let choices = graph.add_input("observation.choices", vec![dim(2)], Dtype::F32).unwrap();
    let window = Convolution { padding: 1, dilation: 2, ..Convolution::new(3, 2, 1) };
    let conv = graph.add_conv("conv", eye, window).unwrap();
    let conv = graph.add_activation("relu", conv, Activation::Relu).unwrap();
    let pool = |kernel| Convolution::new(0, kernel, 2);
    let most = graph.add_pool("most", conv, Pool::Max, pool(2)).unwrap();
    let mean = graph.add_pool("mean", conv, Pool::Average, pool(3)).unwrap();
    let norm = graph.add_layer_norm("norm", x).unwrap();
    let silu = graph.add_activation("silu", norm, Activation::Silu).unwrap();
    let sum = graph.add_sum("sum", &[silu, x]).unwrap();
    let one = graph.add_one_hot("one", choice, vec![4]).unwrap();
    let two = graph.add_one_hot("two", choices, vec![3, 5]).unwrap();
    let table = graph.add_embedding("table", choice, 4, dim(2)).unwrap();
    let all = graph.add_concat("all", &[most, mean, sum, one, two, table]).unwrap();
    let gru = graph.add_recurrent("gru", all, Recurrent::Gru, dim(5)).unwrap();
    let lstm = graph.add_recurrent("lstm", gru, Recurrent::Lstm, dim(4)).unwrap();
    let action = graph.add_dense("action", lstm, dim(6)).unwrap();
    graph.add_output("action", action);
    let input = |name: &str, is_bytes, shape: &[usize], scale| Input {
        name: name.into(),
        is_bytes,
        shape: shape.to_vec(),
        scale,
    };
    let fraction = InputScale::Fraction { low: vec![0.0; 60], range: vec![255.0; 60] };
    let normalize = InputScale::Normalize { mean: vec![0.5; 3], factor: vec![2.0; 3], bound: 3.0 };
    let inputs = vec![
        input("observation.eye", true, &[6, 5, 2], fraction),
        input("observation.x", false, &[3], normalize),
        input("observation.choice", false, &[], InputScale::Same),
        input("observation.choices", false, &[2], InputScale::Same),
        input("observation.action_mask", true, &[6], InputScale::Same),
    ];
    let mask = |start| Some(Mask { input: 4, start });
    let part = |kind, outputs, len, mask, action| Part { kind, outputs, len, mask, start: -3, action };
    let numbers_of = |tanh| Kind::Numbers {
        tanh,
        scale: vec![[1.0, 2.0, -1.0, 3.0]],
        deviations: Deviations::Fixed(vec![-0.5]),
    };
    let parts = vec![
        part(Kind::Choice, 0, 2, mask(0), 0),
        part(Kind::Bits, 2, 2, mask(2), 1),
        part(numbers_of(false), 4, 1, None, 3),
        part(numbers_of(true), 5, 1, None, 4),
    ];
    let parameters = numbers(graph.parameters());
    let record = Record {
        begins: true,
        observation: vec![
            Recorded::U8((0..60).collect()),
            Recorded::F32(vec![0.1, -0.2, 0.3]),
            Recorded::F32(vec![2.0]),
            Recorded::F32(vec![1.0, 4.0]),
            Recorded::U8(vec![1; 6]),
        ],
        action: vec![0.0; 5],
    };
    let records = vec![record.clone(), Record { begins: false, ..record }];
    ((graph, parameters, inputs, parts), records)
}

/// A convolution over a picture of floats and two dense layers, each with this activation; one choice of three.
pub fn convolution(activation: Activation, padding: usize, channels_first: bool) -> Parts {
    let mut graph = Graph::default();
    let eye = graph.add_input("observation.x", picture([5, 5, 2], channels_first), Dtype::F32).unwrap();
    let window = Convolution { padding, ..Convolution::new(10, 3, 2) };
    let conv = graph.add_conv("conv", eye, window).unwrap();
    let conv = graph.add_activation("first", conv, activation).unwrap();
    let dense = graph.add_dense("dense", conv, dim(21)).unwrap();
    let dense = graph.add_activation("second", dense, activation).unwrap();
    let action = graph.add_dense("action", dense, dim(3)).unwrap();
    graph.add_output("action", action);
    let parameters = numbers(graph.parameters()).iter().map(|x| 0.3 * x).collect();
    let shape = if channels_first { vec![2, 5, 5] } else { vec![5, 5, 2] };
    let input = Input { name: "observation.x".into(), is_bytes: false, shape, scale: InputScale::Same };
    let parts = vec![Part { kind: Kind::Choice, outputs: 0, len: 3, mask: None, start: 0, action: 0 }];
    (graph, parameters, vec![input], parts)
}

fn picture([height, width, channels]: [usize; 3], channels_first: bool) -> Vec<Dim> {
    let mut dims = vec![Dim::new("height", height), Dim::new("width", width), Dim::new("channels", channels)];
    dims.rotate_right(usize::from(channels_first));
    dims
}

/// Convolutions and pools side by side; their numbers are the action.
pub fn windows(padding: usize, dilation: usize, channels_first: bool) -> Parts {
    let mut graph = Graph::default();
    let eye = graph.add_input("observation.eye", picture([9, 8, 3], channels_first), Dtype::F32).unwrap();
    let window = |filters, kernel, stride| {
        let convolution = Convolution::new(filters, kernel, stride);
        Convolution { padding, dilation, ..convolution }
    };
    let conv = graph.add_conv("conv", eye, window(4, 3, 2)).unwrap();
    let relu = graph.add_activation("relu", conv, Activation::Relu).unwrap();
    let all = [
        graph.add_conv("second", relu, Convolution::new(2, 2, 1)).unwrap(),
        graph.add_pool("most", eye, Pool::Max, window(0, 3, 2)).unwrap(),
        graph.add_pool("mean", eye, Pool::Average, window(0, 2, 1)).unwrap(),
    ];
    let all = graph.add_concat("all", &all).unwrap();
    graph.add_output("action", all);
    let len = phalanx_graph::len(graph.dims(all));
    let scale = vec![[0.0, 1.0, f32::NEG_INFINITY, f32::INFINITY]; len];
    let kind = Kind::Numbers { tanh: false, scale, deviations: Deviations::Fixed(vec![0.0; len]) };
    let parts = vec![Part { kind, outputs: 0, len, mask: None, start: 0, action: 0 }];
    let parameters = numbers(graph.parameters());
    let input = |name: &str, shape| {
        let (name, scale) = (name.into(), InputScale::Same);
        Input { name, is_bytes: false, shape, scale }
    };
    let shape = if channels_first { vec![3, 9, 8] } else { vec![9, 8, 3] };
    let inputs = vec![input("observation.unread", vec![2]), input("observation.eye", shape)];
    (graph, parameters, inputs, parts)
}

/// Numbers of many axes with statistics, and choices; several choices with masks, bits without and squashed numbers. One field is not read.
pub fn several_choices() -> Parts {
    let mut graph = Graph::default();
    let x = graph.add_input("observation.x", vec![dim(24)], Dtype::F32).unwrap();
    let choices = graph.add_input("observation.choices", vec![dim(2)], Dtype::F32).unwrap();
    let hot = graph.add_one_hot("hot", choices, vec![3, 4]).unwrap();
    let all = graph.add_concat("all", &[x, hot]).unwrap();
    let output = graph.add_dense("action", all, dim(14)).unwrap();
    graph.add_output("action", output);
    let input = |name: &str, is_bytes, shape: &[usize], scale| Input {
        name: name.into(),
        is_bytes,
        shape: shape.to_vec(),
        scale,
    };
    let factor = numbers(24).iter().map(|x| 2.0 + x).collect();
    let inputs = vec![
        input("observation.unread", false, &[9], InputScale::Same),
        input(
            "observation.x",
            false,
            &[2, 3, 2, 2],
            InputScale::Normalize { mean: numbers(24), factor, bound: 1.5 },
        ),
        input("observation.choices", false, &[2], InputScale::Same),
        input("observation.action_mask", true, &[7], InputScale::Same),
    ];
    let part = |kind, outputs, len, mask: Option<usize>, action| {
        let mask = mask.map(|start| Mask { input: 3, start });
        let start = if action == 1 { 7 } else { 0 };
        Part { kind, outputs, len, mask, start, action }
    };
    let scale =
        vec![[0.0, 2.0, -2.0, 2.0], [1.0, 3.0, 0.0, 2.0], [0.5, 1.0, -9.0, 9.0], [0.0, 1.0, -1.0, 0.25]];
    let parts = vec![
        part(Kind::Choice, 0, 4, Some(0), 0),
        part(Kind::Choice, 4, 3, Some(4), 1),
        part(Kind::Bits, 7, 3, None, 2),
        part(
            Kind::Numbers { tanh: true, scale, deviations: Deviations::Fixed(vec![0.0; 4]) },
            10,
            4,
            None,
            5,
        ),
    ];
    let parameters = numbers(graph.parameters());
    (graph, parameters, inputs, parts)
}

/// Steps of observations without a pattern; an episode takes seven.
pub fn observed((_, _, inputs, parts): &Parts, steps: usize) -> Vec<Record> {
    let noise = numbers(steps * 997);
    let action = parts.iter().map(|part| if part.kind == Kind::Choice { 1 } else { part.len }).sum();
    let record = |step: usize| {
        let noise = |i: usize| noise[(step * 997 + 31 * i) % noise.len()];
        // One of two neighbours is always legal.
        let legal = |i: usize| u8::from(noise(i / 2) > 0.0 || i % 2 == usize::from(!step.is_multiple_of(3)));
        let element = |input: &Input| match &input.name {
            name if name.ends_with("mask") => Recorded::U8((0..input.size()).map(legal).collect()),
            name if name.contains("choice") => Recorded::F32(vec![(step % 5) as f32 - 0.5; input.size()]),
            _ if input.is_bytes => {
                Recorded::U8((0..input.size()).map(|i| (127.5 + 127.5 * noise(i)) as u8).collect())
            }
            _ => Recorded::F32((0..input.size()).map(|i| 2.0 * noise(i)).collect()),
        };
        let observation = inputs.iter().map(element).collect();
        Record { begins: step.is_multiple_of(7), observation, action: vec![0.0; action] }
    };
    (0..steps).map(record).collect()
}

/// Observations of it.
pub fn pictures(n: usize) -> Vec<Record> {
    let of =
        |x: &[f32]| Record { begins: true, observation: vec![Recorded::F32(x.to_vec())], action: vec![0.0] };
    numbers(50 * n).chunks(50).map(of).collect()
}
