use rand::RngExt;

use super::*;
use crate::stream;

fn head(space: &Space) -> Head {
    Head::new(space, &NetworkSettings::default()).expect("a space that has a distribution")
}

fn choices(options: &[usize]) -> Head {
    head(&Space::MultiDiscrete { n: options.to_vec() })
}

fn numbers(len: usize) -> Head {
    head(&Space::unbounded(len))
}

/// A choice of two, three bits, two numbers and another two choices.
fn product() -> Head {
    let fields = [
        ("move", Space::Discrete { n: 2 }),
        ("buttons", Space::MultiBinary { n: 3 }),
        ("aim", Space::unbounded(2)),
        ("items", Space::MultiDiscrete { n: vec![3, 2] }),
    ];
    head(&Space::Dict(fields.map(|(path, space)| (path.to_owned(), space)).into()))
}

fn unmasked<'a>(outputs: &'a [f32], log_std: &'a [f32]) -> Distribution<'a> {
    Distribution { outputs, log_std, mask: None }
}

/// Choices, numbers and log probabilities of `rows` rows of `distribution`, drawn or the most probable.
fn act(head: &Head, distribution: Distribution<'_>, drawn: bool) -> (Vec<i64>, Vec<f32>, Vec<f32>) {
    let rows = distribution.outputs.len() / head.outputs();
    let mut noise = Vec::new();
    head.add_noise(rows, &mut stream(1, "action"), &mut noise);
    let mut choices = vec![9; rows * head.choices()];
    let (mut numbers, mut log_prob) = (vec![9.0; rows * head.numbers()], vec![9.0; rows]);
    let actions = Actions { choices: &mut choices, numbers: &mut numbers, log_prob: &mut log_prob };
    head.act(distribution, drawn.then_some(&noise), actions);
    (choices, numbers, log_prob)
}

#[test]
fn sampled_choices_follow_their_probabilities_and_report_them() {
    // Softmax of ln 1, ln 2, ln 5 is 1/8, 2/8, 5/8; the second choice is 1/4 : 3/4.
    let row = [0.0f32, 2.0f32.ln(), 5.0f32.ln(), 0.0, 3.0f32.ln()];
    let n = 40_000;
    let (drawn, _, log_prob) = act(&choices(&[3, 2]), unmasked(&row.repeat(n), &[]), true);
    let share = |i: usize, a: i64| drawn.chunks(2).filter(|c| c[i] == a).count() as f64 / n as f64;
    // Five standard deviations of a binomial share over 40 000 draws are at most 0.0125.
    for (i, a, p) in [(0, 0, 0.125), (0, 1, 0.25), (0, 2, 0.625), (1, 1, 0.75)] {
        assert!((share(i, a) - p).abs() < 0.0125, "choice {i} = {a}: {}", share(i, a));
    }
    let probability = [[0.125f32, 0.25, 0.625].as_slice(), &[0.25, 0.75]];
    for (action, log_prob) in drawn.chunks(2).zip(log_prob) {
        let p = probability[0][action[0] as usize] * probability[1][action[1] as usize];
        assert!((log_prob - p.ln()).abs() < 1e-5);
    }
}

#[test]
fn sampled_bits_follow_their_probabilities_and_report_them() {
    // σ(ln 3) is ¾, σ(−ln 4) is ⅕.
    let head = head(&Space::MultiBinary { n: 2 });
    let n = 40_000;
    let (drawn, _, log_prob) = act(&head, unmasked(&[3.0f32.ln(), -4.0f32.ln()].repeat(n), &[]), true);
    for (i, p) in [(0, 0.75), (1, 0.2)] {
        let share = drawn.chunks(2).filter(|bits| bits[i] == 1).count() as f64 / n as f64;
        assert!((share - p).abs() < 0.0125, "bit {i}: {share}");
    }
    for (bits, log_prob) in drawn.chunks(2).zip(log_prob) {
        let p = [[0.25f32, 0.75][bits[0] as usize], [0.8, 0.2][bits[1] as usize]];
        assert!((log_prob - (p[0] * p[1]).ln()).abs() < 1e-5);
    }
}

#[test]
fn the_greedy_action_is_the_most_probable() {
    let (drawn, ..) = act(&choices(&[3]), unmasked(&[0.0, 2.0, 1.0, 5.0, -1.0, 0.0], &[]), false);
    assert_eq!(drawn, [1, 0]);
    let outputs = [0.0, 1.0, 0.5, -0.5, 2.0, 3.0, -4.0, 1.0, 2.0, 0.0, 1.0, 0.0];
    let (choices, numbers, _) = act(&product(), unmasked(&outputs, &[0.0; 2]), false);
    assert_eq!((choices, numbers), (vec![1, 1, 0, 1, 1, 0], vec![3.0, -4.0]));
}

