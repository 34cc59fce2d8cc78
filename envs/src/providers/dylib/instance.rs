//! The calls of the C interface.
//!
//! What the header promises is relied on: its functions have these types, and write what they are asked for
//! and no more.
#![allow(unsafe_code)] // calls into a library

use std::error::Error;
use std::ffi::{CStr, CString, c_void};
use std::path::Path;
use std::ptr;

use libloading::Library;

use super::super::space::{Described, none};
use super::abi::{Functions, Unchecked, failure, functions, text};
use crate::field::Fields;
use crate::{Action, EnvError, Frame, Row, Space};

/// `PHALANX_NO_METHOD`.
const NO_METHOD: i32 = -1;
/// A picture's longest side, in pixels.
const LONGEST_SIDE: u32 = 1 << 14;

/// What `create` of a library has made.
struct Handle {
    env: *mut c_void,
    functions: Functions,
    /// Holds the code; closed after the environment has been destroyed.
    _library: Library,
}

impl Handle {
    fn create(path: &Path, params: &CStr) -> Result<Self, EnvError> {
        // SAFETY: runs the library's initialisers, which the user accepts by naming it.
        let library = unsafe { Library::new(path) }.map_err(|e| EnvError::failed(reason(&e)))?;
        // SAFETY: the header gives this type to this name.
        let table = unsafe { library.get::<extern "C" fn() -> *const Unchecked>("phalanx_env") };
        let table = table
            .map_err(|e| EnvError::failed(format!("it does not export an environment: {}", reason(&e))))?(
        );
        let functions = functions(table)?;
        let mut env = ptr::null_mut();
        // SAFETY: the text ends with a zero; `env` outlives the call.
        let status = unsafe { (functions.create)(params.as_ptr(), &raw mut env) };
        if status != 0 {
            // SAFETY: null is for the error of `create`.
            let message = unsafe { (functions.error)(ptr::null_mut()) };
            return Err(failure("create", status, message));
        }
        Ok(Self { env, functions, _library: library })
    }

    /// Observation space, action space.
    fn spaces(&self) -> Result<(Space, Space), EnvError> {
        // SAFETY: `env` was made by `create` of the same library.
        let observation = self.functions.described(unsafe { (self.functions.observation_space)(self.env) });
        let observation = observation
            .and_then(Described::observation)
            .map_err(|e| EnvError::Failed(none("observation", &e)))?;
        // SAFETY: as above.
        let action = self.functions.described(unsafe { (self.functions.action_space)(self.env) });
        Ok((
            observation,
            action.and_then(Described::action).map_err(|e| EnvError::Failed(none("action", &e)))?,
        ))
    }

    fn check(&self, function: &str, status: i32) -> Result<(), EnvError> {
        if status == 0 {
            return Ok(());
        }
        // SAFETY: `env` was made by `create` of the same library.
        Err(failure(function, status, unsafe { (self.functions.error)(self.env) }))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: `env` was made by `create` of the same library and is not used again.
        unsafe { (self.functions.destroy)(self.env) }
    }
}

/// An environment that a library has made, with its spaces.
pub struct Instance {
    handle: Handle,
    observation_space: Space,
    action_space: Space,
    observation_bytes: usize,
    /// An action of several fields: the choices, then the numbers.
    action: Vec<u64>,
}

impl Instance {
    /// Loads the library at `path` and makes an environment from JSON parameters.
    pub fn create(path: &Path, params: &CStr) -> Result<Self, EnvError> {
        let handle = Handle::create(path, params)?;
        let (observation_space, action_space) = handle.spaces()?;
        let observation_bytes = Fields::of(&observation_space).bytes;
        let action = vec![0; action_space.choices_len() + action_space.numbers_len().div_ceil(2)];
        Ok(Self { handle, observation_space, action_space, observation_bytes, action })
    }

    /// Where its observations come from.
    pub fn observation_space(&self) -> &Space {
        &self.observation_space
    }

    /// Where its actions come from.
    pub fn action_space(&self) -> &Space {
        &self.action_space
    }

