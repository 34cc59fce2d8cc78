//! Both engines against autograd of libtorch, and what must change no bit.

use phalanx_envs::{Dtype, Elements};
use tch::{Kind, Tensor};

use super::*;
use crate::{Activation, Convolution, stream};

fn with(shape: &[usize], settings: NetworkSettings) -> ActorCritic {
    let len = shape.iter().product();
    let (low, high) = (vec![0.0; len], vec![255.0; len]);
    within(&Space::Box { shape: shape.to_vec(), low, high, dtype: Dtype::U8 }, settings)
}

fn within(observations: &Space, settings: NetworkSettings) -> ActorCritic {
    let settings = NetworkSettings { output_gain: 0.5, ..settings };
    let generator = &mut stream(1, "initialisation");
    ActorCritic::new(&settings, observations, &Space::unbounded(2), generator, &Device::Cpu.into())
        .expect("a CPU")
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

/// Pictures of 7 × 6 pixels of 2 channels, of which two convolutions make 2 × 1 of 3.
fn pictures(shared: bool, channels_first: bool, activation: Activation) -> ActorCritic {
    let convolutions = vec![Convolution::new(4, 3, 2), Convolution::new(3, 2, 1)];
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

/// What [`reference`] needs to know of networks: pictures, and whether their channels come first.
#[derive(Clone, Copy)]
struct Case {
    channels_first: Option<bool>,
    shared: bool,
    activation: Activation,
}

impl Case {
    fn network(self) -> ActorCritic {
        match self.channels_first {
            Some(first) => pictures(self.shared, first, self.activation),
            None => network(self.shared, self.activation),
        }
    }
}

/// The same networks in libtorch's own operations, for its autograd: parameters, outputs `[B, 2]`, values `[B]`.
fn reference(case: Case, network: &ActorCritic, x: &Tensor) -> (Tensor, Tensor, Tensor) {
    let flat = Tensor::from_slice(network.parameters()).set_requires_grad(true);
    let mut start = 0;
    let mut take = |shape: &[i64]| {
        let len: i64 = shape.iter().product();
        start += len;
        flat.narrow(0, start - len, len).view(shape)
    };
    let active = |x: Tensor| match case.activation {
        Activation::Tanh => x.tanh(),
        Activation::Relu => x.relu(),
        Activation::Elu => x.elu(),
        Activation::Silu => x.silu(),
        Activation::Gelu => x.gelu("none"),
        Activation::LeakyRelu => x.leaky_relu(),
        Activation::Identity => x,
    };
    let channels_last = |x: Tensor| x.permute([0, 3, 1, 2]);
    let convolve = |x: Tensor, kernel: Tensor, bias: Tensor, stride| {
        active(x.conv2d(&kernel, Some(&bias), [stride; 2], [0; 2], [1; 2], 1))
    };
    let hidden = |take: &mut dyn FnMut(&[i64]) -> Tensor| {
        let (x, width) = match case.channels_first {
            None => (x.shallow_clone(), 4),
            Some(channels_first) => {
                let (x, kernel) = if channels_first {
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
    let common = case.shared.then(|| actor.shallow_clone());
    let outputs = actor.linear(&take(&[2, 6]), Some(&take(&[2])));
    let critic = common.unwrap_or_else(|| hidden(&mut take));
    let value = critic.linear(&take(&[1, 6]), Some(&take(&[1])));
    (flat, outputs, value.squeeze_dim(-1))
}

fn load(network: &mut ActorCritic, x: Elements<'_>) {
    let mut observations = Observations::default();
    observations.add(0, x, None);
    network.load(observations).expect("observations");
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
    for activation in Activation::ALL {
        for shared in [false, true] {
            let what = format!("{activation:?}, shared {shared}");
            let case = Case { channels_first: None, shared, activation };
            agrees_with_autograd(case, Elements::F32(&numbers), &x, &what);
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
        network
            .infer(Tower::Actor, Inputs::One(Elements::F32(&fractions)), 0..1, &mut [], &mut wanted)
            .expect("an inference");
        network
            .infer(Tower::Actor, Inputs::One(Elements::U8(&bytes)), 0..1, &mut [], &mut seen)
            .expect("an inference");
        assert_eq!(seen, wanted, "{space}");
        let mut tensors = Tensors::new(&network.plan, Device::Cpu).expect("a CPU");
        tensors.set_parameters(&network.parameters).expect("a CPU");
        let infer = |x: Elements<'_>| {
            let mut out = vec![0.0; 2];
            tensors
                .infer(&network.plan, Tower::Actor, Inputs::One(x), 0..1, &mut [], &mut out)
                .expect("an inference");
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
            let case = Case { channels_first: Some(channels_first), shared, activation };
            agrees_with_autograd(case, Elements::U8(&bytes), &x, &what);
        }
    }
}

fn agrees_with_autograd(case: Case, seen: Elements<'_>, x: &Tensor, what: &str) {
    // Every row once, the other way round.
    let index: Vec<i64> = (0..ROWS as i64).rev().collect();
    for tensors in [false, true] {
        let what = format!("{what}, tensors {tensors}");
        let mut network = case.network();
        if tensors {
            network.engine = Engine::Tensors(Tensors::new(&network.plan, Device::Cpu).expect("a CPU"));
            network.change(|_, _| Ok(())).expect("libtorch");
        }
        let (flat, outputs, value) = reference(case, &network, x);
        let total = (&outputs * 0.3).sin().sum(Kind::Float) + value.square().sum(Kind::Float);
        let expected = Tensor::run_backward(&[total], &[&flat], false, false).remove(0);

        load(&mut network, seen);
        assert_close(&network.infer_loaded(Tower::Actor, None).expect("outputs"), &outputs, &what);
        assert_close(&network.infer_loaded(Tower::Critic, None).expect("values"), &value, &what);
        let some = network.infer_loaded(Tower::Critic, Some(&[3, 1])).expect("values");
        assert_close(&some, &value.index_select(0, &Tensor::from_slice(&[3i64, 1])), &what);
        let sums = network.learn(Batch::Transitions(&index), loss).expect("a gradient");
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

/// One step of size 1 against the signs of the slopes ¼ and −½, with deviations from ½ to 2.
#[test]
fn deviations_stop_at_their_bounds_and_come_back() {
    let settings = NetworkSettings { min_std: 0.5, max_std: 2.0, ..NetworkSettings::default() };
    for tensors in [false, true] {
        let mut network = with(&[4], settings.clone());
        if tensors {
            network.engine = Engine::Tensors(Tensors::new(&network.plan, Device::Cpu).expect("a CPU"));
            network.change(|_, _| Ok(())).expect("libtorch");
        }
        load(&mut network, Elements::F32(&[0.1, 0.2, 0.3, 0.4]));
        let first = network.plan.log_std.start;
        let mut step = |sign: f32| {
            let slopes = [0.25 * sign, -0.5 * sign];
            network
                .learn(Batch::Transitions(&[0]), |(): &mut (), pass| {
                    pass.d_outputs.fill(0.0);
                    pass.d_value.fill(0.0);
                    pass.d_log_std.iter_mut().zip(slopes).for_each(|(d, slope)| *d += slope);
                })
                .expect("a gradient");
            network.sum_gradient(|_| Ok::<(), ()>(())).expect("one rank");
            let gradient = network.gradient()[first..].to_vec();
            let moved = |parameters: &mut [f32], gradient: &[f32]| {
                parameters.iter_mut().zip(gradient).for_each(|(p, g)| {
                    *p -= if *g == 0.0 { 0.0 } else { g.signum() };
                });
                Ok(())
            };
            network.change(moved).expect("a change");
            (gradient, network.log_std().iter().map(|s| s.exp()).collect::<Vec<_>>())
        };
        // e⁻¹ < ½ and e¹ > 2: both stop.
        assert_eq!(step(1.0), (vec![0.25, -0.5], vec![0.5, 2.0]));
        // Pushed on: nothing is left of the slopes.
        assert_eq!(step(1.0), (vec![0.0, 0.0], vec![0.5, 2.0]));
        // Pulled back: e^(ln ½ + 1) = 1.359, e^(ln 2 − 1) = 0.7358.
        let (gradient, std) = step(-1.0);
        assert_eq!(gradient, [-0.25, 0.5]);
        assert!((std[0] - 1.359_141).abs() < 1e-5 && (std[1] - 0.735_759).abs() < 1e-5, "{std:?}");
    }
}

#[test]
fn a_deviation_that_starts_outside_its_bounds_is_refused() {
    for (min_std, max_std) in [(1.1, 2.0), (0.1, 0.9), (2.0, 0.5), (0.0, 2.0), (f64::NAN, 2.0)] {
        let settings = NetworkSettings { min_std, max_std, ..NetworkSettings::default() };
        let error = settings.log_std_bounds().expect_err("1 lies outside").to_string();
        assert!(error.starts_with("network.initial_std (1) must lie between network.min_std ("), "{error}");
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
            let shared = shared && !hidden.is_empty();
            let settings = NetworkSettings { hidden: hidden.clone(), shared, ..NetworkSettings::default() };
            let mut network = with(&[width], settings);
            let mut infer = |rows: usize, at_once: usize| {
                let (mut all, mut part) = (vec![], vec![]);
                for x in numbers[..rows * width].chunks(at_once * width) {
                    network
                        .infer(tower, Inputs::One(Elements::F32(x)), 0..x.len() / width, &mut [], &mut part)
                        .expect("outputs");
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
            load(&mut network, Elements::F32(&numbers));
            network.learn(Batch::Transitions(&index), loss).expect("a gradient");
            network.gradient().to_vec()
        })
    };
    assert_eq!(gradient(1), gradient(3));
}

/// Of 512 units that read 200 numbers: mean 0 and deviation √(2/200), within four standard errors.
#[test]
fn normal_weights_have_their_deviation() {
    let settings = NetworkSettings {
        hidden: vec![512],
        initial_weights: InitialWeights::Normal,
        ..NetworkSettings::default()
    };
    let (observations, actions) = (Space::unbounded(200), Space::Discrete { n: 2 });
    let generator = &mut stream(7, "initialisation");
    let network = ActorCritic::new(&settings, &observations, &actions, generator, &Device::Cpu.into());
    let network = network.expect("a CPU");
    let n = 512 * 200;
    let weights = network.parameters()[..n].iter().map(|&x| f64::from(x));
    let mean = weights.clone().sum::<f64>() / n as f64;
    let variance = weights.map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
    let expected = 2.0 / 200.0;
    assert!(mean.abs() < 4.0 * (expected / n as f64).sqrt(), "{mean}");
    assert!((variance / expected - 1.0).abs() < 4.0 * (2.0 / n as f64).sqrt(), "{variance}");
}
