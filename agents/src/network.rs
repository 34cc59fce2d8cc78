//! The actor-critic network: multi-layer perceptrons over one flat buffer of parameters.
//!
//! All parameters are views of one tensor and all gradients of another, so that the optimiser, the norm of the gradient
//! and checkpoints each are one operation, whatever the number of layers. The pass backwards is written out: a
//! perceptron needs three operations a layer for it, without a graph to record and walk.

use phalanx_envs::Generator;
use tch::{Device, Kind, Tensor, no_grad};

use crate::layer::{Layer, orthogonal};
use crate::{Activation, NetworkSettings};

/// An actor that maps observations to the parameters of an action distribution, and a critic that maps them to a value.
pub struct ActorCritic {
    /// All parameters `[P]`; the layers are views of it.
    flat: Tensor,
    /// Their gradients `[P]`, of the latest [`Self::backward`].
    gradient: Tensor,
    /// Hidden layers that actor and critic share.
    trunk: Vec<Layer>,
    actor: Vec<Layer>,
    critic: Vec<Layer>,
    /// Log standard deviations `[A]` of a Gaussian policy and their gradients.
    log_std: Option<(Tensor, Tensor)>,
    activation: Activation,
}

impl ActorCritic {
    /// Networks for `inputs` numbers an observation and `outputs` numbers an action distribution.
    ///
    /// `gaussian` adds one log standard deviation for each output.
    ///
    /// # Panics
    /// Never: every parameter has its view.
    ///
    /// # Source
    /// Orthogonal start: Saxe et al. 2014, arXiv:1312.6120; gains as in docs/ppo.md.
    pub fn new(
        settings: &NetworkSettings,
        inputs: usize,
        outputs: usize,
        gaussian: bool,
        generator: &mut Generator,
        device: Device,
    ) -> Self {
        let hidden: Vec<(usize, f64)> =
            settings.hidden.iter().map(|&width| (width, std::f64::consts::SQRT_2)).collect();
        // P8: separate, or with a common trunk.
        let (trunk, own): (&[_], &[_]) = if settings.shared { (&hidden, &[]) } else { (&[], &hidden) };
        let branch = trunk.last().map_or(inputs, |(width, _)| *width);
        let towers = [
            (inputs, trunk.to_vec()),
            (branch, [own, &[(outputs, settings.output_gain)]].concat()),
            (branch, [own, &[(1, 1.0)]].concat()),
        ];
        let mut starts: Vec<Tensor> = Vec::new();
        for (mut width, tower) in towers.clone() {
            for (out, gain) in tower {
                starts.push(orthogonal(out, width, gain, generator));
                starts.push(Tensor::zeros([out as i64], (Kind::Float, Device::Cpu)));
                width = out;
            }
        }
        if gaussian {
            let start = settings.initial_std.ln();
            starts.push(Tensor::full([outputs as i64], start, (Kind::Float, Device::Cpu)));
        }
        let flat =
            Tensor::cat(&starts.iter().map(|s| s.flatten(0, -1)).collect::<Vec<_>>(), 0).to_device(device);
        let gradient = flat.zeros_like();
        let mut views = starts.iter().scan(0, |start, tensor| {
            let (shape, at) = (tensor.size(), *start);
            *start += tensor.numel() as i64;
            let view = |of: &Tensor| of.narrow(0, at, tensor.numel() as i64).view(shape.as_slice());
            Some((view(&flat), view(&gradient)))
        });
        let mut layers = |tower: &[(usize, f64)]| -> Vec<Layer> {
            let pair = |views: &mut dyn Iterator<Item = (Tensor, Tensor)>| {
                views.next().expect("a view for each start")
            };
            tower.iter().map(|_| Layer::new(pair(&mut views), pair(&mut views))).collect()
        };
        let [trunk, actor, critic] = towers.map(|(_, tower)| layers(&tower));
        let log_std = views.next();
        Self { flat, gradient, trunk, actor, critic, log_std, activation: settings.activation }
    }

    /// All parameters as one tensor `[P]`; writing it changes the networks.
    pub fn flat(&self) -> &Tensor {
        &self.flat
    }

    /// Log standard deviations `[A]` of a Gaussian policy.
    pub fn log_std(&self) -> Option<&Tensor> {
        self.log_std.as_ref().map(|(log_std, _)| log_std)
    }

    /// Device of the parameters.
    pub fn device(&self) -> Device {
        self.flat.device()
    }

    /// Parameters of the action distribution.
    ///
    /// # Shapes
    /// `observation [B, O]` → `[B, outputs]`.
    pub fn actor(&self, observation: &Tensor) -> Tensor {
        let common = self.infer(&self.trunk, observation.shallow_clone(), true);
        self.infer(&self.actor, common, false)
    }

    /// Values, in reward units.
    ///
    /// # Shapes
    /// `observation [B, O]` → `[B]`.
    pub fn critic(&self, observation: &Tensor) -> Tensor {
        let common = self.infer(&self.trunk, observation.shallow_clone(), true);
        self.infer(&self.critic, common, false).squeeze_dim(-1)
    }

    fn infer(&self, layers: &[Layer], mut x: Tensor, activate_last: bool) -> Tensor {
        no_grad(|| {
            for (i, layer) in layers.iter().enumerate() {
                x = layer.apply(&x);
                if activate_last || i + 1 < layers.len() {
                    self.activation.apply(&mut x);
                }
            }
            x
        })
    }

    /// [`Self::actor`] and [`Self::critic`] in one pass that [`Self::backward`] can follow.
    ///
    /// # Shapes
    /// `observation [B, O]` → `[B, outputs]` and `[B]`.
    pub fn forward(&mut self, observation: &Tensor) -> (Tensor, Tensor) {
        let activation = self.activation;
        let common = forward(&mut self.trunk, observation.shallow_clone(), activation, true);
        let outputs = forward(&mut self.actor, common.shallow_clone(), activation, false);
        let value = forward(&mut self.critic, common, activation, false);
        (outputs, value.squeeze_dim(-1))
    }

