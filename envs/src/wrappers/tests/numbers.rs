//! Wrappers that change or check observations, actions and rewards.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{ACTION, Clock, pixels, refusal, reset, step, wrapped};
use crate::wrappers::{RangeNormalize, Wrapper, WrapperSpec};
use crate::{Action, Dtype, Env, EnvError, Row, Space};

#[test]
fn frame_history_shows_times_in_their_order() {
    let mut env = wrapped(Clock::new(9), r#"{"frame_history": {"past": [2, 0, 1]}}"#).unwrap();
    assert_eq!(env.observation_space().shape(), [3, 2]);
    assert_eq!(reset(&mut *env, 7), [7.0, 0.0, 7.0, 0.0, 7.0, 0.0]);
    assert_eq!(step(&mut *env, ACTION).0, [7.0, 0.0, 1.0, 10.0, 7.0, 0.0]);
    assert_eq!(step(&mut *env, ACTION).0, [7.0, 0.0, 2.0, 20.0, 1.0, 10.0]);
    assert_eq!(step(&mut *env, ACTION).0, [1.0, 10.0, 3.0, 30.0, 2.0, 20.0]);
    // A new episode knows nothing of the one before.
    assert_eq!(reset(&mut *env, 8), [8.0, 0.0, 8.0, 0.0, 8.0, 0.0]);
}

#[test]
fn frame_history_flattens_and_refuses() {
    let env = wrapped(Clock::new(9), r#"{"frame_history": {"past": [0, 1], "flatten": true}}"#).unwrap();
    let bounds = (vec![0.0; 4], vec![10.0, 100.0, 10.0, 100.0]);
    let (low, high) = bounds;
    assert_eq!(*env.observation_space(), Space::Box { shape: vec![4], low, high, dtype: Dtype::F32 });
    assert!(refusal(wrapped(Clock::new(9), r#"{"frame_history": {"past": [1]}}"#)).contains("contain 0"));
    let vast = r#"{"frame_history": {"past": [0, 18446744073709551615]}}"#;
    assert!(refusal(wrapped(Clock::new(9), vast)).contains("nothing above"));
}

#[test]
fn frame_delta_shows_differences_within_its_space() {
    let mut clock = Clock::new(9);
    clock.observation_space = Space::boxed(&[2.0, f32::NEG_INFINITY], &[9.0, 100.0]);
    let mut env = wrapped(clock, r#""frame_delta""#).unwrap();
    // −7..7, widened to show a first observation up to 9.
    let wide = Space::boxed(&[-7.0, f32::NEG_INFINITY], &[9.0, f32::INFINITY]);
    assert_eq!(*env.observation_space(), wide);
    assert_eq!(reset(&mut *env, 3), [3.0, 0.0]);
    assert_eq!(step(&mut *env, ACTION).0, [-2.0, 10.0]);
    assert_eq!(step(&mut *env, ACTION).0, [1.0, 10.0]);
}

#[test]
fn range_normalize_maps_bounds_to_ones() {
    let mut env = wrapped(Clock::new(9), r#"{"range_normalize": {}}"#).unwrap();
    assert_eq!(*env.observation_space(), Space::boxed(&[-1.0; 2], &[1.0; 2]));
    assert_eq!(*env.action_space(), Space::boxed(&[-1.0; 2], &[1.0; 2]));
    // 2·(10 − 0)/10 − 1 and 2·0/100 − 1.
    assert_eq!(reset(&mut *env, 10), [1.0, -1.0]);
    assert_eq!(
        step(&mut *env, Action::Box(&[0.5, 1.0])).0,
        [2.0 * 1.0 / 10.0 - 1.0, 2.0 * 10.0 / 100.0 - 1.0]
    );
    // (0.5 + 1)/2·4 − 2 and (1 + 1)/2·1 + 0.
    assert_eq!(env.call("taken", &Value::Null).unwrap(), json!([1.0, 1.0]));
}

#[test]
fn range_normalize_follows_its_settings() {
    let unbounded = || {
        let mut clock = Clock::new(9);
        clock.observation_space = Space::unbounded(2);
        clock
    };
    let mut env = wrapped(unbounded(), r#"{"range_normalize": {"action": false}}"#).unwrap();
    assert_eq!(*env.observation_space(), Space::unbounded(2));
    assert_eq!(*env.action_space(), Clock::new(9).action_space);
    assert_eq!(reset(&mut *env, 10), [10.0, 0.0]);
    let told = r#"{"range_normalize": {"observation": true}}"#;
    assert!(refusal(wrapped(unbounded(), told)).contains("finite and apart"));
    let mut flat = Clock::new(9);
    flat.observation_space = Space::boxed(&[1.0, 0.0], &[1.0, 1.0]);
    assert!(refusal(wrapped(flat, told)).contains("finite and apart"));
    let mut choice = Clock::new(9);
    choice.action_space = Space::Discrete { n: 2 };
    assert!(refusal(wrapped(choice, r#"{"range_normalize": {"action": true}}"#)).contains("choice"));
}

#[test]
fn clip_action_takes_anything() {
    let mut env = wrapped(Clock::new(9), r#""clip_action""#).unwrap();
    assert_eq!(*env.action_space(), Space::unbounded(2));
    reset(&mut *env, 0);
    step(&mut *env, Action::Box(&[-3.0, 0.5]));
    assert_eq!(env.call("taken", &Value::Null).unwrap(), json!([-2.0, 0.5]));
    let mut choice = Clock::new(9);
    choice.action_space = Space::Discrete { n: 2 };
    assert!(refusal(wrapped(choice, r#""clip_action""#)).contains("choice"));
}

#[test]
fn finite_check_names_what_is_not() {
    let mut clock = Clock::new(9);
    clock.reward = Some(f32::NAN);
    let mut env = wrapped(clock, r#""finite_check""#).unwrap();
    let mut row = [0.0; 2];
    env.reset(None, Row::F32(&mut row)).unwrap();
    let message = env.step(ACTION, Row::F32(&mut row)).unwrap_err().to_string();
    assert_eq!(message, "the reward is NaN: not a finite number");

    // One step makes a delta of −∞ from infinity.
    let mut env = wrapped(Broken(Clock::new(9)), r#""finite_check""#).unwrap();
    let message = env.reset(None, Row::F32(&mut row)).unwrap_err().to_string();
    assert_eq!(message, "observation[1] is inf: not a finite number");
}

/// A clock that starts at infinity.
struct Broken(Clock);

impl Wrapper for Broken {
    fn inner(&self) -> &dyn Env {
        &self.0
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut self.0
    }

    fn on_reset(&mut self, _seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        observation.f32().copy_from_slice(&[0.0, f32::INFINITY]);
        Ok(())
    }
}

#[test]
fn bytes_are_shown_or_refused() {
    let mut env = wrapped(pixels(), r#"{"frame_history": {"past": [0, 1], "flatten": true}}"#).unwrap();
    assert_eq!(env.observation_space().shape(), [2, 2]);
    let mut row = [9; 4];
    env.reset(None, Row::U8(&mut row)).unwrap();
    for _ in 0..2 {
        env.step(Action::Discrete(0), Row::U8(&mut row)).unwrap();
    }
    assert_eq!(row, [2, 2, 1, 1]);
    assert!(refusal(wrapped(pixels(), r#""frame_delta""#)).contains("bytes"));
    assert!(refusal(wrapped(pixels(), r#"{"range_normalize": {"observation": true}}"#)).contains("bytes"));
    for spec in [r#"{"range_normalize": {}}"#, r#""finite_check""#, r#"{"action_repeat": {"times": 2}}"#] {
        let mut env = wrapped(pixels(), spec).unwrap();
        env.reset(None, Row::U8(&mut row[..2])).unwrap();
        env.step(Action::Discrete(0), Row::U8(&mut row[..2])).unwrap();
    }
}

#[test]
fn rewards_are_clipped() {
    for (reward, clipped) in [(-5.0, -0.5), (0.25, 0.25), (3.0, 0.5)] {
        let mut clock = Clock::new(9);
        clock.reward = Some(reward);
        let mut env = wrapped(clock, r#"{"clip_reward": {"limit": 0.5}}"#).unwrap();
        reset(&mut *env, 0);
        assert_eq!(step(&mut *env, ACTION).1, clipped);
    }
    assert!(refusal(wrapped(Clock::new(9), r#"{"clip_reward": {"limit": 0}}"#)).contains("positive"));
}

proptest! {
    #[test]
    fn a_normalized_action_is_the_one_that_was_meant(
        low in -1e3_f32..1e3, width in 0.1_f32..1e3, part in 0.0_f32..=1.0,
    ) {
        let high = low + width;
        let meant = (low + part * (high - low)).clamp(low, high);
        let mut clock = Clock::new(9);
        clock.action_space = Space::boxed(&[low, low], &[high, high]);
        let mut env = RangeNormalize::new(Box::new(clock), None, None).unwrap();
        reset(&mut env, 0);
        let normal = 2.0 * (meant - low) / (high - low) - 1.0;
        step(&mut env, Action::Box(&[normal, normal]));
        let taken: Vec<f32> = serde_json::from_value(env.call("taken", &Value::Null).unwrap()).unwrap();
        // Each of the five operations rounds by at most 2⁻²⁴ of numbers up to 2000.
        prop_assert!((taken[0] - meant).abs() <= 1e-3, "{} is not {meant}", taken[0]);
        prop_assert!(taken[0] >= low && taken[0] <= high);
    }

    #[test]
    fn a_history_is_what_was_shown(past in prop::collection::vec(0_usize..6, 0..4), steps in 1_usize..12) {
        let past = [past, vec![0]].concat();
        let mut env = WrapperSpec::FrameHistory { past: past.clone(), flatten: false, field: None }
            .wrap(Box::new(Clock::new(99)))
            .unwrap();
        reset(&mut *env, 0);
        let mut shown = Vec::new();
        for _ in 0..steps {
            shown = step(&mut *env, ACTION).0;
        }
        let expected: Vec<f32> = past
            .iter()
            .map(|&age| steps.saturating_sub(age) as f32)
            .flat_map(|t| [t, 10.0 * t])
            .collect();
        prop_assert_eq!(shown, expected);
    }
}
