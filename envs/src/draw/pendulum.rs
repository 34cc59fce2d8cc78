//! A rod on an axle, and the torque that turns it.

use std::f64::consts::{FRAC_PI_2, PI};

use super::canvas::{BLACK, Canvas, Point, placed, rectangle};
use crate::Frame;

/// 4.4 m from edge to edge.
const SCALE: f64 = 500.0 / 4.4;
const AXLE: Point = (250.0, 250.0);
const RED: [u8; 3] = [204, 77, 77];

/// Draws a rod `theta` radians anticlockwise from upright and, as an arrow that grows with it, `torque` in N·m
/// (anticlockwise when positive); 500 × 500 pixels.
pub fn pendulum(theta: f64, torque: Option<f64>) -> Frame {
    let mut canvas = Canvas::new(500, 500);
    let half = 0.1 * SCALE;
    let angle = theta + FRAC_PI_2;
    canvas.polygon(&placed(rectangle(0.0, SCALE, -half, half), angle, AXLE), RED);
    canvas.disc(AXLE, half, RED);
    let [end] = placed([(SCALE, 0.0)], angle, AXLE);
    canvas.disc(end, half, RED);
    if let Some(torque) = torque {
        arrow(&mut canvas, torque);
    }
    canvas.disc(AXLE, 0.05 * SCALE, BLACK);
    canvas.into_frame()
}

/// Three quarters of a circle from above the axle, the way of the torque, to a head that points up.
fn arrow(canvas: &mut Canvas, torque: f64) {
    // Below this the arrow hides under the axle.
    let size = torque.abs() / 2.0 * SCALE;
    if !(5.0..=2000.0).contains(&size) {
        return;
    }
    let side = -torque.signum();
    let radius = 0.46 * size;
    let place = |x: f64, y: f64| (AXLE.0 + side * x, AXLE.1 + y);
    let arc: Vec<Point> = (0..=60)
        .map(|i| {
            let angle = FRAC_PI_2 - 1.5 * PI * f64::from(i) / 60.0;
            place(radius * angle.cos(), radius * angle.sin())
        })
        .collect();
    canvas.line(&arc, 0.03 * size, BLACK);
    let head = [(0.0, 0.14), (-0.065, -0.04), (0.0, 0.0), (0.065, -0.04)];
    canvas.polygon(&head.map(|(x, y)| place(x * size - radius, y * size)), BLACK);
}
