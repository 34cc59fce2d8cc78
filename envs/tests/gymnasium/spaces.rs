//! Observations and actions of every kind of space.

use phalanx_envs::{Action, Dtype, Registry, Row, Space, contract};
use serde_json::{Value, json};

use super::{fixture, make, reset, shown, spec};

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
        ("multi_binary", vec![4]),
        ("dict", vec![11]),
        ("boxes", vec![3]),
        ("mixed", vec![4]),
    ] {
        let mut env = fixture("Kinds-v0", &json!({ "observation": name, "flatten": true }));
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
        ("part_empty", json!({}), json!(["b"])),
        ("within", json!({}), json!([1])),
        ("own", json!({}), json!(["b"])),
    ] {
        let mut params = choice.clone();
        params["observation"] = json!(space);
        params["disable_env_checker"] = json!(true);
        params["flatten"] = json!(true);
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
        let mut env = fixture("Kinds-v0", &json!({ "action": name, "flatten": true }));
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

    let error = make("tests.python.fixtures:Kinds-v0", &json!({ "action": "narrow" })).err().unwrap();
    let expected = "none of which lies between 0.1 and 0.10000000000100001, the bounds of its element 1";
    assert!(error.to_string().contains(expected), "{error}");

    let params = json!({ "action": "mixed", "flatten": true });
    let error = make("tests.python.fixtures:Kinds-v0", &params).err().unwrap();
    assert!(error.to_string().contains("asks for choices and numbers at once"), "{error}");
}

/// Bounds as f32, towards the inside of the box: −2⁶³ and 2⁶³ − 2³⁹, 2⁶⁴ − 2⁴⁰, and of 10¹⁵ + 1 10¹⁵ − 13,008,896, as 2²⁶ lie between two f32 there.
#[test]
fn actions_at_the_bounds_lie_in_a_box_whose_bounds_no_f32_has() {
    for (name, expected) in [
        (
            "largest",
            ["-9223372036854775808, -9223372036854775808", "9223371487098961920, 9223371487098961920"],
        ),
        ("unsigned", ["0", "18446742974197923840"]),
        ("large", ["-999999986991104, -999999986991104", "999999986991104, 999999986991104"]),
        ("single", [" 1.e-001, -1.e+300", " 1.e-001, -1.e+300"]),
        ("single_integer", ["9007199254740993", "9007199254740993"]),
        ("far", ["-3.40282347e+38, -3.40282347e+38", "3.40282347e+38, 3.40282347e+38"]),
    ] {
        let mut env = fixture("Kinds-v0", &json!({ "action": name }));
        let Space::Box { low, high, .. } = env.action_space().clone() else { panic!("a box") };
        assert!(low.iter().chain(&high).all(|bound| bound.is_finite()), "{name}: {low:?} {high:?}");
        for (bound, expected) in [low, high].iter().zip(expected) {
            reset(&mut *env, Some(1));
            shown(&mut *env, |env, row| env.step(Action::Box(bound), row)).1.unwrap();
            let taken = env.call("taken", &Value::Null).unwrap();
            let text = taken[0].as_str().unwrap();
            assert!(text.starts_with(&format!("array([{expected}]")), "{name}: {text}");
            assert_eq!(taken[1], json!(true), "{name}: {text}");
        }
    }
}

#[test]
fn bounds_beyond_the_range_of_f32_are_none_of_observations() {
    let env = fixture("Kinds-v0", &json!({ "observation": "far" }));
    let Space::Box { low, high, dtype, .. } = env.observation_space() else { panic!("a box") };
    assert_eq!(
        (&low[..], &high[..], *dtype),
        (&[f32::NEG_INFINITY; 2][..], &[f32::INFINITY; 2][..], Dtype::F64)
    );
    let spec = spec("tests.python.fixtures:Kinds-v0", &json!({ "observation": "far", "value": [1e300, 0] }));
    let report = contract::check(&Registry::standard(), &spec).to_string();
    let expected = "error: seed 1, episode 0, step 0: observation[0] is 1e300: beyond the floats of 32 bits that networks read";
    assert!(report.contains(expected), "{report}");
}

