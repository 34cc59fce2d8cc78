//! What `envs/include/phalanx_env.h` declares, and a check of what a library returns through it.
#![allow(unsafe_code)] // reads tables, spaces and texts of a library

use std::ffi::{CStr, c_char, c_void};
use std::slice;

use super::super::space::{DEEPEST, Described};
use crate::EnvError;

/// `PHALANX_ABI`; the version before has spaces without parts.
const ABI: u32 = 2;
const ABI_WITHOUT_PARTS: u32 = 1;
/// More sizes or bounds than a space has whose elements can be held.
const MOST: u32 = 1 << 28;
/// Parts of a Dict or Tuple.
const MOST_PARTS: u32 = 1 << 12;

/// `phalanx_space` of version 1, with which that of version 2 begins.
#[repr(C)]
pub struct Space {
    kind: i32,
    count: u32,
    sizes: *const u32,
    bounds: u32,
    low: *const f32,
    high: *const f32,
}

/// `phalanx_space` of version 2.
#[repr(C)]
struct SpaceWithParts {
    space: Space,
    names: *const *const c_char,
    parts: *const SpaceWithParts,
}

/// The beginning of `phalanx_env_functions`, the same in every version.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sizes {
    abi: u32,
    size: u32,
    space_size: u32,
}

impl Sizes {
    /// Those of the header that this file mirrors.
    const OURS: Self = Self {
        abi: ABI,
        size: size_of::<Functions>() as u32,
        space_size: size_of::<SpaceWithParts>() as u32,
    };
    const WITHOUT_PARTS: Self =
        Self { abi: ABI_WITHOUT_PARTS, space_size: size_of::<Space>() as u32, ..Self::OURS };
}

type SpaceOf = unsafe extern "C" fn(*mut c_void) -> *const Space;

/// `phalanx_env_functions`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Functions {
    sizes: Sizes,
    pub create: unsafe extern "C" fn(*const c_char, *mut *mut c_void) -> i32,
    pub destroy: unsafe extern "C" fn(*mut c_void),
    pub observation_space: SpaceOf,
    pub action_space: SpaceOf,
    pub reset: unsafe extern "C" fn(*mut c_void, *const u64, *mut c_void) -> i32,
    pub step: unsafe extern "C" fn(*mut c_void, *const c_void, *mut c_void, *mut f32, *mut i32) -> i32,
    pub error: unsafe extern "C" fn(*mut c_void) -> *const c_char,
    pub render: Option<unsafe extern "C" fn(*mut c_void, *mut u32, *mut u32, *mut u8) -> i32>,
    pub call:
        Option<unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char, *mut *const c_char) -> i32>,
}

/// The functions that must be there, in their order.
const NEEDED: [&str; 7] =
    ["create", "destroy", "observation_space", "action_space", "reset", "step", "error"];

/// The same memory as [`Functions`], before it is known that the needed ones are there.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Unchecked {
    sizes: Sizes,
    needed: [*const c_void; NEEDED.len()],
}

/// The functions of a table, once it is known to be of our version and complete.
pub fn functions(table: *const Unchecked) -> Result<Functions, EnvError> {
    if table.is_null() {
        return Err(EnvError::failed("`phalanx_env` returned NULL"));
    }
    // SAFETY: a table of any version begins with these numbers.
    let sizes = unsafe { *table.cast::<Sizes>() };
    if ![Sizes::OURS, Sizes::WITHOUT_PARTS].contains(&sizes) {
        return Err(EnvError::failed(format!(
            "it was built with another phalanx_env.h: its version and sizes are {}, {} and {}; here they are {}, {} \
             and {}",
            sizes.abi,
            sizes.size,
            sizes.space_size,
            ABI,
            Sizes::OURS.size,
            Sizes::OURS.space_size
        )));
    }
    // SAFETY: a table of this version and size begins with these pointers.
    let needed = unsafe { (*table).needed };
    if let Some(missing) = needed.iter().position(|function| function.is_null()) {
        return Err(EnvError::failed(format!("its function `{}` is NULL", NEEDED[missing])));
    }
    // SAFETY: the pointers that must not be null are not, and the header gives them these types.
    Ok(unsafe { *table.cast::<Functions>() })
}

impl Functions {
    /// A space, copied out of the library; or what is wrong with it.
    pub fn described(&self, space: *const Space) -> Result<Described, String> {
        if self.sizes == Sizes::OURS { described_with_parts(space.cast(), 0) } else { described(space) }
    }
}

/// A space of version 2 that lies in `depth` others.
fn described_with_parts(space: *const SpaceWithParts, depth: usize) -> Result<Described, String> {
    // SAFETY: the library returns null or a space that stays until the next call, and so do its parts.
    let SpaceWithParts { space, names, parts } = unsafe { space.as_ref() }.ok_or("it is NULL")?;
    let Some(named) = Described::has_parts(space.kind.into()) else { return described(space) };
    if depth == DEEPEST || space.count > MOST_PARTS {
        return Err(format!("it has more than {MOST_PARTS} parts, or lies in more than {DEEPEST} others"));
    }
    if space.count > 0 && (parts.is_null() || named && names.is_null()) {
        return Err("`parts` or `names` is NULL".to_owned());
    }
    let part = |i: usize| {
        let name = if named {
            // SAFETY: the pointer is not null, and the library declares that so many names are behind it.
            text(unsafe { *names.add(i) }).ok_or("a name is NULL")?
        } else {
            String::new()
        };
        // SAFETY: as above, of parts.
        Ok((name, described_with_parts(unsafe { parts.add(i) }, depth + 1)?))
    };
    let parts = (0..space.count as usize).map(part).collect::<Result<_, String>>()?;
    Ok(Described { kind: space.kind.into(), parts, ..Described::default() })
}

/// A space of version 1.
fn described(space: *const Space) -> Result<Described, String> {
    // SAFETY: the library returns null or a space that stays until the next call.
    let space = unsafe { space.as_ref() }.ok_or("it is NULL")?;
    let sizes = copied("sizes", space.sizes, space.count)?;
    let low = copied("low", space.low, space.bounds)?;
    let high = copied("high", space.high, space.bounds)?;
    Ok(Described { kind: space.kind.into(), sizes, low, high, parts: vec![] })
}

/// `len` numbers of the library's.
fn copied<T: Clone>(name: &str, from: *const T, len: u32) -> Result<Vec<T>, String> {
    match len {
        0 => Ok(Vec::new()),
        _ if from.is_null() => Err(format!("`{name}` is NULL")),
        // SAFETY: the pointer is not null, and the library declares that so many numbers are behind it.
        1..=MOST => Ok(unsafe { slice::from_raw_parts(from, len as usize) }.to_vec()),
        _ => Err(format!("it has {len} `{name}`")),
    }
}

/// The error of a function that returned `status`.
pub fn failure(function: &str, status: i32, message: *const c_char) -> EnvError {
    let message = text(message).unwrap_or_else(|| "no message".to_owned());
    EnvError::failed(format!("`{function}` returned {status}: {message}"))
}

/// A text of the library's.
pub fn text(from: *const c_char) -> Option<String> {
    if from.is_null() {
        return None;
    }
    // SAFETY: the library returns null or a text that ends with a zero and stays until the next call.
    Some(unsafe { CStr::from_ptr(from) }.to_string_lossy().into_owned())
}
