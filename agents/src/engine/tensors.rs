//! The networks in tensor operations, on any device that libtorch supports; gradients are those of its autograd.
//!
//! All parameters are views of one tensor, so that they are transferred in one copy, and so is their gradient.
#![deny(clippy::arithmetic_side_effects)] // operators of tensors panic

use std::ops::Range;

use phalanx_envs::Elements;
use phalanx_graph::Op;
use tch::{Device, Kind, Tensor, no_grad, with_grad};

use super::Pass;
use super::batch::{Batch, Packing};
use super::lower::{Lowered, States};
use crate::AgentError;
use crate::bytes::ByteScale;
use crate::observations::Inputs;
use crate::plan::{Plan, Tower};

/// Parameters and a rollout's observations on a device.
pub struct Tensors {
    parameters: Tensor,
    bytes: Vec<Bytes>,
    /// Each `[M, …]`, floats or bytes.
    inputs: Vec<Tensor>,
    packing: Packing,
}

/// How bytes are scaled: to fractions of `range` above `low`, each one number or one for each element.
struct Bytes {
    low: Tensor,
    range: Tensor,
}

impl Bytes {
    fn new(scale: &ByteScale, device: Device) -> Result<Self, AgentError> {
        let tensor = |numbers: &[f32]| Tensor::f_from_slice(numbers)?.f_to_device(device);
        let (low, range) = match scale {
            ByteScale::All { low, range } => (tensor(&[*low])?, tensor(&[*range])?),
            ByteScale::Each { low, range } => (tensor(low)?, tensor(range)?),
        };
        Ok(Self { low, range })
    }

    /// Bytes as fractions of their bounds, floats as they are.
    fn fractions(&self, x: &Tensor) -> Result<Tensor, AgentError> {
        if x.f_kind()? != Kind::Uint8 {
            return Ok(x.shallow_clone());
        }
        Ok(x.f_to_kind(Kind::Float)?.f_sub(&self.low)?.f_div(&self.range)?)
    }
}

impl Tensors {
    /// Networks of `plan` on `device`, with parameters yet to come.
    ///
    /// # Errors
    /// [`AgentError::Operation`] for operations of one's own; those of libtorch, as in all that follows.
    pub fn new(plan: &Plan, device: Device) -> Result<Self, AgentError> {
        for node in &plan.graph.nodes {
            if let Op::Own(own) = &node.op {
                let reason = "registered operations are computed on the CPU alone: use `device: cpu`".into();
                return Err(AgentError::Operation { name: own.name.clone(), reason });
            }
        }
        let bytes = plan.bytes.iter().map(|scale| Bytes::new(scale, device)).collect::<Result<_, _>>()?;
        let parameters = Tensor::f_zeros([plan.len() as i64], (Kind::Float, device))?;
        Ok(Self { parameters, bytes, inputs: Vec::new(), packing: Packing::default() })
    }

    fn upload(&self, x: Elements<'_>, width: usize) -> Result<Tensor, AgentError> {
        let tensor = match x {
            Elements::F32(x) => Tensor::f_from_slice(x),
            Elements::U8(x) => Tensor::f_from_slice(x),
            other => unreachable!("agents refuse {other:?}"),
        };
        Ok(tensor?.f_view([-1, width as i64])?.f_to_device(self.parameters.device())?)
    }

    /// Copies the parameters `[P]`.
    ///
    /// # Errors
    /// Those of libtorch.
    pub fn set_parameters(&mut self, parameters: &[f32]) -> Result<(), AgentError> {
        let source = Tensor::f_from_slice(parameters)?;
        no_grad(|| self.parameters.f_copy_(&source))?;
        Ok(())
    }

