//! From the schedule of a graph to the steps of a file.

use phalanx_graph::{Activation, InputScale, Op, Origin, Purpose, Recurrent, Schedule, Step, Window};
use phalanx_micro::format::{activation, halves, op, step};

use crate::drafts::Drafts;
use crate::weights::{blocked, recurrent};
use crate::{ExportError, Policy, Quantization};

/// How a network is computed.
#[derive(Clone, Copy)]
pub enum Form<'a> {
    /// In floats.
    Floats,
    /// In floats; every result is kept, those before an activation, too.
    Kept,
    /// Dense layers and convolutions in 8 bits, all else in floats.
    Int8(&'a Quantization),
}

/// The steps of a file and what they need.
pub struct Steps {
    /// Words of each step.
    pub words: Vec<[u32; step::WORDS]>,
    /// Parameters.
    pub floats: Vec<f32>,
    /// Numbers of results.
    pub results: usize,
    /// Where the network's outputs are.
    pub outputs: usize,
    /// Where each input of the policy is, if it is read or a mask.
    pub inputs: Vec<Option<usize>>,
    /// Where the result of each step of the schedule is before its activation, and after it.
    pub made: Vec<[usize; 2]>,
}

/// A result of the schedule: its values as floats and in 8 bits, where there are such.
#[derive(Clone, Copy)]
struct Made {
    floats: Option<usize>,
    bytes: Option<usize>,
    len: usize,
}

struct Builder<'a> {
    policy: &'a Policy<'a>,
    form: Form<'a>,
    drafts: Drafts,
    /// Inputs of the policy.
    inputs: Vec<Option<Made>>,
    /// Results of the schedule's steps.
    made: Vec<Made>,
    /// Values before the activation of each step.
    before: Vec<usize>,
}

/// Steps for the actor of a policy.
///
/// # Errors
/// [`ExportError::Operation`] and [`ExportError::Large`].
pub fn steps(policy: &Policy<'_>, form: Form<'_>) -> Result<Steps, ExportError> {
    let schedule = policy.schedule();
    let mut builder = Builder {
        policy,
        form,
        drafts: Drafts::default(),
        inputs: Vec::new(),
        made: Vec::new(),
        before: Vec::new(),
    };
    builder.read_inputs(&schedule);
    for (i, step) in schedule.steps.iter().enumerate() {
        let made = builder.step(i, step)?;
        builder.made.push(made);
    }
    let output = builder.floats(Origin::Step(schedule.outputs[0]));
    builder.drafts.keep(output);
    for part in &policy.parts {
        let mask = part.mask.and_then(|mask| builder.inputs[mask.input]).and_then(|mask| mask.floats);
        if let Some(mask) = mask {
            builder.drafts.keep(mask);
        }
    }
    if let Form::Kept = form {
        builder.drafts.keep_all();
    }
    let (words, offsets, results) = builder.drafts.place();
    let place = |value: Option<usize>| value.map_or(0, |value| offsets[value]);
    let made = builder.made.iter().zip(&builder.before);
    Ok(Steps {
        words,
        results,
        outputs: offsets[output],
        inputs: builder.inputs.iter().map(|made| made.map(|made| place(made.floats))).collect(),
        made: made.map(|(made, before)| [offsets[*before], place(made.floats.or(made.bytes))]).collect(),
        floats: builder.drafts.floats,
    })
}

impl Policy<'_> {
    /// The steps of the actor.
    pub(crate) fn schedule(&self) -> Schedule {
        self.graph.schedule(&[self.output], Purpose::Inference)
    }

    /// The index of the policy's input that an input of the graph is.
    pub(crate) fn input(&self, graph_input: usize) -> usize {
        let name = &self.graph.inputs[graph_input].name;
        self.inputs.iter().position(|input| input.name == *name).expect("an input of the observation")
    }

    /// Whether a step reads this input of the policy, or it has a mask.
    pub(crate) fn reads(&self, schedule: &Schedule, input: usize) -> bool {
        let mut reads = schedule.steps.iter().flat_map(|step| &step.reads).map(|read| read.from);
        reads.any(|from| matches!(from, Origin::Input(i) if self.input(i) == input))
            || self.parts.iter().any(|part| part.mask.is_some_and(|mask| mask.input == input))
    }
}

