//! `MuJoCo`'s messages go to stderr, and into no file.
#![allow(unsafe_code)] // settings of a C library

use std::io::Write;
use std::sync::Once;

use mujoco_rs::logging::set_log_handler;
use mujoco_rs::wrappers::mj_logging::{MjLogMessage, MjtLogLevel, log_config, set_log_config};

/// Of an attribute in a model of Gymnasium's, which we leave as it is.
const KNOWN: &str = "settotalmass";

/// Keeps `MuJoCo` from writing a `MUJOCO_LOG.TXT` into the current folder, which is its way with every warning.
pub(super) fn to_stderr() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = log_config();
        // SAFETY: it must not run beside other uses of MuJoCo. Every model of this crate is loaded after this call has
        // returned, on whichever thread, and without a model there is nothing to use.
        unsafe { set_log_handler(log) }
        // Setting a handler turns on messages for every step.
        // SAFETY: as above.
        unsafe { set_log_config(before) }
    });
}

fn log(message: &MjLogMessage) {
    let warns = matches!(message.level(), MjtLogLevel::mjLOG_WARNING | MjtLogLevel::mjLOG_ERROR);
    let subject = message.subject();
    if warns && !subject.contains(KNOWN) {
        let _ = writeln!(std::io::stderr(), "MuJoCo: {subject}");
    }
}
