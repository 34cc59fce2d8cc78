//! Policy files for programs in C and in whatever calls C.
//!
//! The header is `deploy/capi/include/phalanx_policy.h`; docs/deploy.md explains how it is used. No function unwinds into its caller.
#![allow(unsafe_code)]
#![allow(clippy::doc_markdown)] // the header has these comments

mod error;
mod handle;

use std::ffi::{CStr, c_char, c_void};
use std::path::Path;
use std::slice;

pub use error::PhalanxCode;
use error::{Failure, guard, report};
use handle::Draw;
pub use handle::PhalanxPolicy;

/// Opens a policy file; null where it cannot be used, and phalanx_policy_error has the reason. To be closed by phalanx_policy_close.
///
/// # Safety
/// `path` is a string that ends with a null byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn phalanx_policy_open(path: *const c_char) -> *mut PhalanxPolicy {
    open(|| {
        if path.is_null() {
            return Err(Failure::argument("path is null"));
        }
        // SAFETY: as the caller promises.
        let path = unsafe { CStr::from_ptr(path) };
        let path = path.to_str().map_err(|_| Failure::argument("the path is not UTF-8"))?;
        PhalanxPolicy::read(Path::new(path))
    })
}

/// Opens a policy file in memory, which is copied; null where it cannot be used.
///
/// # Safety
/// `bytes` points to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn phalanx_policy_open_memory(bytes: *const u8, len: usize) -> *mut PhalanxPolicy {
    open(|| {
        if bytes.is_null() {
            return Err(Failure::argument("bytes is null"));
        }
        // SAFETY: as the caller promises.
        PhalanxPolicy::new(unsafe { slice::from_raw_parts(bytes, len) })
    })
}

/// Closes a policy; null is nothing.
///
/// # Safety
/// `policy` was opened here and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn phalanx_policy_close(policy: *mut PhalanxPolicy) {
    if !policy.is_null() {
        // SAFETY: as the caller promises.
        drop(unsafe { Box::from_raw(policy) });
    }
}

/// Message of this thread's last failure, until its next one; empty where there was none.
#[unsafe(no_mangle)]
pub extern "C" fn phalanx_policy_error() -> *const c_char {
    error::last()
}

/// Description of the policy in JSON: the environment, and name, type, shape and bounds of each part of an observation and an action. It lives as long
/// as the policy.
///
/// # Safety
/// `policy` is an open policy; as of all functions below.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn phalanx_policy_description(policy: *const PhalanxPolicy) -> *const c_char {
    // SAFETY: as the caller promises.
    unsafe { policy.as_ref() }.map_or(c"".as_ptr(), |policy| policy.description.as_ptr())
}

/// Number of inputs: parts of an observation.
///
/// # Safety
/// As above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn phalanx_policy_inputs(policy: *const PhalanxPolicy) -> usize {
    // SAFETY: as the caller promises.
    unsafe { policy.as_ref() }.map_or(0, |policy| policy.inputs.len())
}

/// Elements of an input; 0 where there is none of this number.
///
/// # Safety
/// As above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn phalanx_policy_input_len(policy: *const PhalanxPolicy, input: usize) -> usize {
    // SAFETY: as the caller promises.
    unsafe { policy.as_ref() }.and_then(|policy| policy.inputs.get(input)).map_or(0, |(_, len)| *len)
}

/// 1 where an input has bytes, 0 where it has floats.
///
/// # Safety
/// As above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn phalanx_policy_input_is_bytes(policy: *const PhalanxPolicy, input: usize) -> i32 {
    // SAFETY: as the caller promises.
    unsafe { policy.as_ref() }
        .and_then(|policy| policy.inputs.get(input))
        .map_or(0, |(is_bytes, _)| i32::from(*is_bytes))
}

/// Numbers of an action: one for each choice, each bit and each element of a box.
///
/// # Safety
/// As above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn phalanx_policy_action_len(policy: *const PhalanxPolicy) -> usize {
    // SAFETY: as the caller promises.
    unsafe { policy.as_ref() }.map_or(0, |policy| policy.action_len)
}

/// Seconds from one action to the next, as the file has them; 0 where they are not known.
///
/// # Safety
/// As above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn phalanx_policy_time_step(policy: *const PhalanxPolicy) -> f32 {
    // SAFETY: as the caller promises.
    unsafe { policy.as_ref() }.map_or(0.0, PhalanxPolicy::time_step)
}

/// Gives a recurrent policy `rows` hidden states, all at the start of an episode; there is one at first.
///
/// # Safety
/// As above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn phalanx_policy_set_rows(policy: *mut PhalanxPolicy, rows: usize) -> i32 {
    guard(policy, |policy| policy.set_rows(rows))
}

/// Begins an episode in a row: its hidden state becomes zero.
///
/// # Safety
/// As above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn phalanx_policy_reset(policy: *mut PhalanxPolicy, row: usize) -> i32 {
    guard(policy, |policy| policy.reset(row))
}

/// Takes the most probable actions of the rows 0 to `rows` − 1, as an environment is given them. `observation` has a pointer for each input, to
/// `rows` times its elements: float, or uint8_t where it has bytes. `action` has room for `rows` times the numbers of an action.
///
/// # Safety
/// As above, and the pointers point to as many elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn phalanx_policy_act(
    policy: *mut PhalanxPolicy,
    rows: usize,
    observation: *const *const c_void,
    action: *mut f32,
) -> i32 {
    guard(policy, |policy| {
        // SAFETY: as the caller promises.
        let (pointers, action) = unsafe { arrays(policy, rows, observation, action) }?;
        // SAFETY: as the caller promises.
        unsafe { policy.act(rows, pointers, action, None) }
    })
}

