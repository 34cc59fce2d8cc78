//! The networks in tensor operations, on any device that libtorch knows.
//!
//! All parameters are views of one tensor and all gradients of another: they come and go in one copy each. The pass
//! backwards is written out: a perceptron needs three operations a layer for it, without a graph to record and walk.

use tch::{Device, Kind, Tensor, no_grad};

use super::Pass;
use crate::plan::{Plan, Tower};
use crate::{Activation, AgentError};

/// Parameters, gradients and a rollout's observations on a device.
pub struct Tensors {
    flat: Tensor,
    gradient: Tensor,
    trunk: Vec<Layer>,
    actor: Vec<Layer>,
    critic: Vec<Layer>,
    activation: Activation,
    /// `[M, inputs]`.
    input: Tensor,
}

/// Views of weight `[out, in]` and bias `[out]` and of their gradients.
struct Layer {
    weight: (Tensor, Tensor),
    bias: (Tensor, Tensor),
}

impl Tensors {
    /// Networks of `plan` on `device`, with parameters yet to come.
    pub fn new(plan: &Plan, device: Device) -> Self {
        let zeros = || Tensor::zeros([plan.len() as i64], (Kind::Float, device));
        let (flat, gradient) = (zeros(), zeros());
        let layers = |layers: &[crate::plan::Layer]| -> Vec<Layer> {
            let layer = |layer: &crate::plan::Layer| {
                let (inputs, outputs) = (layer.inputs as i64, layer.outputs as i64);
                let view = |at: usize, shape: &[i64]| {
                    let view = |of: &Tensor| of.narrow(0, at as i64, shape.iter().product()).view(shape);
                    (view(&flat), view(&gradient))
                };
                Layer {
                    weight: view(layer.weight().start, &[outputs, inputs]),
                    bias: view(layer.bias().start, &[outputs]),
                }
            };
            layers.iter().map(layer).collect()
        };
        Self {
            trunk: layers(&plan.trunk),
            actor: layers(&plan.actor),
            critic: layers(&plan.critic),
            activation: plan.activation,
            input: zeros(),
            flat,
            gradient,
        }
    }

    fn upload(&self, numbers: &[f32], width: usize) -> Tensor {
        Tensor::from_slice(numbers).view([-1, width as i64]).to_device(self.flat.device())
    }

    /// Takes the parameters `[P]` over.
    ///
    /// # Errors
    /// What libtorch says, like in all that follows.
    pub fn set_parameters(&mut self, parameters: &[f32]) -> Result<(), AgentError> {
        let source = Tensor::from_slice(parameters);
        no_grad(|| self.flat.f_copy_(&source))?;
        Ok(())
    }

    /// Takes the observations `[M, inputs]` over that [`Self::learn`] reads.
    pub fn load(&mut self, x: &[f32], inputs: usize) {
        self.input = self.upload(x, inputs);
    }

    /// What `tower` gives for `x [B, inputs]`, into `out [B, …]`.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn infer(&self, plan: &Plan, tower: Tower, x: &[f32], out: &mut [f32]) -> Result<(), AgentError> {
        no_grad(|| {
            let trunk = forward(&self.trunk, self.upload(x, plan.inputs), self.activation, true);
            let layers = match tower {
                Tower::Actor => &self.actor,
                Tower::Critic => &self.critic,
            };
            let results = forward(layers, last(&trunk).shallow_clone(), self.activation, false);
            download(last(&results), out)
        })
    }

    /// Writes the gradient of `loss` over the rows `index` of the loaded observations, and returns its sums.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn learn<S: Default>(
        &mut self,
        plan: &Plan,
        index: &[i64],
        gradient: &mut [f32],
        loss: impl FnOnce(&mut S, Pass<'_>),
    ) -> Result<S, AgentError> {
        let rows = index.len();
        let at = Tensor::from_slice(index).to_device(self.flat.device());
        let input = self.input.f_index_select(0, &at)?;
        let activation = self.activation;
        let trunk = no_grad(|| forward(&self.trunk, input, activation, true));
        let actor = no_grad(|| forward(&self.actor, last(&trunk).shallow_clone(), activation, false));
        let critic = no_grad(|| forward(&self.critic, last(&trunk).shallow_clone(), activation, false));
        let mut outputs = vec![0.0; rows * plan.outputs(Tower::Actor)];
        let mut value = vec![0.0; rows];
        download(last(&actor), &mut outputs)?;
        download(last(&critic), &mut value)?;
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
        no_grad(|| {
            let shared = !self.trunk.is_empty();
            let d_outputs = self.upload(&d_outputs, plan.outputs(Tower::Actor));
            let from_actor = backward(&self.actor, &actor, d_outputs, activation, shared);
            let from_critic = backward(&self.critic, &critic, self.upload(&d_value, 1), activation, shared);
            if let (Some(a), Some(c)) = (from_actor, from_critic) {
                let common = derivative(activation, &(a + c), last(&trunk));
                backward(&self.trunk, &trunk, common, activation, false);
            }
        });
        download(&self.gradient, gradient)?;
        gradient[plan.log_std.clone()].copy_from_slice(&d_log_std);
        Ok(sums)
    }
}

/// The numbers of a tensor, in this process's memory.
fn download(tensor: &Tensor, into: &mut [f32]) -> Result<(), AgentError> {
    Ok(tensor.f_contiguous()?.f_copy_data(into, tensor.numel())?)
}

/// Input and results of every layer, each after its activation.
fn forward(layers: &[Layer], x: Tensor, activation: Activation, activate_last: bool) -> Vec<Tensor> {
    let mut results = vec![x];
    for (i, layer) in layers.iter().enumerate() {
        let y = layer.bias.0.addmm(last(&results), &layer.weight.0.tr());
        let active = activate_last || i + 1 < layers.len();
        results.push(match activation {
            _ if !active => y,
            Activation::Tanh => y.tanh(),
            Activation::Relu => y.relu(),
            Activation::Elu => y.elu(),
        });
    }
    results
}

fn last(results: &[Tensor]) -> &Tensor {
    &results[results.len() - 1]
}

/// `gradient · f'`, with f' read off the results `y` of f.
fn derivative(activation: Activation, gradient: &Tensor, y: &Tensor) -> Tensor {
    match activation {
        Activation::Tanh => gradient * (1.0 - y.square()),
        Activation::Relu => gradient * y.gt(0.0),
        Activation::Elu => gradient * (y.clamp_max(0.0) + 1.0),
    }
}

/// Writes the gradients of all layers, from that of the last one's result before its activation; returns that of the
/// first one's input if `wanted`.
fn backward(
    layers: &[Layer],
    results: &[Tensor],
    mut gradient: Tensor,
    activation: Activation,
    wanted: bool,
) -> Option<Tensor> {
    for (i, layer) in layers.iter().enumerate().rev() {
        let _ = gradient.tr().mm_out(&layer.weight.1, &results[i]);
        let _ = gradient.sum_intlist_out(&layer.bias.1, [0i64].as_slice(), false, None::<Kind>);
        if i == 0 {
            return wanted.then(|| gradient.mm(&layer.weight.0));
        }
        gradient = derivative(activation, &gradient.mm(&layer.weight.0), &results[i]);
    }
    None
}
