//! Environments of Gymnasium in this process: their bits, spaces, pictures, calls and errors.
//!
//! What concerns workers is in `workers.rs`. The environments are those of `python/fixtures.py` and Gymnasium's own.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use phalanx_envs::{
    Action, BatchEnv, Dtype, Env, EnvError, EnvSpec, Episode, LocalBatch, Registry, Row, Space, Step,
    contract, episode_seed,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// The Python that all tests use.
fn python() -> String {
    std::env::var("PHALANX_PYTHON").expect(
        "PHALANX_PYTHON must name a Python with Gymnasium: `cargo xtask test` sets it, `cargo xtask setup --gymnasium` installs one",
    )
}

/// An environment with parameters of its own.
fn spec(name: &str, params: &Value) -> EnvSpec {
    let mut spec = EnvSpec::named(&format!("gymnasium:{name}"));
    spec.params = serde_json::from_value(params.clone()).unwrap();
    spec.params.0.entry("python").or_insert_with(|| json!(python()));
    spec
}

fn make(name: &str, params: &Value) -> Result<Box<dyn Env>, EnvError> {
    Registry::standard().build(&spec(name, params))
}

/// An environment of the fixtures.
fn fixture(name: &str, params: &Value) -> Box<dyn Env> {
    make(&format!("tests.python.fixtures:{name}"), params).unwrap()
}

/// An environment of the fixtures, made to be drawn.
fn drawn(name: &str, params: &Value) -> Result<Box<dyn Env>, EnvError> {
    Registry::standard().build_drawn(&spec(&format!("tests.python.fixtures:{name}"), params))
}

