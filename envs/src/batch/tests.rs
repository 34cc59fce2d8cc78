//! Batches of environments whose numbers can be followed by hand.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::{
    Action, Elements, Env, EnvError, EnvSpec, Episode, Params, Registry, Row, Space, Step, WrapperSpec,
    episode_seed, generator,
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
fn episodes_that_have_ended_are_told_of() {
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
    let [(first, told_long), (second, told)] = infos.means().collect::<Vec<_>>()[..] else {
        panic!("{infos:?}")
    };
    assert_eq!((first, told_long, second), ("long", long, "steps"));
    assert!((told - f64::from(mean)).abs() < 1e-6, "{told} {mean}");
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
        batch.block_mut().discrete_actions_mut(0, 1..2)[0] = action;
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
        batch.block_mut().discrete_actions_mut(0, 2..3)[0] = wrong;
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
fn a_replayed_episode_goes_on_as_it_would_have() {
    let (rows, steps) = (4, 150);
    for name in Registry::standard().names() {
        let spec = EnvSpec {
            wrappers: vec![
                WrapperSpec::RandomStart { max_steps: 5 },
                WrapperSpec::FrameHistory { past: vec![0, 2], flatten: true },
            ],
            time_limit: Some(60),
            ..EnvSpec::named(name)
        };
        let make = || LocalBatch::new(&Registry::standard(), &spec, rows, steps, 3).unwrap();
        let (mut batch, mut generator) = (make(), generator(1));
        batch.reset(None).unwrap();
        let mut running = vec![RunningEpisode::default(); rows];
        // What is replayed is the episode that runs at time 100.
        let cut = 100;
        for t in 0..steps {
            (0..rows).for_each(|row| batch.block_mut().sample_action(t, row, &mut generator));
            batch.step(t).unwrap();
            for (row, running) in running.iter_mut().enumerate().filter(|_| t < cut) {
                match batch.block().recorded_action(t * rows + row) {
                    Action::Box(numbers) => running.continuous.extend(numbers),
                    choices => running.discrete.extend(choices.choices()),
                }
                if batch.block().episode(t, row).is_over() {
                    *running = RunningEpisode { episode: running.episode + 1, ..RunningEpisode::default() };
                }
            }
        }
        assert!(running.iter().all(|r| r.episode > 0), "{name}");
        let mut again = make();
        again.replay(&running, Duration::from_mins(1), &mut |_| ()).unwrap();
        for t in cut..steps {
            for row in 0..rows {
                assert_eq!(shown(again.block(), t - cut, row), shown(batch.block(), t, row), "{name}, {t}");
                let (again, t, one) = (again.block_mut(), t - cut, row..row + 1);
                match batch.block().recorded_action((cut + t) * rows + row) {
                    Action::Box(numbers) => again.continuous_actions_mut(t, one).copy_from_slice(numbers),
                    choices => again.discrete_actions_mut(t, one).copy_from_slice(choices.choices()),
                }
            }
            again.step(t - cut).unwrap();
        }
    }
}

/// A running episode of choices, at an observation with this checksum.
fn chosen(discrete: &[i64], observation: Option<u64>) -> RunningEpisode {
    RunningEpisode { discrete: discrete.to_vec(), observation, ..RunningEpisode::default() }
}

#[test]
fn a_replay_that_ends_elsewhere_begins_the_next_episode() {
    // An episode of three steps.
    let run_seed = (0..99).find(|&seed| episode_seed(seed, 0, 0) % 1000 % 3 == 2).unwrap();
    let seeds = [0, 1].map(|episode| (episode_seed(run_seed, 0, episode) % 1000) as f32);
    let there = Elements::F32(&[seeds[0], 2.0]).checksum();
    let minute = Duration::from_mins(1);
    let replay = |running, limit| {
        let mut batch = LocalBatch::new(&informers(), &EnvSpec::named("informer"), 1, 1, run_seed).unwrap();
        let replayed = batch.replay(&[running], limit, &mut |_| ()).unwrap();
        (replayed[0].clone(), shown(batch.block(), 0, 0))
    };
    for observation in [None, Some(there)] {
        assert_eq!(replay(chosen(&[0; 2], observation), minute), (Replayed::Restored, vec![seeds[0], 2.0]));
    }
    for (running, limit, expected) in [
        (chosen(&[0; 9], None), minute, "its replay ended at step 3 of 9"),
        (chosen(&[0, 5], None), minute, "a wheel came off"),
        (chosen(&[0; 2], Some(there + 1)), minute, "its replay of 2 steps led to another observation"),
        (chosen(&[0; 2], Some(there)), Duration::ZERO, "its replay reached step 0 of 2 within"),
    ] {
        let (replayed, shown) = replay(running, limit);
        let Replayed::BeganAnew(reason) = replayed else { panic!("{expected}: restored") };
        assert!(reason.contains(expected), "{reason}");
        assert_eq!(shown, [seeds[1], 0.0], "{expected}");
    }
}

#[test]
fn the_longest_episodes_are_replayed_last() {
    let running =
        [3, 0, 7, 1].map(|steps| RunningEpisode { discrete: vec![0; steps], ..RunningEpisode::default() });
    assert_eq!(super::shortest_first([0, 2, 3].into_iter(), &running), [3, 0, 2]);
}

#[test]
fn a_replay_of_other_actions_or_rows_is_an_error() {
    let mut batch = LocalBatch::new(&informers(), &EnvSpec::named("informer"), 1, 1, 0).unwrap();
    let numbers = RunningEpisode { continuous: vec![0.5], ..RunningEpisode::default() };
    assert!(
        batch.replay(&[numbers], Duration::ZERO, &mut |_| ()).is_err(),
        "numbers for an environment that takes choices"
    );
    let error = batch.replay(&[], Duration::ZERO, &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("0 running episodes do not fit 1 rows"), "{error}");
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
    clipped.block_mut().continuous_actions_mut(0, 0..2).copy_from_slice(&[9.0, f32::NAN]);
    let error = clipped.step(0).unwrap_err().to_string();
    assert!(error.contains("row 1: action [NaN] lies outside"), "{error}");
    // Row 0 was stepped, with a torque of 2: what is given stays as it was.
    assert_eq!(clipped.block().action(0, 0), Action::Box(&[9.0]));
    let mut bound = LocalBatch::new(&Registry::standard(), &EnvSpec::named("Pendulum-v1"), 2, 1, 0).unwrap();
    bound.reset(None).unwrap();
    bound.block_mut().continuous_actions_mut(0, 0..2).copy_from_slice(&[2.0, 0.0]);
    bound.step(0).unwrap();
    assert_eq!(shown(clipped.block(), 1, 0), shown(bound.block(), 1, 0));
}

#[test]
fn a_wrong_name_or_parameter_says_what_would_be_right() {
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

/// Notes the calls that it gets, as if it computed elsewhere; every step is its episode's last.
struct Remote {
    calls: std::rc::Rc<std::cell::RefCell<Vec<String>>>,
    spaces: [Space; 2],
}

impl Env for Remote {
    fn observation_space(&self) -> &Space {
        &self.spaces[0]
    }

    fn action_space(&self) -> &Space {
        &self.spaces[1]
    }

    fn reset(&mut self, seed: Option<u64>, _observation: Row<'_>) -> Result<(), EnvError> {
        self.calls.borrow_mut().push(format!("reset {}", seed.unwrap()));
        Ok(())
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn prepare(&mut self, action: Action<'_>) -> Result<(), EnvError> {
        self.calls.borrow_mut().push(format!("prepare {action}"));
        Ok(())
    }

    fn is_ready(&mut self) -> bool {
        READY.get()
    }

    fn prepare_reset(&mut self, seed: Option<u64>) -> Result<(), EnvError> {
        self.calls.borrow_mut().push(format!("prepare {}", seed.unwrap()));
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, _observation: Row<'_>) -> Result<Step, EnvError> {
        self.calls.borrow_mut().push(format!("step {action}"));
        Ok(Step { reward: 0.0, episode: Episode::Terminated })
    }
}

thread_local! {
    static CALLS: std::rc::Rc<std::cell::RefCell<Vec<String>>> = std::rc::Rc::default();
    static READY: std::cell::Cell<bool> = const { std::cell::Cell::new(true) };
}

fn remote() -> Registry {
    let provider = crate::Provider::new("environments elsewhere", |_, _| {
        let calls = CALLS.with(std::rc::Rc::clone);
        let spaces = [Space::unbounded(1), Space::boxed(&[-2.0], &[2.0])];
        Ok(Box::new(Remote { calls, spaces }))
    });
    Registry::new().with_provider("far", provider)
}

/// Whoever steps rows can do something else until remote ones have their results.
#[test]
fn remote_rows_are_not_waited_for_before_they_are_ready() {
    let registry = remote();
    let mut batch = LocalBatch::new(&registry, &EnvSpec::named("far:x"), 2, 1, 0).unwrap();
    let watch = |_: crate::Place| {};
    let mut rows = Rows::new(&registry, &EnvSpec::named("far:x"), 0, 0, &[1, 1], watch).unwrap();
    batch.block_mut().activate_all();
    batch.block_mut().continuous_actions_mut(0, 0..2).copy_from_slice(&[0.5, 1.0]);
    let calls = || CALLS.with(|calls| std::mem::take(&mut *calls.borrow_mut()).join(", "));
    calls();
    READY.set(false);
    rows.begin(batch.block_mut(), 0).unwrap();
    assert_eq!(rows.poll(batch.block_mut(), 0).unwrap(), Progress::Waiting);
    assert_eq!(calls(), "prepare [0.5], prepare [1.0]");
    READY.set(true);
    let [first, last] = [0, 1].map(|row| episode_seed(0, row, 1));
    assert_eq!(rows.poll(batch.block_mut(), 0).unwrap(), Progress::Going);
    assert_eq!(calls(), format!("step [0.5], prepare {first}, step [1.0], prepare {last}"));
    READY.set(false);
    assert_eq!(rows.poll(batch.block_mut(), 0).unwrap(), Progress::Waiting);
    READY.set(true);
    assert_eq!(rows.poll(batch.block_mut(), 0).unwrap(), Progress::Over);
    assert_eq!(calls(), format!("reset {first}, reset {last}"));
}

#[test]
fn remote_rows_are_told_before_the_first_is_waited_for() {
    let registry = remote();
    assert!(registry.check_name("far").is_err() && registry.check_name("near:x").is_err());
    // The wrapper's range is −1 to 1, the environment's −2 to 2.
    let mut spec = EnvSpec::named("far:xyz");
    spec.wrappers = vec![WrapperSpec::RangeNormalize { observation: None, action: Some(true) }];
    spec.time_limit = Some(9);
    let mut batch = LocalBatch::new(&registry, &spec, 3, 1, 0).unwrap();
    batch.reset(None).unwrap();
    batch.block_mut().set_active(1, false);
    batch.block_mut().continuous_actions_mut(0, 0..3).copy_from_slice(&[0.5, 0.0, 7.0]);
    CALLS.with(|calls| calls.borrow_mut().clear());
    batch.step(0).unwrap();
    let [first, last] = [0, 2].map(|row| episode_seed(0, row, 1));
    let expected = format!(
        "prepare [1.0], prepare [2.0], step [1.0], prepare {first}, step [2.0], prepare {last}, reset {first}, reset {last}"
    );
    assert_eq!(CALLS.with(|calls| calls.borrow().join(", ")), expected);
}