impl Builder<'_> {
    /// Reads the inputs that the schedule or a mask needs.
    fn read_inputs(&mut self, schedule: &Schedule) {
        let policy = self.policy;
        for (i, input) in policy.inputs.iter().enumerate() {
            if !policy.reads(schedule, i) {
                self.inputs.push(None);
                continue;
            }
            let mut words = self.drafts.words(op::READ, input.size());
            words[step::READ] = i as u32;
            match &input.scale {
                InputScale::Same => {}
                InputScale::Normalize { mean, factor, bound } => {
                    self.drafts.floats.extend(mean.iter().chain(factor));
                    words[step::STATE] = bound.to_bits();
                    words[step::OP] = op::NORMALIZE;
                }
                InputScale::Fraction { low, range } => {
                    self.drafts.floats.extend(low.iter().chain(range));
                    words[step::OP] = op::FRACTION;
                }
            }
            let value = self.drafts.write(words, None, input.size());
            self.inputs.push(Some(Made { floats: Some(value), bytes: None, len: input.size() }));
        }
    }

    /// What was made of an origin, to be changed where it is made in the other form.
    fn made(&mut self, from: Origin) -> &mut Made {
        match from {
            Origin::Input(i) => self.inputs[self.policy.input(i)].as_mut().expect("it is read"),
            Origin::Step(i) => &mut self.made[i],
        }
    }

    /// A result in floats.
    fn floats(&mut self, from: Origin) -> usize {
        let made = *self.made(from);
        made.floats.unwrap_or_else(|| {
            let (Form::Int8(quantization), Origin::Step(i), Some(read)) = (self.form, from, made.bytes)
            else {
                unreachable!("made in 8 bits by a step")
            };
            let layer = quantization.layers[i].as_ref().expect("it is in 8 bits");
            let mut words = self.drafts.words(op::DEQUANTIZE, made.len);
            layer.write.put(&mut words);
            let value = self.drafts.write(words, Some(read), made.len);
            self.made(from).floats = Some(value);
            value
        })
    }

    /// Adds the steps of one of the schedule.
    fn step(&mut self, i: usize, step: &Step) -> Result<Made, ExportError> {
        let node = &self.policy.graph.nodes[step.node];
        if let Form::Int8(quantization) = self.form
            && let Some(layer) = &quantization.layers[i]
        {
            let mut words = self.drafts.words(op::DENSE_INT8, step.reads[0].len);
            if let Op::Conv(window) = &node.op {
                words[step::OP] = picture(&mut words, &node.name, window, op::CONV_INT8)?;
            }
            let from = step.reads[0].from;
            let made = *self.made(from);
            let read = made.bytes.unwrap_or_else(|| {
                let read = self.floats(from);
                let mut words = self.drafts.words(op::QUANTIZE, made.len);
                layer.read.put(&mut words);
                let value = self.drafts.write_bytes(words, read, made.len);
                self.made(from).bytes = Some(value);
                value
            });
            words[step::PARAMETERS] = self.drafts.floats.len() as u32;
            layer.parameters(&mut words, &mut self.drafts.floats);
            let value = self.drafts.write_bytes(words, read, step.len);
            self.before.push(value);
            return Ok(Made { floats: None, bytes: Some(value), len: step.len });
        }
        let reads: Vec<usize> = step.reads.iter().map(|read| self.floats(read.from)).collect();
        let value = self.in_floats(step, &reads)?;
        self.before.push(value);
        let value = match step.activation {
            Some(fused) if matches!(self.form, Form::Kept) => {
                let words = self.drafts.words(op::ACTIVATION | of(fused) << 8, step.len);
                self.drafts.write(words, Some(value), step.len)
            }
            _ => value,
        };
        Ok(Made { floats: Some(value), bytes: None, len: step.len })
    }

    /// Adds the steps of one of the schedule, in floats; the value of its result.
    fn in_floats(&mut self, step: &Step, reads: &[usize]) -> Result<usize, ExportError> {
        let node = &self.policy.graph.nodes[step.node];
        let mut words = self.drafts.words(op::DENSE, step.reads.first().map_or(0, |read| read.len));
        words[step::OP] = match &node.op {
            Op::Dense => op::DENSE,
            Op::Conv(window) => picture(&mut words, &node.name, window, op::CONV)?,
            Op::MaxPool(window) => picture(&mut words, &node.name, window, op::MAX_POOL)?,
            Op::AveragePool(window) => picture(&mut words, &node.name, window, op::AVERAGE_POOL)?,
            Op::LayerNorm => op::LAYER_NORM,
            Op::Activation(activation) => op::ACTIVATION | of(*activation) << 8,
            Op::Recurrent(layer) => {
                words[step::STATE] = step.state.start as u32;
                if *layer == Recurrent::Gru { op::GRU } else { op::LSTM }
            }
            Op::Embedding(options) => {
                words[step::SIZE] = *options as u32;
                op::EMBEDDING
            }
            Op::Concat | Op::Add => return Ok(self.several(step, reads, node.op == Op::Concat)),
            Op::OneHot(options) => return Ok(self.one_hot(options, reads[0])),
            Op::Own(own) => {
                return Err(ExportError::Operation { node: node.name.clone(), op: own.name.clone() });
            }
            Op::Parameter => unreachable!("no step"),
        };
        if let (Some(fused), Form::Floats | Form::Int8(_)) = (step.activation, self.form) {
            words[step::OP] |= of(fused) << 8;
        }
        let parameters = self.parameters(step);
        self.drafts.floats.extend(parameters);
        Ok(self.drafts.write(words, Some(reads[0]), step.len))
    }

    /// The parameters of a step in the order of a file.
    fn parameters(&self, step: &Step) -> Vec<f32> {
        let node = &self.policy.graph.nodes[step.node];
        let all = &self.policy.parameters[node.parameters.clone()];
        if let Op::Recurrent(layer) = &node.op {
            let gates = if *layer == Recurrent::Gru { 3 } else { 4 };
            return recurrent(all, gates, step.reads[0].len, step.len);
        }
        let Some(columns) = columns(&node.op, step) else { return all.to_vec() };
        let (weight, bias) = matrix(all, columns);
        [blocked(weight, columns), bias.to_vec()].concat()
    }

    /// All that is read, one after the other, or its sum.
    fn several(&mut self, step: &Step, reads: &[usize], is_concat: bool) -> usize {
        let value = self.drafts.value(step.len);
        let mut at = 0;
        for (i, (&read, part)) in reads.iter().zip(&step.reads).enumerate() {
            let words = self.drafts.words(if is_concat || i == 0 { op::COPY } else { op::ADD }, part.len);
            self.drafts.step(words, Some((read, 0)), (value, at), part.len);
            at += if is_concat { part.len } else { 0 };
        }
        value
    }

    fn one_hot(&mut self, options: &[usize], read: usize) -> usize {
        let value = self.drafts.value(options.iter().sum());
        let mut at = 0;
        for (i, &n) in options.iter().enumerate() {
            let words = self.drafts.words(op::ONE_HOT, 1);
            self.drafts.step(words, Some((read, i)), (value, at), n);
            at += n;
        }
        value
    }
}

