//! Wrappers that change how many steps an episode or an action takes.

use serde_json::{Value, json};

use super::{ACTION, Clock, refusal, reset, step, wrapped};
use crate::{Episode, Row};

#[test]
fn action_repeat_adds_rewards_and_stops_with_the_episode() {
    let mut env = wrapped(Clock::new(5), r#"{"action_repeat": {"times": 3}}"#).unwrap();
    reset(&mut *env, 0);
    // 1 + 2 + 3, then 4 + 5 and the end.
    assert_eq!(step(&mut *env, ACTION), (vec![3.0, 30.0], 6.0, Episode::Running));
    assert_eq!(step(&mut *env, ACTION), (vec![5.0, 50.0], 9.0, Episode::Terminated));
    // One picture stands for three steps.
    assert_eq!(env.frames_per_second(), 10.0);
    assert!(refusal(wrapped(Clock::new(5), r#"{"action_repeat": {"times": 0}}"#)).contains("at least 1"));
}

#[test]
fn limit_duration_truncates_unless_the_task_ends_first() {
    let mut env = wrapped(Clock::new(9), r#"{"limit_duration": {"steps": 2}}"#).unwrap();
    let mut row = [0.0; 2];
    assert!(env.step(ACTION, Row::F32(&mut row)).unwrap_err().to_string().contains("reset"));
    reset(&mut *env, 0);
    assert_eq!(step(&mut *env, ACTION).2, Episode::Running);
    assert_eq!(env.call("elapsed_steps", &Value::Null).unwrap(), json!(1));
    assert_eq!(step(&mut *env, ACTION).2, Episode::Truncated);
    assert!(env.step(ACTION, Row::F32(&mut row)).unwrap_err().to_string().contains("reset"));
    reset(&mut *env, 0);
    assert_eq!(step(&mut *env, ACTION).2, Episode::Running);

    let mut env = wrapped(Clock::new(2), r#"{"limit_duration": {"steps": 2}}"#).unwrap();
    reset(&mut *env, 0);
    step(&mut *env, ACTION);
    assert_eq!(step(&mut *env, ACTION).2, Episode::Terminated);
}

#[test]
fn random_start_takes_its_own_steps() {
    let start = |seed| {
        let mut env = wrapped(Clock::new(9), r#"{"random_start": {"max_steps": 4}}"#).unwrap();
        let row = reset(&mut *env, seed);
        (
            row,
            env.call("t", &Value::Null).unwrap().as_u64().unwrap(),
            env.call("taken", &Value::Null).unwrap(),
        )
    };
    let starts: Vec<_> = (0..40).map(start).collect();
    for steps in 0..4 {
        assert!(starts.iter().any(|s| s.1 == steps), "never {steps} steps");
    }
    assert!(starts.iter().all(|s| s.1 < 4));
    assert!(starts.iter().filter(|s| s.1 > 0).all(|s| s.0 == [s.1 as f32, 10.0 * s.1 as f32]));
    assert_eq!(starts, (0..40).map(start).collect::<Vec<_>>(), "a seed starts the same way");
    let taken: std::collections::BTreeSet<_> = starts.iter().map(|s| s.2.to_string()).collect();
    assert!(taken.len() > 20, "seeds act differently");
}

#[test]
fn random_start_begins_again_after_an_end_but_not_for_ever() {
    let mut env = wrapped(Clock::new(2), r#"{"random_start": {"max_steps": 9}}"#).unwrap();
    for seed in 0..20 {
        reset(&mut *env, seed);
        assert!(env.call("t", &Value::Null).unwrap().as_u64().unwrap() < 2);
    }
    let mut env = wrapped(Clock::new(1), r#"{"random_start": {"max_steps": 1000000}}"#).unwrap();
    let mut row = [0.0; 2];
    let message = env.reset(Some(1), Row::F32(&mut row)).unwrap_err().to_string();
    assert!(message.contains("smaller max_steps"), "{message}");
}
