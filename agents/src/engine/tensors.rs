//! The networks in tensor operations, on any device that libtorch supports.
//!
//! All parameters are views of one tensor and all gradients of another: each is transferred in one copy. The backward
//! pass is written out: a perceptron needs three operations a layer for it, without a graph to record and walk. That of
//! convolutions is left to autograd, which has the device's own kernels for it.
#![deny(clippy::arithmetic_side_effects)] // operators of tensors panic

use phalanx_envs::Elements;
use tch::{Device, Kind, Tensor, no_grad, with_grad};

use super::Pass;
use super::pictures::{Convolutions, Pictures};
use super::views::{Views, activate, activation_backward};
use crate::bytes::ByteScale;
use crate::plan::{Layer, Plan, Tower};
use crate::{Activation, AgentError};

/// Parameters, gradients and a rollout's observations on a device.
pub struct Tensors {
    flat: Tensor,
    gradient: Tensor,
    trunk: Layers,
    actor: Layers,
    critic: Layers,
    activation: Activation,
    bytes: Bytes,
    /// `[M, inputs]`, floats or bytes.
    input: Tensor,
}

/// How bytes are scaled: to fractions of 255, or of `range` above `low`, each one number or one for each input.
enum Bytes {
    Pixels,
    Scaled(Tensor, Tensor),
}

impl Bytes {
    fn new(scale: &ByteScale, device: Device) -> Result<Self, AgentError> {
        let tensor = |numbers: &[f32]| Tensor::f_from_slice(numbers)?.f_to_device(device);
        Ok(match scale {
            ByteScale::All { low: 0.0, range: 255.0 } => Self::Pixels,
            ByteScale::All { low, range } => Self::Scaled(tensor(&[*low])?, tensor(&[*range])?),
            ByteScale::Each { low, range } => Self::Scaled(tensor(low)?, tensor(range)?),
        })
    }
}

/// Convolutions, then fully connected layers.
struct Layers {
    convolutions: Convolutions,
    full: Vec<Views>,
}

/// A pass through [`Layers`].
struct Passed {
    pictures: Option<Pictures>,
    /// Input and results of every fully connected layer, each after its activation.
    results: Vec<Tensor>,
}

impl Tensors {
    /// Networks of `plan` on `device`, with parameters yet to come.
    ///
    /// # Errors
    /// Those of libtorch, as in all that follows.
    pub fn new(plan: &Plan, device: Device) -> Result<Self, AgentError> {
        let zeros = || Tensor::f_zeros([plan.len() as i64], (Kind::Float, device));
        let (flat, gradient) = (zeros()?, zeros()?);
        let layers = |layers: &[Layer]| -> Result<_, AgentError> {
            let (mut windows, mut full) = (Vec::new(), Vec::new());
            for layer in layers {
                let views = Views::new(layer, &flat, &gradient)?;
                match &layer.window {
                    Some(window) => windows.push((window.clone(), views)),
                    None => full.push(views),
                }
            }
            Ok(Layers { convolutions: Convolutions::new(windows, plan.activation), full })
        };
        Ok(Self {
            trunk: layers(&plan.trunk)?,
            actor: layers(&plan.actor)?,
            critic: layers(&plan.critic)?,
            activation: plan.activation,
            bytes: Bytes::new(&plan.bytes, device)?,
            input: zeros()?,
            flat,
            gradient,
        })
    }

    /// Bytes as fractions of their bounds, floats as they are.
    fn fractions(&self, x: &Tensor) -> Result<Tensor, AgentError> {
        if x.f_kind()? != Kind::Uint8 {
            return Ok(x.shallow_clone());
        }
        let x = x.f_to_kind(Kind::Float)?;
        Ok(match &self.bytes {
            Bytes::Pixels => x.f_div_scalar(255.0)?,
            Bytes::Scaled(low, range) => x.f_sub(low)?.f_div(range)?,
        })
    }

    fn upload(&self, x: Elements<'_>, width: usize) -> Result<Tensor, AgentError> {
        let tensor = match x {
            Elements::F32(x) => Tensor::f_from_slice(x),
            Elements::U8(x) => Tensor::f_from_slice(x),
        };
        Ok(tensor?.f_view([-1, width as i64])?.f_to_device(self.flat.device())?)
    }

    /// Copies the parameters `[P]`.
    ///
    /// # Errors
    /// Those of libtorch.
    pub fn set_parameters(&mut self, parameters: &[f32]) -> Result<(), AgentError> {
        let source = Tensor::f_from_slice(parameters)?;
        no_grad(|| self.flat.f_copy_(&source))?;
        Ok(())
    }

    /// Copies the observations `[M, inputs]` that [`Self::learn`] reads.
    ///
    /// # Errors
    /// Those of libtorch.
    pub fn load(&mut self, x: Elements<'_>, inputs: usize) -> Result<(), AgentError> {
        self.input = self.upload(x, inputs)?;
        Ok(())
    }

