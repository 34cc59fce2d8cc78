//! Starts, spaces and parameters; dynamics and rewards are held to recordings by `tests/golden.rs`, the contract is
//! checked with that of all others.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use crate::{Action, Env, EnvSpec, Episode, Params, Registry, RegistryError, Row, Space, Step};

const NAMES: [&str; 10] = [
    "Ant-v5",
    "HalfCheetah-v5",
    "Hopper-v5",
    "Humanoid-v5",
    "InvertedDoublePendulum-v5",
    "InvertedPendulum-v5",
    "Pusher-v5",
    "Reacher-v5",
    "Swimmer-v5",
    "Walker2d-v5",
];

fn try_make(name: &str, params: &Value) -> Result<Box<dyn Env>, RegistryError> {
    let params = Params(params.as_object().unwrap().clone());
    Registry::standard().build(&EnvSpec { params, time_limit: Some(0), ..EnvSpec::named(name) })
}

fn make(name: &str, params: &Value) -> Box<dyn Env> {
    try_make(name, params).unwrap_or_else(|e| panic!("{name} {params}: {e}"))
}

fn message(name: &str, params: &Value) -> String {
    try_make(name, params).err().unwrap_or_else(|| panic!("{name} {params} was made")).to_string()
}

fn numbers(env: &mut dyn Env, name: &str) -> Vec<f64> {
    serde_json::from_value(env.call(name, &Value::Null).unwrap()).unwrap()
}

fn reset(env: &mut dyn Env, seed: Option<u64>) -> Vec<f32> {
    let mut row = vec![0.0; env.observation_space().len()];
    env.reset(seed, Row::F32(&mut row)).unwrap();
    row
}

#[test]
fn every_observed_number_has_its_unit() {
    for name in NAMES {
        let mut env = make(name, &json!({}));
        let (len, labels) = (env.observation_space().len(), env.labels().unwrap());
        assert_eq!(labels.observation[0].unit.len(), len, "{name}");
    }
    let all = json!({ "exclude_current_positions_from_observation": false, "include_cfrc_ext_in_observation": false });
    let unit = make("Ant-v5", &all).labels().unwrap().observation[0].unit.clone();
    // The torso is free, eight hinges follow.
    let expected = [&["m"; 3][..], &["1"; 4], &["rad"; 8], &["m/s"; 3], &["rad/s"; 11]].concat();
    assert_eq!(unit, expected);
}

/// One step with every control at this number.
fn step(env: &mut dyn Env, control: f32) -> Step {
    let mut row = vec![0.0; env.observation_space().len()];
    let action = vec![control; env.action_space().len()];
    env.step(Action::Box(&action), Row::F32(&mut row)).unwrap()
}

/// The reward in 64 bits of a step from the initial state, after a change of the parameters.
fn first_reward(name: &str, params: &Value) -> f64 {
    let mut env = make(name, params);
    reset(&mut *env, Some(1));
    step(&mut *env, 0.3);
    env.call("reward", &Value::Null).unwrap().as_f64().unwrap()
}

#[test]
fn spaces_are_those_of_gymnasium() {
    let sizes = [
        ("Ant-v5", 105, 8, 1.0, 20.0),
        ("HalfCheetah-v5", 17, 6, 1.0, 20.0),
        ("Hopper-v5", 11, 3, 1.0, 125.0),
        ("Humanoid-v5", 348, 17, 0.4, 67.0),
        ("InvertedDoublePendulum-v5", 9, 1, 1.0, 20.0),
        ("InvertedPendulum-v5", 4, 1, 3.0, 25.0),
        ("Pusher-v5", 23, 7, 2.0, 20.0),
        ("Reacher-v5", 10, 2, 1.0, 50.0),
        ("Swimmer-v5", 8, 2, 1.0, 25.0),
        ("Walker2d-v5", 17, 6, 1.0, 125.0),
    ];
    for (name, observation, action, high, fps) in sizes {
        let env = make(name, &json!({}));
        assert_eq!(*env.observation_space(), Space::unbounded(observation), "{name}");
        assert_eq!(*env.action_space(), Space::boxed(&vec![-high; action], &vec![high; action]), "{name}");
        assert_eq!(env.frames_per_second(), fps, "{name}");
    }
}

