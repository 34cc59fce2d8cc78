//! The native environments, and those of `MuJoCo`, against Gymnasium's recorded trajectories.
//!
//! `PHALANX_GOLDEN` names another folder of recordings; `golden/README.md` describes their form.

use std::fs;
use std::path::{Path, PathBuf};

use phalanx_envs::{Action, Env, EnvSpec, Episode, Registry, Row, Space};
use serde::Deserialize;
use serde_json::{Value, json};

/// Sines of two mathematics libraries may differ in their last bit, which a hundred steps amplify.
const TOLERANCE: f64 = 1e-6;

#[derive(Deserialize)]
struct Recording {
    env: String,
    episodes: Vec<RecordedEpisode>,
}

#[derive(Deserialize)]
struct RecordedEpisode {
    initial_state: Vec<f64>,
    actions: Vec<Value>,
    observations: Vec<Vec<f64>>,
    rewards: Vec<f64>,
    terminated: Vec<bool>,
}

#[test]
fn native_environments_follow_the_recordings() {
    follow_all(&folder(), TOLERANCE, as_shown);
}

/// The same simulator takes the same steps: 64-bit numbers agree to rounding, and the rows are these numbers rounded.
#[cfg(feature = "mujoco")]
#[test]
fn mujoco_environments_follow_the_recordings() {
    follow_all(&folder().join("mujoco"), 1e-9, as_held);
}

fn folder() -> PathBuf {
    std::env::var_os("PHALANX_GOLDEN")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden"), PathBuf::from)
}

fn follow_all(folder: &Path, tolerance: f64, exact: Exact) {
    let recordings = recordings(folder);
    assert!(!recordings.is_empty(), "{} holds no recording (*.json)", folder.display());
    for path in recordings {
        let text = fs::read_to_string(&path).expect("a readable recording");
        let recording: Recording =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        // The recordings are of unwrapped environments.
        let spec = EnvSpec { time_limit: Some(0), ..EnvSpec::named(&recording.env) };
        let mut env = Registry::standard().build(&spec).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert!(!recording.episodes.is_empty(), "{} holds no episode", path.display());
        for (number, episode) in recording.episodes.iter().enumerate() {
            let place = format!("{}, episode {number}", path.display());
            follow(&mut *env, episode, &place, tolerance, exact);
        }
    }
}

fn recordings(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    paths.sort();
    paths
}

/// Steps from the recorded start with the recorded actions.
fn follow(env: &mut dyn Env, recorded: &RecordedEpisode, place: &str, tolerance: f64, exact: Exact) {
    let steps = recorded.actions.len();
    assert!(steps > 0, "{place} holds no step");
    assert_eq!(
        [recorded.observations.len(), recorded.rewards.len(), recorded.terminated.len()],
        [steps; 3],
        "{place}: lists of different lengths"
    );
    let mut row = vec![0.0; env.observation_space().len()];
    env.reset(Some(0), Row::F32(&mut row)).expect("a reset");
    env.call("set_state", &json!(recorded.initial_state)).expect("a state that fits");
    for t in 0..steps {
        let numbers: Vec<f32>;
        let action = if let Space::Discrete { .. } = env.action_space() {
            Action::Discrete(recorded.actions[t].as_u64().expect("a choice") as usize)
        } else {
            numbers = serde_json::from_value(recorded.actions[t].clone()).expect("numbers");
            Action::Box(&numbers)
        };
        let step = env.step(action, Row::F32(&mut row)).expect("a step");
        let (observation, reward) = exact(env, &row, step.reward);
        assert_eq!(observation.len(), recorded.observations[t].len(), "{place}, step {t}");
        for (i, (ours, theirs)) in observation.iter().zip(&recorded.observations[t]).enumerate() {
            let error = (ours - theirs).abs();
            assert!(error <= tolerance, "{place}, step {t}, observation {i}: {ours} is not {theirs}");
        }
        let theirs = recorded.rewards[t];
        let error = (reward - theirs).abs();
        assert!(
            error <= tolerance * theirs.abs().max(1.0),
            "{place}, step {t}: reward {reward} is not {theirs}"
        );
        assert_eq!(
            step.episode == Episode::Terminated,
            recorded.terminated[t],
            "{place}, step {t}: terminated"
        );
    }
}

/// Observation and reward of the last step in 64 bits, from what the step showed.
type Exact = fn(&mut dyn Env, &[f32], f32) -> (Vec<f64>, f64);

/// Numbers as shown.
fn as_shown(_env: &mut dyn Env, row: &[f32], reward: f32) -> (Vec<f64>, f64) {
    (row.iter().copied().map(f64::from).collect(), f64::from(reward))
}

/// Numbers as the environment holds them; those shown are these, rounded.
#[cfg(feature = "mujoco")]
fn as_held(env: &mut dyn Env, row: &[f32], reward: f32) -> (Vec<f64>, f64) {
    let mut answer = |name| env.call(name, &Value::Null).expect("an answer");
    let observation: Vec<f64> = serde_json::from_value(answer("observation")).expect("numbers");
    let exact = answer("reward").as_f64().expect("a number");
    assert!(row.iter().eq(observation.iter().map(|&x| x as f32).collect::<Vec<_>>().iter()));
    assert_eq!(reward, exact as f32);
    (observation, exact)
}
