//! The actor-critic network: multi-layer perceptrons over one flat buffer of parameters.
//!
//! All parameters lie in one buffer and all gradients in another, so that the optimiser, the norm of the gradient and
//! checkpoints each are one pass, whatever the number of layers.

use phalanx_envs::{Elements, Generator, Space};
use rand::RngExt;
use rand_distr::StandardNormal;
use tch::{Device, Kind, Tensor};

use crate::engine::{Cpu, Pass, Tensors};
use crate::normalizer::FrozenNormalizer;
use crate::observations::{self, Observations};
use crate::plan::{Layer, Plan, Tower};
use crate::{AgentError, NetworkSettings};

/// An actor that maps observations to the parameters of an action distribution, and a critic that maps them to a value.
pub struct ActorCritic {
    plan: Plan,
    parameters: Vec<f32>,
    gradient: Vec<f32>,
    /// Observations of the rollout that is learned from, `[M, inputs]`.
    loaded: Observations,
    engine: Engine,
}

enum Engine {
    Cpu(Cpu),
    Tensors(Tensors),
}

impl ActorCritic {
    /// Networks for observations of this space and `outputs` numbers an action distribution.
    ///
    /// `gaussian` adds one log standard deviation for each output.
    ///
    /// # Errors
    /// [`AgentError::Space`] when the observations are no pictures for the convolutions; [`AgentError::Torch`] when the
    /// device refuses.
    ///
    /// # Source
    /// Orthogonal start: Saxe et al. 2014, arXiv:1312.6120; gains as in docs/ppo.md.
    pub fn new(
        settings: &NetworkSettings,
        observations: &Space,
        outputs: usize,
        gaussian: bool,
        generator: &mut Generator,
        device: Device,
    ) -> Result<Self, AgentError> {
        let plan = Plan::new(settings, observations, outputs, gaussian)?;
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
        let mut network = Self { plan, parameters, gradient, loaded: Observations::default(), engine };
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

    /// Floating-point operations of one row's pass through actor and critic: two for each weight and window.
    pub fn flop_per_row(&self) -> f64 {
        let windows = |layer: &Layer| layer.outputs / layer.filters;
        self.plan.layers().map(|layer| 2.0 * (windows(layer) * layer.weight().len()) as f64).sum()
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
    pub fn infer(&mut self, tower: Tower, x: Elements<'_>, out: &mut Vec<f32>) -> Result<(), AgentError> {
        let Self { plan, parameters, engine, .. } = self;
        out.resize(observations::len(x) / plan.inputs * plan.outputs(tower), 0.0);
        match engine {
            Engine::Cpu(cpu) => {
                cpu.infer(plan, parameters, tower, x, out);
                Ok(())
            }
            Engine::Tensors(tensors) => tensors.infer(plan, tower, x, out),
        }
    }

    /// Takes the observations of a rollout in, normalised if need be.
    ///
    /// # Shapes
    /// `[M, inputs]`.
    pub fn load(&mut self, observations: Elements<'_>, normalizer: Option<&FrozenNormalizer>) {
        self.loaded.clear();
        self.loaded.add(observations, normalizer);
        if let Engine::Tensors(tensors) = &mut self.engine {
            tensors.load(self.loaded.elements(), self.plan.inputs);
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
            None => self.infer(tower, loaded.elements(), &mut out),
            Some(index) => {
                let mut rows = Observations::default();
                for &i in index {
                    let start = i as usize * width;
                    rows.add(observations::part(loaded.elements(), start..start + width), None);
                }
                self.infer(tower, rows.elements(), &mut out)
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
            Engine::Cpu(cpu) => Ok(cpu.learn(plan, parameters, loaded.elements(), index, gradient, loss)),
            Engine::Tensors(tensors) => Ok(vec![tensors.learn(plan, index, gradient, loss)?]),
        }
    }
}

/// Fills the weight of `layer` with a matrix of orthonormal rows or columns, whichever are fewer, times `gain`.
fn orthogonal(layer: &Layer, gain: f64, generator: &mut Generator, weight: &mut [f32]) {
    let (rows, columns) = (layer.filters, layer.width());
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
    use phalanx_envs::Dtype;

    use crate::{Activation, Convolution, stream};

    fn with(shape: &[usize], settings: NetworkSettings) -> ActorCritic {
        let len = shape.iter().product();
        let (low, high) = (vec![0.0; len], vec![255.0; len]);
        within(&Space::Box { shape: shape.to_vec(), low, high, dtype: Dtype::U8 }, settings)
    }

    fn within(observations: &Space, settings: NetworkSettings) -> ActorCritic {
        let settings = NetworkSettings { output_gain: 0.5, ..settings };
        let generator = &mut stream(1, "initialisation");
        ActorCritic::new(&settings, observations, 2, true, generator, Device::Cpu).expect("a CPU")
    }

    fn network(shared: bool, activation: Activation) -> ActorCritic {
        with(&[4], NetworkSettings { hidden: vec![8, 6], shared, activation, ..NetworkSettings::default() })
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
            let plan = Plan::new(&settings, &Space::unbounded(columns), rows, false).expect("a plan");
            let mut weight = vec![0.0; 24];
            orthogonal(&plan.actor[0], 2.0, &mut stream(1, "x"), &mut weight);
            let w = Tensor::from_slice(&weight).view([rows as i64, columns as i64]);
            let product = if rows < columns { w.matmul(&w.tr()) } else { w.tr().matmul(&w) };
            let expected = Tensor::eye(4, (Kind::Float, Device::Cpu)) * 4.0;
            assert!(product.allclose(&expected, 1e-5, 1e-5, false));
        }
    }

    /// Pictures of 7 × 6 pixels of 2 channels, of which two convolutions make 2 × 1 of 3.
    fn pictures(shared: bool, channels_first: bool, activation: Activation) -> ActorCritic {
        let convolutions = vec![
            Convolution { filters: 4, kernel: 3, stride: 2 },
            Convolution { filters: 3, kernel: 2, stride: 1 },
        ];
        let shape = if channels_first { [2, 7, 6] } else { [7, 6, 2] };
        let settings = NetworkSettings {
            convolutions,
            hidden: vec![8, 6],
            shared,
            activation,
            ..NetworkSettings::default()
        };
        with(&shape, settings)
    }

    /// The same networks in libtorch's own operations, for its autograd: parameters, outputs `[B, 2]`, values `[B]`.
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
        let Plan { trunk, actor, .. } = &network.plan;
        let first = if trunk.is_empty() { &actor[0] } else { &trunk[0] };
        let channels_last = |x: Tensor| x.permute([0, 3, 1, 2]);
        let convolve = |x: Tensor, kernel: Tensor, bias: Tensor, stride| {
            active(x.conv2d(&kernel, Some(&bias), [stride; 2], [0; 2], [1; 2], 1))
        };
        let hidden = |take: &mut dyn FnMut(&[i64]) -> Tensor| {
            let (x, width) = match &first.window {
                None => (x.shallow_clone(), 4),
                Some(window) => {
                    let (x, kernel) = if window.channels_first {
                        (x.view([-1, 2, 7, 6]), take(&[4, 2, 3, 3]))
                    } else {
                        (channels_last(x.view([-1, 7, 6, 2])), channels_last(take(&[4, 3, 3, 2])))
                    };
                    let y = convolve(x, kernel, take(&[4]), 2);
                    let kernel = channels_last(take(&[3, 2, 2, 4]));
                    let y = convolve(y, kernel, take(&[3]), 1);
                    (y.permute([0, 2, 3, 1]).flatten(1, -1), 6)
                }
            };
            let h = active(x.linear(&take(&[8, width]), Some(&take(&[8]))));
            active(h.linear(&take(&[6, 8]), Some(&take(&[6]))))
        };
        let actor = hidden(&mut take);
        let shared = (!trunk.is_empty()).then(|| actor.shallow_clone());
        let outputs = actor.linear(&take(&[2, 6]), Some(&take(&[2])));
        let critic = shared.unwrap_or_else(|| hidden(&mut take));
        let value = critic.linear(&take(&[1, 6]), Some(&take(&[1])));
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
        let x = Tensor::from_slice(&numbers).view([ROWS as i64, 4]);
        for activation in [Activation::Tanh, Activation::Relu, Activation::Elu] {
            for shared in [false, true] {
                let what = format!("{activation:?}, shared {shared}");
                agrees_with_autograd(|| network(shared, activation), Elements::F32(&numbers), &x, &what);
            }
        }
    }

    #[test]
    fn bytes_are_scaled_by_their_bounds_in_both_engines() {
        let settings = || NetworkSettings { hidden: vec![8], ..NetworkSettings::default() };
        let space = |low: [f32; 4], high: [f32; 4]| Space::Box {
            shape: vec![4],
            low: low.to_vec(),
            high: high.to_vec(),
            dtype: Dtype::U8,
        };
        for (space, bytes, fractions) in [
            (space([0.0; 4], [255.0; 4]), [0, 51, 102, 255], [0.0, 0.2, 0.4, 1.0]),
            (space([0.0; 4], [1.0; 4]), [0, 1, 1, 0], [0.0, 1.0, 1.0, 0.0]),
            (space([2.0; 4], [6.0; 4]), [2, 3, 4, 6], [0.0, 0.25, 0.5, 1.0]),
            (space([0.0, 1.0, 7.0, 0.0], [1.0, 5.0, 7.0, 255.0]), [1, 2, 7, 51], [1.0, 0.25, 0.0, 0.2]),
        ] {
            let (mut network, mut seen, mut wanted) = (within(&space, settings()), Vec::new(), Vec::new());
            network.infer(Tower::Actor, Elements::F32(&fractions), &mut wanted).expect("an inference");
            network.infer(Tower::Actor, Elements::U8(&bytes), &mut seen).expect("an inference");
            assert_eq!(seen, wanted, "{space}");
            let mut tensors = Tensors::new(&network.plan, Device::Cpu);
            tensors.set_parameters(&network.parameters).expect("a CPU");
            let infer = |x: Elements<'_>| {
                let mut out = vec![0.0; 2];
                tensors.infer(&network.plan, Tower::Actor, x, &mut out).expect("an inference");
                out
            };
            assert_eq!(infer(Elements::U8(&bytes)), infer(Elements::F32(&fractions)), "{space}");
        }
    }

