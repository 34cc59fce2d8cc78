use super::*;
use crate::Frame;

const WHITE: [u8; 3] = [255, 255, 255];
const BLACK: [u8; 3] = [0, 0, 0];
const TAN: [u8; 3] = [202, 152, 101];
const RED: [u8; 3] = [204, 77, 77];
const CYAN: [u8; 3] = [0, 204, 204];
const YELLOW: [u8; 3] = [204, 204, 0];
const GREY: [u8; 3] = [128, 128, 128];

/// The pixel `x` from the left and `y` from the top.
fn at(frame: &Frame, x: u32, y: u32) -> [u8; 3] {
    let i = ((y * frame.width + x) * 3) as usize;
    [frame.pixels[i], frame.pixels[i + 1], frame.pixels[i + 2]]
}

fn count(frame: &Frame, colour: [u8; 3]) -> usize {
    frame.pixels.chunks_exact(3).filter(|p| *p == colour).count()
}

#[test]
fn an_upright_pole_stands_on_a_centred_cart() {
    let frame = cart_pole(0.0, 0.0);
    assert_eq!((frame.width, frame.height, frame.pixels.len()), (600, 400, 720_000));
    // Cart: 300 ± 25 by 100 ± 15 from the bottom, which is rows 285..315 from the top.
    assert_eq!(at(&frame, 276, 290), BLACK);
    assert_eq!(at(&frame, 274, 290), WHITE);
    assert_eq!((at(&frame, 324, 314), at(&frame, 325, 314), at(&frame, 324, 315)), (BLACK, WHITE, WHITE));
    // Pole: 300 ± 5, its end 107.5 + 125 − 5 = 227.5 above the bottom: half of row 172 is covered.
    assert_eq!((at(&frame, 295, 200), at(&frame, 304, 200)), (TAN, TAN));
    assert_eq!((at(&frame, 294, 200), at(&frame, 305, 200)), (WHITE, WHITE));
    assert_eq!((at(&frame, 300, 171), at(&frame, 300, 173)), (WHITE, TAN));
    let edge = at(&frame, 300, 172);
    for (channel, tan) in edge.into_iter().zip(TAN) {
        assert!(channel.abs_diff(tan.midpoint(255)) <= 2, "half covered: {edge:?}");
    }
    // Axle at 107.5; the track covers the row 100 above the bottom.
    assert_eq!(at(&frame, 300, 292), [129, 132, 203]);
    assert_eq!((at(&frame, 0, 299), at(&frame, 599, 299)), (BLACK, BLACK));
    assert_eq!((at(&frame, 0, 298), at(&frame, 0, 300)), (WHITE, WHITE));
}

#[test]
fn a_pole_leans_to_the_right_when_theta_is_positive_and_keeps_its_area() {
    let upright = cart_pole(0.0, 0.0);
    let leaning = cart_pole(0.0, 0.2);
    // 80 px along the pole from the axle (300, 107.5): (300 + 80 sin 0.2, 107.5 + 80 cos 0.2) = (315.9, 185.9).
    assert_eq!((at(&leaning, 315, 214), at(&upright, 315, 214)), (TAN, WHITE));
    assert_eq!((at(&leaning, 284, 214), at(&cart_pole(0.0, -0.2), 284, 214)), (WHITE, TAN));
    let (a, b) = (count(&upright, TAN) as f64, count(&leaning, TAN) as f64);
    assert!((a - b).abs() < 0.2 * a, "{a} and {b} pixels of pole");
    assert!(distinct(&leaning) > 20, "edges are smooth");
}

fn distinct(frame: &Frame) -> usize {
    frame.pixels.chunks_exact(3).collect::<std::collections::BTreeSet<_>>().len()
}

#[test]
fn a_cart_is_where_its_position_says() {
    // 1.2 m · 125 px/m = 150 px to the right.
    let frame = cart_pole(1.2, 0.0);
    assert_eq!((at(&frame, 426, 290), at(&frame, 424, 290), at(&frame, 300, 290)), (BLACK, WHITE, WHITE));
}

#[test]
fn a_car_stands_on_the_ground() {
    // At −π/6 the ground is lowest, sin = −1: x = (1.2 − 0.5236)·333.3 = 225.5, y = 0.1·333.3 = 33.3 and level
    // (cos(−π/2) = 0); the body covers y 43.3..63.3, the wheels have radius 8 about y 43.3.
    let frame = mountain_car(-std::f64::consts::FRAC_PI_6, 0.5);
    assert_eq!((frame.width, frame.height), (600, 400));
    assert_eq!((at(&frame, 225, 400 - 60), at(&frame, 225, 400 - 66)), (BLACK, WHITE));
    assert_eq!((at(&frame, 235, 400 - 43), at(&frame, 215, 400 - 43)), (GREY, GREY));
    // The flag at 0.5: x = 566.7, y = (sin 1.5 · 0.45 + 0.55)·333.3 = 332.9, its cloth 372..382.
    assert_eq!(at(&frame, 570, 400 - 378), YELLOW);
    assert_eq!(at(&frame, 566, 400 - 350), BLACK);
    assert_eq!(at(&mountain_car(-0.5, 0.45), 570, 400 - 350), WHITE);
}

