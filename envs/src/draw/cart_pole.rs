//! A cart on a track that balances a pole.

use super::canvas::{BLACK, Canvas, placed, rectangle};
use crate::Frame;

/// The track shows from −2.4 m to 2.4 m, where episodes end.
const SCALE: f64 = 600.0 / 4.8;
/// Height of the track above the bottom.
const TRACK: f64 = 100.0;
const POLE_WIDTH: f64 = 10.0;
/// The pole is 1 m long.
const POLE_LENGTH: f64 = SCALE;

/// Draws a cart at `x` metres whose pole leans `theta` radians to the right; 600 × 400 pixels.
pub fn cart_pole(x: f64, theta: f64) -> Frame {
    let mut canvas = Canvas::new(600, 400);
    let centre = 300.0 + x * SCALE;
    canvas.polygon(&placed(rectangle(-25.0, 25.0, -15.0, 15.0), 0.0, (centre, TRACK)), BLACK);
    let axle = (centre, TRACK + 7.5);
    let half = POLE_WIDTH / 2.0;
    let pole = rectangle(-half, half, -half, POLE_LENGTH - half);
    canvas.polygon(&placed(pole, -theta, axle), [202, 152, 101]);
    canvas.disc(axle, half, [129, 132, 203]);
    canvas.horizon(TRACK);
    canvas.into_frame()
}
