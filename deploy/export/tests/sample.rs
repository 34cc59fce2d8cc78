//! Actions that are drawn: their frequencies, moments and log probabilities.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Parts, dim, file_of};
use phalanx_export::{Deviations, Input, Kind, Mask, Part, aligned};
use phalanx_graph::{Dtype, Graph, InputScale};
use phalanx_micro::format::{checksum, header, part};
use phalanx_micro::{ActError, Elements, Policy as Micro};

/// Draws of a policy.
const DRAWS: usize = 40_000;

/// A policy of one part, whose outputs are always these, and which reads a mask of `options` bytes.
fn constant(outputs: &[f32], kind: Kind, len: usize, options: Option<usize>) -> Parts {
    let mut graph = Graph::default();
    let x = graph.add_input("observation.x", vec![dim(1)], Dtype::F32).unwrap();
    let action = graph.add_dense("action", x, dim(outputs.len())).unwrap();
    graph.add_output("action", action);
    let input = |name: &str, is_bytes, len| Input {
        name: name.into(),
        is_bytes,
        shape: vec![len],
        scale: InputScale::Same,
    };
    let mut inputs = vec![input("observation.x", false, 1)];
    inputs.extend(options.map(|options| input("observation.action_mask", true, options)));
    let mask = options.map(|_| Mask { input: 1, start: 0 });
    let parts = vec![Part { kind, outputs: 0, len, mask, start: 0, action: 0 }];
    (graph, [&vec![0.0; outputs.len()], outputs].concat(), inputs, parts)
}

/// Words of `SplitMix64`.
fn words(mut state: u64) -> impl FnMut() -> u32 {
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 32) as u32
    }
}

/// Actions with their log probabilities.
fn draw(parts: &Parts, mask: &[u8]) -> Vec<(Vec<f32>, f64)> {
    let bytes = file_of(parts, &[], false);
    let (mut memory, mut arena) = (vec![], [0.0; 64]);
    let mut policy = Micro::new(aligned(&bytes, &mut memory), &mut arena).unwrap();
    let mut action = vec![9.0; policy.action_len()];
    let observation = [Elements::F32(&[0.5]), Elements::U8(mask)];
    let mut random = words(3);
    let draw = |_| {
        let log_prob = policy.sample(&observation[..parts.2.len()], &mut action, &mut random).unwrap();
        (action.clone(), f64::from(log_prob))
    };
    (0..DRAWS).map(draw).collect()
}

/// The share of actions for which something holds.
fn share(drawn: &[(Vec<f32>, f64)], holds: impl Fn(&[f32]) -> bool) -> f64 {
    drawn.iter().filter(|(action, _)| holds(action)).count() as f64 / drawn.len() as f64
}

#[test]
fn choices_follow_their_probabilities_and_report_them() {
    // Softmax of ln 1, ln 2, ln 5 is 1/8, 2/8, 5/8; without the last option 1/3, 2/3. Five standard deviations of a share are at most 0.0125.
    let logits = [0.0, 2.0_f32.ln(), 5.0_f32.ln()];
    for (mask, probabilities) in [
        (None, [0.125, 0.25, 0.625]),
        (Some([1, 1, 0]), [1.0 / 3.0, 2.0 / 3.0, 0.0]),
        (Some([0, 0, 1]), [0.0, 0.0, 1.0]),
    ] {
        let parts = constant(&logits, Kind::Choice, 3, mask.map(|_| 3));
        let drawn = draw(&parts, &mask.unwrap_or_default());
        for (option, p) in probabilities.into_iter().enumerate() {
            let found = share(&drawn, |action| action[0] == option as f32);
            assert!((found - p).abs() < 0.0125, "{mask:?}: {option} with {found}, not {p}");
            assert!(p > 0.0 || found == 0.0, "{mask:?}: {option} is illegal");
        }
        for (action, log_prob) in &drawn {
            assert!((log_prob - f64::ln(probabilities[action[0] as usize])).abs() < 1e-6);
        }
    }
}

