//! Runs the programs of `tests/bin/faults.rs`.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Nothing here takes longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_mins(1);

/// Starts a program of `tests/bin/faults.rs`.
pub fn start(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_phalanx-envs-faults"))
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs one to its end and returns what it printed, having seen that it ended well.
pub fn run(arguments: &[&str]) -> String {
    let mut child = start(arguments);
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let output = thread::spawn(move || {
        let mut text = String::new();
        out.read_to_string(&mut text).map(|_| text)
    });
    let errors = thread::spawn(move || {
        let mut text = String::new();
        err.read_to_string(&mut text).map(|_| text)
    });
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("{arguments:?} hangs");
        }
        thread::sleep(Duration::from_millis(5));
    };
    let (output, errors) = (output.join().unwrap().unwrap(), errors.join().unwrap().unwrap());
    assert!(status.success(), "{arguments:?} ended with {status}:\n{output}\n{errors}");
    assert_eq!(errors, "", "{arguments:?} made noise");
    output
}
