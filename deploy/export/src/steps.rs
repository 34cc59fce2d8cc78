//! From the schedule of a graph to the steps of a file.

use phalanx_graph::{Activation, InputScale, Op, Origin, Purpose, Recurrent, Schedule, Step, Window};
use phalanx_micro::format::{activation, halves, op, step};

use crate::place::{Value, place};
use crate::{ExportError, Policy};

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
    /// Where each input is, if it is read or a mask.
    pub inputs: Vec<Option<usize>>,
}

/// A step before its places are known.
struct Draft {
    words: [u32; step::WORDS],
    /// The value that is read, from this number on.
    read: Option<(usize, usize)>,
    /// The value that is written, from this number on.
    write: (usize, usize),
}

struct Drafts<'a> {
    policy: &'a Policy<'a>,
    all: Vec<Draft>,
    values: Vec<Value>,
    floats: Vec<f32>,
}

/// Steps for the actor of a policy.
///
/// # Errors
/// [`ExportError::Operation`] and [`ExportError::Large`].
pub fn steps(policy: &Policy<'_>) -> Result<Steps, ExportError> {
    let schedule = policy.graph.schedule(&[policy.output], Purpose::Inference);
    let mut drafts = Drafts { policy, all: Vec::new(), values: Vec::new(), floats: Vec::new() };
    let inputs = drafts.inputs(&schedule);
    let graph_input = |i: usize| {
        let name = &policy.graph.inputs[i].name;
        let at =
            policy.inputs.iter().position(|input| input.name == *name).expect("an input of the observation");
        inputs[at].expect("it is read")
    };
    let mut results = Vec::new();
    for step in &schedule.steps {
        let read = |from: Origin| match from {
            Origin::Input(i) => graph_input(i),
            Origin::Step(i) => results[i],
        };
        let reads: Vec<usize> = step.reads.iter().map(|part| read(part.from)).collect();
        results.push(drafts.step(step, &reads)?);
    }
    let output = results[schedule.outputs[0]];
    let kept = inputs
        .iter()
        .enumerate()
        .filter(|(i, _)| policy.parts.iter().any(|part| part.mask.is_some_and(|mask| mask.input == *i)));
    let end = drafts.all.len();
    for value in kept.filter_map(|(_, value)| *value).chain([output]) {
        drafts.values[value].last = end;
    }
    let (offsets, total) = place(&drafts.values);
    let words = drafts.all.iter().map(|draft| {
        let mut words = draft.words;
        if let Some((value, start)) = draft.read {
            words[step::READ] = (offsets[value] + start) as u32;
        }
        words[step::WRITE] = (offsets[draft.write.0] + draft.write.1) as u32;
        words
    });
    Ok(Steps {
        words: words.collect(),
        results: total,
        outputs: offsets[output],
        inputs: inputs.iter().map(|value| value.map(|value| offsets[value])).collect(),
        floats: drafts.floats,
    })
}

impl Drafts<'_> {
    /// Reads the inputs that the schedule or a mask needs; the value of each.
    fn inputs(&mut self, schedule: &Schedule) -> Vec<Option<usize>> {
        let is_read = |name: &str| {
            let reads = schedule.steps.iter().flat_map(|step| &step.reads);
            reads
                .into_iter()
                .any(|read| matches!(read.from, Origin::Input(i) if self.policy.graph.inputs[i].name == name))
        };
        let is_mask =
            |i: usize| self.policy.parts.iter().any(|part| part.mask.is_some_and(|mask| mask.input == i));
        let policy = self.policy;
        let needed: Vec<bool> =
            policy.inputs.iter().enumerate().map(|(i, input)| is_read(&input.name) || is_mask(i)).collect();
        let mut values = Vec::new();
        for (i, input) in policy.inputs.iter().enumerate() {
            values.push(needed[i].then(|| {
                let mut words = [0; step::WORDS];
                words[step::READ] = i as u32;
                words[step::READ_LEN] = input.len as u32;
                words[step::PARAMETERS] = self.floats.len() as u32;
                words[step::OP] = match &input.scale {
                    InputScale::Same => op::READ,
                    InputScale::Normalize { mean, factor, bound } => {
                        self.floats.extend(mean.iter().chain(factor));
                        words[step::STATE] = bound.to_bits();
                        op::NORMALIZE
                    }
                    InputScale::Fraction { low, range } => {
                        self.floats.extend(low.iter().chain(range));
                        op::FRACTION
                    }
                };
                self.write(words, None, input.len)
            }));
        }
        values
    }

    /// Adds a step that writes a value of its own.
    fn write(&mut self, mut words: [u32; step::WORDS], read: Option<usize>, len: usize) -> usize {
        words[step::WRITE_LEN] = len as u32;
        let (at, value) = (self.all.len(), self.values.len());
        self.values.push(Value { len, first: at, last: at });
        self.touch(read);
        self.all.push(Draft { words, read: read.map(|value| (value, 0)), write: (value, 0) });
        value
    }

    /// Adds a step that writes a part of a value.
    fn write_part(
        &mut self,
        mut words: [u32; step::WORDS],
        read: (usize, usize),
        write: (usize, usize),
        len: usize,
    ) {
        words[step::WRITE_LEN] = len as u32;
        self.touch(Some(read.0));
        self.touch(Some(write.0));
        self.all.push(Draft { words, read: Some(read), write });
    }

    fn touch(&mut self, read: Option<usize>) {
        if let Some(value) = read {
            self.values[value].last = self.all.len();
        }
    }

    /// Adds the steps of one of the schedule; the value of its result.
    fn step(&mut self, step: &Step, reads: &[usize]) -> Result<usize, ExportError> {
        let node = &self.policy.graph.nodes[step.node];
        let mut words = [0; step::WORDS];
        words[step::PARAMETERS] = self.floats.len() as u32;
        words[step::READ_LEN] = step.reads.first().map_or(0, |read| read.len) as u32;
        self.floats.extend(&self.policy.parameters[node.parameters.clone()]);
        let fused = step.activation.map_or(activation::IDENTITY, of);
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
        words[step::OP] |= fused << 8;
        Ok(self.write(words, Some(reads[0]), step.len))
    }

    /// All that is read, one after the other, or its sum.
    fn several(&mut self, step: &Step, reads: &[usize], is_concat: bool) -> usize {
        let value = self.values.len();
        self.values.push(Value { len: step.len, first: self.all.len(), last: self.all.len() });
        let mut at = 0;
        for (i, (&read, part)) in reads.iter().zip(&step.reads).enumerate() {
            let mut words = [0; step::WORDS];
            words[step::OP] = if is_concat || i == 0 { op::COPY } else { op::ADD };
            words[step::READ_LEN] = part.len as u32;
            self.write_part(words, (read, 0), (value, at), part.len);
            at += if is_concat { part.len } else { 0 };
        }
        value
    }

    fn one_hot(&mut self, options: &[usize], read: usize) -> usize {
        let value = self.values.len();
        let len = options.iter().sum();
        self.values.push(Value { len, first: self.all.len(), last: self.all.len() });
        let mut at = 0;
        for (i, &n) in options.iter().enumerate() {
            let mut words = [0; step::WORDS];
            words[step::OP] = op::ONE_HOT;
            words[step::READ_LEN] = 1;
            self.write_part(words, (read, i), (value, at), n);
            at += n;
        }
        value
    }
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