#[test]
fn a_rod_stands_up_at_zero_and_turns_anticlockwise() {
    let up = pendulum(0.0, None);
    assert_eq!((up.width, up.height), (500, 500));
    // 50 px above the axle at (250, 250).
    assert_eq!((at(&up, 250, 200), at(&up, 250, 300), at(&up, 250, 250)), (RED, WHITE, BLACK));
    let left = pendulum(std::f64::consts::FRAC_PI_2, None);
    assert_eq!((at(&left, 200, 250), at(&left, 250, 200)), (RED, WHITE));
}

#[test]
fn the_arrow_shows_size_and_side_of_the_torque() {
    // Radius 0.46 · |u| / 2 · 113.6 px: 52.3 for 2 N·m, 26.1 for 1 N·m; the arc passes below the axle.
    let hanging = std::f64::consts::FRAC_PI_2;
    assert_eq!(at(&pendulum(hanging, Some(2.0)), 250, 302), BLACK);
    assert_eq!(at(&pendulum(hanging, Some(1.0)), 250, 302), WHITE);
    assert_eq!(at(&pendulum(hanging, Some(1.0)), 250, 276), BLACK);
    // A wing of the head, 0.045 · 113.6 = 5 px beside the end of the arc: right of the axle when anticlockwise.
    assert_eq!(at(&pendulum(0.0, Some(2.0)), 307, 252), BLACK);
    assert_eq!(at(&pendulum(0.0, Some(2.0)), 192, 252), WHITE);
    assert_eq!(at(&pendulum(0.0, Some(-2.0)), 192, 252), BLACK);
    assert_eq!(pendulum(0.3, Some(0.0)), pendulum(0.3, None));
}

#[test]
fn links_hang_at_zero_and_turn_anticlockwise() {
    let down = acrobot(0.0, 0.0);
    // Links of 113.6 px below the joint (250, 250), the second joint at row 363.6, the line at row 136.
    assert_eq!((at(&down, 250, 250), at(&down, 250, 300)), (YELLOW, CYAN));
    assert_eq!((at(&down, 250, 363), at(&down, 250, 420)), (YELLOW, CYAN));
    assert_eq!((at(&down, 10, 136), at(&down, 10, 135), at(&down, 10, 137)), (BLACK, WHITE, WHITE));
    // A quarter turn: the first link to the right, the second on up from its end.
    let quarter = acrobot(std::f64::consts::FRAC_PI_2, std::f64::consts::FRAC_PI_2);
    assert_eq!((at(&quarter, 300, 250), at(&quarter, 363, 200)), (CYAN, CYAN));
}

#[test]
fn any_number_gives_a_picture_and_the_same_one_again() {
    let numbers = [0.0, -0.0, 1.0, -2.4, 1e3, -1e7, 1e30, f64::MAX, f64::MIN_POSITIVE];
    let numbers = numbers.into_iter().chain([f64::INFINITY, f64::NEG_INFINITY, f64::NAN]);
    for (a, b) in numbers.clone().flat_map(|a| numbers.clone().map(move |b| (a, b))) {
        let draw = || [cart_pole(a, b), mountain_car(a, b), pendulum(a, Some(b)), acrobot(a, b)];
        let frames = draw();
        assert_eq!(frames, draw(), "{a} {b}");
        for frame in frames {
            assert_eq!(frame.pixels.len(), (frame.width * frame.height * 3) as usize, "{a} {b}");
            assert!(count(&frame, WHITE) > 200_000, "{a} {b}: mostly paper");
        }
    }
}

#[test]
fn every_native_environment_shows_its_state_after_every_step() {
    let registry = crate::Registry::standard();
    let start = |name: &str| {
        let mut env = registry.build(&crate::EnvSpec::named(name)).expect("a standard environment");
        let mut row = vec![0.0; env.observation_space().len()];
        env.reset(Some(1), crate::Row::F32(&mut row)).expect("a start");
        (env, row)
    };
    let names = ["Acrobot-v1", "CartPole-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1"];
    for (name, fps) in names.into_iter().zip([15.0, 50.0, 30.0, 30.0, 30.0]) {
        let (mut env, mut row) = start(name);
        assert_eq!(env.frames_per_second(), fps, "{name}");
        let first = env.render().expect("a picture");
        let action = match env.action_space() {
            crate::Space::Discrete { .. } => crate::Action::Discrete(0),
            _ => crate::Action::Box(&[-1.0]),
        };
        for _ in 0..5 {
            env.step(action, crate::Row::F32(&mut row)).expect("a step");
        }
        assert_ne!(env.render().expect("a picture"), first, "{name}");
    }
}
