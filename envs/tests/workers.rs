//! Faults of environments, workers, zygotes and learners. Each runs in a program of its own, `tests/bin/faults.rs`.
#![allow(clippy::unwrap_used)]

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Nothing here takes longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_mins(1);

/// Starts a program of `tests/bin/faults.rs`.
fn start(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_phalanx-envs-faults"))
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs one to its end and returns what it printed, having seen that it ended well.
fn run(arguments: &[&str]) -> String {
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

/// Runs `fault` and sees that the batch reported what it should, refused to go on, and closed in order.
fn fault(params: &str, deadline: &str, expected: &[&str]) {
    let output = run(&["fault", params, deadline]);
    for text in expected {
        assert!(output.contains(text), "{text:?} is missing in:\n{output}");
    }
    if !params.contains("new") {
        assert!(output.contains("again: the batch cannot go on: row 0"), "{output}");
        assert!(output.contains("closed: Ok(())\nclosed twice: Ok(())"), "{output}");
    }
    assert!(output.ends_with("end\n"), "{output}");
}

/// Row 0's seed for episode 0 of run 7, its action at time 3: (0 + 3 · 17) mod 21 = 9, 9 / 10 − 1 = −0.1.
const AT_STEP_3: &str = "at step 3 of episode 0 (seed 11241344834629033336), last action [-0.100000024]";

#[test]
fn a_panic_in_the_constructor_is_an_error_with_backtrace() {
    fault(
        r#"{"fault":"panic","phase":"new"}"#,
        "30",
        &["row 0: new failed", "the wheel came off", "env.rs:"],
    );
}

#[test]
fn a_panic_in_reset_is_an_error_with_backtrace() {
    fault(
        r#"{"fault":"panic","phase":"reset"}"#,
        "30",
        &["row 0: reset failed", "the wheel came off", ": reset\n"],
    );
}

#[test]
fn a_panic_in_step_is_an_error_with_backtrace() {
    let expected =
        ["row 0: step failed", AT_STEP_3, "panicked at", "env.rs:", "the wheel came off", ": step\n"];
    fault(r#"{"fault":"panic","phase":"step","at":3}"#, "30", &expected);
}

#[test]
fn an_error_keeps_its_words() {
    fault(r#"{"fault":"error","phase":"new"}"#, "30", &["the wheel squeaks"]);
    fault(r#"{"fault":"error","phase":"reset"}"#, "30", &["row 0: reset failed", "the wheel squeaks"]);
    fault(r#"{"fault":"error","phase":"step","at":3}"#, "30", &[AT_STEP_3, ": the wheel squeaks"]);
}

#[test]
fn an_exit_is_a_death() {
    fault(
        r#"{"fault":"exit","phase":"step","at":3}"#,
        "30",
        &["row 0: worker ", "died (exit code 0) ", AT_STEP_3],
    );
    fault(r#"{"fault":"exit","phase":"new"}"#, "30", &["died (exit code 0) while it made the environment"]);
}

#[test]
fn an_abort_is_a_death() {
    fault(r#"{"fault":"abort","phase":"step","at":3}"#, "30", &["died (signal 6, SIGABRT) ", AT_STEP_3]);
    fault(r#"{"fault":"abort","phase":"reset"}"#, "30", &["(signal 6, SIGABRT) in the reset of episode 0"]);
}

#[test]
fn an_endless_loop_meets_its_deadline() {
    let late = "did not answer within its deadline of 300ms and was killed";
    fault(r#"{"fault":"hang","phase":"step","at":3}"#, "0.3", &[late, AT_STEP_3]);
    fault(r#"{"fault":"hang","phase":"reset"}"#, "0.3", &[late, "in the reset of episode 0"]);
    fault(r#"{"fault":"hang","phase":"new"}"#, "0.3", &[late, "while it made the environment"]);
}
