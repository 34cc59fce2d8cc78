//! White paper with the origin at the bottom left and y upwards, in pixels.

use tiny_skia::{Color, FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Stroke, Transform};

use crate::Frame;

/// A place on the paper: pixels from the left, pixels from the bottom.
pub(super) type Point = (f64, f64);

/// Red, green, blue.
pub(super) type Colour = [u8; 3];

pub(super) const BLACK: Colour = [0, 0, 0];

/// Beyond this many pixels nothing can be seen, and fixed-point rasterisation loses its meaning.
const FAR: f64 = 10_000.0;

pub(super) struct Canvas {
    pixmap: Pixmap,
}

impl Canvas {
    /// # Panics
    /// When a side is zero.
    pub(super) fn new(width: u32, height: u32) -> Self {
        let mut pixmap = Pixmap::new(width, height).expect("a picture has pixels");
        pixmap.fill(Color::WHITE);
        Self { pixmap }
    }

    /// A filled polygon.
    pub(super) fn polygon(&mut self, corners: &[Point], colour: Colour) {
        let Some(path) = self.path(corners, true) else { return };
        self.pixmap.fill_path(&path, &paint(colour), FillRule::Winding, Transform::identity(), None);
    }

    /// A filled disc.
    pub(super) fn disc(&mut self, (x, y): Point, radius: f64, colour: Colour) {
        if !(x.abs() < FAR && y.abs() < FAR) {
            return;
        }
        let y = f64::from(self.pixmap.height()) - y;
        let Some(path) = PathBuilder::from_circle(x as f32, y as f32, radius as f32) else { return };
        self.pixmap.fill_path(&path, &paint(colour), FillRule::Winding, Transform::identity(), None);
    }

    /// A line through `points`, `width` pixels thick.
    pub(super) fn line(&mut self, points: &[Point], width: f64, colour: Colour) {
        let Some(path) = self.path(points, false) else { return };
        let stroke = Stroke {
            width: width as f32,
            line_cap: LineCap::Butt,
            line_join: LineJoin::Round,
            ..Stroke::default()
        };
        self.pixmap.stroke_path(&path, &paint(colour), &stroke, Transform::identity(), None);
    }

    /// A line one pixel thick from edge to edge that covers the pixels `y..y + 1` from the bottom.
    pub(super) fn horizon(&mut self, y: f64) {
        let width = f64::from(self.pixmap.width());
        self.line(&[(0.0, y + 0.5), (width, y + 0.5)], 1.0, BLACK);
    }

    pub(super) fn into_frame(self) -> Frame {
        let pixels = self.pixmap.data().chunks_exact(4).flat_map(|rgba| [rgba[0], rgba[1], rgba[2]]);
        Frame { width: self.pixmap.width(), height: self.pixmap.height(), pixels: pixels.collect() }
    }

    fn path(&self, points: &[Point], closed: bool) -> Option<Path> {
        let height = f64::from(self.pixmap.height());
        let mut path = PathBuilder::new();
        for (i, &(x, y)) in points.iter().enumerate() {
            if !(x.abs() < FAR && y.abs() < FAR) {
                return None;
            }
            let (x, y) = (x as f32, (height - y) as f32);
            if i == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
        }
        if closed {
            path.close();
        }
        path.finish()
    }
}

fn paint(colour: Colour) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color_rgba8(colour[0], colour[1], colour[2], 255);
    paint
}

/// `points` turned anticlockwise by `angle` radians about the origin, then moved by `offset`.
pub(super) fn placed<const N: usize>(points: [Point; N], angle: f64, offset: Point) -> [Point; N] {
    let (sin, cos) = angle.sin_cos();
    points.map(|(x, y)| (x * cos - y * sin + offset.0, x * sin + y * cos + offset.1))
}

/// Corners of an upright rectangle.
pub(super) fn rectangle(left: f64, right: f64, bottom: f64, top: f64) -> [Point; 4] {
    [(left, bottom), (left, top), (right, top), (right, bottom)]
}
