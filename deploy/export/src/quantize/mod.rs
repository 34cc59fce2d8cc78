//! Dense layers and convolutions in 8 bits, as TensorFlow Lite has them: weights with a scale for each output, results with a scale and a
//! zero point, sums in 32 bits.

mod fixed;
mod inputs;
mod ranges;
mod table;

use phalanx_graph::{Activation, Origin};
use phalanx_micro::format::{quantized, step};

use crate::steps::{columns, matrix};
use crate::weights::blocked;
use crate::{ExportError, Policy, Record};

/// Which steps of a policy's schedule are computed in 8 bits, and how.
#[derive(Debug, Clone)]
pub struct Quantization {
    /// For each step; nothing where it is computed in floats.
    pub layers: Vec<Option<Layer>>,
}

/// A unit and a zero point: a byte `q` stands for `(q − zero)·scale`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// The unit.
    pub scale: f32,
    /// The byte that stands for 0.
    pub zero: i8,
}

/// A layer in 8 bits.
#[derive(Debug, Clone)]
pub struct Layer {
    /// What is read.
    pub read: Scale,
    /// Sums in 8 bits, before the activation's table.
    pub sum: Scale,
    /// The result.
    pub write: Scale,
    /// Whether negative sums become 0.
    pub is_relu: bool,
    /// Weights `[outputs, columns]`.
    pub weight: Vec<i8>,
    /// The unit of each output's weights.
    pub weight_scales: Vec<f32>,
    /// Biases, in units of `read.scale·weight_scale`.
    pub bias: Vec<i32>,
    /// The activation that a table computes.
    pub activation: Option<Activation>,
    /// Its results for −128 to 127; nothing without one.
    pub table: Vec<i8>,
}

impl Quantization {
    /// Chooses the units of all results from what they are for the observations of these records. The scales of inputs and the weights that
    /// read them change, so that each element of an observation has all of its 8 bits.
    ///
    /// # Errors
    /// Those of [`write()`](crate::write()).
    pub fn new(policy: &mut Policy<'_>, records: &[Record]) -> Result<Self, ExportError> {
        let spread = inputs::spread(policy, records);
        let ranges = ranges::ranges(policy, records)?;
        let schedule = policy.schedule();
        let mut layers: Vec<Option<Layer>> = Vec::new();
        for (i, step) in schedule.steps.iter().enumerate() {
            let node = &policy.graph.nodes[step.node];
            let Some(columns) = columns(&node.op, step) else {
                layers.push(None);
                continue;
            };
            let read = match step.reads[0].from {
                Origin::Input(input) if spread.contains(&policy.input(input)) => Scale::of([-1.0, 1.0]),
                Origin::Input(input) => Scale::of(ranges.inputs[policy.input(input)]),
                Origin::Step(below) => match &layers[below] {
                    Some(layer) => layer.write,
                    None => Scale::of(ranges.after[below]),
                },
            };
            let (weight, bias) = matrix(&policy.parameters[node.parameters.clone()], columns);
            layers.push(Some(Layer::new(
                (weight, bias, columns),
                read,
                step.activation,
                [ranges.before[i], ranges.after[i]],
            )));
        }
        Ok(Self { layers })
    }
}

impl Scale {
    /// The finest one that has 0 and all of a range in it.
    pub fn of([least, largest]: [f32; 2]) -> Self {
        let (least, largest) = (least.min(0.0), largest.max(0.0));
        let range = largest - least;
        if range == 0.0 {
            return Self { scale: 1.0, zero: 0 };
        }
        let scale = range / 255.0;
        let zero = (-128.0 - least / scale).round().clamp(-128.0, 127.0) as i8;
        Self { scale, zero }
    }

    /// The nearest byte.
    pub fn quantize(self, x: f64) -> i8 {
        ((x / f64::from(self.scale)).round() + f64::from(self.zero)).clamp(-128.0, 127.0) as i8
    }