#[test]
fn an_illegal_option_is_never_drawn_whatever_outputs_are() {
    for outputs in [[f32::NAN; 3], [f32::INFINITY, 1.0, 0.0], [1e30, -1e30, 0.0], [f32::NEG_INFINITY; 3]] {
        for mask in [[0, 1, 0], [0, 1, 1]] {
            let drawn = draw(&constant(&outputs, Kind::Choice, 3, Some(3)), &mask);
            assert!(drawn.iter().all(|(action, _)| mask[action[0] as usize] == 1), "{outputs:?} {mask:?}");
        }
    }
}

#[test]
fn bits_follow_their_probabilities_and_report_them() {
    // σ(ln 3) is ¾, σ(−ln 4) is ⅕; the third bit is 1 by its mask, which costs nothing.
    let logits = [3.0_f32.ln(), -(4.0_f32.ln()), -9.0];
    let drawn = draw(&constant(&logits, Kind::Bits, 3, Some(6)), &[1, 1, 1, 1, 0, 1]);
    let p = [0.75, 0.2, 1.0];
    for (bit, p) in p.into_iter().enumerate() {
        let found = share(&drawn, |action| action[bit] == 1.0);
        assert!((found - p).abs() < 0.0125, "bit {bit} with {found}, not {p}");
    }
    for (action, log_prob) in &drawn {
        let all = action.iter().zip(p).map(|(bit, p): (&f32, f64)| if *bit == 1.0 { p } else { 1.0 - p });
        assert!((log_prob - all.product::<f64>().ln()).abs() < 1e-6);
    }
}

/// Mean, variance and fourth moment over the square of the variance.
fn moments(x: &[f64]) -> [f64; 3] {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let moment = |power| x.iter().map(|x| (x - mean).powi(power)).sum::<f64>() / n;
    [mean, moment(2), moment(4) / moment(2).powi(2)]
}

/// The log density of normal numbers, in 64 bits.
fn log_density(x: &[f64], means: [f64; 2], deviations: [f64; 2]) -> f64 {
    let of = |((x, mean), deviation): ((&f64, f64), f64)| {
        -0.5 * ((x - mean) / deviation).powi(2) - (deviation * std::f64::consts::TAU.sqrt()).ln()
    };
    x.iter().zip(means).zip(deviations).map(of).sum()
}

const FREE: [f32; 4] = [2.0, 4.0, f32::NEG_INFINITY, f32::INFINITY];

#[test]
fn numbers_have_their_moments_and_report_their_density() {
    // Deviations that are parameters, and outputs, the second of which is above its bound ln ½.
    let fixed = Deviations::Fixed(vec![0.25_f32.ln(), 0.5_f32.ln()]);
    let output = Deviations::Output([-5.0, 0.5_f32.ln()]);
    for (outputs, deviations) in [(&[3.0, -1.0][..], fixed), (&[3.0, -1.0, 0.25_f32.ln(), 7.0], output)] {
        let kind = Kind::Numbers { tanh: false, scale: vec![FREE; 2], deviations };
        let drawn = draw(&constant(outputs, kind, 2, None), &[]);
        let unscaled =
            |action: &[f32]| -> Vec<f64> { action.iter().map(|x| (f64::from(*x) - 2.0) / 4.0).collect() };
        let numbers: Vec<Vec<f64>> = drawn.iter().map(|(action, _)| unscaled(action)).collect();
        for (i, (mean, deviation)) in [(3.0, 0.25), (-1.0, 0.5)].into_iter().enumerate() {
            let all: Vec<f64> = numbers.iter().map(|numbers| numbers[i]).collect();
            let [found, variance, kurtosis] = moments(&all);
            // Five standard deviations of each: σ/√n, σ²·√(2/n), √(24/n).
            let share = 5.0 / (DRAWS as f64).sqrt();
            assert!((found - mean).abs() < share * deviation, "mean {found}");
            assert!((variance / (deviation * deviation) - 1.0).abs() < share * 2.0_f64.sqrt(), "{variance}");
            assert!((kurtosis - 3.0).abs() < share * 24.0_f64.sqrt(), "{kurtosis}");
        }
        for (numbers, (_, log_prob)) in numbers.iter().zip(&drawn) {
            let expected = log_density(numbers, [3.0, -1.0], [0.25, 0.5]);
            assert!(
                (log_prob - expected).abs() < 2e-5 * expected.abs().max(1.0),
                "{log_prob}, not {expected}"
            );
        }
    }
}

