//! Every distribution against PyTorch's numbers. `golden/record.py` made them; the file has its version.

use phalanx_agents::{Actions, Distribution, Gradient, Head, NetworkSettings, Taken, Weights};
use phalanx_envs::{ActionScale, ActionScaling, Space};
use serde::Deserialize;

/// Sums of up to a dozen f32 terms against 64 bits.
const TOLERANCE: f64 = 1e-5;

#[derive(Deserialize)]
struct Golden {
    torch: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    space: Space,
    action_scaling: ActionScaling,
    network: NetworkSettings,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    outputs: Vec<f32>,
    log_std: Vec<f32>,
    mask: Option<Vec<u8>>,
    old_outputs: Vec<f32>,
    old_log_std: Vec<f32>,
    choices: Vec<i64>,
    numbers: Vec<f32>,
    mode_choices: Vec<i64>,
    mode_numbers: Vec<f32>,
    log_prob: f64,
    entropy: f64,
    kl: f64,
    d_log_prob: Vec<f64>,
    d_entropy: Vec<f64>,
    d_kl: Vec<f64>,
}

#[test]
fn distributions_agree_with_pytorch() {
    let golden: Golden =
        serde_json::from_str(include_str!("golden/distributions.json")).expect("a recording");
    assert!(golden.torch.starts_with("2.11"), "{}", golden.torch);
    for Case { space, action_scaling, network, rows } in golden.cases {
        let scale = ActionScale::new(&space, action_scaling).expect("finite bounds");
        let head = Head::new(&space, &network).expect("a space that has a distribution").scaled(&scale);
        for (i, row) in rows.iter().enumerate() {
            compare(&head, row, &format!("row {i} of {space}, {action_scaling:?}, {network:?}"));
        }
    }
}

fn compare(head: &Head, row: &Row, name: &str) {
    let mask = row.mask.as_deref();
    let distribution = Distribution { outputs: &row.outputs, log_std: &row.log_std, mask };
    let old = Some(Distribution { outputs: &row.old_outputs, log_std: &row.old_log_std, mask });
    let taken = Taken { choices: &row.choices, numbers: &row.numbers };
    let terms = head.evaluate(distribution, taken, old);
    near(&[terms.log_prob, terms.entropy, terms.kl], &[row.log_prob, row.entropy, row.kl], name);

    for (what, [log_prob, entropy, kl], expected) in [
        ("log probability", [1.0, 0.0, 0.0], &row.d_log_prob),
        ("entropy", [0.0, 1.0, 0.0], &row.d_entropy),
        ("KL divergence", [0.0, 0.0, 1.0], &row.d_kl),
    ] {
        let mut d = [vec![9.0; row.outputs.len()], vec![0.0; row.log_std.len()]];
        let [outputs, log_std] = &mut d;
        let (gradient, entropy) = (Gradient { outputs, log_std }, vec![entropy; head.parts().len()]);
        head.differentiate(distribution, taken, old, &entropy, |_| Weights { log_prob, kl }, gradient);
        near(&d.concat(), expected, &format!("gradient of the {what}, {name}"));
    }

    let (mut choices, mut numbers) = (vec![9; row.choices.len()], vec![9.0; row.numbers.len()]);
    let actions = Actions { choices: &mut choices, numbers: &mut numbers, log_prob: &mut [0.0] };
    head.act(distribution, None, actions);
    assert_eq!((&choices, &numbers), (&row.mode_choices, &row.mode_numbers), "mode, {name}");
}

fn near(found: &[f32], expected: &[f64], name: &str) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs() / expected.abs().max(1.0);
        assert!(error <= TOLERANCE, "number {i} of {name}: {found} and {expected}");
    }
}
