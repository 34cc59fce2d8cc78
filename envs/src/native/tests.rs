//! Starts, spaces, rewards and parameters; the dynamics are held to recordings by `tests/golden.rs`.
#![allow(clippy::unwrap_used)]

use serde_json::Value;

use super::*;
use crate::{Action, Env, EnvSpec, Episode, Params, Row, Space};

fn make(name: &str, params: &str) -> Box<dyn Env> {
    let params = Params(serde_json::from_str(params).unwrap());
    // Without a limit, so that a test may step from any state.
    Registry::standard().build(&EnvSpec { params, time_limit: Some(0), ..EnvSpec::named(name) }).unwrap()
}

fn state(env: &mut dyn Env) -> Vec<f64> {
    serde_json::from_value(env.call("state", &Value::Null).unwrap()).unwrap()
}

/// Reward and end of one step from `state`.
fn step_from(env: &mut dyn Env, state: &[f64], action: Action<'_>) -> (f32, Episode) {
    let mut row = vec![0.0; env.observation_space().len()];
    env.call("set_state", &json!(state)).unwrap();
    let step = env.step(action, Row::F32(&mut row)).unwrap();
    (step.reward, step.episode)
}

/// Lowest and highest of every number of the state over many starts.
fn starts(name: &str) -> (Vec<f64>, Vec<f64>) {
    let mut env = make(name, "{}");
    let mut row = vec![0.0; env.observation_space().len()];
    env.reset(Some(1), Row::F32(&mut row)).unwrap();
    let (mut low, mut high) = (state(&mut *env), state(&mut *env));
    for _ in 0..2000 {
        env.reset(None, Row::F32(&mut row)).unwrap();
        for ((x, low), high) in state(&mut *env).into_iter().zip(&mut low).zip(&mut high) {
            *low = low.min(x);
            *high = high.max(x);
        }
    }
    (low, high)
}

#[test]
fn starts_fill_their_ranges() {
    let pi = std::f64::consts::PI;
    let ranges: [(&str, &[(f64, f64)]); 5] = [
        ("CartPole-v1", &[(-0.05, 0.05); 4]),
        ("MountainCar-v0", &[(-0.6, -0.4), (0.0, 0.0)]),
        ("MountainCarContinuous-v0", &[(-0.6, -0.4), (0.0, 0.0)]),
        ("Pendulum-v1", &[(-pi, pi), (-1.0, 1.0)]),
        ("Acrobot-v1", &[(-0.1, 0.1); 4]),
    ];
    for (name, ranges) in ranges {
        let (low, high) = starts(name);
        assert_eq!(low.len(), ranges.len());
        for ((low, high), &(least, most)) in low.into_iter().zip(high).zip(ranges) {
            // 2000 draws miss the outer hundredth of a range once in a billion times.
            let margin = 0.01 * (most - least);
            assert!(least <= low && low <= least + margin, "{name}: {low} in {least}..{most}");
            assert!(most - margin <= high && high <= most, "{name}: {high} in {least}..{most}");
        }
    }
}

#[test]
fn spaces_are_those_of_gymnasium() {
    let infinity = f32::INFINITY;
    let spaces = |name| {
        let env = make(name, "{}");
        (env.observation_space().clone(), env.action_space().clone())
    };
    let symmetric = |high: &[f32]| Space::boxed(&high.iter().map(|h| -h).collect::<Vec<_>>(), high);
    let car = Space::boxed(&[-1.2, -0.07], &[0.6, 0.07]);
    let cart_pole = symmetric(&[4.8, infinity, 0.418_879_03, infinity]);
    assert_eq!(spaces("CartPole-v1"), (cart_pole, Space::Discrete { n: 2 }));
    assert_eq!(spaces("MountainCar-v0"), (car.clone(), Space::Discrete { n: 3 }));
    assert_eq!(spaces("MountainCarContinuous-v0"), (car, symmetric(&[1.0])));
    assert_eq!(spaces("Pendulum-v1"), (symmetric(&[1.0, 1.0, 8.0]), symmetric(&[2.0])));
    let acrobot = symmetric(&[1.0, 1.0, 1.0, 1.0, 12.566_371, 28.274_334]);
    assert_eq!(spaces("Acrobot-v1"), (acrobot, Space::Discrete { n: 3 }));
}

