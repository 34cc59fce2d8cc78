//! EGL: contexts of a graphics driver, without a screen or a surface.

use std::ffi::{CStr, c_void};
use std::ptr::{null, null_mut};

use libloading::os::unix::Library;

use super::{Context, GetProcAddress, Platform, function, open_locally};

type Handle = *mut c_void;
type GetPlatformDisplay = unsafe extern "C" fn(u32, Handle, *const i32) -> Handle;
type QueryDevices = unsafe extern "C" fn(i32, *mut Handle, *mut i32) -> u32;

const OPENGL_API: u32 = 0x30A2;
const DEVICE: u32 = 0x313F;
const SURFACELESS: u32 = 0x31DD;
/// Names and least numbers: colours of 8 bits, OpenGL, drawn off screen.
const CONFIG: [i32; 13] = [
    0x3024, 8, 0x3023, 8, 0x3022, 8, 0x3040, 8, /* OpenGL */
    0x3033, 1, /* off screen */
    0x3025, 24, NONE,
];
const NONE: i32 = 0x3038;
/// More graphics devices than a machine has.
const DEVICES: usize = 32;

/// The functions of the library that are used here.
pub(super) struct Egl {
    file: &'static str,
    get_proc_address: GetProcAddress,
    initialize: unsafe extern "C" fn(Handle, *mut i32, *mut i32) -> u32,
    bind_api: unsafe extern "C" fn(u32) -> u32,
    choose_config: unsafe extern "C" fn(Handle, *const i32, *mut Handle, i32, *mut i32) -> u32,
    create_context: unsafe extern "C" fn(Handle, Handle, Handle, *const i32) -> Handle,
    make_current: unsafe extern "C" fn(Handle, Handle, Handle, Handle) -> u32,
    destroy_context: unsafe extern "C" fn(Handle, Handle) -> u32,
    get_error: unsafe extern "C" fn() -> i32,
    _library: Library,
}

impl Egl {
    pub(super) fn open() -> Result<Self, String> {
        let (file, library) = open_locally("EGL", &["libEGL.so.1"])?;
        // SAFETY: EGL 1.4 gives these types to these names.
        unsafe {
            Ok(Self {
                file,
                get_proc_address: function(&library, "eglGetProcAddress")?,
                initialize: function(&library, "eglInitialize")?,
                bind_api: function(&library, "eglBindAPI")?,
                choose_config: function(&library, "eglChooseConfig")?,
                create_context: function(&library, "eglCreateContext")?,
                make_current: function(&library, "eglMakeCurrent")?,
                destroy_context: function(&library, "eglDestroyContext")?,
                get_error: function(&library, "eglGetError")?,
                _library: library,
            })
        }
    }

    fn extension(&self, name: &CStr) -> Option<Handle> {
        // SAFETY: a name that ends with a zero.
        let address = unsafe { (self.get_proc_address)(name.as_ptr()) };
        (!address.is_null()).then_some(address)
    }

    /// A display for each graphics device, then the one of Mesa that needs none.
    fn displays(&self) -> Vec<Handle> {
        let Some(get) = self.extension(c"eglGetPlatformDisplayEXT") else { return Vec::new() };
        // SAFETY: EGL gives this type to this name.
        let get = unsafe { std::mem::transmute::<Handle, GetPlatformDisplay>(get) };
        let (mut devices, mut count) = ([null_mut(); DEVICES], 0);
        if let Some(query) = self.extension(c"eglQueryDevicesEXT") {
            // SAFETY: EGL gives this type to this name.
            let query = unsafe { std::mem::transmute::<Handle, QueryDevices>(query) };
            // SAFETY: there is room for as many devices as are passed.
            unsafe { query(DEVICES as i32, devices.as_mut_ptr(), &raw mut count) };
        }
        let devices = devices.into_iter().take(count as usize).map(|device| (DEVICE, device));
        let displays = devices.chain([(SURFACELESS, null_mut())]).map(|(kind, device)| {
            // SAFETY: the device is of this kind; there are no attributes.
            unsafe { get(kind, device, null()) }
        });
        displays.filter(|display| !display.is_null()).collect()
    }

    fn try_display(&'static self, display: Handle) -> Result<EglContext, String> {
        let (mut config, mut count) = (null_mut(), 0);
        let checked = |what: &str, good: bool| {
            // SAFETY: returns the error of the latest call on this thread.
            if good { Ok(()) } else { Err(format!("{what} failed (0x{:x})", unsafe { (self.get_error)() })) }
        };
        // SAFETY: the display is valid; null pointers for a version that is not needed.
        checked("eglInitialize", unsafe { (self.initialize)(display, null_mut(), null_mut()) } != 0)?;
        // SAFETY: a number.
        checked("eglBindAPI", unsafe { (self.bind_api)(OPENGL_API) } != 0)?;
        // SAFETY: the attributes end with `NONE`; there is room for one configuration.
        let chosen =
            unsafe { (self.choose_config)(display, CONFIG.as_ptr(), &raw mut config, 1, &raw mut count) };
        checked("eglChooseConfig", chosen != 0 && count > 0)?;
        // SAFETY: display and configuration belong together; nothing is shared, there are no attributes.
        let handle = unsafe { (self.create_context)(display, config, null_mut(), null()) };
        checked("eglCreateContext", !handle.is_null())?;
        let context = EglContext { egl: self, display, handle };
        context.make_current()?;
        Ok(context)
    }
}

impl Platform for Egl {
    fn name(&self) -> &'static str {
        "EGL"
    }

    fn file(&self) -> &'static str {
        self.file
    }

    fn context(&'static self) -> Result<Box<dyn Context>, String> {
        let mut reason = "it lists no device".to_owned();
        for display in self.displays() {
            match self.try_display(display) {
                Ok(context) => return Ok(Box::new(context)),
                Err(e) => reason = e,
            }
        }
        Err(reason)
    }

    fn get_proc_address(&self) -> GetProcAddress {
        self.get_proc_address
    }
}

struct EglContext {
    egl: &'static Egl,
    display: Handle,
    handle: Handle,
}

impl Context for EglContext {
    fn make_current(&self) -> Result<(), String> {
        // SAFETY: the context is of this display, and has no surface.
        let made = unsafe { (self.egl.make_current)(self.display, null_mut(), null_mut(), self.handle) };
        if made == 0 { Err("eglMakeCurrent failed".to_owned()) } else { Ok(()) }
    }
}

impl Drop for EglContext {
    fn drop(&mut self) {
        // SAFETY: no context is current then.
        unsafe { (self.egl.make_current)(self.display, null_mut(), null_mut(), null_mut()) };
        // SAFETY: it is not used again.
        unsafe { (self.egl.destroy_context)(self.display, self.handle) };
    }
}