    /// What a byte stands for.
    pub fn dequantize(self, q: i8) -> f64 {
        (f64::from(q) - f64::from(self.zero)) * f64::from(self.scale)
    }

    /// Puts it where quantising steps have it.
    pub(crate) fn put(self, words: &mut [u32; step::WORDS]) {
        words[step::STATE] = self.scale.to_bits();
        words[step::SIZE] = i32::from(self.zero) as u32;
    }
}

impl Layer {
    fn new(
        (weight, bias, columns): (&[f32], &[f32], usize),
        read: Scale,
        activation: Option<Activation>,
        [before, after]: [[f32; 2]; 2],
    ) -> Self {
        let is_relu = activation == Some(Activation::Relu);
        let activation = activation.filter(|_| !is_relu).filter(|of| *of != Activation::Identity);
        let sum = match activation {
            // Beyond ±4 a byte has no other result.
            Some(Activation::Tanh) => Scale::of(before.map(|x| x.clamp(-4.0, 4.0))),
            Some(_) => Scale::of(before),
            None => Scale::of(after),
        };
        let write = match activation {
            Some(Activation::Tanh) => Scale { scale: 1.0 / 128.0, zero: 0 },
            Some(_) => Scale::of(after),
            None => sum,
        };
        let weight_scales: Vec<f32> = weight
            .chunks_exact(columns)
            .map(|row| row.iter().fold(0.0_f32, |most, w| most.max(w.abs())) / 127.0)
            .map(|scale| if scale > 0.0 { scale } else { 1.0 })
            .collect();
        let rows = weight.chunks_exact(columns).zip(&weight_scales);
        let quantize = |w: &f32, scale: &f32| (w / scale).round().clamp(-127.0, 127.0) as i8;
        let unit = |scale: f32| f64::from(read.scale) * f64::from(scale);
        let biases = bias.iter().zip(&weight_scales);
        Self {
            read,
            sum,
            write,
            is_relu,
            bias: biases.map(|(b, scale)| (f64::from(*b) / unit(*scale)).round() as i32).collect(),
            weight: rows.flat_map(|(row, scale)| row.iter().map(move |w| quantize(w, scale))).collect(),
            weight_scales,
            activation,
            table: activation.map_or_else(Vec::new, |activation| table::table(activation, sum, write)),
        }
    }

    /// Multiplier and shift that bring the sum of each output to the units of the result.
    fn rescaling(&self) -> impl Iterator<Item = [i32; 2]> + '_ {
        let to_sum = |scale: &f32| f64::from(self.read.scale) * f64::from(*scale) / f64::from(self.sum.scale);
        self.weight_scales.iter().map(move |scale| fixed::multiplier(to_sum(scale)))
    }

    /// Appends the parameters of a file, and puts the zero points into the step's words.
    pub(crate) fn parameters(&self, words: &mut [u32; step::WORDS], floats: &mut Vec<f32>) {
        let least = if self.is_relu { self.sum.zero } else { -128 };
        let mut bytes = [0; 4];
        bytes[quantized::READ_ZERO] = self.read.zero as u8;
        bytes[quantized::SUM_ZERO] = self.sum.zero as u8;
        bytes[quantized::LEAST] = least as u8;
        bytes[quantized::LARGEST] = 127;
        words[step::STATE] = u32::from_le_bytes(bytes);
        words[step::OP] |= u32::from(!self.table.is_empty()) << 8;
        let words = self.bias.iter().copied().chain(self.rescaling().flatten());
        floats.extend(words.map(|word| f32::from_bits(word as u32)));
        let columns = self.weight.len() / self.bias.len();
        for bytes in [&blocked(&self.weight, columns), &self.table] {
            floats.extend(bytes.chunks(4).map(|bytes| {
                let mut four = [0; 4];
                four.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from as u8);
                f32::from_bits(u32::from_le_bytes(four))
            }));
        }
    }
}
