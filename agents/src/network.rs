//! The actor-critic network: multi-layer perceptrons over one flat buffer of parameters.
//!
//! All parameters lie in one buffer and all gradients in another, so that the optimiser, the norm of the gradient and
//! checkpoints each are one pass, whatever the number of layers.

use phalanx_envs::Generator;
use rand::RngExt;
use rand_distr::StandardNormal;
use tch::{Device, Kind, Tensor};

use crate::engine::{Cpu, Pass, Tensors};
use crate::plan::{Layer, Plan, Tower};
use crate::{AgentError, NetworkSettings};

/// An actor that maps observations to the parameters of an action distribution, and a critic that maps them to a value.
pub struct ActorCritic {
    plan: Plan,
    parameters: Vec<f32>,
    gradient: Vec<f32>,
    /// Observations of the rollout that is learned from, `[M, inputs]`.
    loaded: Vec<f32>,
    engine: Engine,
}

enum Engine {
    Cpu(Cpu),
    Tensors(Tensors),
}

impl ActorCritic {
    /// Networks for `inputs` numbers an observation and `outputs` numbers an action distribution.
    ///
    /// `gaussian` adds one log standard deviation for each output.
    ///
    /// # Errors
    /// [`AgentError::Torch`] when the device refuses.
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
    ) -> Result<Self, AgentError> {
        let plan = Plan::new(settings, inputs, outputs, gaussian);
        let mut parameters = vec![0.0; plan.len()];
        let towers = [
            (&plan.trunk, std::f64::consts::SQRT_2),
            (&plan.actor, settings.output_gain),
            (&plan.critic, 1.0),
        ];
        for (tower, output_gain) in towers {
            for (i, layer) in tower.iter().enumerate() {
                let gain = if i + 1 < tower.len() { std::f64::consts::SQRT_2 } else { output_gain };
                orthogonal(layer, gain, generator, &mut parameters[layer.weight()]);
            }
        }
        parameters[plan.log_std.clone()].fill(settings.initial_std.ln() as f32);
        let engine = match device {
            Device::Cpu => Engine::Cpu(Cpu::new()),
            device => Engine::Tensors(Tensors::new(&plan, device)),
        };
        let gradient = vec![0.0; plan.len()];
        let mut network = Self { plan, parameters, gradient, loaded: Vec::new(), engine };
        network.change(|_, _| Ok(()))?;
        Ok(network)
    }

    /// All parameters `[P]`.
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// The gradient `[P]` that [`Self::learn`] left.
    pub fn gradient(&self) -> &[f32] {
        &self.gradient
    }

    /// Floating-point operations of one row's pass through actor and critic: two for each weight.
    pub fn flop_per_row(&self) -> f64 {
        let layers = [&self.plan.trunk, &self.plan.actor, &self.plan.critic].into_iter().flatten();
        layers.map(|layer| 2.0 * layer.weight().len() as f64).sum()
    }

    /// Log standard deviations `[A]` of a Gaussian policy; empty without one.
    pub fn log_std(&self) -> &[f32] {
        &self.parameters[self.plan.log_std.clone()]
    }

    /// Lets `write` change the parameters `[P]`, the first argument, by the gradient `[P]`, the second.
    ///
    /// # Errors
    /// What `write` says; [`AgentError::Torch`] when the device refuses.
    pub fn change(
        &mut self,
        write: impl FnOnce(&mut [f32], &[f32]) -> Result<(), AgentError>,
    ) -> Result<(), AgentError> {
        write(&mut self.parameters, &self.gradient)?;
        match &mut self.engine {
            Engine::Cpu(_) => Ok(()),
            Engine::Tensors(tensors) => tensors.set_parameters(&self.parameters),
        }
    }

    /// Parameters of the action distribution, or values in reward units.
    ///
    /// # Shapes
    /// `x [B, inputs]`; `out [B, …]` is made as long as it must be.
    /// # Errors
    /// [`AgentError::Torch`].
    pub fn infer(&mut self, tower: Tower, x: &[f32], out: &mut Vec<f32>) -> Result<(), AgentError> {
        let Self { plan, parameters, engine, .. } = self;
        out.resize(x.len() / plan.inputs * plan.outputs(tower), 0.0);
        match engine {
            Engine::Cpu(cpu) => {
                cpu.infer(plan, parameters, tower, x, out);
                Ok(())
            }
            Engine::Tensors(tensors) => tensors.infer(plan, tower, x, out),
        }
    }

    /// Takes the observations of a rollout in, as the networks are to see them: `fill` puts them into the empty vector.
    ///
    /// # Shapes
    /// `[M, inputs]`.
    pub fn load(&mut self, fill: impl FnOnce(&mut Vec<f32>)) {
        self.loaded.clear();
        fill(&mut self.loaded);
        if let Engine::Tensors(tensors) = &mut self.engine {
            tensors.load(&self.loaded, self.plan.inputs);
        }
    }

    /// [`Self::infer`] for the loaded rows `index`, or for all of them.
    ///
    /// # Errors
    /// [`AgentError::Torch`].
    pub fn infer_loaded(&mut self, tower: Tower, index: Option<&[i64]>) -> Result<Vec<f32>, AgentError> {
        let (mut out, width) = (Vec::new(), self.plan.inputs);
        let loaded = std::mem::take(&mut self.loaded);
        let result = match index {
            None => self.infer(tower, &loaded, &mut out),
            Some(index) => {
                let row = |&i: &i64| loaded[i as usize * width..][..width].iter().copied();
                let rows: Vec<f32> = index.iter().flat_map(row).collect();
                self.infer(tower, &rows, &mut out)
            }
        };
        self.loaded = loaded;
        result.map(|()| out)
    }

    /// Finds the gradient of the sum of `loss` over the loaded rows `index`; it is left in [`Self::gradient`].
    ///
    /// `loss` is called for some of the rows at a time, from several threads, each time with sums of its own; all of
    /// these are returned.
    ///
    /// # Errors
    /// [`AgentError::Torch`].
    pub fn learn<S: Default + Send>(
        &mut self,
        index: &[i64],
        loss: impl Fn(&mut S, Pass<'_>) + Sync,
    ) -> Result<Vec<S>, AgentError> {
        let Self { plan, parameters, gradient, loaded, engine } = self;
        match engine {
            Engine::Cpu(cpu) => Ok(cpu.learn(plan, parameters, loaded, index, gradient, loss)),
            Engine::Tensors(tensors) => Ok(vec![tensors.learn(plan, index, gradient, loss)?]),
        }
    }
}

