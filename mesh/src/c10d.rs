//! libtorch's c10d, through the C interface of `c10d/shim.cpp`: a key-value store over TCP, and a group of ranks over Gloo.
#![expect(unsafe_code, reason = "calls into C++")]

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr::NonNull;
use std::time::Duration;

#[repr(C)]
struct RawStore(());
#[repr(C)]
struct RawGroup(());
#[repr(C)]
struct RawWork(());

unsafe extern "C" {
    fn mesh_error() -> *const c_char;
    fn mesh_store_open(host: *const c_char, port: u16, serve: bool, timeout_ms: u64) -> *mut RawStore;
    fn mesh_store_close(store: *mut RawStore);
    fn mesh_store_set(store: *mut RawStore, key: *const c_char, data: *const u8, len: usize) -> c_int;
    fn mesh_store_has(store: *mut RawStore, key: *const c_char) -> c_int;
    fn mesh_store_add(store: *mut RawStore, key: *const c_char, amount: i64) -> i64;
    fn mesh_store_get(
        store: *mut RawStore,
        key: *const c_char,
        data: *mut u8,
        capacity: usize,
        timeout_ms: u64,
    ) -> i64;
    fn mesh_group_open(
        store: *mut RawStore,
        prefix: *const c_char,
        rank: c_int,
        size: c_int,
        host: *const c_char,
        timeout_ms: u64,
    ) -> *mut RawGroup;
    fn mesh_group_close(group: *mut RawGroup);
    fn mesh_all_gather(
        group: *mut RawGroup,
        send: *mut u8,
        len: usize,
        receive: *mut u8,
        all: usize,
    ) -> *mut RawWork;
    fn mesh_all_to_all(group: *mut RawGroup, send: *mut u8, receive: *mut u8, len: usize) -> *mut RawWork;
    fn mesh_broadcast(group: *mut RawGroup, data: *mut u8, len: usize, root: c_int) -> *mut RawWork;
    fn mesh_wait(work: *mut RawWork, timeout_ms: u64) -> c_int;
    fn mesh_work_close(work: *mut RawWork);
}

/// Largest value that is read of a store.
const LONGEST: usize = 1 << 20;

/// The message of the call of this thread that failed, up to where libtorch says how it got there.
fn failure() -> String {
    // SAFETY: the message is text that ends with a zero, and stays until the next call of this thread.
    let text = unsafe { CStr::from_ptr(mesh_error()) }.to_string_lossy().into_owned();
    text.lines().next().unwrap_or_default().to_owned()
}

fn c_string(text: &str) -> Result<CString, String> {
    CString::new(text).map_err(|_| format!("{text:?} has a zero byte"))
}

fn millis(time: Duration) -> u64 {
    time.as_millis() as u64
}

/// A connection to a key-value store; one of them also serves it.
pub struct Store(NonNull<RawStore>);

// SAFETY: a TCPStore takes a lock for each operation.
unsafe impl Send for Store {}
// SAFETY: as above.
unsafe impl Sync for Store {}

impl Store {
    /// Connects to the store at `host:port` within `timeout`, and serves it first if asked to.
    pub fn open(host: &str, port: u16, serve: bool, timeout: Duration) -> Result<Self, String> {
        let host = c_string(host)?;
        // SAFETY: the text lives through the call.
        let store = unsafe { mesh_store_open(host.as_ptr(), port, serve, millis(timeout)) };
        NonNull::new(store).map(Self).ok_or_else(failure)
    }

    /// Sets a value.
    pub fn set(&self, key: &str, value: &[u8]) -> Result<(), String> {
        let key = c_string(key)?;
        // SAFETY: key and value live through the call.
        match unsafe { mesh_store_set(self.0.as_ptr(), key.as_ptr(), value.as_ptr(), value.len()) } {
            0 => Ok(()),
            _ => Err(failure()),
        }
    }

    /// Whether there is a value.
    pub fn has(&self, key: &str) -> Result<bool, String> {
        let key = c_string(key)?;
        // SAFETY: the key lives through the call.
        match unsafe { mesh_store_has(self.0.as_ptr(), key.as_ptr()) } {
            -1 => Err(failure()),
            has => Ok(has == 1),
        }
    }

    /// Adds to a counter, which begins at 0, and returns what it is then.
    pub fn add(&self, key: &str, amount: u32) -> Result<u64, String> {
        let key = c_string(key)?;
        // SAFETY: the key lives through the call.
        let count = unsafe { mesh_store_add(self.0.as_ptr(), key.as_ptr(), amount.into()) };
        u64::try_from(count).map_err(|_| failure())
    }

