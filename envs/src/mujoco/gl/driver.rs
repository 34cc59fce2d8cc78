//! The OpenGL driver's name, version and extensions, checked before `MuJoCo` uses it.

use std::ffi::{CStr, c_char, c_void};
use std::mem::transmute;

use super::Platform;

type GetString = unsafe extern "C" fn(u32) -> *const c_char;
type GetInteger = unsafe extern "C" fn(u32, *mut i32);
type FramebufferStatus = unsafe extern "C" fn(u32) -> u32;

/// What the driver of the current context can do.
pub(super) struct Driver {
    get_string: GetString,
    get_integer: GetInteger,
    framebuffer_status: FramebufferStatus,
}

impl Driver {
    pub(super) const RENDERER: u32 = 0x1F01;
    const VERSION: u32 = 0x1F02;
    const EXTENSIONS: u32 = 0x1F03;
    const MAX_TEXTURE_SIZE: u32 = 0x0D33;
    const MAX_RENDERBUFFER_SIZE: u32 = 0x84E8;
    const FRAMEBUFFER: u32 = 0x8D40;
    /// Complete, or that of a context without a surface.
    const GOOD: [u32; 2] = [0x8CD5, 0x8219];

    /// Asks as `MuJoCo` will.
    pub(super) fn of(platform: &dyn Platform) -> Result<Self, String> {
        let find = platform.get_proc_address();
        let address = |name: &CStr| {
            // SAFETY: a name that ends with a zero.
            let address = unsafe { find(name.as_ptr()) };
            if address.is_null() { Err(format!("it has no {}", name.to_string_lossy())) } else { Ok(address) }
        };
        let (get_string, get_integer) = (address(c"glGetString")?, address(c"glGetIntegerv")?);
        let framebuffer_status = address(c"glCheckFramebufferStatus")?;
        // SAFETY: OpenGL gives these types to these names; the addresses are not null.
        unsafe {
            Ok(Self {
                get_string: transmute::<*mut c_void, GetString>(get_string),
                get_integer: transmute::<*mut c_void, GetInteger>(get_integer),
                framebuffer_status: transmute::<*mut c_void, FramebufferStatus>(framebuffer_status),
            })
        }
    }

    pub(super) fn text(&self, name: u32) -> String {
        // SAFETY: reads from the current context; null where there is none, or no such text.
        let text = unsafe { (self.get_string)(name) };
        if text.is_null() {
            return String::new();
        }
        // SAFETY: it ends with a zero and lives as long as the context.
        unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
    }

    /// Widest texture, in pixels.
    pub(super) fn largest_texture(&self) -> i32 {
        self.number(Self::MAX_TEXTURE_SIZE)
    }

    /// Widest picture, in pixels.
    pub(super) fn largest_picture(&self) -> i32 {
        self.number(Self::MAX_RENDERBUFFER_SIZE)
    }

    fn number(&self, name: u32) -> i32 {
        let mut number = 0;
        // SAFETY: one number is written.
        unsafe { (self.get_integer)(name, &raw mut number) };
        number
    }

    /// Whether there is all that `MuJoCo` would end the process for.
    pub(super) fn check(&self) -> Result<(), String> {
        suits(&self.text(Self::VERSION), &self.text(Self::EXTENSIONS))?;
        // SAFETY: looks at the frame buffer of the current context.
        let status = unsafe { (self.framebuffer_status)(Self::FRAMEBUFFER) };
        if !Self::GOOD.contains(&status) {
            return Err(format!("its frame buffer is not complete (0x{status:x})"));
        }
        Ok(())
    }
}

/// Whether `MuJoCo` can draw with this OpenGL.
pub(super) fn suits(version: &str, extensions: &str) -> Result<(), String> {
    // "4.5 (Compatibility Profile) Mesa 22.3.6"; that of OpenGL ES begins with letters.
    let number = version.split(' ').next().unwrap_or_default();
    let mut parts = number.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    if (parts.next(), parts.next()) < (Some(1), Some(5)) {
        return Err(format!("it has OpenGL {version:?}, and 1.5 is needed"));
    }
    let needed = ["framebuffer_object", "vertex_buffer_object", "depth_buffer_float"];
    for name in needed.map(|name| format!("GL_ARB_{name}")) {
        if !extensions.split(' ').any(|known| known == name) {
            return Err(format!("its OpenGL {version} lacks {name}"));
        }
    }
    Ok(())
}