    /// Copies the observations `[M, …]` that [`Self::learn`] reads.
    ///
    /// # Errors
    /// Those of libtorch.
    pub fn load(&mut self, plan: &Plan, x: Inputs<'_>) -> Result<(), AgentError> {
        let inputs = (0..plan.graph.inputs.len()).map(|i| self.upload(x.elements(i), plan.input(i)));
        self.inputs = inputs.collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Outputs of `tower` for these rows of `x`, into `out [B, …]`. Hidden states `[B, S]` are replaced by those after it.
    ///
    /// # Errors
    /// Those of libtorch.
    pub fn infer(
        &self,
        plan: &Plan,
        tower: Tower,
        x: Inputs<'_>,
        rows: Range<usize>,
        states: &mut [f32],
        out: &mut [f32],
    ) -> Result<(), AgentError> {
        no_grad(|| {
            let inputs = self.bytes.iter().enumerate();
            let inputs = inputs.map(|(i, bytes)| {
                let width = plan.input(i);
                let part = x.part(i, rows.start * width..rows.end * width);
                bytes.fractions(&self.upload(part, width)?)
            });
            let lowered = Lowered {
                plan,
                schedule: plan.tower(tower),
                parameters: &self.parameters,
                inputs: inputs.collect::<Result<_, _>>()?,
                counts: &[rows.len()],
            };
            let mut states = States::new(states, rows.len(), self.parameters.device())?;
            let outputs = lowered.forward(&mut states)?;
            download(&outputs[0], out)?;
            states.download()
        })
    }

    /// Writes the gradient of `loss` over the transitions `batch` of the loaded observations, and returns its sums.
    ///
    /// # Errors
    /// Those of libtorch.
    pub fn learn<S: Default>(
        &mut self,
        plan: &Plan,
        batch: Batch<'_>,
        gradient: &mut [f32],
        loss: impl FnOnce(&mut S, Pass<'_>),
    ) -> Result<S, AgentError> {
        let mut packing = std::mem::take(&mut self.packing);
        let index = packing.pack(batch, plan.graph.state());
        let (rows, device) = (index.len(), self.parameters.device());
        let at = Tensor::f_from_slice(&index)?.f_to_device(device)?;
        let inputs = self.inputs.iter().zip(&self.bytes);
        let inputs = inputs.map(|(x, bytes)| bytes.fractions(&x.f_index_select(0, &at)?));
        let leaf = self.parameters.f_detach()?.f_set_requires_grad(true)?;
        let inputs = inputs.collect::<Result<_, _>>()?;
        let packed = packing.packed();
        let schedule = &plan.learn;
        let lowered = Lowered { plan, schedule, parameters: &leaf, inputs, counts: packed.counts };
        let mut states = States::new(packed.states, packed.counts[0], device)?;
        let results = with_grad(|| lowered.forward(&mut states))?;
        let [value, outputs] = [&results[0], &results[1]];
        let mut numbers = [vec![0.0; rows], vec![0.0; outputs.numel()]];
        download(value, &mut numbers[0])?;
        download(outputs, &mut numbers[1])?;
        let (mut d_value, mut d_outputs) = (vec![0.0; rows], vec![0.0; numbers[1].len()]);
        let mut d_log_std = vec![0.0; plan.log_std.len()];
        let mut sums = S::default();
        let pass = Pass {
            index: &index,
            outputs: &numbers[1],
            value: &numbers[0],
            d_outputs: &mut d_outputs,
            d_value: &mut d_value,
            d_log_std: &mut d_log_std,
        };
        loss(&mut sums, pass);
        let part = |result: &Tensor, slope: &[f32]| -> Result<Tensor, AgentError> {
            let slope = self.upload(Elements::F32(slope), slope.len() / rows)?;
            Ok(with_grad(|| result.f_mul(&slope)?.f_sum(Kind::Float))?)
        };
        let total = with_grad(|| {
            part(value, &d_value)?.f_add(&part(outputs, &d_outputs)?).map_err(AgentError::from)
        })?;
        let slopes = Tensor::f_run_backward(&[total], &[leaf], false, false)?;
        download(&slopes[0], gradient)?;
        gradient[plan.log_std.clone()].copy_from_slice(&d_log_std);
        for node in plan.graph.nodes.iter().filter(|node| !node.trainable) {
            for g in &mut gradient[node.parameters.clone()] {
                *g = 0.0;
            }
        }
        packing.take_back(index);
        self.packing = packing;
        Ok(sums)
    }
}

/// The numbers of a tensor, in this process's memory.
pub fn download(tensor: &Tensor, into: &mut [f32]) -> Result<(), AgentError> {
    Ok(tensor.f_detach()?.f_contiguous()?.f_copy_data(into, tensor.numel())?)
}
