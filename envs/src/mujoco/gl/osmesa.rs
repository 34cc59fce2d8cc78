//! `OSMesa`: OpenGL on the processor, without a driver.

use std::cell::RefCell;
use std::ffi::c_void;
use std::ptr::null_mut;

use libloading::os::unix::Library;

use super::{CHOICE, Context, GetProcAddress, Platform, function, open_locally};

type Handle = *mut c_void;

const RGBA: u32 = 0x1908;
const UNSIGNED_BYTE: u32 = 0x1401;
/// A context must have a picture of its own; `MuJoCo` draws into another one.
const SIDE: i32 = 16;

pub(super) struct Osmesa {
    file: &'static str,
    get_proc_address: GetProcAddress,
    create: unsafe extern "C" fn(u32, i32, i32, i32, Handle) -> Handle,
    make_current: unsafe extern "C" fn(Handle, *mut c_void, u32, i32, i32) -> u8,
    destroy: unsafe extern "C" fn(Handle),
    _library: Library,
}

impl Osmesa {
    pub(super) fn open() -> Result<Self, String> {
        // MuJoCo would take EGL's functions, unless OSMesa was chosen.
        let chosen = std::env::var(CHOICE).is_ok_and(|choice| choice == "osmesa");
        // SAFETY: the function is looked for, not called.
        if !chosen && unsafe { Library::this().get::<GetProcAddress>("eglGetProcAddress") }.is_ok() {
            return Err(format!("OSMesa: EGL is there as well; set {CHOICE}=osmesa"));
        }
        let (file, library) = open_locally("OSMesa", &["libOSMesa.so.8", "libOSMesa.so.6"])?;
        // SAFETY: the header of OSMesa gives these types to these names.
        unsafe {
            Ok(Self {
                file,
                get_proc_address: function(&library, "OSMesaGetProcAddress")?,
                create: function(&library, "OSMesaCreateContextExt")?,
                make_current: function(&library, "OSMesaMakeCurrent")?,
                destroy: function(&library, "OSMesaDestroyContext")?,
                _library: library,
            })
        }
    }
}

impl Platform for Osmesa {
    fn name(&self) -> &'static str {
        "OSMesa"
    }

    fn file(&self) -> &'static str {
        self.file
    }

    fn context(&'static self) -> Result<Box<dyn Context>, String> {
        // SAFETY: bits of depth, stencil and accumulation; nothing is shared.
        let handle = unsafe { (self.create)(RGBA, 24, 8, 0, null_mut()) };
        if handle.is_null() {
            return Err("it makes no context".to_owned());
        }
        let picture = RefCell::new(vec![0; (4 * SIDE * SIDE) as usize]);
        let context = OsmesaContext { osmesa: self, handle, picture };
        context.make_current()?;
        Ok(Box::new(context))
    }

    fn get_proc_address(&self) -> GetProcAddress {
        self.get_proc_address
    }
}

struct OsmesaContext {
    osmesa: &'static Osmesa,
    handle: Handle,
    picture: RefCell<Vec<u8>>,
}

impl Context for OsmesaContext {
    fn make_current(&self) -> Result<(), String> {
        let picture = self.picture.borrow_mut().as_mut_ptr().cast();
        // SAFETY: the picture has as many bytes, and lives as long as the context.
        let made = unsafe { (self.osmesa.make_current)(self.handle, picture, UNSIGNED_BYTE, SIDE, SIDE) };
        if made == 0 { Err("OSMesaMakeCurrent failed".to_owned()) } else { Ok(()) }
    }
}

impl Drop for OsmesaContext {
    fn drop(&mut self) {
        // SAFETY: it is not used again, and no longer current.
        unsafe { (self.osmesa.destroy)(self.handle) }
    }
}