#[test]
fn a_pole_falls_beyond_12_degrees_and_a_cart_off_its_track() {
    let (right, left) = (Action::Discrete(1), Action::Discrete(0));
    let mut env = make("CartPole-v1", "{}");
    assert_eq!(step_from(&mut *env, &[0.0, 0.0, 0.2, 0.0], right), (1.0, Episode::Running));
    // 0.2 + 0.02·0.48 lies beyond 0.20944.
    assert_eq!(step_from(&mut *env, &[0.0, 0.0, 0.2, 0.48], right), (1.0, Episode::Terminated));
    assert_eq!(step_from(&mut *env, &[-2.39, -1.0, 0.0, 0.0], left), (1.0, Episode::Terminated));
    let mut env = make("CartPole-v1", r#"{"sutton_barto_reward": true}"#);
    assert_eq!(step_from(&mut *env, &[0.0, 0.0, 0.2, 0.0], right), (0.0, Episode::Running));
    assert_eq!(step_from(&mut *env, &[0.0, 0.0, 0.2, 0.48], right), (-1.0, Episode::Terminated));
}

#[test]
fn a_car_must_be_fast_enough_at_the_flag_if_asked() {
    let state = [0.49, 0.03];
    for (name, action, arrival) in [
        ("MountainCar-v0", Action::Discrete(1), -1.0),
        ("MountainCarContinuous-v0", Action::Box(&[0.0]), 100.0),
    ] {
        let mut env = make(name, "{}");
        assert_eq!(step_from(&mut *env, &state, action), (arrival, Episode::Terminated), "{name}");
        let mut env = make(name, r#"{"goal_velocity": 0.05}"#);
        assert_eq!(step_from(&mut *env, &state, action).1, Episode::Running, "{name}");
        // The wall stops the car.
        step_from(&mut *env, &[-1.19, -0.05], action);
        assert_eq!(env.call("state", &Value::Null).unwrap()[1], 0.0, "{name}");
    }
}

#[test]
fn throttle_is_clipped_but_paid_for_in_full() {
    let mut env = make("MountainCarContinuous-v0", "{}");
    let (reward, _) = step_from(&mut *env, &[-0.5, 0.0], Action::Box(&[3.0]));
    // −0.1·3².
    assert!((reward + 0.9).abs() < 1e-6);
    let after_three = state(&mut *env);
    step_from(&mut *env, &[-0.5, 0.0], Action::Box(&[1.0]));
    assert!((state(&mut *env)[1] - after_three[1]).abs() < 1e-9);
}

#[test]
fn gravity_pulls_the_pendulum() {
    for g in [10.0, 0.0] {
        let mut env = make("Pendulum-v1", &json!({ "g": g }).to_string());
        // Lying flat: −(π/2)² = −2.4674, and a pull of 3g/2 for 0.05 s.
        let (reward, _) = step_from(&mut *env, &[std::f64::consts::FRAC_PI_2, 0.0], Action::Box(&[0.0]));
        assert!((reward + 2.467_401).abs() < 1e-6);
        assert!((state(&mut *env)[1] - 1.5 * g * 0.05).abs() < 1e-9);
    }
}

#[test]
fn the_papers_acrobot_and_a_noisy_one_are_others() {
    let start = [0.1, 0.5, 1.0, -0.5];
    let after = |params: &str| {
        let mut env = make("Acrobot-v1", params);
        step_from(&mut *env, &start, Action::Discrete(2));
        state(&mut *env)
    };
    let book = after("{}");
    assert_eq!(after(r#"{"book_or_nips": "book", "dt": 0.2}"#), book);
    assert_ne!(after(r#"{"book_or_nips": "nips"}"#), book);
    assert_ne!(after(r#"{"torque_noise_max": 0.5}"#), book);
    assert_ne!(after(r#"{"dt": 0.1}"#), book);
    // Both links up reach the line: −cos π − cos 2π·… = 1 + 1 > 1.
    let mut env = make("Acrobot-v1", "{}");
    let up = [std::f64::consts::PI, 0.0, 0.0, 0.0];
    assert_eq!(step_from(&mut *env, &up, Action::Discrete(1)), (0.0, Episode::Terminated));
}

#[test]
fn any_state_can_be_set_and_none_that_is_not_one() {
    for name in ["Acrobot-v1", "CartPole-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1"] {
        let mut env = make(name, "{}");
        let mut row = vec![0.0; env.observation_space().len()];
        env.reset(Some(3), Row::F32(&mut row)).unwrap();
        let kept = state(&mut *env);
        env.call("set_state", &json!(kept)).unwrap();
        assert_eq!(state(&mut *env), kept);
        for wrong in [json!([1.0]), json!("up"), json!(null), json!([null, 1, 2, 3])] {
            assert!(env.call("set_state", &wrong).is_err(), "{name}: {wrong}");
        }
        assert_eq!(state(&mut *env), kept, "{name}: a refusal changes nothing");
        assert!(matches!(env.call("hello", &Value::Null), Err(EnvError::NoMethod(_))));
        // However far off, a step comes back.
        env.call("set_state", &json!(vec![1e300; kept.len()])).unwrap();
        let action = if matches!(env.action_space(), Space::Box { .. }) {
            Action::Box(&[1.0])
        } else {
            Action::Discrete(0)
        };
        env.step(action, Row::F32(&mut row)).unwrap();
    }
}
