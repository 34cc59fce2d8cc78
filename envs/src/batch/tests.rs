//! Batches of environments whose numbers can be followed by hand.
#![allow(clippy::unwrap_used)]

mod remote;
mod replay;

use serde_json::{Value, json};

use super::*;
use crate::{
    Action, Env, EnvError, EnvSpec, Episode, Params, Registry, Row, Space, Step, WrapperSpec, episode_seed,
};

/// Shows `[seed of the episode, steps of it]`; ends after `1 + seed % 3` steps, at action 5 with an error and at action 6
/// with a panic.
struct Informer {
    spaces: (Space, Space),
    seed: u64,
    t: u64,
}

impl Env for Informer {
    fn observation_space(&self) -> &Space {
        &self.spaces.0
    }

    fn action_space(&self) -> &Space {
        &self.spaces.1
    }

    fn reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        (self.seed, self.t) = (seed.unwrap() % 1000, 0);
        observation.f32().copy_from_slice(&[self.seed as f32, 0.0]);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        if action.discrete() == 5 {
            return Err(EnvError::failed("a wheel came off"));
        }
        assert!(action.discrete() != 6, "a gear broke");
        self.t += 1;
        observation.f32().copy_from_slice(&[self.seed as f32, self.t as f32]);
        let episode = if self.t > self.seed % 3 { Episode::Terminated } else { Episode::Running };
        Ok(Step { reward: self.t as f32, episode })
    }

    fn call(&mut self, name: &str, arguments: &Value) -> Result<Value, EnvError> {
        match name {
            "twice" => Ok(json!(2 * arguments.as_i64().unwrap())),
            "info" => Ok(json!({ "steps": self.t, "long": self.t == 3 })),
            _ => Err(EnvError::NoMethod(name.to_owned())),
        }
    }
}

fn informers() -> Registry {
    Registry::new().with("informer", |_| {
        let spaces = (Space::unbounded(2), Space::Discrete { n: 7 });
        Ok(Box::new(Informer { spaces, seed: 0, t: 0 }))
    })
}

fn shown(block: &Block, t: usize, row: usize) -> Vec<f32> {
    block.observation_row(t, row).f32().to_vec()
}

fn final_shown(block: &Block, t: usize, row: usize) -> Vec<f32> {
    block.final_observation_row(t, row).f32().to_vec()
}

#[test]
fn infos_of_ended_episodes_are_averaged() {
    let mut batch = LocalBatch::new(&informers(), &EnvSpec::named("informer"), 3, 10, 42).unwrap();
    batch.reset(None).unwrap();
    (0..10).for_each(|t| batch.step(t).unwrap());
    // The reward of the last step is its number.
    let last = |t, row| batch.block().episode(t, row).is_over().then(|| batch.block().reward(t, row));
    let steps: Vec<f32> = (0..10).flat_map(|t| (0..3).filter_map(move |row| last(t, row))).collect();
    let mean = steps.iter().sum::<f32>() / steps.len() as f32;
    let long = steps.iter().filter(|&&steps| steps == 3.0).count() as f64 / steps.len() as f64;
    assert!(long > 0.0 && long < 1.0);
    let infos = batch.take_infos().unwrap();
    let [(first, mean_long), (second, found)] = infos.means().collect::<Vec<_>>()[..] else {
        panic!("{infos:?}")
    };
    assert_eq!((first, mean_long, second), ("long", long, "steps"));
    assert!((found - f64::from(mean)).abs() < 1e-6, "{found} {mean}");
    assert!(batch.take_infos().unwrap().is_empty());
}

#[test]
fn an_episode_that_ends_is_followed_by_the_next_in_the_same_step() {
    let (rows, steps, run_seed) = (5, 12, 42);
    let mut batch =
        LocalBatch::new(&informers(), &EnvSpec::named("informer"), rows, steps, run_seed).unwrap();
    batch.reset(None).unwrap();
    (0..steps).for_each(|t| batch.step(t).unwrap());
    let block = batch.block();
    for row in 0..rows {
        let (mut episode, mut at) = (0, 0_u64);
        for t in 0..steps {
            let seed = episode_seed(run_seed, row, episode) % 1000;
            assert_eq!(shown(block, t, row), [seed as f32, at as f32], "row {row}, time {t}");
            at += 1;
            assert_eq!(block.reward(t, row), at as f32);
            if at > seed % 3 {
                assert_eq!(block.episode(t, row), Episode::Terminated);
                assert_eq!(final_shown(block, t, row), [seed as f32, at as f32]);
                (episode, at) = (episode + 1, 0);
            } else {
                assert_eq!(block.episode(t, row), Episode::Running);
            }
        }
        assert!(episode > 2, "row {row} went through {episode} episodes");
    }
}

#[test]
fn resting_rows_are_left_alone() {
    let mut batch = LocalBatch::new(&informers(), &EnvSpec::named("informer"), 3, 2, 0).unwrap();
    batch.reset(None).unwrap();
    batch.block_mut().set_active(1, false);
    batch.step(0).unwrap();
    assert_eq!(shown(batch.block(), 1, 1), [0.0, 0.0]);
    assert_ne!(shown(batch.block(), 1, 0), [0.0, 0.0]);
    assert_ne!(shown(batch.block(), 1, 2), [0.0, 0.0]);
    let first = shown(batch.block(), 0, 0);
    batch.reset(Some(&[1])).unwrap();
    assert_eq!(shown(batch.block(), 0, 0), first);
    assert_eq!(shown(batch.block(), 0, 1), [(episode_seed(0, 1, 1) % 1000) as f32, 0.0]);
}

