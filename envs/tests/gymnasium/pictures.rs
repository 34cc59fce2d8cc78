//! Pictures, and the render modes that bring them.

use phalanx_envs::{Dtype, Env, EnvError, Row, Space};
use serde_json::{Value, json};

use super::{drawn, fixture, reset};

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
        assert!(matches!(dark.unwrap().render(), Err(EnvError::NoRender(_))));
    }
    let mut made = drawn("PixelsOfFunction-v0", &json!({})).unwrap();
    made.reset(Some(2), Row::U8(&mut row)).unwrap();
    assert_eq!(made.render().unwrap().pixels, row);
    assert!(matches!(drawn("WalkOfFunction-v0", &json!({})).unwrap().render(), Err(EnvError::NoRender(_))));
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
        let mut env = drawn("Pixels-v0", &json!({ "fps": fps })).unwrap();
        assert_eq!(env.frames_per_second(), expected, "{fps}");
        let mut row = vec![0; env.observation_space().len()];
        env.reset(Some(2), Row::U8(&mut row)).unwrap();
        assert_eq!(env.render().unwrap().pixels, row, "{fps}");
    }
}

#[test]
fn a_render_mode_is_asked_for_only_to_draw() {
    let mode = |env: &mut Box<dyn Env>| env.call("mode", &Value::Null).unwrap();
    let mut trained = fixture("Painter-v0", &json!({ "fault": "display", "picture": [] }));
    assert_eq!(mode(&mut trained), Value::Null);
    assert!(matches!(trained.render(), Err(EnvError::NoRender(_))));
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
    // Of several pictures the last is drawn.
    assert_eq!(pixels("list", json!([[[[1, 2, 3]]], [[[4, 5, 6]]]])), one([4, 5, 6]));
    assert_eq!(pixels("list", json!([])), Err("there is no picture of this state".to_owned()));
    for (dtype, picture, shown) in [
        ("uint8", json!([[1, 2]]), "ndarray of shape (1, 2) array([[1, 2]], dtype=uint8)"),
        ("list", json!([1, 2]), "list of 2 [1, 2]"),
        ("text", json!("a picture"), "str 'a picture'"),
        (
            "uint8",
            json!([[[[1, 2, 3]]]]),
            "ndarray of shape (1, 1, 1, 3) array([[[[1, 2, 3]]]], dtype=uint8)",
        ),
    ] {
        let error = pixels(dtype, picture).unwrap_err();
        assert_eq!(
            error,
            format!("ValueError: render() returned {shown}, where (height, width, 3) is needed")
        );
    }
}

/// Why an environment that was made to be drawn never is.
fn reason(name: &str) -> String {
    let mut env = drawn(name, &json!({ "disable_env_checker": true })).unwrap();
    match env.reset(Some(1), Row::U8(&mut [0; 60])).and_then(|()| env.render()) {
        Err(EnvError::NoRender(reason)) => reason,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn why_an_environment_is_never_drawn_is_known_at_once() {
    assert_eq!(reason("Promise-v0"), "it does not implement `render`");
    let unaware = reason("Unaware-v0");
    assert!(
        unaware.starts_with("its `render_mode` is None, where \"rgb_array\" is needed; its constructor"),
        "{unaware}"
    );
    for (name, modes) in [("Modes0-v0", "[]"), ("Modes4-v0", "[]"), ("Walk-v0", "[]")] {
        let params = if name == "Walk-v0" { json!({}) } else { json!({ "picture": [] }) };
        let Err(EnvError::NoRender(reason)) = drawn(name, &params).unwrap().render() else {
            panic!("{name}")
        };
        let expected =
            format!("metadata[\"render_modes\"] of its class does not have \"rgb_array\": it has {modes}");
        assert_eq!(reason, expected, "{name}");
    }
}

#[test]
fn render_modes_of_any_kind_are_read() {
    for number in 0..7 {
        let name = format!("Modes{number}-v0");
        let params = json!({ "picture": [[[1, 2, 3]]] });
        reset(&mut *fixture(&name, &params), Some(1));
        let mut env = drawn(&name, &params).unwrap();
        reset(&mut *env, Some(1));
        let draws = [1, 2, 3, 6].contains(&number);
        assert_eq!(env.call("mode", &Value::Null).unwrap() == json!("rgb_array"), draws, "{name}");
        assert_eq!(env.render().is_ok(), draws, "{name}");
    }
}

#[test]
fn no_window_is_opened_unless_it_is_asked_for() {
    let mode = |mut env: Box<dyn Env>| env.call("mode", &Value::Null).unwrap();
    let picture = json!({ "picture": [] });
    for name in ["Window-v0", "WindowOfParent-v0", "WindowOfRegistration-v0"] {
        assert_eq!(mode(fixture(name, &picture)), Value::Null, "{name}");
        assert_eq!(mode(drawn(name, &picture).unwrap()), json!("rgb_array"), "{name}");
    }
    let window = json!({ "picture": [], "render_mode": "rgb_array" });
    assert_eq!(mode(fixture("Window-v0", &window)), json!("rgb_array"));
}
