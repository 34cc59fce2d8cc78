//! A schedule in tensor operations.
#![deny(clippy::arithmetic_side_effects)] // operators of tensors panic

use phalanx_graph::{Activation, LAYER_NORM_EPSILON, Op, Origin, Recurrent, Schedule, Step, Window};
use tch::{Device, Kind, Tensor};

use super::tensors::download;
use crate::AgentError;
use crate::plan::Plan;

/// What is computed.
pub struct Lowered<'a> {
    /// The networks.
    pub plan: &'a Plan,
    /// One of their schedules.
    pub schedule: &'a Schedule,
    /// All parameters `[P]`.
    pub parameters: &'a Tensor,
    /// Each `[B, …]`, floats.
    pub inputs: Vec<Tensor>,
    /// Rows of each time.
    pub counts: &'a [usize],
}

/// Hidden states of the rows of the first time.
pub struct States<'a> {
    numbers: &'a mut [f32],
    /// `[n, S]`.
    tensor: Option<Tensor>,
}

impl<'a> States<'a> {
    /// Those `[rows, S]`.
    ///
    /// # Errors
    /// Those of libtorch, as in all that follows.
    pub fn new(numbers: &'a mut [f32], rows: usize, device: Device) -> Result<Self, AgentError> {
        let tensor = if numbers.is_empty() {
            None
        } else {
            Some(Tensor::f_from_slice(numbers)?.f_view([rows as i64, -1])?.f_to_device(device)?)
        };
        Ok(Self { numbers, tensor })
    }

    /// Writes them back.
    pub fn download(self) -> Result<(), AgentError> {
        self.tensor.map_or(Ok(()), |tensor| download(&tensor, self.numbers))
    }
}

impl Lowered<'_> {
    /// The outputs of the schedule, `[B, …]` each.
    pub fn forward(&self, states: &mut States<'_>) -> Result<Vec<Tensor>, AgentError> {
        let mut results: Vec<Tensor> = Vec::new();
        for step in &self.schedule.steps {
            let read = |from: Origin| match from {
                Origin::Input(i) => &self.inputs[i],
                Origin::Step(i) => &results[i],
            };
            let reads: Vec<&Tensor> = step.reads.iter().map(|part| read(part.from)).collect();
            let y = self.step(step, &reads, states)?;
            results.push(match step.activation {
                Some(activation) => activate(activation, &y)?,
                None => y,
            });
        }
        Ok(self.schedule.outputs.iter().map(|&i| results[i].shallow_clone()).collect())
    }

    fn step(&self, step: &Step, reads: &[&Tensor], states: &mut States<'_>) -> Result<Tensor, AgentError> {
        let (node, x) = (&self.plan.graph.nodes[step.node], reads[0]);
        let own = node.parameters.start as i64;
        let mut rest = self.parameters.f_narrow(0, own, node.parameters.len() as i64)?;
        let mut take = |shape: &[i64]| -> Result<Tensor, AgentError> {
            let len: i64 = shape.iter().product();
            let own = rest.f_narrow(0, 0, len)?.f_view(shape)?;
            rest = rest.f_slice(0, Some(len), None, 1)?;
            Ok(own)
        };
        let (outputs, inputs) = (step.len as i64, step.reads[0].len as i64);
        Ok(match &node.op {
            Op::Dense => {
                let (weight, bias) = (take(&[outputs, inputs])?, take(&[outputs])?);
                bias.f_addmm(x, &weight.f_tr()?)?
            }
            Op::Conv(window) => {
                let filters = (step.len / window.count()) as i64;
                let weight = take(&[filters, window.width() as i64])?;
                let kernel = channels_first(&weight, window, [window.kernel; 2])?;
                let [stride, padding, dilation] =
                    [window.stride, window.padding, window.dilation].map(|n| [n as i64; 2]);
                let x = picture(x, window)?;
                channels_last(&x.f_conv2d(
                    &kernel,
                    Some(&take(&[filters])?),
                    stride,
                    padding,
                    dilation,
                    1,
                )?)?
            }
            Op::MaxPool(window) => {
                let [kernel, stride, padding, dilation] = sizes(window);
                channels_last(&picture(x, window)?.f_max_pool2d(kernel, stride, padding, dilation, false)?)?
            }
            Op::AveragePool(window) => {
                let [kernel, stride, padding, _] = sizes(window);
                let x = picture(x, window)?;
                channels_last(&x.f_avg_pool2d(kernel, stride, padding, false, true, None)?)?
            }
            Op::LayerNorm => {
                let (scale, shift) = (take(&[outputs])?, take(&[outputs])?);
                x.f_layer_norm([outputs], Some(&scale), Some(&shift), LAYER_NORM_EPSILON.into(), false)?
            }
            Op::Activation(activation) => activate(*activation, x)?,
            Op::Recurrent(layer) => {
                let rows = (layer.gates() * step.len) as i64;
                let weights =
                    [take(&[rows, inputs])?, take(&[rows, outputs])?, take(&[rows])?, take(&[rows])?];
                self.through_time(step, *layer, &weights, x, states)?
            }
            Op::Concat => Tensor::f_cat(reads, 1)?,
            Op::Add => {
                let mut sum = x.shallow_clone();
                for more in &reads[1..] {
                    sum = sum.f_add(more)?;
                }
                sum
            }
            Op::OneHot(options) => {
                let mut parts = Vec::new();
                for (i, &n) in options.iter().enumerate() {
                    let choice = x.f_select(1, i as i64)?.f_to_kind(Kind::Int64)?;
                    parts.push(choice.f_one_hot(n as i64)?.f_to_kind(Kind::Float)?);
                }
                Tensor::f_cat(&parts, 1)?
            }
            Op::Embedding(options) => {
                let choice = x.f_select(1, 0)?.f_to_kind(Kind::Int64)?;
                take(&[*options as i64, outputs])?.f_index_select(0, &choice)?
            }
            Op::Own(_) => unreachable!("refused before"),
            Op::Parameter => unreachable!("no step"),
        })
    }

    /// A recurrent layer over rows in the order of time.
    fn through_time(
        &self,
        step: &Step,
        layer: Recurrent,
        [input, hidden, input_bias, hidden_bias]: &[Tensor; 4],
        x: &Tensor,
        states: &mut States<'_>,
    ) -> Result<Tensor, AgentError> {
        let width = step.len as i64;
        let all = states.tensor.as_ref().expect("recurrent networks have states");
        let mut carried =
            all.f_narrow(1, step.state.start as i64, step.state.len() as i64)?.f_split(width, 1)?;
        let counts: Vec<i64> = self.counts.iter().map(|&n| n as i64).collect();
        let mut results = Vec::new();
        for (x, n) in x.f_split_with_sizes(&counts, 0)?.iter().zip(counts) {
            let before = carried.iter().map(|of| of.f_narrow(0, 0, n)).collect::<Result<Vec<_>, _>>()?;
            carried = match layer {
                Recurrent::Gru => {
                    vec![x.f_gru_cell(&before[0], input, hidden, Some(input_bias), Some(hidden_bias))?]
                }
                Recurrent::Lstm => {
                    let (h, c) = x.f_lstm_cell(
                        &before,
                        input,
                        hidden,
                        Some(input_bias.shallow_clone()),
                        Some(hidden_bias.shallow_clone()),
                    )?;
                    vec![h, c]
                }
            };
            results.push(carried[0].shallow_clone());
        }
        if let ([_], Some(all)) = (self.counts, &mut states.tensor) {
            let mut place = all.f_narrow(1, step.state.start as i64, step.state.len() as i64)?;
            place.f_copy_(&Tensor::f_cat(&carried, 1)?.f_detach()?)?;
        }
        Ok(Tensor::f_cat(&results, 0)?)
    }
}