#[test]
fn an_error_or_panic_names_where_it_happened() {
    for (action, message) in [(5, "a wheel came off"), (6, "panicked: a gear broke")] {
        let mut batch = LocalBatch::new(&informers(), &EnvSpec::named("informer"), 3, 1, 9).unwrap();
        batch.reset(None).unwrap();
        batch.block_mut().choices_mut(0, 1..2)[0] = action;
        let error = batch.step(0).unwrap_err().to_string();
        let seed = episode_seed(9, 1, 0);
        assert_eq!(
            error,
            format!(
                "row 1: step failed at step 0 of episode 0 (seed {seed}), last action {action}: {message}"
            )
        );
    }
    let mut batch = LocalBatch::new(&informers(), &EnvSpec::named("informer"), 3, 1, 9).unwrap();
    batch.reset(None).unwrap();
    for wrong in [7, -1] {
        batch.block_mut().choices_mut(0, 2..3)[0] = wrong;
        let error = batch.step(0).unwrap_err().to_string();
        assert!(
            error.contains("row 2: action") && error.contains("outside the action space Discrete(7)"),
            "{error}"
        );
    }
    assert_eq!(batch.call(1, "twice", &json!(21)).unwrap(), json!(42));
    assert!(
        batch
            .call(1, "thrice", &json!(21))
            .unwrap_err()
            .to_string()
            .contains("no method or attribute \"thrice\"")
    );
    assert!(batch.render(2).unwrap_err().to_string().contains("row 2: render failed"));
    assert!(LocalBatch::new(&informers(), &EnvSpec::named("informer"), 0, 1, 0).is_err());
}

#[test]
fn time_limits_truncate_within_all_wrappers() {
    let spec = EnvSpec {
        time_limit: Some(5),
        wrappers: vec![WrapperSpec::ActionRepeat { times: 2, max_pool: false }],
        ..EnvSpec::named("Pendulum-v1")
    };
    let mut batch = LocalBatch::new(&Registry::standard(), &spec, 2, 6, 0).unwrap();
    batch.reset(None).unwrap();
    (0..6).for_each(|t| batch.step(t).unwrap());
    // Two, two and one of the five steps.
    let ends: Vec<_> = (0..6).map(|t| batch.block().episode(t, 1)).collect();
    let (running, cut) = (Episode::Running, Episode::Truncated);
    assert_eq!(ends, [running, running, cut, running, running, cut]);
    assert_ne!(final_shown(batch.block(), 2, 1), shown(batch.block(), 3, 1));
}

#[test]
fn the_time_limit_is_the_environments_own_unless_another_is_asked_for() {
    let length = |time_limit| {
        let spec = EnvSpec { time_limit, ..EnvSpec::named("MountainCar-v0") };
        let mut batch = LocalBatch::new(&Registry::standard(), &spec, 1, 300, 0).unwrap();
        batch.reset(None).unwrap();
        (0..300).for_each(|t| batch.step(t).unwrap());
        (0..300).find(|&t| batch.block().episode(t, 0) == Episode::Truncated).map(|t| t + 1)
    };
    assert_eq!(length(None), Some(200));
    assert_eq!(length(Some(250)), Some(250));
    assert_eq!(length(Some(0)), None);
}

#[test]
fn actions_are_put_within_their_bounds() {
    let mut clipped =
        LocalBatch::new(&Registry::standard(), &EnvSpec::named("Pendulum-v1"), 2, 1, 0).unwrap();
    clipped.reset(None).unwrap();
    clipped.block_mut().numbers_mut(0, 0..2).copy_from_slice(&[9.0, f32::NAN]);
    let error = clipped.step(0).unwrap_err().to_string();
    assert!(error.contains("row 1: action [NaN] lies outside"), "{error}");
    // Row 0 was stepped, with a torque of 2: what is given stays as it was.
    assert_eq!(clipped.block().action(0, 0), Action::Box(&[9.0]));
    let mut bound = LocalBatch::new(&Registry::standard(), &EnvSpec::named("Pendulum-v1"), 2, 1, 0).unwrap();
    bound.reset(None).unwrap();
    bound.block_mut().numbers_mut(0, 0..2).copy_from_slice(&[2.0, 0.0]);
    bound.step(0).unwrap();
    assert_eq!(shown(clipped.block(), 1, 0), shown(bound.block(), 1, 0));
}

#[test]
fn a_wrong_name_or_parameter_is_answered_with_what_would_be_right() {
    let registry = Registry::standard();
    let build = |spec: &EnvSpec| registry.build(spec).err().unwrap().to_string();
    assert_eq!(
        build(&EnvSpec::named("cartpole-v0")),
        "no environment is called `cartpole-v0`; did you mean `CartPole-v1`?"
    );
    assert_eq!(
        build(&EnvSpec::named("zzz")),
        "no environment is called `zzz`; `phalanx envs list` shows those that are known"
    );
    let params = |json: &str| Params(serde_json::from_str(json).unwrap());
    let spec = EnvSpec { params: params(r#"{"gravity": 9.8}"#), ..EnvSpec::named("Pendulum-v1") };
    assert_eq!(build(&spec), "parameters of Pendulum-v1: unknown field `gravity`, expected `g`");
    let spec = EnvSpec { params: params(r#"{"g": "fast"}"#), ..EnvSpec::named("Pendulum-v1") };
    let fast = r#"parameters of Pendulum-v1: `g`: invalid type: string "fast", expected a number"#;
    assert_eq!(build(&spec), fast);
    let spec = EnvSpec { params: params(r#"{"dt": 0}"#), ..EnvSpec::named("Acrobot-v1") };
    assert_eq!(build(&spec), "parameters of Acrobot-v1: dt must lie in (0, 1] seconds, not 0");
    let info = registry.info("Pendulum-v1").unwrap();
    assert_eq!((info.time_limit, info.params), (Some(200), params(r#"{"g": 10.0}"#)));
}