/// An observation of floats, filled by `work`.
fn shown<T>(env: &mut dyn Env, work: impl FnOnce(&mut dyn Env, Row<'_>) -> T) -> (Vec<f32>, T) {
    let mut row = vec![f32::NAN; env.observation_space().len()];
    let outcome = work(env, Row::F32(&mut row));
    (row, outcome)
}

fn reset(env: &mut dyn Env, seed: Option<u64>) -> Vec<f32> {
    let (row, outcome) = shown(env, |env, row| env.reset(seed, row));
    outcome.unwrap();
    row
}

/// The error of a first step with `action`.
fn step_error(env: &mut dyn Env, action: Action<'_>) -> String {
    shown(env, |env, row| env.step(action, row)).1.unwrap_err().to_string()
}

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

        let mut env = make(name, &json!({})).unwrap();
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
fn observations_of_every_space_are_flattened_as_gymnasium_does() {
    // Choices are one-hot: 4 of `discrete`, 2 + 4 of `multi_discrete`; `dict` has 3 + 2 + (2 + 2 + 2).
    for (name, shape) in [
        ("box", vec![2, 3]),
        ("scalar", vec![]),
        ("integers", vec![2]),
        ("unbounded", vec![2]),
        ("discrete", vec![4]),
        ("multi_discrete", vec![6]),
        ("grid", vec![14]),
        ("multi_binary", vec![2, 2]),
        ("dict", vec![11]),
        ("boxes", vec![3]),
        ("mixed", vec![4]),
    ] {
        let mut env = fixture("Kinds-v0", &json!({ "observation": name }));
        assert_eq!(env.observation_space().shape(), shape, "{name}");
        for step in 0..20 {
            let row = if step == 0 {
                reset(&mut *env, Some(1))
            } else {
                shown(&mut *env, |env, row| env.step(Action::Discrete(0), row).unwrap()).0
            };
            let expected: Vec<f32> =
                serde_json::from_value(env.call("flattened", &Value::Null).unwrap()).unwrap();
            assert_eq!(row, expected, "{name}");
            let Space::Box { low, high, .. } = env.observation_space() else { panic!("a box") };
            assert!(
                row.iter().zip(low.iter().zip(high)).all(|(x, (l, h))| l <= x && x <= h),
                "{name}: {row:?}"
            );
        }
    }
    let env = fixture("Kinds-v0", &json!({ "observation": "unbounded" }));
    assert_eq!(*env.observation_space(), Space::boxed(&[f32::NEG_INFINITY, 0.0], &[1.0, f32::INFINITY]));
    let error = make("tests.python.fixtures:Kinds-v0", &json!({ "observation": "text" })).err().unwrap();
    assert!(error.to_string().contains("nothing else is supported"), "{error}");
}

#[test]
fn parts_of_an_observation_are_chosen_and_what_is_no_array_is_left_out() {
    for (space, choice, parts) in [
        ("mission", json!({}), json!(["direction", "image"])),
        ("mission", json!({ "drop": ["mission"] }), json!(["direction", "image"])),
        ("mission", json!({ "drop": ["mission", "image"] }), json!(["direction"])),
        ("mission", json!({ "keys": ["image", "mission"] }), json!(["image"])),
        ("within", json!({}), json!([1])),
    ] {
        let mut params = choice.clone();
        params["observation"] = json!(space);
        params["disable_env_checker"] = json!(true);
        let mut env = fixture("Kinds-v0", &params);
        let row = reset(&mut *env, Some(1));
        let expected: Vec<f32> = serde_json::from_value(env.call("shown_at", &parts).unwrap()).unwrap();
        assert_eq!(row, expected, "{space} {choice}");
    }
    for (space, choice, expected) in [
        (
            "mission",
            json!({ "keys": ["picture"] }),
            "`keys` names 'picture', and the keys of the observation are ['direction',",
        ),
        ("box", json!({ "drop": ["image"] }), "`keys` and `drop` choose among the keys of a Dict"),
    ] {
        let mut params = choice.clone();
        params["observation"] = json!(space);
        let error = make("tests.python.fixtures:Kinds-v0", &params).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    }
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
        let mut row = [0.0; 6];
        env.reset(Some(1), Row::F32(&mut row)).unwrap();
        env.step(Action::Discrete(0), Row::F32(&mut row)).map(|step| step.reward).map_err(|e| e.to_string())
    };
    // 1 · 3 − 0.5 · 4 = 1.
    assert_eq!(step(params(json!([3.0, 4.0]), Some(json!([1, -0.5])))), Ok(1.0));
    let error = step(params(json!([3.0, 4.0]), None)).unwrap_err();
    assert!(error.contains("where a number is needed; the parameter `reward_weights`"), "{error}");
    let error = step(params(json!([3.0, 4.0]), Some(json!([1])))).unwrap_err();
    assert!(error.contains("`reward_weights` has 1 numbers for the reward ndarray of shape (2,)"), "{error}");
}