#[test]
fn what_is_observed_can_be_chosen() {
    let len = |name, params: Value| make(name, &params).observation_space().len();
    let shown = json!({"exclude_current_positions_from_observation": false});
    for (name, expected) in [
        ("Ant-v5", 107),
        ("HalfCheetah-v5", 18),
        ("Hopper-v5", 12),
        ("Humanoid-v5", 350),
        ("Swimmer-v5", 10),
        ("Walker2d-v5", 18),
    ] {
        assert_eq!(len(name, shown.clone()), expected, "{name}");
    }
    assert_eq!(len("Ant-v5", json!({"include_cfrc_ext_in_observation": false})), 27);
    // 13 bodies of 10 numbers, 13 of 6, 17 joints, 13 bodies of 6.
    for (part, numbers) in [("cinert", 130), ("cvel", 78), ("qfrc_actuator", 17), ("cfrc_ext", 78)] {
        let params = json!({format!("include_{part}_in_observation"): false});
        assert_eq!(len("Humanoid-v5", params), 348 - numbers, "{part}");
    }
}

#[test]
fn every_weight_counts() {
    for (name, weights) in [
        ("Ant-v5", &["forward_reward_weight", "ctrl_cost_weight", "healthy_reward"][..]),
        ("HalfCheetah-v5", &["forward_reward_weight", "ctrl_cost_weight"]),
        ("Hopper-v5", &["forward_reward_weight", "ctrl_cost_weight", "healthy_reward"]),
        (
            "Humanoid-v5",
            &["forward_reward_weight", "ctrl_cost_weight", "healthy_reward", "contact_cost_weight"],
        ),
        ("InvertedDoublePendulum-v5", &["healthy_reward"]),
        ("Pusher-v5", &["reward_near_weight", "reward_dist_weight", "reward_control_weight"]),
        ("Reacher-v5", &["reward_dist_weight", "reward_control_weight"]),
        ("Swimmer-v5", &["forward_reward_weight", "ctrl_cost_weight"]),
        ("Walker2d-v5", &["forward_reward_weight", "ctrl_cost_weight", "healthy_reward"]),
    ] {
        for weight in weights {
            // Reward is linear in each weight: weights of 0, 1 and 2 are equally far from each other.
            let [none, one, two] = [0.0, 1.0, 2.0].map(|w| first_reward(name, &json!({*weight: w})));
            assert!((two - one - (one - none)).abs() < 1e-6, "{name} {weight}: {none} {one} {two}");
            // In the first step no foot of the humanoid need touch the ground.
            assert!(one != none || *weight == "contact_cost_weight", "{name} {weight}");
        }
    }
    let skipped = |frames: u32| {
        let mut env = make("HalfCheetah-v5", &json!({"frame_skip": frames}));
        reset(&mut *env, Some(1));
        step(&mut *env, 0.5);
        numbers(&mut *env, "state")
    };
    assert_ne!(skipped(1), skipped(5));
}

#[test]
fn contacts_cost_what_they_are_said_to() {
    // An ant that lies on the ground: with the limits off, forces of its weight count in full.
    let lying = |params: Value| {
        let mut env = make("Ant-v5", &params);
        reset(&mut *env, Some(1));
        for _ in 0..20 {
            step(&mut *env, 0.0);
        }
        let reward = env.call("reward", &Value::Null).unwrap().as_f64().unwrap();
        (
            reward,
            numbers(&mut *env, "observation")[27..].iter().fold(0.0_f64, |most, force| most.max(force.abs())),
        )
    };
    let (free, _) = lying(json!({"contact_cost_weight": 0.0}));
    let (cheap, clipped) = lying(json!({}));
    let (dear, whole) = lying(json!({"contact_force_range": [null, null]}));
    assert!(free > cheap && cheap > dear, "{free} {cheap} {dear}");
    assert!(clipped == 1.0 && whole > 1.0, "{clipped} {whole}");
    let capped = |most: f64| {
        first_reward("Humanoid-v5", &json!({"contact_cost_weight": 1e9, "contact_cost_range": [most, most]}))
    };
    assert!((capped(1.0) - capped(3.0) - 2.0).abs() < 1e-9);
}

