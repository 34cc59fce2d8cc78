//! A policy as operations on tensors, from the observation to the action: what other programs' formats have in common.

mod parts;
mod recurrent;

use phalanx_graph::{Activation, InputScale, Op, Origin, Recurrent, Schedule, Step, Window};

use crate::steps::{columns, matrix};
use crate::{ExportError, Policy};

/// A tensor of a [`Target`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tensor(pub usize);

/// Operations on each number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unary {
    /// An activation function.
    Activation(Activation),
    /// 1/(1 + e⁻ˣ).
    Sigmoid,
    /// The largest whole number that is not larger.
    Floor,
    /// |x|.
    Abs,
    /// 1 where positive, 0 elsewhere: whole numbers.
    IsPositive,
}

/// Operations on two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    /// The sum.
    Add,
    /// The difference.
    Sub,
    /// The product.
    Mul,
    /// The quotient.
    Div,
    /// The smaller one.
    Min,
    /// The larger one.
    Max,
}

impl Binary {
    /// The second number with which the result is the first one.
    fn neutral(self) -> f32 {
        match self {
            Self::Add | Self::Sub => 0.0,
            Self::Mul | Self::Div => 1.0,
            Self::Min => f32::INFINITY,
            Self::Max => f32::NEG_INFINITY,
        }
    }
}

/// A weight `[outputs, inputs]`, row-major, and a bias `[outputs]`.
#[derive(Debug, Clone, Copy)]
pub struct Weights<'a> {
    /// The weight.
    pub weight: &'a [f32],
    /// The bias.
    pub bias: &'a [f32],
    /// Whether negative results become 0.
    pub is_relu: bool,
}

/// A format with these operations. Tensors have floats, or whole numbers where that is said, and a first axis of rows.
pub trait Target {
    /// What follows belongs to this node.
    fn node(&mut self, name: &str);
    /// An input of this shape, which has no axis of rows, as one number after the other.
    fn input(&mut self, name: &str, shape: &[usize], is_bytes: bool) -> Tensor;
    /// Gives a result its name and its shape, which has no axis of rows.
    fn output(&mut self, name: &str, x: Tensor, shape: &[usize]);
    /// Numbers that are the same in all rows.
    fn constant(&mut self, numbers: &[f32]) -> Tensor;
    /// An operation on each number.
    fn unary(&mut self, op: Unary, x: Tensor) -> Tensor;
    /// An operation on numbers of the same place; one number beside several is used for each.
    fn binary(&mut self, op: Binary, a: Tensor, b: Tensor) -> Tensor;
    /// `len` numbers from `start` on, each `stride` after the one before.
    fn slice(&mut self, x: Tensor, start: usize, len: usize, stride: usize) -> Tensor;
    /// The numbers of all, one after the other.
    fn concat(&mut self, all: &[Tensor]) -> Tensor;
    /// A dense layer.
    fn dense(&mut self, x: Tensor, weights: Weights<'_>) -> Tensor;
    /// A convolution.
    fn conv(&mut self, x: Tensor, window: &Window, weights: Weights<'_>) -> Tensor;
    /// The largest number of each channel in every window, or the mean, padding included.
    fn pool(&mut self, x: Tensor, window: &Window, is_max: bool) -> Tensor;
    /// A layer normalisation.
    fn layer_norm(&mut self, x: Tensor, scale: &[f32], shift: &[f32]) -> Tensor;
    /// The row of a table `[rows, columns]` that a whole number has.
    fn row(&mut self, table: &[f32], columns: usize, x: Tensor) -> Tensor;
    /// The index of the largest number, the first of several: a whole number.
    fn largest(&mut self, x: Tensor) -> Tensor;
    /// A step of the schedule that is not computed in floats.
    fn other(&mut self, step: usize, window: Option<&Window>, x: Tensor) -> Option<Tensor>;
}

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
    /// What networks read of each input; nothing of one that neither they nor masks read.
    inputs: Vec<Option<Tensor>>,
    /// The result of each step.
    results: Vec<Tensor>,
}

/// Has a format compute a policy: inputs, the fields of its action, the network's `outputs`, and hidden states.
///
/// # Errors
/// [`ExportError::Operation`].
pub fn lower<T: Target>(policy: &Policy<'_>, target: &mut T) -> Result<(), ExportError> {
    let schedule = policy.schedule();
    let mut lowering = Lowering { policy, target, inputs: Vec::new(), results: Vec::new() };
    lowering.read_inputs(&schedule);
    for (i, step) in schedule.steps.iter().enumerate() {
        let result = lowering.step(i, step)?;
        lowering.results.push(result);
    }
    let outputs = lowering.results[schedule.outputs[0]];
    lowering.act(outputs);
    let step = &schedule.steps[schedule.outputs[0]];
    lowering.target.output("outputs", outputs, &[step.len]);
    Ok(())
}

impl<T: Target> Lowering<'_, T> {
    fn read_inputs(&mut self, schedule: &Schedule) {
        let policy = self.policy;
        let reads = || schedule.steps.iter().flat_map(|step| &step.reads);
        for (i, input) in policy.inputs.iter().enumerate() {
            let is_read = reads().any(|read| matches!(read.from, Origin::Input(j) if policy.input(j) == i));
            let is_mask = policy.parts.iter().any(|part| part.mask.is_some_and(|mask| mask.input == i));
            if !is_read && !is_mask {
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