#[test]
fn drawn_numbers_have_their_mean_and_deviation() {
    let n = 40_000;
    let (_, drawn, _) = act(&numbers(1), unmasked(&vec![3.0; n], &[0.5f32.ln()]), true);
    let mean = drawn.iter().sum::<f32>() / n as f32;
    let variance = drawn.iter().map(|a| (a - mean).powi(2)).sum::<f32>() / n as f32;
    // Five standard deviations: 5·0.5/200 for the mean, 5·0.25·√2/200 for the variance.
    assert!((mean - 3.0).abs() < 0.0125 && (variance - 0.25).abs() < 0.009, "{mean} {variance}");
}

#[test]
fn gaussian_terms_by_hand() {
    let taken = Taken { choices: &[], numbers: &[3.0] };
    let old = unmasked(&[0.0], &[0.0]);
    let terms = numbers(1).evaluate(unmasked(&[1.0], &[2.0f32.ln()]), taken, Some(old));
    // N(1, 2²) at 3: −½·1 − ln 2 − ½ ln 2π = −0.5 − 0.693147 − 0.918939; entropy ½ ln(2πe·4);
    // KL(N(0,1) ‖ N(1,4)) = ln 2 + (1 + 1)/8 − ½ = 0.443147.
    assert!((terms.log_prob + 2.112_085_7).abs() < 1e-6);
    assert!((terms.entropy - 2.112_085_7).abs() < 1e-6);
    assert!((terms.kl - 0.443_147_2).abs() < 1e-6);
}

#[test]
fn categorical_terms_by_hand() {
    let taken = Taken { choices: &[1], numbers: &[] };
    let old = unmasked(&[0.0, 0.0], &[]);
    let terms = choices(&[2]).evaluate(unmasked(&[0.0, 3.0f32.ln()], &[]), taken, Some(old));
    // ln ¾; H(¼, ¾) = 0.562335; KL(½, ½ ‖ ¼, ¾) = ½ ln 2 + ½ ln ⅔ = 0.143841.
    assert!((terms.log_prob + 0.287_682).abs() < 1e-6);
    assert!((terms.entropy - 0.562_335_1).abs() < 1e-6);
    assert!((terms.kl - 0.143_841).abs() < 1e-6);
}

#[test]
fn drawn_actions_report_the_log_probability_that_evaluation_finds() {
    let (head, log_std) = (product(), [0.3f32, -1.2]);
    let outputs: Vec<f32> = (0..2 * head.outputs()).map(|i| (i as f32).sin()).collect();
    let (choices, numbers, log_prob) = act(&head, unmasked(&outputs, &log_std), true);
    for (i, outputs) in outputs.chunks(head.outputs()).enumerate() {
        let taken = Taken { choices: &choices[6 * i..][..6], numbers: &numbers[2 * i..][..2] };
        let terms = head.evaluate(unmasked(outputs, &log_std), taken, None);
        assert!((terms.log_prob - log_prob[i]).abs() < 1e-5);
    }
}

/// Gradients against differences of [`Head::evaluate`], whose terms are checked by hand above.
fn assert_gradient(head: &Head, given: Distribution<'_>, taken: Taken<'_>) {
    let older: Vec<f32> = given.outputs.iter().map(|o| 0.5 - 0.7 * o).collect();
    let older_std: Vec<f32> = given.log_std.iter().map(|s| s + 0.2).collect();
    let old = Some(Distribution { outputs: &older, log_std: &older_std, ..given });
    let (weights, entropy) = (Weights { log_prob: 0.7, kl: 1.9 }, -0.3);
    let total = |outputs: &[f32], log_std: &[f32]| {
        let t = head.evaluate(Distribution { outputs, log_std, ..given }, taken, old);
        weights.log_prob * t.log_prob + entropy * t.entropy + weights.kl * t.kl
    };
    let (mut d_outputs, mut d_log_std) = (vec![9.0; given.outputs.len()], vec![0.0; given.log_std.len()]);
    let gradient = Gradient { outputs: &mut d_outputs, log_std: &mut d_log_std };
    head.differentiate(given, taken, old, &vec![entropy; head.parts().len()], |_| weights, gradient);
    let step = 0.01;
    let slope = |x: &[f32], i: usize, total: &dyn Fn(&[f32]) -> f32| {
        let nudged = |by: f32| {
            let mut x = x.to_vec();
            x[i] += by;
            total(&x)
        };
        (nudged(step) - nudged(-step)) / (2.0 * step)
    };
    for (i, d) in d_outputs.iter().enumerate() {
        let slope = slope(given.outputs, i, &|outputs| total(outputs, given.log_std));
        assert!((slope - d).abs() < 2e-3 * d.abs().max(1.0), "output {i}: {slope} and {d}");
    }
    for (i, d) in d_log_std.iter().enumerate() {
        let slope = slope(given.log_std, i, &|log_std| total(given.outputs, log_std));
        assert!((slope - d).abs() < 2e-3 * d.abs().max(1.0), "deviation {i}: {slope} and {d}");
    }
}