    /// Starts an episode.
    pub fn reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        let seed = seed.as_ref().map_or(ptr::null(), ptr::from_ref);
        let observation = self.place(observation);
        // SAFETY: the seed outlives the call; `place` has seen that the row is an observation's.
        let status = unsafe { (self.handle.functions.reset)(self.handle.env, seed, observation) };
        self.handle.check("reset", status)
    }

    /// Takes one step: the reward, and the number for the status of the episode.
    pub fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<(f32, i32), EnvError> {
        let observation = self.place(observation);
        let choice;
        let action: *const c_void = match (action, &self.action_space) {
            (Action::Discrete(a), Space::Discrete { .. }) => {
                choice = a as i64;
                ptr::from_ref(&choice).cast()
            }
            (Action::MultiDiscrete(a), Space::MultiDiscrete { .. } | Space::MultiBinary { .. })
                if a.len() == self.action_space.len() =>
            {
                a.as_ptr().cast()
            }
            (Action::Box(a), Space::Box { low, .. }) if a.len() == low.len() => a.as_ptr().cast(),
            (Action::Fields(a), space)
                if [a.choices.len(), a.numbers.len()] == [space.choices_len(), space.numbers_len()] =>
            {
                let (choices, numbers) = self.action.split_at_mut(space.choices_len());
                bytemuck::cast_slice_mut(choices).copy_from_slice(a.choices);
                bytemuck::cast_slice_mut(numbers)[..a.numbers.len()].copy_from_slice(a.numbers);
                self.action.as_ptr().cast()
            }
            _ => panic!("{action} is no action of {}", self.action_space),
        };
        let (mut reward, mut episode) = (f32::NAN, -1);
        // SAFETY: action and row have the lengths of their spaces; both numbers outlive the call.
        let status = unsafe {
            (self.handle.functions.step)(
                self.handle.env,
                action,
                observation,
                &raw mut reward,
                &raw mut episode,
            )
        };
        self.handle.check("step", status)?;
        Ok((reward, episode))
    }

    /// Draws the present state, if the library draws.
    pub fn render(&mut self) -> Result<Frame, EnvError> {
        let Some(render) = self.handle.functions.render else {
            return Err(EnvError::NoRender("the library has no function `render`".to_owned()));
        };
        let (mut width, mut height) = (0, 0);
        // SAFETY: with null only the size is returned; both numbers outlive the call.
        let status = unsafe { render(self.handle.env, &raw mut width, &raw mut height, ptr::null_mut()) };
        self.handle.check("render", status)?;
        let sides = 1..=LONGEST_SIDE;
        if !sides.contains(&width) || !sides.contains(&height) {
            return Err(EnvError::failed(format!("a picture cannot have {width}×{height} pixels")));
        }
        let size = (width, height);
        let mut pixels = vec![0; width as usize * height as usize * 3];
        // SAFETY: the buffer has the size that the library has just returned.
        let status = unsafe { render(self.handle.env, &raw mut width, &raw mut height, pixels.as_mut_ptr()) };
        self.handle.check("render", status)?;
        Ok(Frame { width: size.0, height: size.1, pixels })
    }

    /// Calls a method: JSON in, JSON out.
    pub fn call(&mut self, name: &str, arguments: &str) -> Result<String, EnvError> {
        let (Some(call), Ok(c_name)) = (self.handle.functions.call, CString::new(name)) else {
            return Err(EnvError::NoMethod(name.to_owned()));
        };
        let arguments = CString::new(arguments).map_err(EnvError::failed)?;
        let mut answer = ptr::null();
        // SAFETY: both texts end with a zero and outlive the call, and so does `answer`.
        let status = unsafe { call(self.handle.env, c_name.as_ptr(), arguments.as_ptr(), &raw mut answer) };
        if status == NO_METHOD {
            return Err(EnvError::NoMethod(name.to_owned()));
        }
        self.handle.check("call", status)?;
        text(answer).ok_or_else(|| EnvError::failed(format!("`call` of {name:?} stored no answer")))
    }

    /// Where the library may write an observation.
    fn place(&self, row: Row<'_>) -> *mut c_void {
        let (place, bytes) = match row {
            Row::F32(row) => (row.as_mut_ptr().cast(), size_of_val(row)),
            Row::F64(row) => (row.as_mut_ptr().cast(), size_of_val(row)),
            Row::U8(row) | Row::Fields { bytes: row, .. } => (row.as_mut_ptr().cast::<c_void>(), row.len()),
        };
        assert_eq!(bytes, self.observation_bytes, "bytes of an observation of {}", self.observation_space);
        let aligned =
            !self.observation_space.is_composite() || place.addr().is_multiple_of(align_of::<u64>());
        assert!(aligned, "an observation of several fields is aligned to 8 bytes");
        place
    }
}

/// The message of the system's loader; the error itself only names the system call.
fn reason(error: &libloading::Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}
