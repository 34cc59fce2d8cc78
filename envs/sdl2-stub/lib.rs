//! Stands in for the crate `sdl2`, which gym-rs cannot be built without.
//!
//! The real one needs `CMake` and SDL's libraries, for windows that are never opened here: pictures are drawn by
//! `phalanx_envs::draw`. So [`init`] always fails, and whatever could only come from it is an empty type. Only the names
//! that gym-rs 0.3.0 uses are here.

/// No value: what a window would have given.
#[derive(Clone, Copy)]
pub enum Never {}

/// The library, which is not there.
pub struct Sdl(Never);

/// Starts the library.
///
/// # Errors
/// Always.
pub fn init() -> Result<Sdl, String> {
    Err("SDL is not built in: this gym-rs environment cannot open a window".to_owned())
}

impl Sdl {
    /// Videos.
    ///
    /// # Errors
    /// Never: there is no library.
    pub fn video(&self) -> Result<VideoSubsystem, String> {
        match self.0 {}
    }

    /// Events.
    ///
    /// # Errors
    /// Never: there is no library.
    pub fn event_pump(&self) -> Result<EventPump, String> {
        match self.0 {}
    }
}

/// Videos.
pub struct VideoSubsystem(Never);

impl VideoSubsystem {
    /// A window to be.
    pub fn window(&self, _title: &str, _width: u32, _height: u32) -> WindowBuilder {
        match self.0 {}
    }
}

/// A window to be.
pub struct WindowBuilder(Never);

impl WindowBuilder {
    /// Centred.
    pub fn position_centered(&mut self) -> &mut Self {
        match self.0 {}
    }

    /// Hidden.
    pub fn hidden(&mut self) -> &mut Self {
        match self.0 {}
    }

    /// The window.
    ///
    /// # Errors
    /// Never: there is no library.
    pub fn build(&self) -> Result<Window, String> {
        match self.0 {}
    }
}

/// A window.
pub struct Window(Never);

impl Window {
    /// Its canvas to be.
    pub fn into_canvas(self) -> CanvasBuilder {
        match self.0 {}
    }
}

/// A canvas to be.
pub struct CanvasBuilder(Never);

impl CanvasBuilder {
    /// Drawn by hardware.
    #[must_use]
    pub fn accelerated(self) -> Self {
        match self.0 {}
    }

    /// The canvas.
    ///
    /// # Errors
    /// Never: there is no library.
    pub fn build(self) -> Result<render::WindowCanvas, String> {
        match self.0 {}
    }
}

/// Events.
pub struct EventPump(Never);

impl EventPump {
    /// Those that wait.
    pub fn poll_iter(&mut self) -> std::iter::Empty<event::Event> {
        match self.0 {}
    }
}

/// Events.
pub mod event {
    /// An event.
    pub enum Event {
        /// The window was closed.
        Quit {
            /// Milliseconds.
            timestamp: u32,
        },
        /// Another one.
        Unknown,
    }
}

/// Colours and forms of pixels.
pub mod pixels {
    /// A colour.
    #[derive(Clone, Copy)]
    pub struct Color;

    impl Color {
        /// 255, 255, 255.
        pub const WHITE: Self = Self;
        /// 0, 0, 0.
        pub const BLACK: Self = Self;

        /// A mixture.
        #[allow(non_snake_case)] // as it is called there
        pub fn RGB(_red: u8, _green: u8, _blue: u8) -> Self {
            Self
        }
    }

    /// A form of pixels.
    #[derive(Clone, Copy)]
    pub enum PixelFormatEnum {
        /// Three bytes.
        RGB24,
    }
}

/// Points and rectangles.
pub mod rect {
    /// A point.
    #[derive(Clone, Copy)]
    pub struct Point;

    impl Point {
        /// A point.
        pub fn new(_x: i32, _y: i32) -> Self {
            Self
        }
    }

    /// A rectangle.
    #[derive(Clone, Copy)]
    pub struct Rect;
}

/// What is drawn on.
pub mod render {
    use super::Never;
    use super::pixels::{Color, PixelFormatEnum};
    use super::rect::{Point, Rect};

    /// What is drawn on.
    pub struct WindowCanvas(pub(super) Never);

    /// Makes textures.
    pub struct TextureCreator(Never);

    /// A picture.
    pub struct Texture(Never);

    impl TextureCreator {
        /// A texture to draw on.
        ///
        /// # Errors
        /// Never: there is no canvas.
        pub fn create_texture_target(&self, _: PixelFormatEnum, _: u32, _: u32) -> Result<Texture, String> {
            match self.0 {}
        }
    }

    #[allow(missing_docs, clippy::missing_errors_doc)] // nothing is ever called
    impl WindowCanvas {
        pub fn read_pixels(&self, _: Option<Rect>, _: PixelFormatEnum) -> Result<Vec<u8>, String> {
            match self.0 {}
        }

        pub fn present(&mut self) {
            match self.0 {}
        }

        pub fn clear(&mut self) {
            match self.0 {}
        }

        pub fn set_draw_color(&mut self, _: Color) {
            match self.0 {}
        }

        pub fn draw_lines(&mut self, _: &[Point]) -> Result<(), String> {
            match self.0 {}
        }

        pub fn aa_polygon(&self, _: &[i16], _: &[i16], _: Color) -> Result<(), String> {
            match self.0 {}
        }

        pub fn filled_polygon(&self, _: &[i16], _: &[i16], _: Color) -> Result<(), String> {
            match self.0 {}
        }

        pub fn aa_circle(&self, _: i16, _: i16, _: i16, _: Color) -> Result<(), String> {
            match self.0 {}
        }

        pub fn filled_circle(&self, _: i16, _: i16, _: i16, _: Color) -> Result<(), String> {
            match self.0 {}
        }

        pub fn hline(&self, _: i16, _: i16, _: i16, _: Color) -> Result<(), String> {
            match self.0 {}
        }

        pub fn vline(&self, _: i16, _: i16, _: i16, _: Color) -> Result<(), String> {
            match self.0 {}
        }

        pub fn texture_creator(&self) -> TextureCreator {
            match self.0 {}
        }

        pub fn with_texture_canvas(
            &mut self,
            _: &mut Texture,
            _: impl FnMut(&mut Self),
        ) -> Result<(), String> {
            match self.0 {}
        }

        #[allow(clippy::too_many_arguments)] // as it is there
        pub fn copy_ex(
            &mut self,
            _: &Texture,
            _: Option<Rect>,
            _: Option<Rect>,
            _: f64,
            _: Option<Point>,
            _: bool,
            _: bool,
        ) -> Result<(), String> {
            match self.0 {}
        }
    }
}

/// Shapes and pace.
pub mod gfx {
    /// Pace.
    pub mod framerate {
        /// Keeps no pace.
        #[derive(Default)]
        pub struct FPSManager;

        impl FPSManager {
            /// Keeps no pace.
            pub fn new() -> Self {
                Self
            }

            /// Does not wait.
            pub fn delay(&mut self) {}

            /// Takes any pace.
            ///
            /// # Errors
            /// Never.
            pub fn set_framerate(&mut self, _rate: u32) -> Result<(), String> {
                Ok(())
            }
        }
    }

    /// Shapes.
    pub mod primitives {
        /// Has nothing to draw; a canvas has its shapes itself.
        pub trait DrawRenderer {}
    }
}