#[test]
fn a_box_that_is_left_alone_keeps_its_shape_and_its_bytes() {
    let params =
        json!({ "observation": "mission", "keys": ["image", "mission"], "disable_env_checker": true });
    let mut env = fixture("Kinds-v0", &params);
    let Space::Box { shape, dtype, .. } = env.observation_space() else { panic!("a box") };
    assert_eq!((shape.as_slice(), *dtype), (&[2, 2][..], Dtype::U8));
    let mut row = [0; 4];
    env.reset(Some(1), Row::U8(&mut row)).unwrap();
    let expected: Vec<u8> = serde_json::from_value(env.call("shown_at", &json!(["image"])).unwrap()).unwrap();
    assert_eq!(row.to_vec(), expected);
}

/// What a reset brings that shows `value` as an array of `dtype`, or as Python reads it.
fn show(observation: &str, value: &Value, dtype: Option<&str>) -> Result<Vec<f32>, String> {
    let params = json!({
        "observation": observation,
        "value": value,
        "dtype": dtype,
        "disable_env_checker": true,
        "flatten": true,
    });
    let mut env = fixture("Kinds-v0", &params);
    let len = env.observation_space().len();
    let (mut floats, mut bytes) = (vec![f32::NAN; len], vec![0; len]);
    let row = if observation == "bytes" { Row::U8(&mut bytes) } else { Row::F32(&mut floats) };
    env.reset(Some(1), row).map_err(|e| e.to_string())?;
    Ok(if observation == "bytes" { bytes.into_iter().map(f32::from).collect() } else { floats })
}

#[test]
fn a_value_that_does_not_fit_the_dtype_of_its_space_is_refused_by_name() {
    for (space, value, dtype, expected) in [
        (
            "bytes",
            json!([7, -1, 300, 0]),
            "int64",
            "observation[1] is -1, and uint8, the dtype of its space, holds whole numbers from 0 to 255",
        ),
        ("bytes", json!([7, 0, 256, 0]), "int16", "observation[2] is 256, and uint8"),
        ("bytes", json!([0.5, 0, 0, 0]), "float32", "observation[0] is 0.5, and uint8"),
        (
            "integers",
            json!([0, 2_147_483_648_u32]),
            "int64",
            "observation[1] is 2147483648, and int32, the dtype of its space, holds whole numbers from -2147483648 to 2147483647",
        ),
        ("integers", json!([null, 1]), "float64", "observation[0] is nan, and int32"),
        (
            "truths",
            json!([1, 0, 2]),
            "int64",
            "observation[2] is 2, and bool, the dtype of its space, holds whole numbers from 0 to 1",
        ),
        ("multi_binary", json!([[0, 1], [0.25, 0]]), "float64", "observation[1, 0] is 0.25, and int8"),
        (
            "multi_binary",
            json!([[0, 1], [0, -1]]),
            "int8",
            "observation[1, 1] is -1, which lies outside MultiBinary((2, 2)): a bit is 0 or 1",
        ),
        (
            "discrete",
            json!(1.5),
            "float64",
            "observation is ndarray of shape () array(1.5), which lies outside Discrete(4, start=-1)",
        ),
        (
            "discrete",
            json!(3),
            "int64",
            "observation is ndarray of shape () array(3), which lies outside Discrete(4, start=-1)",
        ),
        (
            "multi_discrete",
            json!([1]),
            "int64",
            "observation is ndarray of shape (1,) array([1]), which lies outside MultiDiscrete",
        ),
        (
            "integers",
            json!([1, 2, 3]),
            "int32",
            "observation is ndarray of shape (3,) array([1, 2, 3], dtype=int32), where the space has the shape (2,)",
        ),
    ] {
        let error = show(space, &value, Some(dtype)).unwrap_err();
        assert!(error.starts_with(&format!("ValueError: {expected}")), "{error}");
    }
    let error = show("integers", &json!(["one", "two"]), None).unwrap_err();
    assert_eq!(
        error,
        "TypeError: observation is list of 2 ['one', 'two'], where the space has numbers of int32"
    );
    // Another dtype that holds the same numbers will do, and a list of them.
    assert_eq!(show("bytes", &json!([0, 1, 254, 255]), Some("int64")), Ok(vec![0.0, 1.0, 254.0, 255.0]));
    assert_eq!(show("bytes", &json!([0, 1, 254, 255]), None), Ok(vec![0.0, 1.0, 254.0, 255.0]));
    assert_eq!(show("integers", &json!([-3, 2]), Some("float64")), Ok(vec![-3.0, 2.0]));
    assert_eq!(show("truths", &json!([0, 1, 1]), Some("int8")), Ok(vec![0.0, 1.0, 1.0]));
    assert_eq!(show("discrete", &json!(2.0), Some("float64")), Ok(vec![0.0, 0.0, 0.0, 1.0]));
}

