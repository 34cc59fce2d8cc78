//! Plain pictures, which are the same on every machine; those of `MuJoCo` itself are compared with them in `gl/tests.rs`.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::super::models;
use super::super::params::ModelParams;
use super::*;
use crate::Params;

#[test]
fn pictures_show_what_moves() {
    for xml_file in models::BUILT_IN.map(|(name, _)| name) {
        let mut simulator = Simulator::new(&ModelParams::new(xml_file, 5), false).unwrap();
        let picture = Picture::new(&PictureParams::default(), &simulator).unwrap();
        let first = picture.draw_plainly(&simulator);
        let action = vec![0.4; simulator.action_space().len()];
        for _ in 0..5 {
            simulator.advance(&action);
        }
        assert_ne!(picture.draw_plainly(&simulator), first, "{xml_file}");
    }
}

/// A picture of the initial state drawn plainly, and one after the model has moved.
fn pictures(params: &Value) -> [Frame; 2] {
    let model = ModelParams { picture: PictureParams::default(), ..ModelParams::new("half_cheetah.xml", 5) };
    let params: PictureParams =
        Params(params.as_object().unwrap().clone()).parse_over(&model.picture).unwrap();
    let model = ModelParams { picture: params, ..model };
    let mut simulator = Simulator::new(&model, false).unwrap();
    let picture = Picture::new(&model.picture, &simulator).unwrap();
    let first = picture.draw_plainly(&simulator);
    simulator.reset();
    simulator.qpos_mut()[0] = 3.0;
    simulator.forward();
    [first, picture.draw_plainly(&simulator)]
}

/// Columns and rows of the first and the last pixel of the cheetah, whose colours are warm.
fn extent(frame: &Frame) -> [[usize; 2]; 2] {
    let warm =
        frame.pixels.chunks_exact(3).enumerate().filter(|(_, c)| i32::from(c[0]) - i32::from(c[2]) > 25);
    let places: Vec<_> = warm.map(|(i, _)| [i % frame.width as usize, i / frame.width as usize]).collect();
    let ends = |axis: usize| {
        let along = || places.iter().map(|place| place[axis]);
        [along().min().unwrap(), along().max().unwrap()]
    };
    [ends(0), ends(1)]
}

#[test]
fn pictures_are_as_large_as_asked_for() {
    let [standard, _] = pictures(&json!({}));
    let [wide, _] = pictures(&json!({"width": 960}));
    let [small, _] = pictures(&json!({"width": 240, "height": 240}));
    assert_eq!([standard.width, standard.height, wide.width, wide.height], [480, 480, 960, 480]);
    let [[left, right], height] = extent(&standard);
    assert_eq!(extent(&wide), [[left + 240, right + 240], height], "wider, and nothing else");
    let halved = extent(&small);
    for (half, whole) in halved.as_flattened().iter().zip(extent(&standard).as_flattened()) {
        assert!((2 * half).abs_diff(*whole) <= 2, "{halved:?}");
    }
}

#[test]
fn the_free_camera_stands_where_it_is_told() {
    let look = |config: Value| extent(&pictures(&json!({"default_camera_config": config}))[0]);
    let [[left, right], [top, _]] = look(json!({"distance": 4.0, "lookat": [0, 0, 0.7], "elevation": 0}));
    // 240 / (4·tan 22.5°) = 144.85 pixels a metre, and a little more for what is nearer.
    let scale = 240.0 / (4.0 * (22.5_f64).to_radians().tan());
    let pixel = |metres: f64| 240.0 + scale * metres;
    // The hind shank reaches to -0.5 + 0.16 - 0.14 - 0.15·sin 2.03 - 0.046 along x.
    assert!((left as f64 - pixel(-0.660)).abs() < 4.0, "{left} {}", pixel(-0.660));
    // The head reaches to 0.6 + 0.15·sin 0.87 + 0.046 along x, to 0.1 + 0.15·cos 0.87 + 0.046 above the torso.
    assert!((right as f64 - pixel(0.761)).abs() < 4.0, "{right} {}", pixel(0.761));
    assert!((480.0 - top as f64 - pixel(0.243)).abs() < 4.0, "{top} {}", pixel(0.243));
    // Seen from the other side, left is right.
    let [[other_left, other_right], _] =
        look(json!({"distance": 4.0, "lookat": [0, 0, 0.7], "elevation": 0, "azimuth": -90}));
    assert!(other_left.abs_diff(479 - right) <= 3 && other_right.abs_diff(479 - left) <= 3);
}

#[test]
fn cameras_go_with_the_model_unless_they_shall_not() {
    let moved = |params: Value| {
        let [first, second] = pictures(&params);
        let ([[left, _], _], [[later, _], _]) = (extent(&first), extent(&second));
        left.abs_diff(later) > 10
    };
    assert!(!moved(json!({})));
    for still in [0, -1] {
        assert!(moved(json!({"default_camera_config": {"trackbodyid": still, "distance": 20.0}})));
    }
    let track = json!({"camera_name": "track"});
    assert!(!moved(track.clone()), "it goes with the centre of mass");
    assert_eq!(pictures(&track), pictures(&json!({"camera_id": 0})));
    assert_ne!(pictures(&track), pictures(&json!({"camera_id": -1})));
    assert_eq!(pictures(&json!({})), pictures(&json!({"camera_id": -1})));
}
