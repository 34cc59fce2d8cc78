#![allow(clippy::needless_range_loop)]

use super::*;
use crate::stream;

const PAIR: [usize; 2] = [3, 2];

fn noise(head: &Head, rows: usize) -> Vec<f32> {
    let mut noise = Vec::new();
    head.add_noise(rows, &mut stream(1, "action"), &mut noise);
    noise
}

#[test]
fn sampled_choices_follow_their_probabilities_and_report_them() {
    // Softmax of ln 1, ln 2, ln 5 is 1/8, 2/8, 5/8; the second choice is 1/4 : 3/4.
    let row = [0.0f32, 2.0f32.ln(), 5.0f32.ln(), 0.0, 3.0f32.ln()];
    let n = 40_000;
    let (mut actions, mut log_prob) = (vec![0; 2 * n], vec![0.0; n]);
    let noise = noise(&Head::Categorical { options: PAIR.to_vec() }, n);
    Head::choose(&PAIR, &row.repeat(n), Some(&noise), &mut actions, &mut log_prob);
    let share = |i: usize, a: i64| actions.chunks(2).filter(|c| c[i] == a).count() as f64 / n as f64;
    // Five standard deviations of a binomial share over 40 000 draws are at most 0.0125.
    for (i, a, p) in [(0, 0, 0.125), (0, 1, 0.25), (0, 2, 0.625), (1, 1, 0.75)] {
        assert!((share(i, a) - p).abs() < 0.0125, "choice {i} = {a}: {}", share(i, a));
    }
    let probability = [[0.125f32, 0.25, 0.625].as_slice(), &[0.25, 0.75]];
    for (action, log_prob) in actions.chunks(2).zip(log_prob) {
        let p = probability[0][action[0] as usize] * probability[1][action[1] as usize];
        assert!((log_prob - p.ln()).abs() < 1e-5);
    }
}

#[test]
fn the_greedy_choice_is_the_most_probable() {
    let (mut actions, mut log_prob) = ([0i64; 2], [0.0f32; 2]);
    Head::choose(&[3], &[0.0, 2.0, 1.0, 5.0, -1.0, 0.0], None, &mut actions, &mut log_prob);
    assert_eq!(actions, [1, 0]);
}

#[test]
fn drawn_numbers_have_their_mean_and_deviation() {
    let n = 40_000;
    let (mut actions, mut log_prob) = (vec![0.0f32; n], vec![0.0f32; n]);
    let noise = noise(&Head::Gaussian { len: 1 }, n);
    Head::draw(&[0.5f32.ln()], &vec![3.0; n], Some(&noise), &mut actions, &mut log_prob);
    let mean = actions.iter().sum::<f32>() / n as f32;
    let variance = actions.iter().map(|a| (a - mean).powi(2)).sum::<f32>() / n as f32;
    // Five standard deviations: 5·0.5/200 for the mean, 5·0.25·√2/200 for the variance.
    assert!((mean - 3.0).abs() < 0.0125 && (variance - 0.25).abs() < 0.009, "{mean} {variance}");
}

#[test]
fn gaussian_terms_by_hand() {
    let head = Head::Gaussian { len: 1 };
    let old = Some(([0.0f32].as_slice(), [0.0f32].as_slice()));
    let terms = head.evaluate(&[1.0], &[2.0f32.ln()], Action::Box(&[3.0]), old);
    // N(1, 2²) at 3: −½·1 − ln 2 − ½ ln 2π = −0.5 − 0.693147 − 0.918939; entropy ½ ln(2πe·4);
    // KL(N(0,1) ‖ N(1,4)) = ln 2 + (1 + 1)/8 − ½ = 0.443147.
    assert!((terms.log_prob + 2.112_085_7).abs() < 1e-6);
    assert!((terms.entropy - 2.112_085_7).abs() < 1e-6);
    assert!((terms.kl - 0.443_147_2).abs() < 1e-6);
}

#[test]
fn categorical_terms_by_hand() {
    let head = Head::Categorical { options: vec![2] };
    let old = Some(([0.0f32, 0.0].as_slice(), [].as_slice()));
    let terms = head.evaluate(&[0.0, 3.0f32.ln()], &[], Action::MultiDiscrete(&[1]), old);
    // ln ¾; H(¼, ¾) = 0.562335; KL(½, ½ ‖ ¼, ¾) = ½ ln 2 + ½ ln ⅔ = 0.143841.
    assert!((terms.log_prob + 0.287_682).abs() < 1e-6);
    assert!((terms.entropy - 0.562_335_1).abs() < 1e-6);
    assert!((terms.kl - 0.143_841).abs() < 1e-6);
}

#[test]
fn drawn_actions_report_the_density_that_evaluation_finds() {
    let (log_std, means) = ([0.3f32, -1.2], [0.5f32, -2.0, 1.5, 0.0]);
    let (mut actions, mut log_prob) = ([0.0f32; 4], [0.0f32; 2]);
    let head = Head::Gaussian { len: 2 };
    Head::draw(&log_std, &means, Some(&noise(&head, 2)), &mut actions, &mut log_prob);
    for i in 0..2 {
        let row = 2 * i..2 * i + 2;
        let terms = head.evaluate(&means[row.clone()], &log_std, Action::Box(&actions[row]), None);
        assert!((terms.log_prob - log_prob[i]).abs() < 1e-5);
    }
}

/// Gradients against differences of [`Head::evaluate`], whose terms are checked by hand above.
fn assert_gradient(head: &Head, outputs: &[f32], log_std: &[f32], action: Action<'_>) {
    let older: Vec<f32> = outputs.iter().map(|o| 0.5 - 0.7 * o).collect();
    let older_std: Vec<f32> = log_std.iter().map(|s| s + 0.2).collect();
    let old = Some((older.as_slice(), older_std.as_slice()));
    let weights = Terms { log_prob: 0.7, entropy: -0.3, kl: 1.9 };
    let total = |outputs: &[f32], log_std: &[f32]| {
        let t = head.evaluate(outputs, log_std, action, old);
        weights.log_prob * t.log_prob + weights.entropy * t.entropy + weights.kl * t.kl
    };
    let (mut d_outputs, mut d_log_std) = (vec![9.0; outputs.len()], vec![0.0; log_std.len()]);
    head.differentiate(outputs, log_std, action, old, |_| weights, &mut d_outputs, &mut d_log_std);
    let step = 0.01;
    let nudged = |x: &[f32], i: usize, by: f32| {
        let mut x = x.to_vec();
        x[i] += by;
        x
    };
    for i in 0..outputs.len() {
        let slope = (total(&nudged(outputs, i, step), log_std) - total(&nudged(outputs, i, -step), log_std))
            / (2.0 * step);
        assert!((slope - d_outputs[i]).abs() < 2e-3, "output {i}: {slope} and {}", d_outputs[i]);
    }
    for i in 0..log_std.len() {
        let slope = (total(outputs, &nudged(log_std, i, step)) - total(outputs, &nudged(log_std, i, -step)))
            / (2.0 * step);
        assert!((slope - d_log_std[i]).abs() < 2e-3, "deviation {i}: {slope} and {}", d_log_std[i]);
    }
}

#[test]
fn gradients_are_the_slopes_of_the_terms() {
    let outputs = [0.3, -0.8, 1.1, 0.4, -0.2];
    let head = Head::Categorical { options: PAIR.to_vec() };
    assert_gradient(&head, &outputs, &[], Action::MultiDiscrete(&[2, 0]));
    let head = Head::Gaussian { len: 2 };
    assert_gradient(&head, &outputs[..2], &[0.3, -0.4], Action::Box(&[0.9, -1.5]));
}