/// `f(x)`.
fn activate(activation: Activation, x: &Tensor) -> Result<Tensor, AgentError> {
    Ok(match activation {
        Activation::Tanh => x.f_tanh(),
        Activation::Relu => x.f_relu(),
        Activation::Elu => x.f_elu(),
        Activation::Silu => x.f_silu(),
        Activation::Gelu => x.f_gelu("none"),
        Activation::LeakyRelu => x.f_leaky_relu(),
        Activation::Identity => Ok(x.shallow_clone()),
    }?)
}

/// Kernel, stride, padding and dilation along both axes.
fn sizes(window: &Window) -> [[i64; 2]; 4] {
    [window.kernel, window.stride, window.padding, window.dilation].map(|n| [n as i64; 2])
}

/// Pictures `[n, numbers]` as `[n, channels, height, width]`.
fn picture(x: &Tensor, window: &Window) -> Result<Tensor, AgentError> {
    let [height, width, _] = window.picture;
    channels_first(x, window, [height, width])
}

/// Rows of numbers as `window` reads them, `[n, …]`, as `[n, channels, height, width]`.
fn channels_first(x: &Tensor, window: &Window, [height, width]: [usize; 2]) -> Result<Tensor, AgentError> {
    let (height, width, channels) = (height as i64, width as i64, window.picture[2] as i64);
    Ok(if window.channels_first {
        x.f_view([-1, channels, height, width])?
    } else {
        x.f_view([-1, height, width, channels])?.f_permute([0, 3, 1, 2])?
    })
}

/// `[n, channels, height, width]` as rows of numbers with the channels last.
fn channels_last(x: &Tensor) -> Result<Tensor, AgentError> {
    Ok(x.f_permute([0, 2, 3, 1])?.f_reshape([x.size()[0], -1])?)
}
