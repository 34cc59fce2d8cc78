//! Episodes, rewards and calls.

use std::process::Command;

use phalanx_envs::{Action, BatchEnv, EnvSpec, Episode, LocalBatch, Registry, Space};
use serde_json::{Value, json};

use super::{fixture, make, python, reset, shown, spec};

#[test]
fn episodes_are_gymnasiums_own_bit_for_bit() {
    let choices: Vec<i64> = (0..500).map(|i| (i * 7 / 3) % 2).collect();
    let numbers: Vec<f32> = (0..200).map(|i| (i as f32 * 0.37).sin() * 2.0).collect();
    let numbers: Vec<[f32; 1]> = numbers.into_iter().map(|x| [x]).collect();
    for (name, actions) in
        [("CartPole-v1", json!(choices)), ("FrozenLake-v1", json!(choices)), ("Pendulum-v1", json!(numbers))]
    {
        let seeds = json!([3, 0, i32::MAX]);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/reference.py");
        let mut command = Command::new(python());
        let output =
            command.args([script, name]).args([seeds.to_string(), actions.to_string()]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let expected: Vec<(Vec<f32>, f32, u8)> = serde_json::from_slice(&output.stdout).unwrap();

        let mut env = make(name, &json!({ "flatten": true })).unwrap();
        let mut found = Vec::new();
        for seed in seeds.as_array().unwrap() {
            found.push((reset(&mut *env, seed.as_u64()), 0.0, 0));
            for i in 0..actions.as_array().unwrap().len() {
                let action = match env.action_space() {
                    Space::Discrete { .. } => Action::Discrete(choices[i] as usize),
                    _ => Action::Box(&numbers[i]),
                };
                let (row, step) = shown(&mut *env, |env, row| env.step(action, row));
                let step = step.unwrap();
                found.push((row, step.reward, step.episode as u8));
                if step.episode.is_over() {
                    break;
                }
            }
        }
        assert!(found == expected, "{name} differs");
        assert!(found.iter().any(|(_, _, episode)| *episode > 0), "{name}: an episode ends");
    }
}

#[test]
fn an_end_of_the_task_counts_more_than_a_time_limit() {
    let mut batch = LocalBatch::new(
        &Registry::standard(),
        &spec("tests.python.fixtures:Walk-v0", &json!({ "max_episode_steps": 20 })),
        2,
        100,
        7,
    )
    .unwrap();
    batch.reset(None).unwrap();
    let mut ends = [0; 3];
    for t in 0..100 {
        // Row 0 stays where it is, row 1 walks away.
        batch.block_mut().choices_mut(t, 0..2).copy_from_slice(&[1, 2]);
        batch.step(t).unwrap();
        for row in 0..2 {
            let episode = batch.block().episode(t, row);
            ends[episode as usize] += 1;
            if episode.is_over() {
                let last = batch.block().final_observation_row(t, row).f64().to_vec();
                assert_eq!(last[0].abs() > 4.0, episode == Episode::Terminated, "{last:?}");
                assert_eq!(last[1] == 20.0, episode == Episode::Truncated, "{last:?}");
                assert_eq!(batch.block().observation_row(t + 1, row).f64()[1], 0.0, "begun anew");
            }
        }
    }
    assert!(ends[1] > 0 && ends[2] > 0, "{ends:?}");
}

/// Pendulum ends by its time limit of 200 steps alone.
#[test]
fn a_time_limit_takes_the_place_of_gymnasiums_own() {
    for (limit, length) in [(None, 200), (Some(50), 50), (Some(300), 300), (Some(0), 400)] {
        let spec = EnvSpec { time_limit: limit, ..spec("Pendulum-v1", &json!({})) };
        let mut env = Registry::standard().build(&spec).unwrap();
        reset(&mut *env, Some(1));
        let mut step = || shown(&mut *env, |env, row| env.step(Action::Box(&[0.0]), row)).1.unwrap().episode;
        let steps = (1..400).find(|_| step().is_over()).unwrap_or(400);
        assert_eq!(steps, length, "{limit:?}");
    }
    let params = json!({ "max_episode_steps": 100 });
    let both = EnvSpec { time_limit: Some(50), ..spec("Pendulum-v1", &params) };
    let error = Registry::standard().build(&both).err().unwrap().to_string();
    assert!(error.ends_with("are one and the same: leave one of them out"), "{error}");
}

#[test]
fn a_vector_reward_is_weighted() {
    let params = |reward: Value, weights: Option<Value>| {
        let mut params = json!({ "reward": reward, "disable_env_checker": true });
        if let Some(weights) = weights {
            params["reward_weights"] = weights;
        }
        params
    };
    let step = |params: Value| {
        let mut env = fixture("Kinds-v0", &params);
        reset(&mut *env, Some(1));
        shown(&mut *env, |env, row| env.step(Action::Discrete(0), row))
            .1
            .map(|step| step.reward)
            .map_err(|e| e.to_string())
    };
    // 1 · 3 − 0.5 · 4 = 1.
    assert_eq!(step(params(json!([3.0, 4.0]), Some(json!([1, -0.5])))), Ok(1.0));
    let error = step(params(json!([3.0, 4.0]), None)).unwrap_err();
    assert!(error.contains("where a number is needed; the parameter `reward_weights`"), "{error}");
    let error = step(params(json!([3.0, 4.0]), Some(json!([1])))).unwrap_err();
    assert!(error.contains("`reward_weights` has 1 numbers for the reward ndarray of shape (2,)"), "{error}");
}

#[test]
fn methods_and_attributes_are_called_by_name() {
    let mut env = fixture("Walk-v0", &json!({}));
    let start = reset(&mut *env, Some(5))[0];
    assert_eq!(env.call("info", &Value::Null).unwrap(), json!({ "seed": 5, "half ?": 0.5 }));
    assert_eq!(env.call("steps", &Value::Null).unwrap(), json!(0));
    assert_eq!(env.lives().unwrap(), None);
    let moved = env.call("shift", &json!({ "by": 2.0, "scale": 0.5 })).unwrap().as_f64().unwrap();
    assert!((moved as f32 - (start + 1.0)).abs() < 1e-6);
    env.call("shift", &json!([-1.0])).unwrap();
    let position = shown(&mut *env, |env, row| env.step(Action::Discrete(1), row).unwrap()).0[0];
    let info = env.call("info", &Value::Null).unwrap();
    assert_eq!(info["pair"][0].as_f64().unwrap() as f32, position);
    assert_eq!(info.get("picture"), None, "120 numbers are too many");
    // Text is left out, and what is not finite is null.
    assert_eq!((&info["steps"], &info["pair"][1], info.get("name")), (&json!(1), &Value::Null, None));
    assert!(info["near"].is_boolean());
    let error = env.call("wings", &Value::Null).unwrap_err();
    assert_eq!(error.to_string(), "no method or attribute \"wings\"");
    let error = env.call("shift", &Value::Null).unwrap_err().to_string();
    assert!(error.contains("missing 1 required positional argument"), "{error}");
    assert_eq!(env.call("steps", &Value::Null).unwrap(), json!(1), "the interpreter goes on");
}