#[test]
fn squashed_numbers_report_the_density_of_the_action() {
    let scale = vec![[2.0, 4.0, -2.0, 6.0], [0.0, 0.5, -0.5, 0.5]];
    let kind =
        Kind::Numbers { tanh: true, scale: scale.clone(), deviations: Deviations::Fixed(vec![0.0, -1.0]) };
    let drawn = draw(&constant(&[0.5, -0.25], kind, 2, None), &[]);
    let mut seen = 0;
    for (action, log_prob) in &drawn {
        // a = c + s·tanh u: the density is that of u over da/du = s·(1 − tanh² u).
        let tanh = action.iter().zip(&scale).map(|(a, s)| f64::from((a - s[0]) / s[1]));
        let tanh: Vec<f64> = tanh.collect();
        if tanh.iter().all(|tanh| tanh.abs() < 0.99) {
            let u: Vec<f64> = tanh.iter().map(|tanh| tanh.atanh()).collect();
            let slope: f64 = tanh
                .iter()
                .zip([4.0, 0.5])
                .map(|(tanh, s): (&f64, f64)| (s * (1.0 - tanh * tanh)).ln())
                .sum();
            let expected = log_density(&u, [0.5, -0.25], [1.0, (-1.0_f64).exp()]) - slope;
            assert!((log_prob - expected).abs() < 1e-4, "{log_prob}, not {expected}");
            seen += 1;
        }
        assert!(log_prob.is_finite());
    }
    assert!(seen > DRAWS / 2);
}

#[test]
fn a_file_without_deviations_still_acts() {
    let scale = vec![FREE];
    let kind = Kind::Numbers { tanh: false, scale, deviations: Deviations::Fixed(vec![0.0]) };
    let mut bytes = file_of(&constant(&[1.0], kind, 1, None), &[], false);
    let word = |at: usize| u32::from_le_bytes(bytes[4 * at..][..4].try_into().unwrap()) as usize;
    let parts = word(header::PARTS);
    // As files were before they had deviations.
    bytes[parts + 4 * part::START..][..8].fill(0);
    let sum = checksum(&bytes);
    bytes[4 * header::CHECKSUM..][..4].copy_from_slice(&sum.to_le_bytes());
    let (mut memory, mut arena, mut action) = (vec![], [0.0; 8], [9.0]);
    let mut policy = Micro::new(aligned(&bytes, &mut memory), &mut arena).unwrap();
    let x = [Elements::F32(&[0.5])];
    assert_eq!((policy.act(&x, &mut action), action), (Ok(()), [6.0]));
    assert_eq!(policy.sample(&x, &mut action, &mut words(1)), Err(ActError::Deviations));
}

#[test]
fn a_mask_without_a_legal_option_is_an_error() {
    let parts = constant(&[1.0, 2.0], Kind::Choice, 2, Some(2));
    let bytes = file_of(&parts, &[], false);
    let (mut memory, mut arena) = (vec![], [0.0; 8]);
    let mut policy = Micro::new(aligned(&bytes, &mut memory), &mut arena).unwrap();
    let observation = [Elements::F32(&[0.5]), Elements::U8(&[0, 0])];
    assert_eq!(policy.sample(&observation, &mut [0.0], &mut words(1)), Err(ActError::Mask));
}