#[test]
fn gradients_are_the_slopes_of_the_terms() {
    let outputs = [0.3, -0.8, 1.1, 0.4, -0.2, 0.9, -1.3, 0.7, 0.0, 0.6, -0.4, 1.2];
    let taken = Taken { choices: &[2, 0], numbers: &[] };
    assert_gradient(&choices(&[3, 2]), unmasked(&outputs[..5], &[]), taken);
    let taken = Taken { choices: &[], numbers: &[0.9, -1.5] };
    assert_gradient(&numbers(2), unmasked(&outputs[..2], &[0.3, -0.4]), taken);
    let taken = Taken { choices: &[1, 0, 1, 1, 2, 0], numbers: &[0.9, -1.5] };
    assert_gradient(&product(), unmasked(&outputs, &[0.3, -0.4]), taken);
}

#[test]
fn a_masked_choice_is_one_among_the_legal_options() {
    // Options 1 and 3 of four; the numbers of the others must not matter.
    let taken = |choice| Taken { choices: choice, numbers: &[] };
    let mask = Some([0, 1, 0, 1].as_slice());
    let (some, few) = (choices(&[4]), choices(&[2]));
    let few_old = Some(unmasked(&[0.2, -0.4], &[]));
    let expected = few.evaluate(unmasked(&[1.0, -0.5], &[]), taken(&[1]), few_old);
    for other in [-3.0, 0.0, 1e30] {
        let given = Distribution { outputs: &[other, 1.0, other, -0.5], log_std: &[], mask };
        let old = Distribution { outputs: &[other, 0.2, other, -0.4], ..given };
        assert_eq!(some.evaluate(given, taken(&[3]), Some(old)), expected);
        let mut d = [9.0; 4];
        let gradient = Gradient { outputs: &mut d, log_std: &mut [] };
        let weights = Weights { log_prob: 0.7, kl: 1.9 };
        some.differentiate(given, taken(&[3]), Some(old), &[-0.3], |_| weights, gradient);
        assert!(d[0] == 0.0 && d[2] == 0.0 && d[1] != 0.0 && (d[1] + d[3]).abs() < 1e-6, "{d:?}");
    }
    // With one legal option nothing is random.
    let given = Distribution { outputs: &[5.0, 1.0, 2.0, -0.5], log_std: &[], mask: Some(&[0, 0, 0, 1]) };
    assert_eq!(some.evaluate(given, taken(&[3]), Some(given)), Terms::default());
    assert_eq!(act(&some, given, false).0, [3]);
}

#[test]
fn an_illegal_option_is_never_taken() {
    let head = product();
    let (row, rows) = (head.outputs(), 1000);
    let mut generator = stream(7, "mask");
    let (mut outputs, mut mask, mut noise) = (Vec::new(), Vec::new(), Vec::new());
    let mut numbers = vec![0.0; rows * head.numbers()];
    let (mut choices, mut log_prob) = (vec![0; rows * head.choices()], vec![0.0; rows]);
    // Six choices a row: 1 002 000 of them, some the most probable.
    for round in 0..167 {
        outputs.clear();
        // Also policies that have made up their mind, or are broken.
        let scale = [1.0, 30.0, 1e20, f32::NAN][round % 4];
        outputs.extend((0..rows * row).map(|_| scale * (generator.random::<f32>() - 0.5)));
        mask.clear();
        for _ in 0..rows {
            for options in [2, 2, 2, 2, 3, 2] {
                let legal = generator.random_range(0..options);
                mask.extend((0..options).map(|i| u8::from(i == legal || generator.random())));
            }
        }
        noise.clear();
        head.add_noise(rows, &mut generator, &mut noise);
        let given = Distribution { outputs: &outputs, log_std: &[0.0; 2], mask: Some(&mask) };
        let actions = Actions { choices: &mut choices, numbers: &mut numbers, log_prob: &mut log_prob };
        head.act(given, (round % 8 != 0).then_some(&noise), actions);
        for (choices, mask) in choices.chunks(6).zip(mask.chunks(13)) {
            assert_eq!(head.without_option(mask), None);
            for (choice, first) in choices.iter().zip([0, 2, 4, 6, 8, 11]) {
                assert_eq!(mask[first + *choice as usize], 1, "{choices:?} of {mask:?}");
            }
        }
    }
}

#[test]
fn a_mask_without_a_legal_option_names_its_field() {
    let (head, mut mask) = (product(), [1; 13]);
    mask[4..6].fill(0);
    assert_eq!(head.without_option(&mask).map(Part::path), Some("buttons"));
    mask[4] = 1;
    mask[8..11].fill(0);
    assert_eq!(head.without_option(&mask).map(Part::path), Some("items"));
}

#[test]
fn deviations_are_parameters_or_outputs_within_bounds() {
    let settings =
        NetworkSettings { std: Deviation::Output, min_std: 0.5, max_std: 2.0, ..NetworkSettings::default() };
    let head = Head::new(&Space::unbounded(2), &settings).expect("numbers");
    assert_eq!((head.outputs(), head.log_std()), (4, 0));
    assert_eq!(head.initial_outputs(0.5), [0.0, 0.0, 0.5f32.ln(), 0.5f32.ln()]);
    let deviations: Vec<f32> = head.deviations(unmasked(&[1.0, 2.0, -9.0, 0.0], &[])).collect();
    assert!((deviations[0] - 0.5).abs() < 1e-6 && deviations[1] == 1.0, "{deviations:?}");
}
