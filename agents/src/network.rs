//! The actor-critic network: multi-layer perceptrons over one flat buffer of parameters.
//!
//! All parameters are views of one tensor, so that the optimiser, the norm of the gradient, checkpoints and copies
//! each are one operation, whatever the number of layers.

use phalanx_envs::Generator;
use rand::RngExt;
use rand_distr::StandardNormal;
use tch::{Device, Kind, Tensor, no_grad};

use crate::{Activation, NetworkSettings};

/// One fully connected layer: the places of its parameters in [`ActorCritic::parameters`].
#[derive(Debug, Clone, Copy)]
struct Layer {
    weight: usize,
    bias: usize,
}

/// An actor that maps observations to the parameters of an action distribution, and a critic that maps them to a value.
pub struct ActorCritic {
    /// All parameters `[P]`; the views below share its memory.
    flat: Tensor,
    /// Weights `[out, in]` and biases `[out]` in the order of the layers, then the log standard deviations `[A]`.
    views: Vec<Tensor>,
    actor: Vec<Layer>,
    critic: Vec<Layer>,
    /// Leading layers that actor and critic have in common.
    shared: usize,
    log_std: Option<usize>,
    activation: Activation,
}

impl ActorCritic {
    /// Networks for `inputs` numbers an observation and `outputs` numbers an action distribution.
    ///
    /// Weights start orthogonal with gain √2 for hidden layers, `output_gain` for the policy and 1 for the value; biases
    /// at zero. `gaussian` adds one log standard deviation for each output.
    ///
    /// # Source
    /// Saxe et al. 2014, arXiv:1312.6120; gains as in docs/ppo.md.
    pub fn new(
        settings: &NetworkSettings,
        inputs: usize,
        outputs: usize,
        gaussian: bool,
        generator: &mut Generator,
        device: Device,
    ) -> Self {
        let mut starts: Vec<Tensor> = Vec::new();
        let mut tower = |trunk: &[Layer], last: usize, gain: f64| {
            let mut layers = trunk.to_vec();
            let mut width =
                if trunk.is_empty() { inputs } else { *settings.hidden.last().unwrap_or(&inputs) };
            let rest = if trunk.is_empty() { settings.hidden.as_slice() } else { &[] };
            let hidden = rest.iter().map(|&w| (w, std::f64::consts::SQRT_2));
            let output = (last > 0).then_some((last, gain));
            for (out, gain) in hidden.chain(output) {
                layers.push(Layer { weight: starts.len(), bias: starts.len() + 1 });
                starts.push(orthogonal(out, width, gain, generator));
                starts.push(Tensor::zeros([out as i64], (Kind::Float, Device::Cpu)));
                width = out;
            }
            layers
        };
        // P8: separate, or with a common trunk.
        let trunk = if settings.shared { tower(&[], 0, 0.0) } else { Vec::new() };
        let actor = tower(&trunk, outputs, settings.output_gain);
        let critic = tower(&trunk, 1, 1.0);
        let log_std = gaussian.then(|| {
            let start = settings.initial_std.ln();
            starts.push(Tensor::full([outputs as i64], start, (Kind::Float, Device::Cpu)));
            starts.len() - 1
        });
        let flat =
            Tensor::cat(&starts.iter().map(|s| s.flatten(0, -1)).collect::<Vec<_>>(), 0).to_device(device);
        let views = views_of(&flat, &starts.iter().map(Tensor::size).collect::<Vec<_>>());
        Self { flat, views, actor, critic, shared: trunk.len(), log_std, activation: settings.activation }
    }

    /// All parameters as one tensor `[P]` without gradient; writing it changes the networks.
    pub fn flat(&self) -> &Tensor {
        &self.flat
    }

    /// The parameters that gradients are taken of.
    pub fn parameters(&self) -> &[Tensor] {
        &self.views
    }

    /// Log standard deviations `[A]` of a Gaussian policy.
    pub fn log_std(&self) -> Option<&Tensor> {
        self.log_std.map(|i| &self.views[i])
    }

    /// Parameters of the action distribution.
    ///
    /// # Shapes
    /// `observation [B, O]` → `[B, outputs]`.
    pub fn actor(&self, observation: &Tensor) -> Tensor {
        self.pass(observation.shallow_clone(), &self.actor, true)
    }

    /// Values, in reward units.
    ///
    /// # Shapes
    /// `observation [B, O]` → `[B]`.
    pub fn critic(&self, observation: &Tensor) -> Tensor {
        self.pass(observation.shallow_clone(), &self.critic, true).squeeze_dim(-1)
    }