#[test]
fn actions_of_every_space_arrive_as_gymnasium_has_them() {
    for (name, action, expected) in [
        ("discrete", Action::Discrete(3), "np.int64(2)"),
        // 0 + 1 and 3 − 2.
        ("multi_discrete", Action::MultiDiscrete(&[0, 3]), "array([1, 1])"),
        ("grid", Action::MultiDiscrete(&[1, 2, 3, 4]), "array([[1, 2],\n       [3, 4]])"),
        ("multi_binary", Action::MultiDiscrete(&[1, 0, 0, 1]), "array([[1, 0],\n       [0, 1]], dtype=int8)"),
        (
            "choices",
            // Gymnasium sorts the keys of a Dict: [1, 0] and [1, 2], then 2 + 5.
            Action::MultiDiscrete(&[1, 0, 1, 2, 2]),
            "{'more': (array([1, 0], dtype=int8), array([1, 2])), 'turn': np.int64(7)}",
        ),
        (
            "box",
            Action::Box(&[0.0, 0.5, 1.0, -0.5, -1.0, 2.0]),
            "array([[ 0. ,  0.5,  1. ],\n       [-0.5, -1. ,  2. ]])",
        ),
        ("scalar", Action::Box(&[0.5]), "array(0.5, dtype=float32)"),
        ("integers", Action::Box(&[1.6, -2.4]), "array([ 2, -2], dtype=int32)"),
        (
            "boxes",
            Action::Box(&[0.5, -0.5, 4.0]),
            "(array([ 0.5, -0.5], dtype=float32), {'x': array([4.], dtype=float32)})",
        ),
    ] {
        let mut env = fixture("Kinds-v0", &json!({ "action": name }));
        assert!(env.action_space().contains(action), "{name}: {}", env.action_space());
        reset(&mut *env, Some(1));
        shown(&mut *env, |env, row| env.step(action, row)).1.unwrap();
        assert_eq!(env.call("taken", &Value::Null).unwrap(), json!([expected, true]), "{name}");
    }
    // 0.1 as f32 is more than 0.1: the bounds lie inside those of the box.
    let mut env = fixture("Kinds-v0", &json!({ "action": "tenth" }));
    let Space::Box { low, high, .. } = env.action_space().clone() else { panic!("a box") };
    assert!(f64::from(high[0]) < 0.1 && f64::from(low[0]) > -0.1);
    reset(&mut *env, Some(1));
    shown(&mut *env, |env, row| env.step(Action::Box(&[low[0], high[0]]), row)).1.unwrap();
    assert_eq!(env.call("taken", &Value::Null).unwrap()[1], json!(true));

    let error = make("tests.python.fixtures:Kinds-v0", &json!({ "action": "mixed" })).err().unwrap();
    assert!(error.to_string().contains("asks for choices and numbers at once"), "{error}");
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
        batch.block().discrete_actions(t).copy_from_slice(&[1, 2]);
        batch.step(t).unwrap();
        for row in 0..2 {
            let episode = batch.block().episode(t, row);
            ends[episode as usize] += 1;
            if episode.is_over() {
                let last = batch.block().final_observation_row(t, row).f32().to_vec();
                assert_eq!(last[0].abs() > 4.0, episode == Episode::Terminated, "{last:?}");
                assert_eq!(last[1] == 20.0, episode == Episode::Truncated, "{last:?}");
                assert_eq!(batch.block().observation_row(t + 1, row).f32()[1], 0.0, "begun anew");
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
fn pixels_stay_bytes_and_are_drawn() {
    let mut env = drawn("Pixels-v0", &json!({})).unwrap();
    let Space::Box { shape, low, high, dtype } = env.observation_space() else { panic!("a box") };
    assert_eq!((shape.as_slice(), low[59], high[59], *dtype), (&[5, 4, 3][..], 0.0, 255.0, Dtype::U8));
    let mut row = [0; 60];
    env.reset(Some(2), Row::U8(&mut row)).unwrap();
    let frame = env.render().unwrap();
    assert_eq!((frame.width, frame.height, frame.pixels), (4, 5, row.to_vec()));
    assert_eq!(env.frames_per_second(), 12.0);
    for dark in [drawn("Pixels-v0", &json!({ "render_mode": null })), drawn("Walk-v0", &json!({}))] {
        assert!(matches!(dark.unwrap().render(), Err(EnvError::NoRender)));
    }
    let mut made = drawn("PixelsOfFunction-v0", &json!({})).unwrap();
    made.reset(Some(2), Row::U8(&mut row)).unwrap();
    assert_eq!(made.render().unwrap().pixels, row);
    assert!(matches!(drawn("WalkOfFunction-v0", &json!({})).unwrap().render(), Err(EnvError::NoRender)));
    // Without Gymnasium's own checks, which would refuse it first.
    let mut grey = drawn("Pixels-v0", &json!({ "grey": true, "disable_env_checker": true })).unwrap();
    grey.reset(Some(2), Row::U8(&mut row)).unwrap();
    let error = grey.render().unwrap_err().to_string();
    assert!(error.starts_with("ValueError: render() returned ndarray of shape (5, 4) array("), "{error}");
    assert!(error.ends_with("where (height, width, 3) is needed"), "{error}");
}

#[test]
fn pictures_a_second_are_thirty_unless_the_metadata_has_a_number() {
    for (fps, expected) in [
        (json!("12"), 12.0),
        (json!("nan"), 30.0),
        (json!("fast"), 30.0),
        (json!(0), 30.0),
        (json!([1, 2]), 30.0),
        (Value::Null, 30.0),
    ] {
        let params = json!({ "fps": fps, "disable_env_checker": true });
        assert_eq!(fixture("Pixels-v0", &params).frames_per_second(), expected, "{fps}");
    }
}

#[test]
fn multiprocessing_works_within_an_environment() {
    for method in ["fork", "spawn", "forkserver"] {
        let answer = fixture("Walk-v0", &json!({})).call("ask_child", &json!([method])).unwrap();
        assert_eq!(answer, json!(42), "{method}");
    }
}

#[test]
fn modules_are_found_from_another_folder() {
    // A folder of this crate, of which Python makes a package.
    let found = fixture("Walk-v0", &json!({})).call("import_elsewhere", &json!(["examples"])).unwrap();
    assert_eq!(found, json!("examples"));
}

#[test]
fn a_render_mode_is_asked_for_only_to_draw() {
    let mode = |env: &mut Box<dyn Env>| env.call("mode", &Value::Null).unwrap();
    let mut trained = fixture("Painter-v0", &json!({ "fault": "display", "picture": [] }));
    assert_eq!(mode(&mut trained), Value::Null);
    assert!(matches!(trained.render(), Err(EnvError::NoRender)));
    let named = json!({ "picture": [], "render_mode": "rgb_array" });
    assert_eq!(mode(&mut fixture("Painter-v0", &named)), json!("rgb_array"));
    let error = drawn("Painter-v0", &json!({ "fault": "display", "picture": [] })).err().unwrap().to_string();
    assert!(error.starts_with("RuntimeError: cannot open display\n"), "{error}");
    for name in ["Painter-v0", "OldPainter-v0"] {
        let mut env = drawn(name, &json!({ "picture": [] })).unwrap();
        assert_eq!(mode(&mut env), json!("rgb_array"), "{name}");
    }
    let mut row = [0; 60];
    fixture("Unaware-v0", &json!({})).reset(Some(1), Row::U8(&mut row)).unwrap();
}

#[test]
fn pictures_of_every_dtype_are_bytes() {
    let pixels = |dtype: &str, picture: Value| {
        let params = json!({ "dtype": dtype, "picture": picture, "disable_env_checker": true });
        let mut env = drawn("Painter-v0", &params).unwrap();
        reset(&mut *env, Some(1));
        env.render().map(|frame| (frame.width, frame.height, frame.pixels)).map_err(|e| e.to_string())
    };
    let one = |bytes: [u8; 3]| Ok((1, 1, bytes.to_vec()));
    assert_eq!(pixels("uint8", json!([[[1, 2, 255]]])), one([1, 2, 255]));
    assert_eq!(pixels("list", json!([[[1, 2, 255]]])), one([1, 2, 255]));
    // 0.5 · 255 = 127.5, rounded to even.
    assert_eq!(pixels("float32", json!([[[0.0, 0.5, 1.0]]])), one([0, 128, 255]));
    assert_eq!(pixels("float64", json!([[[0.0, 127.4, 300.0]]])), one([0, 127, 255]));
    assert_eq!(pixels("int64", json!([[[-1, 1, 256]]])), one([0, 1, 255]));
    assert_eq!(pixels("bool", json!([[[true, false, true]]])), one([255, 0, 255]));
    // A fifth of the colour and four fifths of white: 51 / 255 = 0.2.
    assert_eq!(pixels("uint8", json!([[[0, 100, 255, 51]]])), one([204, 224, 255]));
    assert_eq!(pixels("float32", json!([[[0.0, 1.0, 0.0, 1.0]]])), one([0, 255, 0]));
    let error = pixels("uint8", json!([[1, 2]])).unwrap_err();
    assert!(error.ends_with("where (height, width, 3) is needed"), "{error}");
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

#[test]
fn rows_of_one_interpreter_share_it_until_the_last_is_dropped() {
    let mut rows: Vec<_> = (0..3).map(|_| fixture("Walk-v0", &json!({}))).collect();
    let process = |env: &mut Box<dyn Env>| env.call("pid", &Value::Null).unwrap().as_u64().unwrap();
    let first = process(&mut rows[0]);
    assert!(rows.iter_mut().all(|row| process(row) == first));
    rows.truncate(1);
    assert_eq!(process(&mut rows[0]), first);
    let is_there = || std::path::Path::new(&format!("/proc/{first}")).exists();
    assert!(is_there());
    let started = [false, true].map(|session| rows[0].call("start", &json!([session])).unwrap());
    drop(rows);
    assert!(!is_there());
    for pid in started {
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "{pid} lives on");
    }
}

#[test]
fn a_reward_that_is_none_is_named() {
    let params = json!({ "fault": "no_reward", "disable_env_checker": true });
    let mut env = fixture("Walk-v0", &params);
    reset(&mut *env, Some(5));
    assert_eq!(
        step_error(&mut *env, Action::Discrete(1)),
        "TypeError: the reward is NoneType None, where a number is needed"
    );
}

#[test]
fn what_is_printed_meets_no_message() {
    let mut env = fixture("Walk-v0", &json!({ "fault": "print" }));
    reset(&mut *env, Some(5));
    for _ in 0..3 {
        shown(&mut *env, |env, row| env.step(Action::Discrete(1), row)).1.unwrap();
    }
}

#[test]
fn the_cause_of_an_exception_comes_first_and_its_traceback_beneath() {
    let name = "tests.python.fixtures:Walk-v0";
    for (fault, cause) in [("raise", "ValueError: the wheel came off"), ("exit", "SystemExit: 3")] {
        for phase in ["new", "reset", "step"] {
            let params = json!({ "fault": fault, "phase": phase });
            let error = match make(name, &params) {
                Err(error) => error.to_string(),
                Ok(mut env) => match shown(&mut *env, |env, row| env.reset(Some(1), row)).1 {
                    Err(error) => error.to_string(),
                    Ok(()) => step_error(&mut *env, Action::Discrete(1)),
                },
            };
            assert!(error.starts_with(&format!("{cause}\nTraceback (most recent call last):\n")), "{error}");
            assert!(error.contains("fixtures.py\", line") && error.ends_with(cause), "{error}");
            assert!(!error.contains("<stdin>"), "the hosting script is of no interest: {error}");
        }
    }
    let error = make(name, &json!({ "fault": "paragraphs", "phase": "new" })).err().unwrap().to_string();
    assert!(error.starts_with("ValueError: the wheel came off: twice\nTraceback "), "{error}");
    assert!(error.ends_with("ValueError: the wheel\n  came off:\n\n  twice"), "{error}");
    let error = make("CartPole-v1", &json!({ "wheels": 3 })).err().unwrap().to_string();
    assert!(error.contains("unexpected keyword argument 'wheels'"), "{error}");
    let error = make("CartPoel-v1", &json!({})).err().unwrap().to_string();
    assert!(error.starts_with("NameNotFound: Environment `CartPoel` doesn't exist"), "{error}");
}

#[test]
fn a_module_that_is_not_found_is_named_with_the_folders_searched() {
    let error = make("no.such_module:Walk-v0", &json!({})).err().unwrap().to_string();
    let (cause, folders) = error.split_once(" (searched: ").unwrap();
    assert_eq!(cause, "ModuleNotFoundError: No module named 'no'");
    let folders: Vec<_> = folders.trim_end_matches(')').split(", ").collect();
    assert_eq!(folders[0], std::env::current_dir().unwrap().to_str().unwrap());
    assert!(folders.last().unwrap().ends_with("-packages"), "those of pip: {folders:?}");
    // Of the folders of Python itself nobody has to be told.
    let own = |folder: &&&str| !folder.ends_with("-packages") && folder.contains("lib/python3");
    assert_eq!(folders.iter().find(own), None);
    let error = fixture("Walk-v0", &json!({})).call("import_elsewhere", &json!(["nothing"])).unwrap_err();
    let error = error.to_string();
    assert!(error.starts_with("ModuleNotFoundError: No module named 'nothing' (searched: /"), "{error}");
    assert!(error.contains("fixtures.py\", line"), "{error}");
}

#[test]
fn a_failing_row_is_named_and_the_others_are_stepped() {
    let params = json!({ "fault": "raise", "phase": "step", "at": 1 });
    let spec = spec("tests.python.fixtures:Walk-v0", &params);
    let mut batch = LocalBatch::new(&Registry::standard(), &spec, 2, 2, 7).unwrap();
    batch.reset(None).unwrap();
    batch.block().set_active(0, false);
    batch.block().discrete_actions(0).fill(2);
    batch.step(0).unwrap();
    batch.block().set_active(0, true);
    batch.block().discrete_actions(1).fill(2);
    let error = batch.step(1).unwrap_err().to_string();
    assert!(error.starts_with("row 1: step failed at step 1 of episode 0"), "{error}");
    assert!(error.ends_with("ValueError: the wheel came off"), "{error}");
    assert_eq!(batch.block().observation_row(2, 0).f32()[1], 1.0, "row 0 took its first step");
}

#[test]
fn an_interpreter_that_ends_is_named_with_its_row() {
    for (fault, how) in [("os_exit", "ended: exit code 4"), ("abort", "ended: signal 6, SIGABRT")] {
        let params = json!({ "fault": fault, "phase": "step", "at": 1 });
        let mut batch =
            LocalBatch::new(&Registry::standard(), &spec("tests.python.fixtures:Walk-v0", &params), 3, 4, 7)
                .unwrap();
        batch.reset(None).unwrap();
        batch.block().discrete_actions(0).fill(2);
        batch.step(0).unwrap();
        // Row 0 rests, so that row 1 is the first to take its second step.
        batch.block().set_active(0, false);
        batch.block().discrete_actions(1).fill(2);
        let error = batch.step(1).unwrap_err().to_string();
        assert!(error.starts_with("row 1: step failed at step 1 of episode 0"), "{error}");
        assert!(error.contains("last action 2: the Python interpreter") && error.contains(how), "{error}");
        let error = batch.reset(None).unwrap_err().to_string();
        assert!(error.contains(how), "{error}");
        // A new one is started for new rows.
        reset(&mut *fixture("Walk-v0", &json!({})), Some(1));
    }
}

#[test]
fn an_interpreter_that_will_not_do_is_named_with_the_remedy() {
    let error = |python: &str| make("CartPole-v1", &json!({ "python": python })).err().unwrap().to_string();
    let absent = error("/nowhere/python");
    assert!(absent.contains("/nowhere/python cannot be started: No such file"), "{absent}");
    assert!(error("false").contains("the Python interpreter false"), "{}", error("false"));

    // An interpreter without site-packages: it has no Gymnasium.
    let folder = std::env::temp_dir().join(format!("phalanx-python-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let bare = folder.join("python");
    std::fs::write(&bare, format!("#!/bin/sh\nexec {} -I -S \"$@\"\n", python())).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&bare, mode).unwrap();
    let bare = bare.to_str().unwrap();
    let message = error(bare);
    assert!(message.contains("No module named 'gymnasium'"), "{message}");
    assert!(message.contains(&format!("run `{bare} -m pip install gymnasium`")), "{message}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn environments_of_a_provider_keep_the_contract() {
    for (name, frame) in
        [("CartPole-v1", Some((600, 400))), ("tests.python.fixtures:Pixels-v0", Some((4, 5)))]
    {
        let report = contract::check(&Registry::standard(), &spec(name, &json!({})));
        assert_eq!(report.findings, [], "{report}");
        assert_eq!(report.frame, frame, "{report}");
    }
}

/// Breakout as it is played here: no random start, and the scores as they are.
fn breakout(atari: &Value) -> EnvSpec {
    let params = json!({ "frameskip": 1, "repeat_action_probability": 0.0, "obs_type": "grayscale" });
    let wrappers = serde_json::from_value(json!([{ "atari": atari }])).unwrap();
    EnvSpec { wrappers, ..spec("ALE/Breakout-v5", &params) }
}

/// A stack of pictures.
fn stack(work: impl FnOnce(Row<'_>)) -> Vec<u8> {
    let mut row = vec![0; 4 * 84 * 84];
    work(Row::U8(&mut row));
    row
}

/// What `golden/atari/record.py` wrote down; pixels are runs of a length and a value.
#[derive(Deserialize)]
struct Recorded {
    seed: u64,
    actions: Vec<usize>,
    rewards: Vec<f32>,
    lost: Vec<bool>,
    shown: Vec<(usize, Vec<(usize, u8)>)>,
}

#[test]
fn breakout_is_seen_as_gymnasiums_own_wrappers_show_it() {
    let recorded: Recorded = serde_json::from_str(include_str!("golden/atari/breakout.json")).unwrap();
    let settings = json!({ "random_start": 0, "clip_reward": false });
    let mut env = Registry::standard().build(&breakout(&settings)).unwrap();
    assert_eq!(env.observation_space().shape(), [4, 84, 84]);
    let mut row = stack(|row| env.reset(Some(recorded.seed), row).unwrap());
    let (mut shown, last) = (recorded.shown.iter().peekable(), recorded.actions.len() - 1);
    for (t, &action) in recorded.actions.iter().enumerate() {
        if let Some((_, runs)) = shown.next_if(|(at, _)| *at == t) {
            let expected: Vec<u8> = runs.iter().flat_map(|&(count, value)| vec![value; count]).collect();
            assert_eq!(row.len(), expected.len());
            // A mean just beside a half may be rounded to either side.
            assert!(row.iter().zip(&expected).all(|(a, b)| a.abs_diff(*b) <= 1), "step {t} looks different");
        }
        let mut step = None;
        row = stack(|row| step = Some(env.step(Action::Discrete(action), row).unwrap()));
        let step = step.unwrap();
        let episode = match recorded.lost[t] {
            _ if t == last => Episode::Terminated,
            true => Episode::LifeLost,
            false => Episode::Running,
        };
        assert_eq!((step.reward, step.episode), (recorded.rewards[t], episode), "step {t}");
    }
    assert!(shown.next().is_none() && recorded.lost.contains(&true));
}

#[test]
fn rows_of_breakout_are_those_that_play_alone() {
    let spec = breakout(&json!({}));
    let (rows, steps) = (3, 60);
    let mut batch = LocalBatch::new(&Registry::standard(), &spec, rows, steps, 7).unwrap();
    batch.reset(None).unwrap();
    let actions: Vec<i64> = (0..rows * steps).map(|i| (i * i / 5 % 4) as i64).collect();
    for (t, actions) in actions.chunks_exact(rows).enumerate() {
        batch.block().discrete_actions(t).copy_from_slice(actions);
        batch.step(t).unwrap();
    }
    let mut lost = 0;
    for row in 0..rows {
        let mut env = Registry::standard().build(&spec).unwrap();
        let mut episode = 0..;
        let mut start = |env: &mut dyn Env| {
            let seed = episode_seed(7, row, episode.next().unwrap());
            stack(|shown| env.reset(Some(seed), shown).unwrap())
        };
        let mut shown = start(&mut *env);
        assert_eq!(env.lives().unwrap(), Some(5));
        for (t, actions) in actions.chunks_exact(rows).enumerate() {
            assert!(batch.block().observation_row(t, row).u8() == shown, "row {row}, step {t}");
            let action = Action::Discrete(actions[row] as usize);
            let mut step = None;
            shown = stack(|shown| step = Some(env.step(action, shown).unwrap()));
            let Step { reward, episode } = step.unwrap();
            assert_eq!(
                (batch.block().reward()[t * rows + row], batch.block().episode(t, row)),
                (reward, episode)
            );
            lost += usize::from(episode == Episode::LifeLost);
            if episode.is_over() {
                assert!(batch.block().final_observation_row(t, row).u8() == shown);
                shown = start(&mut *env);
            }
        }
    }
    assert!(lost > rows, "{lost} lives");
}

#[test]
fn games_that_skip_frames_themselves_are_refused() {
    let mut twice = breakout(&json!({}));
    twice.params.0.remove("frameskip");
    let error = Registry::standard().build(&twice).err().unwrap().to_string();
    assert!(error.contains("frameskip: 4") && error.contains("`params: {frameskip: 1}`"), "{error}");
}
