//! A car in a valley, and the flag it has to reach.

use super::canvas::{BLACK, Canvas, placed, rectangle};
use crate::Frame;

const LEFT: f64 = -1.2;
const RIGHT: f64 = 0.6;
const SCALE: f64 = 600.0 / (RIGHT - LEFT);
/// The car's floor above the ground: the radius of its wheels and a little more.
const CLEARANCE: f64 = 10.0;
const WHEEL: f64 = 8.0;

/// Draws a car at `position`, with the flag at `goal`; 600 × 400 pixels.
pub fn mountain_car(position: f64, goal: f64) -> Frame {
    let mut canvas = Canvas::new(600, 400);
    let ground: Vec<_> = (0..=150).map(|i| ground_at(LEFT + (RIGHT - LEFT) * f64::from(i) / 150.0)).collect();
    canvas.line(&ground, 1.0, BLACK);

    // Not the slope of the ground, which is atan(1.35 cos 3x): the tilt that Gymnasium draws, so that pictures agree.
    let tilt = (3.0 * position).cos();
    let (x, y) = ground_at(position);
    let floor = (x, y + CLEARANCE);
    canvas.polygon(&placed(rectangle(-20.0, 20.0, 0.0, 20.0), tilt, floor), BLACK);
    for wheel in placed([(10.0, 0.0), (-10.0, 0.0)], tilt, floor) {
        canvas.disc(wheel, WHEEL, [128, 128, 128]);
    }

    // Whole pixels, for a crisp pole.
    let (x, y) = ground_at(goal);
    let (x, y) = (x.floor(), y.floor());
    canvas.line(&[(x + 0.5, y), (x + 0.5, y + 50.0)], 1.0, BLACK);
    canvas.polygon(&[(x, y + 50.0), (x, y + 40.0), (x + 25.0, y + 45.0)], [204, 204, 0]);
    canvas.into_frame()
}

/// Where the ground is drawn at `position`.
fn ground_at(position: f64) -> (f64, f64) {
    ((position - LEFT) * SCALE, ((3.0 * position).sin() * 0.45 + 0.55) * SCALE)
}