    /// Outputs of `tower` for `x [B, inputs]`, into `out [B, …]`.
    ///
    /// # Errors
    /// Those of libtorch.
    pub fn infer(
        &self,
        plan: &Plan,
        tower: Tower,
        x: Elements<'_>,
        out: &mut [f32],
    ) -> Result<(), AgentError> {
        let layers = match tower {
            Tower::Actor => &self.actor,
            Tower::Critic => &self.critic,
        };
        no_grad(|| {
            let input = self.fractions(&self.upload(x, plan.inputs)?)?;
            let trunk = self.trunk.forward(input, self.activation, true)?;
            let passed = layers.forward(trunk.last().shallow_clone(), self.activation, false)?;
            download(passed.last(), out)
        })
    }

    /// Writes the gradient of `loss` over the rows `index` of the loaded observations, and returns its sums.
    ///
    /// # Errors
    /// Those of libtorch.
    pub fn learn<S: Default>(
        &mut self,
        plan: &Plan,
        index: &[i64],
        gradient: &mut [f32],
        loss: impl FnOnce(&mut S, Pass<'_>),
    ) -> Result<S, AgentError> {
        let (rows, activation) = (index.len(), self.activation);
        let at = Tensor::f_from_slice(index)?.f_to_device(self.flat.device())?;
        let input = self.fractions(&self.input.f_index_select(0, &at)?)?;
        let (trunk, actor, critic) = with_grad(|| -> Result<_, AgentError> {
            let trunk = self.trunk.forward(input, activation, true)?;
            let branch = || trunk.last().f_detach();
            let actor = self.actor.forward(branch()?, activation, false)?;
            let critic = self.critic.forward(branch()?, activation, false)?;
            Ok((trunk, actor, critic))
        })?;
        let mut outputs = vec![0.0; rows * plan.outputs(Tower::Actor)];
        let mut value = vec![0.0; rows];
        download(actor.last(), &mut outputs)?;
        download(critic.last(), &mut value)?;
        let (mut d_outputs, mut d_value) = (vec![0.0; outputs.len()], vec![0.0; rows]);
        let mut d_log_std = vec![0.0; plan.log_std.len()];
        let mut sums = S::default();
        let pass = Pass {
            index,
            outputs: &outputs,
            value: &value,
            d_outputs: &mut d_outputs,
            d_value: &mut d_value,
            d_log_std: &mut d_log_std,
        };
        loss(&mut sums, pass);
        let shared = !plan.trunk.is_empty();
        let d_outputs = self.upload(Elements::F32(&d_outputs), plan.outputs(Tower::Actor))?;
        let from_actor = self.actor.backward(&actor, d_outputs, activation, shared)?;
        let d_value = self.upload(Elements::F32(&d_value), 1)?;
        let from_critic = self.critic.backward(&critic, d_value, activation, shared)?;
        if let (Some(a), Some(c)) = (from_actor, from_critic) {
            let mut common = a.f_add(&c)?;
            if !self.trunk.full.is_empty() {
                common = activation_backward(activation, &common, trunk.last())?;
            }
            self.trunk.backward(&trunk, common, activation, false)?;
        }
        download(&self.gradient, gradient)?;
        gradient[plan.log_std.clone()].copy_from_slice(&d_log_std);
        Ok(sums)
    }
}

/// The numbers of a tensor, in this process's memory.
fn download(tensor: &Tensor, into: &mut [f32]) -> Result<(), AgentError> {
    Ok(tensor.f_detach()?.f_contiguous()?.f_copy_data(into, tensor.numel())?)
}

impl Passed {
    fn last(&self) -> &Tensor {
        &self.results[self.results.len() - 1]
    }
}

impl Layers {
    /// Outputs of every layer for `x`. The convolutions are recorded for autograd where it is on.
    fn forward(&self, x: Tensor, activation: Activation, activate_last: bool) -> Result<Passed, AgentError> {
        let pictures = self.convolutions.forward(&x)?;
        let x = match &pictures {
            Some(pictures) => pictures.result.f_detach()?,
            None => x,
        };
        let results = no_grad(|| -> Result<_, AgentError> {
            let mut results = vec![x];
            for (i, layer) in self.full.iter().enumerate() {
                let y = layer.bias.0.f_addmm(&results[i], &layer.weight.0.f_tr()?)?;
                let active = activate_last || i + 1 < self.full.len();
                results.push(if active { activate(activation, &y)? } else { y });
            }
            Ok(results)
        })?;
        Ok(Passed { pictures, results })
    }

    /// Writes the gradients of all layers, from that of the last fully connected one's result before its activation, or
    /// that of the pictures without such a layer; returns that of the first fully connected one's input if `wanted`.
    fn backward(
        &self,
        passed: &Passed,
        mut gradient: Tensor,
        activation: Activation,
        wanted: bool,
    ) -> Result<Option<Tensor>, AgentError> {
        for (i, layer) in self.full.iter().enumerate().rev() {
            let _ = gradient.f_tr()?.f_mm_out(&layer.weight.1, &passed.results[i])?;
            let _ = gradient.f_sum_intlist_out(&layer.bias.1, [0i64].as_slice(), false, None::<Kind>)?;
            if i == 0 && passed.pictures.is_none() && !wanted {
                return Ok(None);
            }
            gradient = gradient.f_mm(&layer.weight.0)?;
            if i > 0 {
                gradient = activation_backward(activation, &gradient, &passed.results[i])?;
            }
        }
        match &passed.pictures {
            Some(pictures) => self.convolutions.backward(pictures, &gradient).map(|()| None),
            None => Ok(wanted.then_some(gradient)),
        }
    }
}
