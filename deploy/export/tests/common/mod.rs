//! Policies that several tests use.
#![allow(dead_code)] // Each test uses some of it.

use phalanx_export::{Input, Kind, Mask, Part, Policy, Record, Recorded};
use phalanx_graph::{Activation, Convolution, Dim, Dtype, Graph, InputScale, Pool, Recurrent, Source};

/// Numbers in [−1, 1] without a pattern.
pub fn numbers(n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * i) as f32 * 0.37 + i as f32).sin()).collect()
}

pub fn dim(size: usize) -> Dim {
    Dim::new("numbers", size)
}

/// What a policy borrows, and steps.
pub struct Example {
    pub graph: Graph,
    pub parameters: Vec<f32>,
    pub inputs: Vec<Input>,
    pub parts: Vec<Part>,
    pub records: Vec<Record>,
}

impl Example {
    pub fn policy(&self) -> Policy<'_> {
        Policy {
            graph: &self.graph,
            parameters: &self.parameters,
            output: self.graph.output("action").unwrap(),
            inputs: self.inputs.clone(),
            parts: self.parts.clone(),
            time_step: 0.02,
            text: r#"{"env": "none"}"#.into(),
            records: self.records.clone(),
        }
    }

    /// A network that ends with numbers as they are.
    pub fn plain(mut graph: Graph, last: Source, inputs: Vec<Input>, steps: usize) -> Self {
        graph.add_output("action", last);
        let len = phalanx_graph::len(graph.dims(last));
        let same = [0.0, 1.0, f32::NEG_INFINITY, f32::INFINITY];
        let kind = Kind::Numbers { tanh: false, scale: vec![same; len] };
        let parts = vec![Part { kind, outputs: 0, len, mask: None, action: 0 }];
        let parameters = numbers(graph.parameters()).iter().map(|x| 0.4 * x).collect();
        Self { graph, parameters, inputs, parts, records: vec![] }.with_records(steps)
    }

    /// Steps of observations in [−1, 1], bytes and bits; an episode takes seven.
    fn with_records(mut self, steps: usize) -> Self {
        let noise = numbers(steps * 997);
        let action = self.parts.iter().map(|part| if part.kind == Kind::Choice { 1 } else { part.len }).sum();
        self.records = (0..steps)
            .map(|step| {
                let noise = |i: usize| noise[(step * 997 + 31 * i) % noise.len()];
                let element = |input: &Input| {
                    if input.name.ends_with("mask") {
                        // One of two neighbours is always legal.
                        let legal =
                            |i: usize| u8::from(noise(i / 2) > 0.0 || i % 2 == usize::from(step % 3 > 0));
                        Recorded::U8((0..input.len).map(legal).collect())
                    } else if input.is_bytes {
                        Recorded::U8((0..input.len).map(|i| (127.5 + 127.5 * noise(i)) as u8).collect())
                    } else if input.name.ends_with("choice") {
                        Recorded::F32(vec![(step % 5) as f32 - 0.5; input.len])
                    } else {
                        Recorded::F32((0..input.len).map(|i| 2.0 * noise(i)).collect())
                    }
                };
                let observation = self.inputs.iter().map(element).collect();
                Record { begins: step % 7 == 0, observation, action: vec![0.0; action] }
            })
            .collect();
        self
    }

    /// Every operation once.
    pub fn everything() -> Self {
        let mut graph = Graph::default();
        let picture = vec![Dim::new("height", 6), Dim::new("width", 5), Dim::new("channels", 2)];
        let eye = graph.add_input("observation.eye", picture, Dtype::U8).unwrap();
        let x = graph.add_input("observation.x", vec![dim(3)], Dtype::F32).unwrap();
        let choice = graph.add_input("observation.choice", vec![], Dtype::F32).unwrap();
        let choices = graph.add_input("observation.more_choice", vec![dim(2)], Dtype::F32).unwrap();
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
        let input = |name: &str, is_bytes, len, scale| Input { name: name.into(), is_bytes, len, scale };
        let fraction = InputScale::Fraction { low: vec![0.0; 60], range: vec![255.0; 60] };
        let normalize = InputScale::Normalize { mean: vec![0.5; 3], factor: vec![2.0; 3], bound: 3.0 };
        let inputs = vec![
            input("observation.eye", true, 60, fraction),
            input("observation.x", false, 3, normalize),
            input("observation.choice", false, 1, InputScale::Same),
            input("observation.more_choice", false, 2, InputScale::Same),
            input("observation.action_mask", true, 6, InputScale::Same),
        ];
        let mask = |start| Some(Mask { input: 4, start });
        let part = |kind, outputs, len, mask, action| Part { kind, outputs, len, mask, action };
        let numbers_of = |tanh| Kind::Numbers { tanh, scale: vec![[1.0, 2.0, -1.0, 3.0]] };
        let parts = vec![
            part(Kind::Choice, 0, 2, mask(0), 0),
            part(Kind::Bits, 2, 2, mask(2), 1),
            part(numbers_of(false), 4, 1, None, 3),
            part(numbers_of(true), 5, 1, None, 4),
        ];
        let parameters = numbers(graph.parameters());
        Self { graph, parameters, inputs, parts, records: vec![] }.with_records(20)
    }

    /// Convolutions and pools over a picture with its channels first or last.
    pub fn pictures(channels_first: bool, padding: usize, dilation: usize) -> Self {
        let mut graph = Graph::default();
        let mut dims = vec![Dim::new("height", 9), Dim::new("width", 8), Dim::new("channels", 3)];
        dims.rotate_right(usize::from(channels_first));
        let eye = graph.add_input("observation.eye", dims, Dtype::F32).unwrap();
        let window = |filters, kernel, stride| {
            let convolution = Convolution::new(filters, kernel, stride);
            Convolution { padding, dilation, ..convolution }
        };
        let all = [
            graph.add_conv("conv", eye, window(4, 3, 2)).unwrap(),
            graph.add_pool("most", eye, Pool::Max, window(0, 3, 2)).unwrap(),
            graph.add_pool("mean", eye, Pool::Average, window(0, 2, 1)).unwrap(),
        ];
        let relu = graph.add_activation("relu", all[0], Activation::Relu).unwrap();
        let second = graph.add_conv("second", relu, Convolution::new(2, 2, 1)).unwrap();
        let all = graph.add_concat("all", &[second, all[1], all[2]]).unwrap();
        let input =
            Input { name: "observation.eye".into(), is_bytes: false, len: 216, scale: InputScale::Same };
        Self::plain(graph, all, vec![input], 8)
    }

    /// A convolution and two dense layers with this activation function.
    pub fn layers(activation: Activation, padding: usize, channels_first: bool, steps: usize) -> Self {
        let mut graph = Graph::default();
        let mut picture = vec![Dim::new("height", 5), Dim::new("width", 5), Dim::new("channels", 2)];
        picture.rotate_right(usize::from(channels_first));
        let eye = graph.add_input("observation.x", picture, Dtype::F32).unwrap();
        let conv =
            graph.add_conv("conv", eye, Convolution { padding, ..Convolution::new(10, 3, 2) }).unwrap();
        let conv = graph.add_activation("first", conv, activation).unwrap();
        let dense = graph.add_dense("dense", conv, dim(21)).unwrap();
        let dense = graph.add_activation("second", dense, activation).unwrap();
        let action = graph.add_dense("action", dense, dim(3)).unwrap();
        let input = Input { name: "observation.x".into(), is_bytes: false, len: 50, scale: InputScale::Same };
        Self::plain(graph, action, vec![input], steps)
    }
}
