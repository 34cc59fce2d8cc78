//! The masked task of `cargo xtask peers` is the same in C and in Python.

use std::process::Command;

use phalanx_envs::{BatchEnv, Elements, EnvSpec, Episode, LocalBatch, Registry, contract};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What is seen is rounded to 32 bits, and each step in Python starts from what was seen in C.
const TOLERANCE: f32 = 1e-6;

/// A batch of one row and one step, of an environment that keeps the contract.
fn batch(name: &str, params: &Value) -> LocalBatch {
    let spec = EnvSpec { params: serde_json::from_value(params.clone()).unwrap(), ..EnvSpec::named(name) };
    let report = contract::check(&Registry::standard(), &spec);
    assert_eq!(report.findings, [], "{report}");
    let mut batch = LocalBatch::new(&Registry::standard(), &spec, 1, 1, 1).unwrap();
    batch.reset(None).unwrap();
    batch
}

/// State and mask.
fn fields(seen: Elements<'_>) -> (Vec<f32>, Vec<u8>) {
    (seen.field("observation").f32().to_vec(), seen.field("action_mask").u8().to_vec())
}

/// Takes a step; returns what is seen after it, the reward and how it left the episode.
fn step(batch: &mut LocalBatch, choice: i64) -> ((Vec<f32>, Vec<u8>), f32, Episode) {
    batch.block_mut().choices_mut(0, 0..1)[0] = choice;
    batch.step(0).unwrap();
    let episode = batch.block().episode(0, 0);
    let seen = if episode.is_over() {
        fields(batch.block().final_observation_row(0, 0))
    } else {
        fields(batch.block().observation_row(1, 0))
    };
    let reward = batch.block().reward(0, 0);
    batch.block_mut().carry_over(1);
    (seen, reward, episode)
}

#[test]
fn the_masked_task_is_the_same_in_c_and_in_python() {
    let folder = TempDir::new().unwrap();
    let library = folder.path().join("libmasked_cartpole.so");
    let mut compiler = Command::new("cc");
    compiler.args("-O2 -shared -fPIC -Wall -Wextra -Werror -I envs/include".split(' '));
    compiler.args(["scripts/peers/masked_cartpole.c", "-lm", "-o"]).arg(&library);
    assert!(compiler.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success());
    let mut in_c = batch(&format!("dylib:{}", library.display()), &json!({}));
    let params = json!({ "python": std::env::var("PHALANX_PYTHON").unwrap(), "flatten": false });
    // Tests run in the root of the checkout, and modules are found from there.
    let mut in_python = batch("gymnasium:scripts.peers.masked_cartpole:MaskedCartPole-v0", &params);
    assert_eq!(in_c.observation_space(), in_python.observation_space());
    assert_eq!(in_c.action_space(), in_python.action_space());

    let (mut fell, mut lasted, mut illegal) = (0, 0, 0);
    for t in 0..2_000 {
        let (state, mask) = fields(in_c.block().observation_row(0, 0));
        let [x, x_dot, theta, theta_dot] = state[..] else { panic!("{state:?}") };
        // Keeps the pole upright, without pushes at times. After a thousand steps, it drives the cart away.
        let aim = if t < 1_000 { 0.1 * x + 0.2 * x_dot } else { -0.05 };
        let lean = theta + 0.3 * theta_dot + aim;
        let wanted = if t % 10 == 0 { 1 } else { 2 * usize::from(lean > 0.0) };
        illegal += usize::from(mask[wanted] == 0);
        let choice = if mask[wanted] == 0 { 1 } else { wanted as i64 };
        in_python.call(0, "set_state", &json!([state])).unwrap();
        let ((ours, our_mask), our_reward, our_episode) = step(&mut in_c, choice);
        let ((theirs, their_mask), their_reward, their_episode) = step(&mut in_python, choice);
        let near = ours.iter().zip(&theirs).all(|(a, b)| (a - b).abs() <= TOLERANCE);
        assert!(near, "step {t}, choice {choice}: {ours:?} is not {theirs:?}");
        let rest = (our_mask, our_reward, our_episode);
        assert_eq!(rest, (their_mask, their_reward, their_episode), "step {t}");
        fell += usize::from(our_episode == Episode::Terminated);
        lasted += usize::from(our_episode == Episode::Truncated);
    }
    assert!(fell > 0 && lasted > 0 && illegal > 0, "{fell} fell, {lasted} lasted, {illegal} illegal");
}
