//! Solids over a chequered floor, seen by a camera.
//!
//! Whatever is convex is drawn as the hull of its projected outline, the far ones first. Shades and shadows are left out.

use super::canvas::{Canvas, Colour, Point};
use crate::Frame;

/// A place or a direction: x, y, z.
pub(crate) type Vector = [f64; 3];

/// Nearer than this to the camera, in m, nothing is drawn.
const NEAR: f64 = 0.01;
/// Corners of what stands for a circle.
const CORNERS: usize = 24;
/// Tiles of the floor on each side of what is looked at.
const TILES: i32 = 24;
const TILE_COLOURS: [Colour; 2] = [[226, 232, 226], [206, 216, 206]];

/// Where the camera is, where it looks, and what it takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Camera {
    pub(crate) eye: Vector,
    /// Right, up and forward: unit vectors.
    pub(crate) axes: [Vector; 3],
    /// From the eye to what is looked at, in m.
    pub(crate) distance: f64,
    /// Vertical field of view, in rad.
    pub(crate) view: f64,
    /// Pixels from left to right, and from top to bottom.
    pub(crate) size: [u32; 2],
}

impl Camera {
    /// How far in front of the eye a place is, in m.
    fn depth(&self, place: Vector) -> f64 {
        dot(minus(place, self.eye), self.axes[2])
    }

    /// Where a place is in the picture; `None` behind the eye.
    fn project(&self, place: Vector) -> Option<Point> {
        let [right, up, _] = self.axes;
        let offset = minus(place, self.eye);
        let depth = self.depth(place);
        let [x, y] = self.size.map(|pixels| f64::from(pixels) / 2.0);
        let scale = y / ((self.view / 2.0).tan() * depth);
        (depth > NEAR).then(|| (x + scale * dot(offset, right), y + scale * dot(offset, up)))
    }
}

/// What a solid is, by lengths in m along its own axes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    Sphere {
        radius: f64,
    },
    /// Along its third axis; the half length is that of the straight part.
    Capsule {
        radius: f64,
        half: f64,
    },
    /// Along its third axis.
    Cylinder {
        radius: f64,
        half: f64,
    },
    Cuboid {
        halves: Vector,
    },
}

/// A shape in space.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Solid {
    pub(crate) shape: Shape,
    pub(crate) place: Vector,
    pub(crate) axes: [Vector; 3],
    pub(crate) colour: Colour,
}

impl Solid {
    /// How far it reaches from its place along x, y and z, in m.
    pub(crate) fn reach(&self) -> Vector {
        let (straight, round) = match self.shape {
            Shape::Sphere { radius } => ([0.0; 3], radius),
            Shape::Capsule { radius, half } => ([0.0, 0.0, half], radius),
            Shape::Cylinder { radius, half } => ([radius, radius, half], 0.0),
            Shape::Cuboid { halves } => (halves, 0.0),
        };
        let along =
            |i: usize| self.axes.iter().zip(straight).map(|(axis, half)| axis[i].abs() * half).sum::<f64>();
        [0, 1, 2].map(|i| round + along(i))
    }

    /// Places whose hull it is, for this camera.
    fn outline(&self, camera: &Camera) -> Vec<Vector> {
        let [x, y, z] = self.axes;
        let [right, up, _] = camera.axes;
        let ends = |half: f64| [-half, half].map(|at| plus(self.place, z, at));
        match self.shape {
            Shape::Sphere { radius } => circle(self.place, right, up, radius).collect(),
            Shape::Capsule { radius, half } => {
                ends(half).into_iter().flat_map(|end| circle(end, right, up, radius)).collect()
            }
            Shape::Cylinder { radius, half } => {
                ends(half).into_iter().flat_map(|end| circle(end, x, y, radius)).collect()
            }
            Shape::Cuboid { halves: [a, b, c] } => {
                let edge = |from: Vector, axis, half: f64| [-half, half].map(|at| plus(from, axis, at));
                let faces = ends(c).into_iter().flat_map(|end| edge(end, x, a));
                faces.flat_map(|line| edge(line, y, b)).collect()
            }
        }
    }
}

/// Draws solids over a floor at this height.
pub(crate) fn scene(camera: &Camera, floor: Option<f64>, mut solids: Vec<Solid>) -> Frame {
    let [width, height] = camera.size;
    let mut canvas = Canvas::new(width, height);
    if let Some(height) = floor {
        draw_floor(&mut canvas, camera, height);
    }
    solids.sort_by(|a, b| camera.depth(b.place).total_cmp(&camera.depth(a.place)));
    for solid in solids {
        let outline = solid.outline(camera);
        let Some(points) = outline.into_iter().map(|place| camera.project(place)).collect() else { continue };
        let mut hull = hull(points);
        canvas.polygon(&hull, solid.colour);
        hull.extend(hull.first().copied());
        canvas.line(&hull, 1.0, solid.colour.map(|c| c / 2));
    }
    canvas.into_frame()
}

/// Tiles that lie still while the camera moves on; as large as suits its distance.
fn draw_floor(canvas: &mut Canvas, camera: &Camera, height: f64) {
    let size = (camera.distance / 4.0).log2().round().exp2();
    let middle = plus(camera.eye, camera.axes[2], camera.distance);
    let [x, y] = [0, 1].map(|axis| (middle[axis] / size).floor());
    for i in -TILES..TILES {
        for j in -TILES..TILES {
            let corner = |a: i32, b: i32| {
                let place = [(x + f64::from(i + a)) * size, (y + f64::from(j + b)) * size, height];
                camera.project(place)
            };
            let corners = [corner(0, 0), corner(1, 0), corner(1, 1), corner(0, 1)];
            let Some(corners) = corners.into_iter().collect::<Option<Vec<Point>>>() else { continue };
            let odd = (x + y + f64::from(i + j)).rem_euclid(2.0) > 0.5;
            canvas.polygon(&corners, TILE_COLOURS[usize::from(odd)]);
        }
    }
}