    #[test]
    fn convolutions_agree_with_autograd() {
        let bytes: Vec<u8> = (0..ROWS * 84).map(|i| (i * i % 251) as u8).collect();
        let x = Tensor::from_slice(&bytes).view([ROWS as i64, 84]).to_kind(Kind::Float) / 255.0;
        for activation in [Activation::Tanh, Activation::Relu] {
            for (shared, channels_first) in [(false, false), (true, false), (true, true)] {
                let what = format!("pictures, {activation:?}, shared {shared}, first {channels_first}");
                let make = || pictures(shared, channels_first, activation);
                agrees_with_autograd(make, Elements::U8(&bytes), &x, &what);
            }
        }
    }

    fn agrees_with_autograd(make: impl Fn() -> ActorCritic, seen: Elements<'_>, x: &Tensor, what: &str) {
        // Every row once, the other way round.
        let index: Vec<i64> = (0..ROWS as i64).rev().collect();
        for tensors in [false, true] {
            let what = format!("{what}, tensors {tensors}");
            let mut network = make();
            if tensors {
                network.engine = Engine::Tensors(Tensors::new(&network.plan, Device::Cpu));
                network.change(|_, _| Ok(())).expect("libtorch");
            }
            let (flat, outputs, value) = reference(&network, x);
            let total = (&outputs * 0.3).sin().sum(Kind::Float) + value.square().sum(Kind::Float);
            let expected = Tensor::run_backward(&[total], &[&flat], false, false).remove(0);

            network.load(seen, None);
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
            let wanted = expected.narrow(0, 0, layers.len() as i64) / f64::from(scale);
            assert_close(&scaled, &wanted, &what);
            assert_eq!(log_std, [0.25 * ROWS as f32, -0.5 * ROWS as f32]);
        }
    }

