//! OpenGL without a screen, where the machine has it: what `MuJoCo`'s own renderer needs.
//!
//! Libraries are looked for when the first picture is drawn, never while building: EGL, which comes with graphics drivers,
//! then `OSMesa`, which needs none. `MUJOCO_GL` chooses, as it does for `MuJoCo`'s Python: `egl`, `osmesa`, or `off` for none.
//! A process keeps to one library, because `MuJoCo` looks its functions up once; each model of a thread has a context
//! of its own. `MuJoCo` ends the process where OpenGL lacks something, so a context is looked over before `MuJoCo` sees it.
#![allow(unsafe_code)] // calls into C libraries

mod driver;
mod egl;
mod offscreen;
mod osmesa;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::ffi::{c_char, c_void};
use std::sync::OnceLock;

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LOCAL, RTLD_NOW};

use driver::Driver;
use egl::Egl;
use osmesa::Osmesa;

pub(super) use offscreen::Offscreen;
pub use offscreen::renderer;

/// Names the library to use.
const CHOICE: &str = "MUJOCO_GL";

/// Returns the address of a function of a library by its name, or null.
type GetProcAddress = unsafe extern "C" fn(*const c_char) -> *mut c_void;

/// A library that makes contexts of OpenGL.
trait Platform: Send + Sync {
    fn name(&self) -> &'static str;

    /// File of the library.
    fn file(&self) -> &'static str;

    /// A new context, current on this thread.
    fn context(&'static self) -> Result<Box<dyn Context>, String>;

    /// How functions of OpenGL are found.
    fn get_proc_address(&self) -> GetProcAddress;
}

/// A context, which ends with this value.
trait Context {
    /// Makes this context the current one of this thread.
    fn make_current(&self) -> Result<(), String>;
}

/// The library of this process, found at the first call.
fn platform() -> Result<&'static dyn Platform, String> {
    static FOUND: OnceLock<Result<&'static dyn Platform, String>> = OnceLock::new();
    FOUND.get_or_init(|| find(&std::env::var(CHOICE).unwrap_or_default())).clone()
}

fn find(choice: &str) -> Result<&'static dyn Platform, String> {
    let choice = choice.trim().to_lowercase();
    let egl = || usable(Box::leak(Box::new(Egl::open()?)));
    let osmesa = || usable(Box::leak(Box::new(Osmesa::open()?)));
    match &*choice {
        "" => egl().or_else(|first| osmesa().map_err(|second| format!("{first}; {second}"))),
        "egl" => egl(),
        "osmesa" => osmesa(),
        "off" | "disable" | "disabled" | "false" | "0" => Err(format!("{CHOICE} is {choice}")),
        _ => Err(format!("{CHOICE} is {choice:?}, and can be egl, osmesa or off")),
    }
}

/// Makes a context to see whether it works, then lets `MuJoCo` find the library.
fn usable(platform: &'static dyn Platform) -> Result<&'static dyn Platform, String> {
    let named = |reason| format!("{}: {reason}", platform.name());
    let context = platform.context().map_err(named)?;
    Driver::of(platform).and_then(|driver| driver.check()).map_err(named)?;
    drop(context);
    // Open for good, to all of the process.
    std::mem::forget(open(&[platform.file()], RTLD_GLOBAL).map_err(named)?.1);
    Ok(platform)
}

/// The first of these libraries that is there, seen by `scope`.
fn open(files: &[&'static str], scope: i32) -> Result<(&'static str, Library), String> {
    let mut reasons = Vec::new();
    for file in files {
        // SAFETY: runs the initialisers of a graphics driver.
        match unsafe { Library::open(Some(*file), RTLD_NOW | scope) } {
            Ok(library) => return Ok((file, library)),
            Err(e) => reasons.push(e.source().map_or(e.to_string(), ToString::to_string)),
        }
    }
    Err(reasons.join(", "))
}

/// Opens a library whose symbols stay private.
fn open_locally(name: &str, files: &[&'static str]) -> Result<(&'static str, Library), String> {
    open(files, RTLD_LOCAL).map_err(|reason| format!("{name}: {reason}"))
}

/// A function of a library.
///
/// # Safety
/// `T` is the type of the function of this name.
unsafe fn function<T: Copy>(library: &Library, name: &str) -> Result<T, String> {
    // SAFETY: the caller's.
    let found = unsafe { library.get::<T>(name) };
    found.map(|function| *function).map_err(|_| format!("it has no {name}"))
}
