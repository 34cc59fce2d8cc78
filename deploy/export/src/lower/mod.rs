//! A policy as operations on tensors, from the observation to the action: what other programs' formats have in common.

mod parts;
mod recurrent;
mod target;

use phalanx_graph::{Activation, InputScale, Op, Origin, Recurrent, Schedule, Step};

use crate::steps::{columns, matrix};
use crate::write::MOST;
use crate::{ExportError, Policy};
pub use target::{Binary, Target, Tensor, Unary, Weights};

/// What a model holds about itself: the description in JSON, and seconds from one action to the next, where they are known.
pub fn descriptions(policy: &Policy<'_>) -> Vec<(&'static str, String)> {
    let mut all = vec![("phalanx", policy.text.clone())];
    if policy.time_step > 0.0 {
        all.push(("time_step", policy.time_step.to_string()));
    }
    all
}

/// A policy on its way to a format.
struct Lowering<'a, T> {
    policy: &'a Policy<'a>,
    target: &'a mut T,
    /// What networks and masks read of each input, if they do.
    inputs: Vec<Option<Tensor>>,
    /// The result of each step.
    results: Vec<Tensor>,
    /// Hidden states by name, and the numbers of each.
    states: Vec<(String, Tensor, usize)>,
}

/// Has a format compute a policy: inputs, the fields of its action, the network's `outputs`, and hidden states.
///
/// # Errors
/// [`ExportError::Operation`] and [`ExportError::Large`].
pub fn lower<T: Target>(policy: &Policy<'_>, target: &mut T) -> Result<(), ExportError> {
    let schedule = policy.schedule();
    let size = schedule.steps.iter().map(|step| policy.graph.nodes[step.node].parameters.len()).sum();
    if size > MOST {
        return Err(ExportError::Large { node: "the policy".into(), what: "parameters", size, most: MOST });
    }
    let mut lowering = Lowering { policy, target, inputs: vec![], results: vec![], states: vec![] };
    lowering.read_inputs(&schedule);
    for (i, step) in schedule.steps.iter().enumerate() {
        let result = lowering.step(i, step)?;
        lowering.results.push(result);
    }
    let outputs = lowering.results[schedule.outputs[0]];
    lowering.act(outputs);
    lowering.target.output("outputs", outputs, &[schedule.steps[schedule.outputs[0]].len]);
    for (name, state, len) in lowering.states {
        lowering.target.output(&name, state, &[len]);
    }
    Ok(())
}

