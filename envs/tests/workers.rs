//! Faults of environments, workers, zygotes and learners. Each runs in a program of its own, `tests/bin/faults.rs`.
#![allow(clippy::unwrap_used)]

mod programs;

use std::io::{BufRead, BufReader};
use std::thread;
use std::time::{Duration, Instant};

use programs::{run, start};

/// Runs `fault` and checks that the batch reported what it should, refused to continue, and closed in order.
fn fault(params: &str, deadline: &str, expected: &[&str]) {
    let output = run(&["fault", params, deadline]);
    for text in expected {
        assert!(output.contains(text), "{text:?} is missing in:\n{output}");
    }
    if !params.contains("new") {
        assert!(output.contains("again: the batch cannot continue: row 0"), "{output}");
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

/// More than fits into a channel at once.
#[test]
fn a_long_error_keeps_its_words() {
    let output = run(&["fault", r#"{"fault":"long error","phase":"step","at":3}"#, "3"]);
    assert!(output.contains(AT_STEP_3) && output.contains(&"squeak ".repeat(300_000)), "{output:.200}");
}

#[test]
fn the_words_of_a_worker_that_died_are_heard() {
    let output = run(&["last-words"]);
    assert!(
        output.contains("error: row 0: step failed at step 0") && output.contains("the wheel came off"),
        "{output}"
    );
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
    fault(
        r#"{"fault":"hang","phase":"step","at":3}"#,
        "0.3",
        &[late, AT_STEP_3, "; `faults.step_deadline` allows"],
    );
    fault(
        r#"{"fault":"hang","phase":"reset"}"#,
        "0.3",
        &[late, "in the reset of episode 0", "; `faults.command_deadline` allows"],
    );
    fault(
        r#"{"fault":"hang","phase":"new"}"#,
        "0.3",
        &[late, "while it made the environment", "; `faults.construct_deadline` allows"],
    );
}

#[test]
fn a_killed_worker_is_named_at_once() {
    let output = run(&["worker-killed"]);
    assert!(output.contains("rows 2 to 3: worker "), "{output}");
    assert!(output.contains("died (signal 9, SIGKILL) while it waited"), "{output}");
    assert!(output.contains("row 0: worker "), "{output}");
    // The action of row 0 at time 1: 17 mod 21 = 17, 17 / 10 − 1 = 0.7.
    assert!(output.contains("died (signal 9, SIGKILL) at step 1 of episode 0"), "{output}");
    assert!(output.contains("last action [0.70000005]"), "{output}");
}

#[test]
fn a_killed_zygote_takes_its_workers_along_and_is_named() {
    let output = run(&["zygote-killed"]);
    let died = "the zygote, from which workers are forked, died (process ";
    assert_eq!(output.matches(died).count(), 2, "{output}");
    assert_eq!(output.matches("signal 9, SIGKILL)").count(), 2, "{output}");
}

#[test]
fn no_worker_outlives_a_killed_learner() {
    assert_eq!(killed_learner("learner-killed"), 5, "a zygote and four workers");
}

/// Kills a program that has printed its processes and sees that all end with it; how many they were.
fn killed_learner(program: &str) -> usize {
    let mut learner = start(&[program]);
    let mut line = String::new();
    BufReader::new(learner.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let processes: Vec<u32> = line.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    let left = || processes.iter().filter(|&&pid| is_alive(pid)).count();
    assert_eq!(left(), processes.len());
    learner.kill().unwrap();
    let killed = Instant::now();
    learner.wait().unwrap();
    while left() > 0 {
        assert!(killed.elapsed() < Duration::from_secs(1), "{} processes live on", left());
        thread::sleep(Duration::from_millis(1));
    }
    processes.len()
}

/// Whether a process runs; a zombie does not.
fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit(") ").next().unwrap().starts_with('Z'))
}

#[test]
fn a_lost_worker_is_replaced_and_its_episodes_are_truncated() {
    for (fault, words) in [
        ("panic", "the wheel came off"),
        ("abort", "died (signal 6, SIGABRT)"),
        ("exit", "died (exit code 0)"),
        ("hang", "did not answer within its deadline of 500ms and was killed"),
        ("error", "the wheel squeaks"),
    ] {
        let output = run(&["respawn", fault]);
        assert!(output.contains(words) && output.contains("at step 3 of episode 0"), "{output}");
    }
}

#[test]
fn killed_workers_are_replaced_as_often_as_allowed() {
    let output = run(&["respawn-killed"]);
    assert!(output.contains("call: rows 0 to 1: worker "), "{output}");
    assert!(
        output.contains("error: 3 lost workers may be replaced, and this was one more: rows 0 to 1"),
        "{output}"
    );
}

#[test]
fn a_worker_that_always_panics_is_replaced_as_often_as_allowed() {
    let output = run(&["respawn-at-most"]);
    let expected = "error: 2 lost workers may be replaced, and this was one more: \
                    row 0: step failed at step 1 of episode 2";
    assert!(output.contains(expected), "{output}");
}

#[test]
fn a_worker_lost_in_a_reset_is_replaced() {
    let output = run(&["respawn-reset"]);
    for episode in [0, 1] {
        assert!(output.contains(&format!("SIGABRT) in the reset of episode {episode}")), "{output}");
        let error = format!("reset failed at step 0 of episode {episode}");
        assert!(output.contains(&error) && output.contains("the wheel squeaks"), "{output}");
    }
}

#[test]
fn a_worker_lost_in_a_replay_is_replaced_and_one_row_begins_anew() {
    for (fault, reason) in [
        ("error", "its replay failed: row "),
        ("panic", "the wheel came off"),
        ("abort", "died (signal 6, SIGABRT)"),
        ("hang", "did not answer within its deadline of "),
    ] {
        let output = run(&["replay-lost", fault]);
        assert!(output.contains(reason), "{fault}: {output}");
    }
}

#[test]
fn a_resting_row_is_put_back_when_its_worker_is_lost() {
    run(&["respawn-resting"]);
}

#[test]
fn both_groups_of_a_lost_worker_are_cut_off_where_they_stood() {
    let output = run(&["respawn-pipelined"]);
    assert!(output.contains("loss: rows 1 and 3: worker "), "{output}");
}

#[test]
fn any_number_of_workers_brings_the_same_bits() {
    run(&["same-bits"]);
}

#[test]
fn a_batch_is_replayed_by_any_number_of_workers() {
    run(&["replay"]);
}

#[test]
fn any_number_of_workers_tells_of_the_same_episodes() {
    run(&["infos"]);
}

#[test]
fn a_worker_draws_as_this_process_does() {
    run(&["pictures"]);
}

#[test]
fn rows_are_called_one_by_one_and_all_together() {
    let output = run(&["calls"]);
    let at = "call failed at step 0 of episode 0";
    assert!(output.contains(&format!("row 2: {at}")), "{output}");
    assert!(output.contains("no method or attribute \"wings\""), "{output}");
    assert!(output.contains("needs `to`"), "{output}");
    assert!(output.contains("it draws no pictures: it does not implement `render`"), "{output}");
}

#[test]
fn a_zygote_is_closed_during_a_step() {
    let output = run(&["close-during-step"]);
    assert!(output.contains("error: the zygote, from which workers are forked, was closed"), "{output}");
}

#[test]
fn a_hundred_workers_work_together() {
    run(&["hundred"]);
}

#[test]
fn a_thousand_batches_leave_nothing_behind() {
    run(&["cycles"]);
}

#[test]
fn as_many_workers_are_started_as_pay() {
    run(&["auto"]);
}

#[test]
fn what_cannot_be_had_is_refused_in_words() {
    let output = run(&["refused"]);
    for text in [
        "workers: none can be forked here: use 0",
        "workers: step_deadline is 0",
        "no environment is called `faulti`; did you mean `faulty`?",
        "workers: 3 workers cannot share 2 rows",
        "open descriptors are needed",
    ] {
        assert!(output.contains(text), "{text:?} is missing in:\n{output}");
    }
}

#[test]
fn a_zygote_refuses_to_start_beside_other_threads() {
    let output = run(&["threads"]);
    assert!(output.contains("this one has 2; call Zygote::start as the first statement of main"), "{output}");
}

#[test]
fn signals_of_the_terminal_are_left_to_the_learner() {
    run(&["signals"]);
}

#[test]
fn gymnasium_brings_the_same_bits_in_any_number_of_workers() {
    run(&["gymnasium-same-bits"]);
}

#[test]
fn an_endless_loop_in_python_meets_its_deadline() {
    let output = run(&["gymnasium-hang"]);
    assert!(output.contains("did not answer within its deadline of 500ms and was killed"), "{output}");
}

#[test]
fn an_endless_loop_before_the_first_step_is_named() {
    let output = run(&["gymnasium-hang-before"]);
    let (reset, step) = output.split_once('\n').unwrap();
    let timed = "error: gymnasium:tests.python.fixtures:Walk-v0 was timed to choose the number of workers (`workers: auto`): row 0: worker ";
    assert!(reset.starts_with(timed) && step.starts_with(timed), "{output}");
    let expected = "did not answer within its deadline of 2s and was killed while it made the environment, in a reset that looks for an \
                    action mask (`masks: false` looks for none); `faults.construct_deadline` allows it more time";
    assert!(reset.ends_with(expected), "{output}");
    let expected = "did not answer within its deadline of 500ms and was killed at step 0 of episode 0";
    assert!(step.contains(expected) && step.contains("; `faults.step_deadline` allows"), "{output}");
}

#[test]
fn errors_of_python_come_through_a_worker() {
    let output = run(&["gymnasium-errors"]);
    for text in [
        "row 0: step failed at step 0 of episode 0",
        "last action 0: ValueError: the wheel came off\nTraceback (most recent call last):",
        "SystemExit: 3",
        "row 0: reset failed",
    ] {
        assert!(output.contains(text), "{text:?} is missing in:\n{output}");
    }
    assert_eq!(output.matches(") ended: exit code 4").count(), 2, "{output}");
}

#[test]
fn a_worker_whose_interpreter_is_lost_is_replaced() {
    for (fault, words) in [
        ("exit", "SystemExit: 3"),
        ("os_exit", "ended: exit code 4"),
        ("segfault", "ended: signal 11, SIGSEGV"),
    ] {
        let output = run(&["gymnasium-respawn", fault]);
        assert!(output.contains("step failed at step 3 of episode 0"), "{output}");
        assert!(output.contains(words), "{output}");
    }
}

#[test]
fn no_interpreter_outlives_a_killed_worker() {
    let output = run(&["gymnasium-worker-killed"]);
    assert!(output.contains("died (signal 9, SIGKILL)"), "{output}");
}

#[test]
fn no_interpreter_outlives_a_killed_learner() {
    let processes = killed_learner("gymnasium-learner-killed");
    assert_eq!(processes, 4, "a worker's and the learner's own, each with a program in its own session");
}

#[test]
fn programs_of_an_environment_find_signals_handled_as_usual() {
    run(&["gymnasium-signals"]);
}

#[test]
fn an_environment_that_does_not_close_in_order_is_named() {
    let output = run(&["gymnasium-close", "raise"]);
    assert!(output.contains("error: row 0: close failed at step 0 of episode 0"), "{output}");
    assert!(output.contains("): ValueError: the wheel came off\n"), "{output}");
    let output = run(&["gymnasium-close", "hang"]);
    assert!(output.contains("error: row 0: worker "), "{output}");
    let late = "did not answer within its deadline of 5s and was killed while it closed the environment\n";
    assert!(output.contains(late), "{output}");
}

#[test]
fn an_environment_that_can_be_made_once_in_a_process_needs_a_worker_for_each_row() {
    let output = run(&["gymnasium-single"]);
    let error = "error: row 1 cannot be made beside other rows of its process; where a process can have only one of them, set `workers`";
    assert_eq!(output.matches(error).count(), 2, "{output}");
}