    /// The value, waited for.
    pub fn get(&self, key: &str, timeout: Duration) -> Result<Vec<u8>, String> {
        let name = c_string(key)?;
        let mut value = vec![0; LONGEST];
        // SAFETY: the key lives through the call, and at most the buffer's length is written.
        let len = unsafe {
            mesh_store_get(self.0.as_ptr(), name.as_ptr(), value.as_mut_ptr(), LONGEST, millis(timeout))
        };
        let len = usize::try_from(len).map_err(|_| failure())?;
        if len > LONGEST {
            return Err(format!("the value of {key:?} is longer than {LONGEST} bytes"));
        }
        value.truncate(len);
        Ok(value)
    }

    /// The value as text, if there is one.
    pub fn text(&self, key: &str) -> Result<Option<String>, String> {
        if !self.has(key)? {
            return Ok(None);
        }
        let value = self.get(key, Duration::from_secs(30))?;
        Ok(Some(String::from_utf8_lossy(&value).into_owned()))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: it was opened, and is closed once.
        unsafe { mesh_store_close(self.0.as_ptr()) }
    }
}

/// Ranks that are connected with each other over Gloo.
pub struct Group(NonNull<RawGroup>);

// SAFETY: calls need one thread at a time, whichever.
unsafe impl Send for Group {}

impl Group {
    /// Connects `size` ranks that have one store in common, under keys that begin with `prefix`; this one is `rank`, and listens at the address
    /// `host`.
    pub fn open(
        store: &Store,
        prefix: &str,
        (rank, size): (usize, usize),
        host: &str,
        timeout: Duration,
    ) -> Result<Self, String> {
        let (store, prefix, host) = (store.0.as_ptr(), c_string(prefix)?, c_string(host)?);
        let (rank, size) = (rank as c_int, size as c_int);
        // SAFETY: store and texts live through the call; the group holds the store by a count of its own.
        let group =
            unsafe { mesh_group_open(store, prefix.as_ptr(), rank, size, host.as_ptr(), millis(timeout)) };
        NonNull::new(group).map(Self).ok_or_else(failure)
    }

    /// Begins to gather `send` of all ranks in `receive`.
    pub fn all_gather(&mut self, send: Vec<u8>, receive: Vec<u8>) -> Result<Work, String> {
        Work::begin(send, receive, |send, receive| {
            let (from, len) = (send.as_mut_ptr(), send.len());
            // SAFETY: `Work` keeps both buffers until the work has ended.
            unsafe { mesh_all_gather(self.0.as_ptr(), from, len, receive.as_mut_ptr(), receive.len()) }
        })
    }

    /// Begins to send the k-th of equal parts of `send` to rank k, and to receive one of each rank.
    pub fn all_to_all(&mut self, send: Vec<u8>, receive: Vec<u8>) -> Result<Work, String> {
        debug_assert_eq!(send.len(), receive.len());
        Work::begin(send, receive, |send, receive| {
            let len = send.len();
            // SAFETY: `Work` keeps both buffers until the work has ended.
            unsafe { mesh_all_to_all(self.0.as_ptr(), send.as_mut_ptr(), receive.as_mut_ptr(), len) }
        })
    }

    /// Begins to send `receive` of rank `root` to all.
    pub fn broadcast(&mut self, receive: Vec<u8>, root: usize) -> Result<Work, String> {
        Work::begin(Vec::new(), receive, |_, receive| {
            let len = receive.len();
            // SAFETY: `Work` keeps the buffer until the work has ended.
            unsafe { mesh_broadcast(self.0.as_ptr(), receive.as_mut_ptr(), len, root as c_int) }
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // SAFETY: it was opened, and is closed once.
        unsafe { mesh_group_close(self.0.as_ptr()) }
    }
}

/// A collective call that has begun, with its buffers.
pub struct Work {
    work: NonNull<RawWork>,
    buffers: (Vec<u8>, Vec<u8>),
}

impl Work {
    fn begin(
        mut send: Vec<u8>,
        mut receive: Vec<u8>,
        call: impl FnOnce(&mut Vec<u8>, &mut Vec<u8>) -> *mut RawWork,
    ) -> Result<Self, String> {
        let work = NonNull::new(call(&mut send, &mut receive)).ok_or_else(failure)?;
        Ok(Self { work, buffers: (send, receive) })
    }

    /// Waits for at most `timeout`; returns whether the work has ended.
    pub fn wait(&mut self, timeout: Duration) -> Result<bool, String> {
        // SAFETY: the work lives until `self` is dropped.
        match unsafe { mesh_wait(self.work.as_ptr(), millis(timeout)) } {
            0 => Ok(true),
            1 => Ok(false),
            _ => Err(failure()),
        }
    }

    /// The buffers of work that has ended.
    pub fn buffers(&mut self) -> (Vec<u8>, Vec<u8>) {
        std::mem::take(&mut self.buffers)
    }

    /// Leaves work that may not have ended: its threads may still use the buffers, so these stay.
    pub fn abandon(mut self) {
        let (send, receive) = self.buffers();
        std::mem::forget((send, receive));
        std::mem::forget(self);
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // SAFETY: it was begun, and is closed once.
        unsafe { mesh_work_close(self.work.as_ptr()) }
    }
}