    /// The gradient of a loss over all parameters `[P]`, from its gradients over what [`Self::forward`] gave.
    ///
    /// # Shapes
    /// `outputs [B, outputs]`, `value [B]`, `log_std [A]` (ignored without a Gaussian policy).
    pub fn backward(&mut self, outputs: Tensor, value: &Tensor, log_std: &Tensor) -> &Tensor {
        let (activation, shared) = (self.activation, !self.trunk.is_empty());
        let mut common = backward(&mut self.actor, outputs, activation, shared);
        let critic = backward(&mut self.critic, value.unsqueeze(-1), activation, shared);
        if let (Some(common), Some(critic), Some(last)) = (&mut common, critic, self.trunk.last_mut()) {
            *common += critic;
            activation.backward(common, &mut last.output);
            backward(&mut self.trunk, common.shallow_clone(), activation, false);
        }
        if let Some((_, gradient)) = &mut self.log_std {
            gradient.copy_(log_std);
        }
        &self.gradient
    }
}

fn forward(layers: &mut [Layer], mut x: Tensor, activation: Activation, activate_last: bool) -> Tensor {
    let last = layers.len();
    for (i, layer) in layers.iter_mut().enumerate() {
        x = layer.forward(x);
        if activate_last || i + 1 < last {
            activation.apply(&mut x);
        }
    }
    x
}

/// Gradients of all layers from that of the last one's result before its activation; returns that of the first one's
/// input if `wanted`.
fn backward(
    layers: &mut [Layer],
    mut gradient: Tensor,
    activation: Activation,
    wanted: bool,
) -> Option<Tensor> {
    for i in (0..layers.len()).rev() {
        layers[i].backward(&gradient);
        if i == 0 {
            return wanted.then(|| layers[0].input_gradient(&gradient));
        }
        gradient = layers[i].input_gradient(&gradient);
        activation.backward(&mut gradient, &mut layers[i - 1].output);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream;

    fn network(shared: bool, gaussian: bool) -> ActorCritic {
        let settings =
            NetworkSettings { hidden: vec![8, 6], shared, output_gain: 0.5, ..NetworkSettings::default() };
        ActorCritic::new(&settings, 4, 2, gaussian, &mut stream(1, "initialisation"), Device::Cpu)
    }

    #[test]
    fn separate_and_shared_networks_have_the_parameters_that_arithmetic_says() {
        // 4·8+8 + 8·6+6 = 94 hidden; 6·2+2 = 14 policy; 6·1+1 = 7 value; 2 deviations.
        assert_eq!(network(false, false).flat().size(), [94 * 2 + 14 + 7]);
        assert_eq!(network(true, true).flat().size(), [94 + 14 + 7 + 2]);
    }

    #[test]
    fn writing_the_flat_buffer_changes_the_networks() {
        let network = network(false, false);
        let x = Tensor::ones([1, 4], (Kind::Float, Device::Cpu));
        let _ = network.flat().shallow_clone().zero_();
        assert_eq!(network.critic(&x).double_value(&[0]), 0.0);
    }

    /// The same perceptrons in libtorch's own operations, with its autograd.
    fn reference(network: &ActorCritic, x: &Tensor) -> (Tensor, Tensor, Tensor) {
        let flat = network.flat().copy().set_requires_grad(true);
        let mut start = 0;
        let mut take = |shape: &[i64]| {
            let len: i64 = shape.iter().product();
            start += len;
            flat.narrow(0, start - len, len).view(shape)
        };
        let mut linear = |x: &Tensor, o, i| x.linear(&take(&[o, i]), Some(&take(&[o])));
        let (outputs, value) = if network.trunk.is_empty() {
            let mut tower = |last| {
                let h = linear(x, 8, 4).tanh();
                let h = linear(&h, 6, 8).tanh();
                linear(&h, last, 6)
            };
            (tower(2), tower(1))
        } else {
            let h = linear(x, 8, 4).tanh();
            let h = linear(&h, 6, 8).tanh();
            (linear(&h, 2, 6), linear(&h, 1, 6))
        };
        (flat, outputs, value.squeeze_dim(-1))
    }

    #[test]
    fn passes_forwards_and_backwards_agree_with_autograd() {
        let x = Tensor::from_slice(&(0..20).map(|i| (i as f32).sin()).collect::<Vec<_>>()).view([5, 4]);
        for shared in [false, true] {
            let mut network = network(shared, true);
            let (flat, outputs, value) = reference(&network, &x);
            let loss = (&outputs * 0.3).sin().sum(Kind::Float) + value.square().sum(Kind::Float);
            let expected = Tensor::run_backward(&[loss], &[&flat], false, false).remove(0);

            let (ours, our_value) = network.forward(&x);
            assert!(ours.allclose(&outputs, 1e-5, 1e-6, false));
            assert!(our_value.allclose(&value, 1e-5, 1e-6, false));
            assert!(network.actor(&x).allclose(&ours, 1e-6, 1e-6, false));
            assert!(network.critic(&x).allclose(&our_value, 1e-6, 1e-6, false));
            let log_std = Tensor::from_slice(&[0.25f32, -0.5]);
            let gradient = network.backward((&ours * 0.3).cos() * 0.3, &(our_value * 2.0), &log_std);
            let len = gradient.size()[0] - 2;
            assert!(gradient.narrow(0, 0, len).allclose(&expected.narrow(0, 0, len), 1e-4, 1e-6, false));
            assert_eq!(gradient.narrow(0, len, 2), log_std);
        }
    }
}