fn circle(centre: Vector, a: Vector, b: Vector, radius: f64) -> impl Iterator<Item = Vector> {
    (0..CORNERS).map(move |i| {
        let (sin, cos) = (std::f64::consts::TAU * i as f64 / CORNERS as f64).sin_cos();
        plus(plus(centre, a, radius * cos), b, radius * sin)
    })
}

/// The convex hull of some points, anticlockwise.
///
/// # Source
/// Andrew 1979, monotone chains.
fn hull(mut points: Vec<Point>) -> Vec<Point> {
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let turns_left =
        |a: Point, b: Point, c: Point| (b.0 - a.0) * (c.1 - a.1) - (b.1 - a.1) * (c.0 - a.0) > 0.0;
    let chain = |points: &mut dyn Iterator<Item = &Point>| {
        let mut chain: Vec<Point> = Vec::new();
        for &point in points {
            while let [.., a, b] = chain[..]
                && !turns_left(a, b, point)
            {
                chain.pop();
            }
            chain.push(point);
        }
        // It is the first of the other chain.
        chain.pop();
        chain
    };
    [chain(&mut points.iter()), chain(&mut points.iter().rev())].concat()
}

fn minus(a: Vector, b: Vector) -> Vector {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// `a + length · direction`.
fn plus(a: Vector, direction: Vector, length: f64) -> Vector {
    [0, 1, 2].map(|i| a[i] + length * direction[i])
}

fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 4 m before a place 1 m above the origin, looking along y.
    const CAMERA: Camera = Camera {
        eye: [0.0, -4.0, 1.0],
        axes: [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]],
        distance: 4.0,
        view: std::f64::consts::FRAC_PI_4,
        size: [480, 480],
    };
    const UPRIGHT: [Vector; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

    fn at(frame: &Frame, x: u32, y: u32) -> Colour {
        let first = (3 * (y * frame.width + x)) as usize;
        [frame.pixels[first], frame.pixels[first + 1], frame.pixels[first + 2]]
    }

    #[test]
    fn what_is_looked_at_is_in_the_middle() {
        assert_eq!(CAMERA.project([0.0, 0.0, 1.0]), Some((240.0, 240.0)));
        let wide = Camera { size: [640, 480], ..CAMERA };
        assert_eq!(wide.project([0.0, 0.0, 1.0]), Some((320.0, 240.0)));
        // At 4 m the edges are 4·tan 22.5° = 1.6569 m away: 1 m is 144.85 pixels.
        let (x, y) = CAMERA.project([1.0, 0.0, 0.0]).expect("before the eye");
        assert!((x - 384.85).abs() < 0.01 && (y - 95.15).abs() < 0.01, "{x} {y}");
        let (right, up) = wide.project([1.0, 0.0, 0.0]).expect("before the eye");
        assert!((right - 464.85).abs() < 0.01 && (up - 95.15).abs() < 0.01, "the height decides");
        assert_eq!(CAMERA.project([0.0, -5.0, 1.0]), None);
    }

    #[test]
    fn a_hull_leaves_out_what_is_inside() {
        let points = vec![(0.0, 0.0), (2.0, 0.0), (1.0, 1.0), (2.0, 2.0), (0.0, 2.0), (1.0, 0.0)];
        assert_eq!(hull(points), [(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)]);
    }

    #[test]
    fn near_solids_hide_far_ones() {
        let solid = |shape, y, colour| Solid { shape, place: [0.0, y, 1.0], axes: UPRIGHT, colour };
        let near = solid(Shape::Sphere { radius: 0.2 }, -1.0, [250, 0, 0]);
        let far = solid(Shape::Cuboid { halves: [0.5; 3] }, 1.0, [0, 0, 250]);
        for solids in [vec![near, far], vec![far, near]] {
            let frame = scene(&CAMERA, Some(0.0), solids);
            assert_eq!(at(&frame, 240, 240), [250, 0, 0]);
            assert_eq!(at(&frame, 290, 240), [0, 0, 250]);
            assert_eq!(at(&frame, 10, 10), [255; 3], "sky");
            assert!(TILE_COLOURS.contains(&at(&frame, 100, 450)), "floor");
        }
    }

    #[test]
    fn long_solids_lie_along_their_axis() {
        for (shape, round) in [
            (Shape::Capsule { radius: 0.2, half: 0.5 }, true),
            (Shape::Cylinder { radius: 0.2, half: 0.5 }, false),
        ] {
            let solid = Solid { shape, place: [0.0, 0.0, 1.0], axes: UPRIGHT, colour: [9, 90, 9] };
            let frame = scene(&CAMERA, None, vec![solid]);
            // 0.45 m above the middle both are there; 0.6 m above it only the round end.
            assert_eq!(at(&frame, 240, 175), [9, 90, 9]);
            assert_eq!(at(&frame, 240, 153) == [9, 90, 9], round);
            // 0.2 m aside, 0.5 m up, and what is round.
            assert_eq!(solid.reach(), [0.2, 0.2, if round { 0.7 } else { 0.5 }]);
        }
    }

    #[test]
    fn places_that_are_none_are_left_out() {
        let solid = |x| Solid {
            shape: Shape::Sphere { radius: 1.0 },
            place: [x, 0.0, 0.0],
            axes: UPRIGHT,
            colour: [0; 3],
        };
        let frame = scene(&CAMERA, None, vec![solid(f64::NAN), solid(1e300), solid(f64::INFINITY)]);
        assert!(frame.pixels.iter().all(|&byte| byte == 255));
    }
}