#[test]
fn falling_ends_the_episode_unless_it_shall_not() {
    for (name, bounds) in [
        ("Ant-v5", &["healthy_z_range"][..]),
        ("Hopper-v5", &["healthy_z_range", "healthy_angle_range", "healthy_state_range"]),
        ("Humanoid-v5", &["healthy_z_range"]),
        ("Walker2d-v5", &["healthy_z_range", "healthy_angle_range"]),
    ] {
        let outcome = |params: Value| {
            let mut env = make(name, &params);
            reset(&mut *env, Some(1));
            step(&mut *env, 0.0)
        };
        let healthy = outcome(json!({}));
        assert_eq!(healthy.episode, Episode::Running, "{name}");
        for bound in bounds {
            let fallen = outcome(json!({*bound: [50.0, null]}));
            assert_eq!(fallen.episode, Episode::Terminated, "{name} {bound}");
            assert!(fallen.reward < healthy.reward, "{name} {bound}: health is rewarded");
            let going = outcome(json!({*bound: [50.0, null], "terminate_when_unhealthy": false}));
            assert_eq!(going, Step { episode: Episode::Running, ..fallen }, "{name} {bound}");
        }
    }
}

#[test]
fn starts_lie_around_the_initial_state() {
    for name in NAMES {
        let scaled = !name.starts_with("Reacher") && !name.starts_with("Pusher");
        let params = if scaled { json!({"reset_noise_scale": 0.0}) } else { json!({}) };
        let mut still = make(name, &params);
        reset(&mut *still, Some(1));
        let middle = numbers(&mut *still, "state");
        reset(&mut *still, None);
        assert_eq!(numbers(&mut *still, "state") == middle, scaled, "{name}");
        let mut env = make(name, &json!({}));
        let first = reset(&mut *env, Some(1));
        assert_ne!(reset(&mut *env, None), first, "{name}: the generator goes on");
        assert_eq!(reset(&mut *env, Some(1)), first, "{name}");
        let furthest = (0..100).fold(0.0_f64, |furthest, _| {
            reset(&mut *env, None);
            let state = numbers(&mut *env, "state");
            state.iter().zip(&middle).fold(furthest, |furthest, (x, m)| furthest.max((x - m).abs()))
        });
        // Gaussian velocities go furthest: beyond five deviations of 0.1 once in a million.
        assert!(furthest < 0.6 && (furthest > 0.004), "{name}: {furthest}");
    }
}

#[test]
fn targets_are_within_reach_and_cylinders_apart_from_goals() {
    let mut env = make("Reacher-v5", &json!({}));
    for seed in 0..200 {
        reset(&mut *env, Some(seed));
        let state = numbers(&mut *env, "state");
        assert!(state[2].hypot(state[3]) < 0.2 && state[6..] == [0.0, 0.0], "{state:?}");
    }
    let mut env = make("Pusher-v5", &json!({}));
    for seed in 0..200 {
        reset(&mut *env, Some(seed));
        let state = numbers(&mut *env, "state");
        let [x, y] = [state[7], state[8]];
        assert!(x.hypot(y) > 0.17 && (-0.3..=0.0).contains(&x) && y.abs() <= 0.2, "{state:?}");
        assert!(state[9..11] == [0.0; 2] && state[18..] == [0.0; 4], "{state:?}");
    }
}