impl<T: Target> Lowering<'_, T> {
    fn read_inputs(&mut self, schedule: &Schedule) {
        let policy = self.policy;
        for (i, input) in policy.inputs.iter().enumerate() {
            if !policy.reads(schedule, i) {
                self.inputs.push(None);
                continue;
            }
            self.target.node(&input.name);
            let x = self.target.input(&input.name, &input.shape, input.is_bytes);
            let x = match &input.scale {
                InputScale::Same => x,
                InputScale::Normalize { mean, factor, bound } => {
                    let x = self.apply(Binary::Sub, x, mean);
                    let x = self.apply(Binary::Mul, x, factor);
                    let x = self.apply(Binary::Max, x, &[-bound]);
                    self.apply(Binary::Min, x, &[*bound])
                }
                InputScale::Fraction { low, range } => {
                    let x = self.apply(Binary::Sub, x, low);
                    self.apply(Binary::Div, x, range)
                }
            };
            self.inputs.push(Some(x));
        }
    }

    /// An operation with the same numbers in all rows, where it changes anything.
    fn apply(&mut self, op: Binary, x: Tensor, numbers: &[f32]) -> Tensor {
        let Some(first) = numbers.first() else { return x };
        let numbers = if numbers.iter().all(|number| number == first) { &numbers[..1] } else { numbers };
        if *numbers == [op.neutral()] {
            return x;
        }
        let numbers = self.target.constant(numbers);
        self.target.binary(op, x, numbers)
    }

    fn step(&mut self, i: usize, step: &Step) -> Result<Tensor, ExportError> {
        let node = &self.policy.graph.nodes[step.node];
        let reads: Vec<Tensor> = step.reads.iter().map(|read| self.read(read.from)).collect();
        let parameters = &self.policy.parameters[node.parameters.clone()];
        self.target.node(&node.name);
        let window = if let Op::Conv(window) = &node.op { Some(window) } else { None };
        if let Some(result) = self.target.other(i, window, reads[0]) {
            return Ok(result);
        }
        let is_relu = step.activation == Some(Activation::Relu);
        let weights = |columns| {
            let (weight, bias) = matrix(parameters, columns);
            Weights { weight, bias, is_relu }
        };
        let result = match &node.op {
            Op::Dense => self.target.dense(reads[0], weights(step.reads[0].len)),
            Op::Conv(window) => {
                let columns = columns(&node.op, step).expect("a convolution has");
                self.target.conv(reads[0], window, weights(columns))
            }
            Op::MaxPool(window) => self.target.pool(reads[0], window, true),
            Op::AveragePool(window) => self.target.pool(reads[0], window, false),
            Op::LayerNorm => {
                let (scale, shift) = parameters.split_at(step.len);
                self.target.layer_norm(reads[0], scale, shift)
            }
            Op::Activation(activation) => self.activation(*activation, reads[0]),
            Op::Recurrent(Recurrent::Gru) => self.gru(&node.name, reads[0], parameters, step),
            Op::Recurrent(Recurrent::Lstm) => self.lstm(&node.name, reads[0], parameters, step),
            Op::Embedding(options) => {
                let option = self.option(reads[0], *options);
                self.target.row(parameters, step.len, option)
            }
            Op::OneHot(options) => self.one_hot(options, reads[0]),
            Op::Concat => self.target.concat(&reads),
            Op::Add => {
                let (first, rest) = reads.split_first().expect("a sum reads something");
                rest.iter().fold(*first, |sum, x| self.target.binary(Binary::Add, sum, *x))
            }
            Op::Own(own) => {
                return Err(ExportError::Operation { node: node.name.clone(), op: own.name.clone() });
            }
            Op::Parameter => unreachable!("no step"),
        };
        Ok(match step.activation {
            Some(activation) if !is_relu => self.activation(activation, result),
            _ => result,
        })
    }

    fn read(&self, from: Origin) -> Tensor {
        match from {
            Origin::Input(i) => self.inputs[self.policy.input(i)].expect("it is read"),
            Origin::Step(i) => self.results[i],
        }
    }

    fn activation(&mut self, activation: Activation, x: Tensor) -> Tensor {
        match activation {
            Activation::Identity => x,
            _ => self.target.unary(Unary::Activation(activation), x),
        }
    }

    /// The option that a number stands for: always one of them.
    fn option(&mut self, x: Tensor, options: usize) -> Tensor {
        let x = self.apply(Binary::Max, x, &[0.0]);
        let x = self.apply(Binary::Min, x, &[options.saturating_sub(1) as f32]);
        self.target.unary(Unary::Floor, x)
    }

    /// 1 − |option − i| where that is positive.
    fn one_hot(&mut self, choices: &[usize], x: Tensor) -> Tensor {
        let mut all = Vec::new();
        for (i, &options) in choices.iter().enumerate() {
            let x = if choices.len() == 1 { x } else { self.target.slice(x, i, 1, 1) };
            let x = self.option(x, options);
            let numbers: Vec<f32> = (0..options).map(|option| option as f32).collect();
            let numbers = self.target.constant(&numbers);
            let x = self.target.binary(Binary::Sub, x, numbers);
            let x = self.target.unary(Unary::Abs, x);
            let one = self.target.constant(&[1.0]);
            let x = self.target.binary(Binary::Sub, one, x);
            all.push(self.target.unary(Unary::Activation(Activation::Relu), x));
        }
        if let [one] = all[..] { one } else { self.target.concat(&all) }
    }
}