#[test]
fn a_part_that_is_missing_or_unknown_is_named() {
    let whole = json!({ "a": 1, "b": [0.5, 0.25], "c": [[1, 0], [0, 1]] });
    // One-hot 1 of 3, two numbers, two bits, two choices of two.
    assert_eq!(show("dict", &whole, None), Ok(vec![0., 1., 0., 0.5, 0.25, 1., 0., 1., 0., 0., 1.]));
    let without = |key: &str| {
        let mut parts = whole.clone();
        parts.as_object_mut().unwrap().remove(key);
        parts
    };
    let with = |mut parts: Value, key: &str, value: Value| {
        parts[key] = value;
        parts
    };
    for (value, expected) in [
        (without("b"), "ValueError: observation has no 'b', which is in its space"),
        (with(without("b"), "x", json!(1)), "ValueError: observation has no 'b', which is in its space"),
        (
            with(whole.clone(), "x", json!(1)),
            "ValueError: observation has 'x', which is not in its space: that has ['a', 'b', 'c']",
        ),
        (
            with(whole.clone(), "c", json!([[1, 0]])),
            "ValueError: observation['c'] has no 1, which is in its space",
        ),
        (
            with(whole.clone(), "c", json!(3)),
            "TypeError: observation['c'] is int 3, where the space has the parts [0, 1]",
        ),
        (
            with(whole.clone(), "a", json!(7)),
            "ValueError: observation['a'] is int 7, which lies outside Discrete(3)",
        ),
        (
            json!([1, 2, 3]),
            "TypeError: observation is list of 3 [1, 2, 3], where the space has the parts ['a', 'b', 'c']",
        ),
    ] {
        assert_eq!(show("dict", &value, None), Err(expected.to_owned()));
    }
}

#[test]
fn spaces_that_are_empty_or_too_large_are_refused() {
    let refusal = |params: Value| {
        let mut params = params;
        params["disable_env_checker"] = json!(true);
        make("tests.python.fixtures:Kinds-v0", &params).err().unwrap().to_string()
    };
    let error = refusal(json!({ "observation": "huge" }));
    assert!(
        error.starts_with("ValueError: Discrete(1000000000) among the observations has 1000000000 choices"),
        "{error}"
    );
    assert!(
        error.ends_with("return its choice as numbers of a Box, or leave it out with `keys` or `drop`"),
        "{error}"
    );
    let error = refusal(json!({ "observation": "empty" }));
    assert!(error.contains("(2, 0), float32) hold neither choices nor arrays of numbers"), "{error}");
    let error = refusal(json!({ "action": "empty" }));
    assert!(error.ends_with("(2, 0), float32) of the actions is empty"), "{error}");
}