#[test]
fn wrong_parameters_say_what_is_wrong() {
    for (name, params, parts) in [
        (
            "HalfCheetah-v5",
            json!({"ctrl_cost": 1}),
            ["HalfCheetah-v5", "unknown field `ctrl_cost`", "`ctrl_cost_weight`"],
        ),
        ("Hopper-v5", json!({"healthy_z_range": [1]}), ["Hopper-v5", "invalid length 1", "2"]),
        ("Ant-v5", json!({"frame_skip": 0}), ["Ant-v5", "frame_skip is 0", "at least one"]),
        ("Ant-v5", json!({"main_body": "head"}), ["Ant-v5", "no body called", "head"]),
        ("Ant-v5", json!({"main_body": 99}), ["Ant-v5", "main_body is 99", "0 to 13"]),
        ("Ant-v5", json!({"xml_file": "flea.xml"}), ["Ant-v5", "no file \"flea.xml\"", "half_cheetah.xml"]),
        ("Reacher-v5", json!({"xml_file": "swimmer.xml"}), ["Reacher-v5", "no body called", "fingertip"]),
        (
            "Humanoid-v5",
            json!({"xml_file": "reacher.xml"}),
            ["Humanoid-v5", "4 positions and 4 velocities", "3 and 6"],
        ),
        ("Hopper-v5", json!({"height": 0}), ["Hopper-v5", "width and height are 480 and 0", "1 to 4096"]),
        ("Hopper-v5", json!({"camera_id": 1}), ["Hopper-v5", "camera_id is 1", "1 cameras"]),
        (
            "Hopper-v5",
            json!({"camera_name": "top"}),
            ["Hopper-v5", "no camera called \"top\"", "[\"track\"]"],
        ),
        (
            "Hopper-v5",
            json!({"camera_name": "track", "camera_id": 0}),
            ["Hopper-v5", "camera_id and camera_name", "one of them"],
        ),
        (
            "Hopper-v5",
            json!({"default_camera_config": {"trackbodyid": 5}}),
            ["Hopper-v5", "trackbodyid is 5", "0 to 4"],
        ),
        (
            "Hopper-v5",
            json!({"camera_id": 0, "default_camera_config": {"distance": 2}}),
            ["Hopper-v5", "default_camera_config", "free camera"],
        ),
        (
            "Hopper-v5",
            json!({"default_camera_config": {"zoom": 2}}),
            ["Hopper-v5", "unknown field `zoom`", "`distance`"],
        ),
    ] {
        let message = message(name, &params);
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }
    let by_name = first_reward("Ant-v5", &json!({"main_body": "torso"}));
    assert_eq!(by_name, first_reward("Ant-v5", &json!({"main_body": 1})));
}

#[test]
fn a_model_of_the_users_own_runs() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/mujoco/models");
    let reward = |xml_file: &str| first_reward("Hopper-v5", &json!({"xml_file": xml_file}));
    assert_eq!(reward(&format!("{folder}/hopper.xml")), reward("hopper.xml"));
    assert_ne!(reward(&format!("{folder}/walker2d_v5.xml")), reward("hopper.xml"));
}

#[test]
fn any_state_can_be_set_and_none_that_is_not_one() {
    for name in NAMES {
        let mut env = make(name, &json!({}));
        reset(&mut *env, Some(3));
        let kept = numbers(&mut *env, "state");
        let observed = numbers(&mut *env, "observation");
        step(&mut *env, 0.1);
        assert_ne!(numbers(&mut *env, "observation"), observed, "{name}");
        env.call("set_state", &json!(kept)).unwrap();
        assert_eq!(numbers(&mut *env, "state"), kept, "{name}");
        assert_eq!(numbers(&mut *env, "observation"), observed, "{name}");
        for wrong in [json!([1.0]), json!("up"), json!(null)] {
            assert!(env.call("set_state", &wrong).is_err(), "{name}: {wrong}");
        }
        assert_eq!(numbers(&mut *env, "state"), kept, "{name}: a refusal changes nothing");
        // However far off, a step comes back, and the next one from a state with numbers.
        env.call("set_state", &json!(vec![1e300; kept.len()])).unwrap();
        step(&mut *env, 1.0);
        assert!(step(&mut *env, 1.0).reward.is_finite(), "{name}");
    }
}

#[test]
fn a_wrong_parameter_of_pictures_is_named() {
    // The structs within the parameters hide a name from the parser.
    assert_eq!(
        message("Hopper-v5", &json!({ "frame_skip": 4, "width": "big" })),
        r#"parameters of Hopper-v5: `width`: invalid type: string "big", expected a whole number, 0 or more"#
    );
    assert_eq!(
        message("Hopper-v5", &json!({ "default_camera_config": { "distance": -4.0 } })),
        "parameters of Hopper-v5: default_camera_config: distance is -4, and must be more than 0 m"
    );
}
