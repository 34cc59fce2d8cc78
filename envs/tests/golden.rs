//! The native environments against Gymnasium's recorded trajectories.
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
    let folder = std::env::var_os("PHALANX_GOLDEN")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden"), PathBuf::from);
    let recordings = recordings(&folder);
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
            follow(&mut *env, episode, &format!("{}, episode {number}", path.display()));
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

fn follow(env: &mut dyn Env, recorded: &RecordedEpisode, place: &str) {
    let steps = recorded.actions.len();
    assert!(steps > 0, "{place} holds no step");
    assert_eq!(
        [recorded.observations.len(), recorded.rewards.len(), recorded.terminated.len()],
        [steps; 3],
        "{place}: lists of different lengths"
    );
    let mut observation = vec![0.0; env.observation_space().len()];
    env.reset(Some(0), Row::F32(&mut observation)).expect("a reset");
    env.call("set_state", &json!(recorded.initial_state)).expect("a state that fits");
    for t in 0..steps {
        let numbers: Vec<f32>;
        let action = if let Space::Discrete { .. } = env.action_space() {
            Action::Discrete(recorded.actions[t].as_u64().expect("a choice") as usize)
        } else {
            numbers = serde_json::from_value(recorded.actions[t].clone()).expect("numbers");
            Action::Box(&numbers)
        };
        let step = env.step(action, Row::F32(&mut observation)).expect("a step");
        for (i, (&ours, theirs)) in observation.iter().zip(&recorded.observations[t]).enumerate() {
            let error = (f64::from(ours) - theirs).abs();
            assert!(error <= TOLERANCE, "{place}, step {t}, observation {i}: {ours} is not {theirs}");
        }
        let error = (f64::from(step.reward) - recorded.rewards[t]).abs();
        assert!(
            error <= TOLERANCE * recorded.rewards[t].abs().max(1.0),
            "{place}, step {t}: reward {} is not {}",
            step.reward,
            recorded.rewards[t]
        );
        assert_eq!(
            step.episode == Episode::Terminated,
            recorded.terminated[t],
            "{place}, step {t}: terminated"
        );
    }
}