/// Fills the weight of `layer` with a matrix of orthonormal rows or columns, whichever are fewer, times `gain`.
fn orthogonal(layer: &Layer, gain: f64, generator: &mut Generator, weight: &mut [f32]) {
    let (rows, columns) = (layer.outputs, layer.inputs);
    let (long, short) = (rows.max(columns), rows.min(columns));
    let normal: Vec<f64> = (0..long * short).map(|_| generator.sample(StandardNormal)).collect();
    let (q, r) = Tensor::linalg_qr(&Tensor::from_slice(&normal).view([long as i64, short as i64]), "reduced");
    // QR leaves the columns' signs open; those of R's diagonal make the result uniformly distributed.
    let q = q * r.diag(0).sign();
    let q = if rows < columns { q.tr() } else { q };
    // P9: orthogonal with its gain.
    (q * gain).to_kind(Kind::Float).contiguous().copy_data(weight, rows * columns);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Activation, stream};

    fn network(shared: bool, activation: Activation) -> ActorCritic {
        let settings =
            NetworkSettings { hidden: vec![8, 6], shared, output_gain: 0.5, activation, initial_std: 1.0 };
        let generator = &mut stream(1, "initialisation");
        ActorCritic::new(&settings, 4, 2, true, generator, Device::Cpu).expect("a CPU")
    }

    #[test]
    fn separate_and_shared_networks_have_the_parameters_that_arithmetic_says() {
        // 4·8+8 + 8·6+6 = 94 hidden; 6·2+2 = 14 policy; 6·1+1 = 7 value; 2 deviations.
        assert_eq!(network(false, Activation::Tanh).parameters().len(), 94 * 2 + 14 + 7 + 2);
        assert_eq!(network(true, Activation::Tanh).parameters().len(), 94 + 14 + 7 + 2);
    }

    #[test]
    fn starts_are_orthogonal_with_their_gain() {
        for (rows, columns) in [(6, 4), (4, 6)] {
            let settings = NetworkSettings { hidden: vec![], output_gain: 2.0, ..NetworkSettings::default() };
            let plan = Plan::new(&settings, columns, rows, false);
            let mut weight = vec![0.0; 24];
            orthogonal(&plan.actor[0], 2.0, &mut stream(1, "x"), &mut weight);
            let w = Tensor::from_slice(&weight).view([rows as i64, columns as i64]);
            let product = if rows < columns { w.matmul(&w.tr()) } else { w.tr().matmul(&w) };
            let expected = Tensor::eye(4, (Kind::Float, Device::Cpu)) * 4.0;
            assert!(product.allclose(&expected, 1e-5, 1e-5, false));
        }
    }

    /// The same perceptrons in libtorch's own operations, for its autograd: parameters, outputs `[B, 2]`, values `[B]`.
    fn reference(network: &ActorCritic, x: &Tensor) -> (Tensor, Tensor, Tensor) {
        let flat = Tensor::from_slice(network.parameters()).set_requires_grad(true);
        let mut start = 0;
        let mut take = |shape: &[i64]| {
            let len: i64 = shape.iter().product();
            start += len;
            flat.narrow(0, start - len, len).view(shape)
        };
        let active = |x: Tensor| match network.plan.activation {
            Activation::Tanh => x.tanh(),
            Activation::Relu => x.relu(),
            Activation::Elu => x.elu(),
        };
        let mut linear = |x: &Tensor, o, i| x.linear(&take(&[o, i]), Some(&take(&[o])));
        let (outputs, value) = if network.plan.trunk.is_empty() {
            let mut tower = |last| {
                let h = active(linear(x, 8, 4));
                let h = active(linear(&h, 6, 8));
                linear(&h, last, 6)
            };
            (tower(2), tower(1))
        } else {
            let h = active(linear(x, 8, 4));
            let h = active(linear(&h, 6, 8));
            (linear(&h, 2, 6), linear(&h, 1, 6))
        };
        (flat, outputs, value.squeeze_dim(-1))
    }

    fn assert_close(ours: &[f32], expected: &Tensor, what: &str) {
        let ours = Tensor::from_slice(ours).view_as(expected);
        assert!(ours.allclose(expected, 1e-4, 1e-5, false), "{what}: {}", (ours - expected).abs().max());
    }

    /// Rows enough for several tiles and shards, the last ones smaller.
    const ROWS: usize = 700;

    /// A loss of Σ sin(0.3·outputs) + value², and ¼ and −½ a row as the slopes of the deviations.
    fn loss(sums: &mut usize, pass: Pass<'_>) {
        let Pass { index, outputs, value, d_outputs, d_value, d_log_std } = pass;
        *sums += index.len();
        for (d, y) in d_outputs.iter_mut().zip(outputs) {
            *d = (0.3 * y).cos() * 0.3;
        }
        for (d, v) in d_value.iter_mut().zip(value) {
            *d = 2.0 * v;
        }
        for (d, slope) in d_log_std.iter_mut().zip([0.25, -0.5]) {
            *d += slope * index.len() as f32;
        }
    }

    #[test]
    fn both_engines_agree_with_autograd() {
        let numbers: Vec<f32> = (0..ROWS * 4).map(|i| (i as f32).sin()).collect();
        // Every row once, the other way round.
        let index: Vec<i64> = (0..ROWS as i64).rev().collect();
        for activation in [Activation::Tanh, Activation::Relu, Activation::Elu] {
            for (shared, tensors) in [(false, false), (true, false), (false, true), (true, true)] {
                let what = format!("{activation:?}, shared {shared}, tensors {tensors}");
                let mut network = network(shared, activation);
                if tensors {
                    network.engine = Engine::Tensors(Tensors::new(&network.plan, Device::Cpu));
                    network.change(|_, _| Ok(())).expect("libtorch");
                }
                let x = Tensor::from_slice(&numbers).view([ROWS as i64, 4]);
                let (flat, outputs, value) = reference(&network, &x);
                let total = (&outputs * 0.3).sin().sum(Kind::Float) + value.square().sum(Kind::Float);
                let expected = Tensor::run_backward(&[total], &[&flat], false, false).remove(0);

                network.load(|into| into.extend(&numbers));
                assert_close(&network.infer_loaded(Tower::Actor, None).expect("outputs"), &outputs, &what);
                assert_close(&network.infer_loaded(Tower::Critic, None).expect("values"), &value, &what);
                let some = network.infer_loaded(Tower::Critic, Some(&[3, 1])).expect("values");
                assert_close(&some, &value.index_select(0, &Tensor::from_slice(&[3i64, 1])), &what);
                let sums = network.learn(&index, loss).expect("a gradient");
                assert_eq!(sums.into_iter().sum::<usize>(), ROWS);
                let (layers, log_std) = network.gradient().split_at(network.plan.log_std.start);
                // Sums of 700 rows in two orders.
                let scale = f64::try_from(expected.abs().max()).expect("a number") as f32;
                let scaled: Vec<f32> = layers.iter().map(|g| g / scale).collect();
                assert_close(
                    &scaled,
                    &(expected.narrow(0, 0, layers.len() as i64) / f64::from(scale)),
                    &what,
                );
                assert_eq!(log_std, [0.25 * ROWS as f32, -0.5 * ROWS as f32]);
            }
        }
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let numbers: Vec<f32> = (0..ROWS * 4).map(|i| (i as f32).sin()).collect();
        let index: Vec<i64> = (0..ROWS as i64).collect();
        let gradient = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            pool.install(|| {
                let mut network = network(false, Activation::Tanh);
                network.load(|into| into.extend(&numbers));
                network.learn(&index, loss).expect("a gradient");
                network.gradient().to_vec()
            })
        };
        assert_eq!(gradient(1), gradient(3));
    }
}