    /// [`Self::actor`] and [`Self::critic`] with one pass through the layers they share.
    pub fn both(&self, observation: &Tensor) -> (Tensor, Tensor) {
        let common = self.pass(observation.shallow_clone(), &self.actor[..self.shared], false);
        let outputs = self.pass(common.shallow_clone(), &self.actor[self.shared..], true);
        let value = self.pass(common, &self.critic[self.shared..], true).squeeze_dim(-1);
        (outputs, value)
    }

    fn pass(&self, mut x: Tensor, layers: &[Layer], ends: bool) -> Tensor {
        for (i, layer) in layers.iter().enumerate() {
            x = x.linear(&self.views[layer.weight], Some(&self.views[layer.bias]));
            if !(ends && i + 1 == layers.len()) {
                x = match self.activation {
                    Activation::Tanh => x.tanh(),
                    Activation::Relu => x.relu(),
                    Activation::Elu => x.elu(),
                };
            }
        }
        x
    }

    /// Device of the parameters.
    pub fn device(&self) -> Device {
        self.flat.device()
    }
}

/// Leaf tensors of the given shapes, one after the other in the memory of `flat`.
fn views_of(flat: &Tensor, shapes: &[Vec<i64>]) -> Vec<Tensor> {
    let mut start = 0;
    shapes
        .iter()
        .map(|shape| {
            let len: i64 = shape.iter().product();
            let view = no_grad(|| flat.narrow(0, start, len).view(shape.as_slice()).detach());
            start += len;
            view.set_requires_grad(true)
        })
        .collect()
}

/// A matrix `[rows, columns]` with orthonormal rows or columns, whichever are fewer, times `gain`.
fn orthogonal(rows: usize, columns: usize, gain: f64, generator: &mut Generator) -> Tensor {
    let (long, short) = (rows.max(columns), rows.min(columns));
    let normal: Vec<f64> = (0..long * short).map(|_| generator.sample(StandardNormal)).collect();
    let (q, r) = Tensor::linalg_qr(&Tensor::from_slice(&normal).view([long as i64, short as i64]), "reduced");
    // QR leaves the columns' signs open; those of R's diagonal make the result uniformly distributed.
    let q = q * r.diag(0).sign();
    let q = if rows < columns { q.tr() } else { q };
    // P9: orthogonal with its gain.
    (q * gain).to_kind(Kind::Float).contiguous()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream;

    fn network(shared: bool) -> ActorCritic {
        let settings = NetworkSettings { hidden: vec![8, 6], shared, ..NetworkSettings::default() };
        ActorCritic::new(&settings, 4, 2, false, &mut stream(1, "initialisation"), Device::Cpu)
    }

    #[test]
    fn separate_and_shared_networks_have_the_parameters_that_arithmetic_says() {
        // 4·8+8 + 8·6+6 = 94 hidden; 6·2+2 = 14 policy; 6·1+1 = 7 value.
        assert_eq!(network(false).flat().size(), [94 * 2 + 14 + 7]);
        assert_eq!(network(true).flat().size(), [94 + 14 + 7]);
    }

    #[test]
    fn both_gives_what_actor_and_critic_give() {
        for shared in [false, true] {
            let network = network(shared);
            let x = Tensor::ones([3, 4], (Kind::Float, Device::Cpu));
            let (outputs, value) = network.both(&x);
            assert_eq!(outputs, network.actor(&x));
            assert_eq!(value, network.critic(&x));
            assert_eq!((outputs.size(), value.size()), (vec![3, 2], vec![3]));
        }
    }

    #[test]
    fn starts_are_orthogonal_with_their_gain() {
        for (rows, columns) in [(6, 4), (4, 6)] {
            let w = orthogonal(rows, columns, 2.0, &mut stream(1, "x"));
            let product = if rows < columns { w.matmul(&w.tr()) } else { w.tr().matmul(&w) };
            let expected = Tensor::eye(4, (Kind::Float, Device::Cpu)) * 4.0;
            assert!(product.allclose(&expected, 1e-5, 1e-5, false));
        }
    }

    #[test]
    fn writing_the_flat_buffer_changes_the_networks() {
        let network = network(false);
        let x = Tensor::ones([1, 4], (Kind::Float, Device::Cpu));
        let _ = no_grad(|| network.flat().shallow_clone().zero_());
        assert_eq!(network.critic(&x).double_value(&[0]), 0.0);
    }
}
