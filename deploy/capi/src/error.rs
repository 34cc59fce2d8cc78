//! Failures as codes, with a message for each thread.

use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, UnwindSafe, catch_unwind};

use crate::PhalanxPolicy;

/// What a function returns.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhalanxCode {
    /// It succeeded.
    Ok = 0,
    /// A pointer is null, a row does not exist, or the policy has other inputs.
    Argument = 1,
    /// The file cannot be read, is none, is damaged, or has no standard deviations to draw numbers with.
    File = 2,
    /// A mask leaves no legal option.
    Mask = 3,
    /// The self test found another action than the recorded one.
    Selftest = 4,
    /// A fault of this library.
    Fault = 5,
}

/// A code with its message.
#[derive(Debug)]
pub struct Failure(pub PhalanxCode, pub String);

impl Failure {
    pub fn argument(message: impl Into<String>) -> Self {
        Self(PhalanxCode::Argument, message.into())
    }
}

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

/// The message of this thread's last failure.
pub fn last() -> *const c_char {
    LAST.with_borrow(|last| last.as_ptr())
}

/// Calls `work`; keeps the message of its failure. A panic is one.
pub fn report<T>(work: impl FnOnce() -> Result<T, Failure> + UnwindSafe) -> Result<T, PhalanxCode> {
    let result = catch_unwind(work).unwrap_or_else(|_| {
        Err(Failure(PhalanxCode::Fault, "a fault of this library, printed on standard error".into()))
    });
    result.map_err(|Failure(code, message)| {
        let message = CString::new(message.replace('\0', " ")).unwrap_or_default();
        LAST.set(message);
        code
    })
}

/// Calls `work` with the policy, and returns a code.
pub fn guard(
    policy: *mut PhalanxPolicy,
    work: impl FnOnce(&mut PhalanxPolicy) -> Result<(), Failure>,
) -> i32 {
    let result = report(AssertUnwindSafe(|| {
        // SAFETY: callers promise that it is an open policy, which one thread uses at a time.
        let policy = unsafe { policy.as_mut() };
        work(policy.ok_or_else(|| Failure::argument("the policy is null"))?)
    }));
    result.map_or_else(|code| code as i32, |()| 0)
}