/// The same for a policy with one input of floats, which are given in 64 bits, as is the action.
///
/// # Safety
/// As above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn phalanx_policy_act_f64(
    policy: *mut PhalanxPolicy,
    rows: usize,
    observation: *const f64,
    action: *mut f64,
) -> i32 {
    guard(policy, |policy| {
        // SAFETY: as the caller promises.
        let (observation, action) = unsafe { arrays_f64(policy, rows, observation, action) }?;
        policy.act_f64(rows, observation, action, None)
    })
}

/// As phalanx_policy_act, with actions that are drawn. `random` is the state of a generator, which any number may be at first: the same state gives the
/// same actions. `log_prob` has room for the log probability, in nats, of each row's action: as in training that of options and bits, and the log
/// density of numbers before they are scaled and put within their bounds; of squashed ones that of the action itself.
///
/// # Safety
/// As above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn phalanx_policy_sample(
    policy: *mut PhalanxPolicy,
    rows: usize,
    observation: *const *const c_void,
    random: *mut u64,
    action: *mut f32,
    log_prob: *mut f32,
) -> i32 {
    guard(policy, |policy| {
        // SAFETY: as the caller promises.
        let (pointers, action) = unsafe { arrays(policy, rows, observation, action) }?;
        // SAFETY: as the caller promises.
        unsafe { policy.act(rows, pointers, action, Some(draw(rows, random, log_prob)?)) }
    })
}

/// The same for a policy with one input of floats, which are given in 64 bits, as are the action and its log probability.
///
/// # Safety
/// As above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn phalanx_policy_sample_f64(
    policy: *mut PhalanxPolicy,
    rows: usize,
    observation: *const f64,
    random: *mut u64,
    action: *mut f64,
    log_prob: *mut f64,
) -> i32 {
    guard(policy, |policy| {
        // SAFETY: as the caller promises.
        let (observation, action) = unsafe { arrays_f64(policy, rows, observation, action) }?;
        // SAFETY: as the caller promises.
        policy.act_f64(rows, observation, action, Some(unsafe { draw(rows, random, log_prob) }?))
    })
}

/// Takes the actions that were recorded in the file again, and begins an episode in each row.
///
/// # Safety
/// As above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn phalanx_policy_selftest(policy: *mut PhalanxPolicy) -> i32 {
    guard(policy, PhalanxPolicy::selftest)
}

fn open(
    make: impl FnOnce() -> Result<PhalanxPolicy, Failure> + std::panic::UnwindSafe,
) -> *mut PhalanxPolicy {
    match report(make) {
        Ok(policy) => Box::into_raw(Box::new(policy)),
        Err(_) => std::ptr::null_mut(),
    }
}

/// A pointer for each input, and the actions of as many rows.
///
/// # Safety
/// The pointers are null or point to as many elements.
unsafe fn arrays<'a>(
    policy: &PhalanxPolicy,
    rows: usize,
    observation: *const *const c_void,
    action: *mut f32,
) -> Result<(&'a [*const c_void], &'a mut [f32]), Failure> {
    if observation.is_null() || action.is_null() {
        return Err(Failure::argument("observation or action is null"));
    }
    // SAFETY: as the caller promises.
    let pointers = unsafe { slice::from_raw_parts(observation, policy.inputs.len()) };
    if pointers.iter().any(|pointer| pointer.is_null()) {
        return Err(Failure::argument("an input of the observation is null"));
    }
    // SAFETY: as the caller promises.
    Ok((pointers, unsafe { slice::from_raw_parts_mut(action, policy.numbers(rows)?) }))
}

/// Observations and actions of as many rows of a policy with one input of floats.
///
/// # Safety
/// The pointers are null or point to as many elements.
unsafe fn arrays_f64<'a>(
    policy: &PhalanxPolicy,
    rows: usize,
    observation: *const f64,
    action: *mut f64,
) -> Result<(&'a [f64], &'a mut [f64]), Failure> {
    let [(false, len)] = policy.inputs[..] else {
        let message =
            "the policy has not one input of floats: use phalanx_policy_act or phalanx_policy_sample";
        return Err(Failure::argument(message));
    };
    if observation.is_null() || action.is_null() {
        return Err(Failure::argument("observation or action is null"));
    }
    let numbers = policy.numbers(rows)?;
    // SAFETY: as the caller promises.
    let observation = unsafe { slice::from_raw_parts(observation, rows * len) };
    // SAFETY: as the caller promises.
    Ok((observation, unsafe { slice::from_raw_parts_mut(action, numbers) }))
}

/// How the actions of as many rows are drawn.
///
/// # Safety
/// The pointers are null or point to a number and to `rows` numbers.
unsafe fn draw<'a, T>(rows: usize, random: *mut u64, log_prob: *mut T) -> Result<Draw<'a, T>, Failure> {
    if random.is_null() || log_prob.is_null() {
        return Err(Failure::argument("random or log_prob is null"));
    }
    // SAFETY: as the caller promises.
    Ok(Draw {
        random: unsafe { &mut *random },
        log_prob: unsafe { slice::from_raw_parts_mut(log_prob, rows) },
    })
}