/// Numbers that each output of a dense layer or convolution reads.
pub fn columns(op: &Op, step: &Step) -> Option<usize> {
    match op {
        Op::Dense => Some(step.reads[0].len),
        Op::Conv(window) => Some(window.kernel * window.kernel * window.picture[2]),
        _ => None,
    }
}

/// Weights `[outputs, columns]` and biases of a layer.
pub fn matrix(parameters: &[f32], columns: usize) -> (&[f32], &[f32]) {
    parameters.split_at(parameters.len() - parameters.len() / (columns + 1))
}

fn of(activation: Activation) -> u32 {
    match activation {
        Activation::Tanh => activation::TANH,
        Activation::Relu => activation::RELU,
        Activation::Elu => activation::ELU,
        Activation::Silu => activation::SILU,
        Activation::Gelu => activation::GELU,
        Activation::LeakyRelu => activation::LEAKY_RELU,
        Activation::Identity => activation::IDENTITY,
    }
}

/// The words of a picture and its windows; returns `op`.
fn picture(words: &mut [u32; step::WORDS], node: &str, window: &Window, op: u32) -> Result<u32, ExportError> {
    let [height, width, channels] = window.picture;
    let sizes = [
        ("height", height),
        ("width", width),
        ("channels", channels),
        ("kernel", window.kernel),
        ("stride", window.stride),
        ("padding", window.padding),
        ("dilation", window.dilation),
    ];
    if let Some(&(what, size)) = sizes.iter().find(|(_, size)| *size > 0xffff) {
        return Err(ExportError::Large { node: node.into(), what, size, most: 0xffff });
    }
    words[step::SIZE] = halves(height, width);
    words[step::KERNEL] = halves(channels, window.kernel);
    words[step::STRIDE] = halves(window.stride, window.padding);
    words[step::DILATION] = halves(window.dilation, usize::from(window.channels_first));
    Ok(op)
}