    /// Matrix products go different ways by their sizes, and round differently there.
    #[test]
    fn the_company_of_other_rows_changes_no_bit() {
        for (width, hidden) in
            [(17, vec![128, 128]), (4, vec![64, 64]), (2, vec![33, 257]), (700, vec![48]), (5, vec![])]
        {
            let numbers: Vec<f32> = (0..ROWS * width).map(|i| (i as f32).sin()).collect();
            for (tower, shared) in [(Tower::Actor, false), (Tower::Critic, false), (Tower::Actor, true)] {
                let settings =
                    NetworkSettings { hidden: hidden.clone(), shared, ..NetworkSettings::default() };
                let mut network = with(&[width], settings);
                let mut infer = |rows: usize, at_once: usize| {
                    let (mut all, mut part) = (vec![], vec![]);
                    for x in numbers[..rows * width].chunks(at_once * width) {
                        network.infer(tower, Elements::F32(x), &mut part).expect("outputs");
                        all.extend_from_slice(&part);
                    }
                    all
                };
                let together = infer(ROWS, ROWS);
                for at_once in [1, 2, 3, 4, 5, 8, 13, 64, 100, 129] {
                    assert!(infer(ROWS, at_once) == together, "{width}, {hidden:?}: {at_once} rows");
                }
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
                network.load(Elements::F32(&numbers), None);
                network.learn(&index, loss).expect("a gradient");
                network.gradient().to_vec()
            })
        };
        assert_eq!(gradient(1), gradient(3));
    }
}
