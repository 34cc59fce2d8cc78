//! Two links that hang from a joint, and the line that the free end has to pass.

use std::f64::consts::FRAC_PI_2;

use super::canvas::{Canvas, placed, rectangle};
use crate::Frame;

/// 4.4 m from edge to edge; each link is 1 m long.
const SCALE: f64 = 500.0 / 4.4;

/// Draws the first link `theta1` radians anticlockwise from hanging and the second `theta2` radians further;
/// 500 × 500 pixels.
pub fn acrobot(theta1: f64, theta2: f64) -> Frame {
    let mut canvas = Canvas::new(500, 500);
    let first = (250.0, 250.0);
    canvas.horizon((first.1 + SCALE).floor());
    let half = 0.1 * SCALE;
    let [second] = placed([(SCALE, 0.0)], theta1 - FRAC_PI_2, first);
    for (joint, angle) in [(first, theta1), (second, theta1 + theta2)] {
        let link = rectangle(0.0, SCALE, -half, half);
        canvas.polygon(&placed(link, angle - FRAC_PI_2, joint), [0, 204, 204]);
        canvas.disc(joint, half, [204, 204, 0]);
    }
    canvas.into_frame()
}
