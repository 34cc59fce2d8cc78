//! How trainings by the binary are stopped, by signals or worse, and that nothing is lost.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::place::{Place, event_steps, name_of, signal, steps, steps_of_whole_lines, text};

#[test]
fn the_first_signal_saves_and_says_how_to_go_on() {
    for (name, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let place = Place::new();
        let (child, run) = place.start_long("stopped", &[]);
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        let printed = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{printed}");
        let last = *steps(&run).last().unwrap();
        assert!(printed.contains(&format!("stopped after {last} steps; continue with: ")), "{printed}");
        assert!(printed.trim_end().ends_with(&format!("train --resume runs/{}", name_of(&run))), "{printed}");
        assert!(run.join(format!("checkpoints/step-{last:012}.safetensors")).is_file());
        let more = format!("steps={}", last + 256);
        place.succeed(&["train", "--resume", run.to_str().unwrap(), "--set", &more]);
        let all: Vec<u64> = (1..=last / 256 + 1).map(|i| i * 256).collect();
        assert_eq!(steps(&run), all);
    }
}

/// A terminal that was closed, `2>&1 | tee log` after Ctrl-C, a full disk: the training goes on, and so does its log.
#[test]
fn nobody_needs_to_read_what_a_training_says() {
    let place = Place::new();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let status = place.command(&["train", "small.yaml"]).stderr(full).status().unwrap();
    assert!(status.success(), "{status}");
    let log = |run: &Path| fs::read_to_string(run.join("log.txt")).unwrap();
    assert!(log(&place.runs()[0]).contains("finished after 2048 steps"));

    let place = Place::new();
    let (mut child, run) = place.start_long("stopped", &[]);
    drop(child.stderr.take());
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let last = *steps(&run).last().unwrap();
    assert!(log(&run).contains(&format!("stopped after {last} steps; continue with: ")), "{}", log(&run));
}

/// As `timeout` sends them, to the process and to its group.
#[test]
fn two_signals_at_once_are_one() {
    let place = Place::new();
    let (child, run) = place.start_long("stopped", &[]);
    let both = format!("kill -TERM {0}; kill -INT {0}", child.id());
    assert!(Command::new("sh").args(["-c", &both]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let (code, printed) = (output.status.code(), text(&output.stderr));
    assert!(matches!(code, Some(130 | 143)) && printed.contains("continue with: "), "{code:?}: {printed}");
    assert!(run.join(format!("checkpoints/step-{:012}.safetensors", steps(&run).last().unwrap())).is_file());
}

/// `nohup` has the program ignore SIGHUP, and means it.
#[test]
fn a_hangup_that_is_ignored_stops_nothing() {
    let place = Place::new();
    let script = format!("trap '' HUP; exec '{}' train small.yaml", env!("CARGO_BIN_EXE_phalanx"));
    let mut command = Command::new("sh");
    command.args(["-c", &script]).current_dir(place.0.path()).stderr(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut printed = BufReader::new(child.stderr.take().unwrap()).lines();
    printed.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("run "))).unwrap().unwrap();
    signal(&child, "HUP");
    let last = printed.map_while(Result::ok).find(|line| line.starts_with("finished after "));
    assert!(child.wait().unwrap().success() && last.is_some());
}

#[test]
fn the_second_signal_stops_at_once() {
    let place = Place::new();
    // An iteration that would take hours.
    let mut command = place.command(&["train", "small.yaml", "--set", "algorithm.ppo.epochs=100000000"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut printed = BufReader::new(child.stderr.take().unwrap()).lines();
    // It listens for signals before it says where the run is.
    printed.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("run "))).unwrap().unwrap();
    signal(&child, "INT");
    printed
        .find(|line| line.as_ref().is_ok_and(|line| line.starts_with("stopping after ")))
        .unwrap()
        .unwrap();
    // Sooner, it would belong to the first.
    thread::sleep(Duration::from_millis(250));
    signal(&child, "TERM");
    let code = child.wait().unwrap().code();
    assert!(matches!(code, Some(130 | 143)), "{code:?}");
    assert_eq!(fs::read_dir(place.runs()[0].join("checkpoints")).map_or(0, Iterator::count), 0);
}

/// As by Ctrl-Z and `fg`: all processes stand still for longer than a step may take.
#[test]
fn time_in_which_a_run_stood_still_is_not_held_against_its_workers() {
    let place = Place::new();
    let (child, run) =
        place.start_long("paused", &["--set", "faults={step_deadline: 1, on_worker_loss: fail}"]);
    let all = |name: &str| {
        let command = format!("kill -{name} -- -{}", child.id());
        assert!(Command::new("bash").args(["-c", &command]).status().unwrap().success());
    };
    for _ in 0..3 {
        all("STOP");
        thread::sleep(Duration::from_millis(1300));
        all("CONT");
        thread::sleep(Duration::from_millis(50));
    }
    let before = *steps_of_whole_lines(&run).last().unwrap();
    thread::sleep(Duration::from_millis(200));
    signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    assert!(*steps(&run).last().unwrap() > before, "it went on");
}

#[test]
fn a_killed_run_loses_no_record_and_goes_on() {
    let place = Place::new();
    let (mut child, run) = place.start_long("killed", &[]);
    child.kill().unwrap();
    child.wait().unwrap();
    let written = steps(&run);
    let reached = *written.last().unwrap();
    // A record goes to one file after the other.
    let events = event_steps(&run);
    assert!(events == written || events == written[..written.len() - 1], "{events:?}, {written:?}");
    place.succeed(&[
        "train",
        "--resume",
        run.to_str().unwrap(),
        "--set",
        &format!("steps={}", reached + 1024),
    ]);
    let resumed = steps(&run);
    let all: Vec<u64> = (1..=*resumed.last().unwrap() / 256).map(|i| i * 256).collect();
    assert_eq!(resumed, all);
    assert_eq!(event_steps(&run), all);
}

#[test]
fn a_folder_takes_one_training_at_a_time() {
    let place = Place::new();
    let (mut child, run) = place.start_long("held", &[]);
    let again = ["train", "--resume", run.to_str().unwrap(), "--set", "steps=1_000_000_000"];
    let output = place.run(&again);
    let printed = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    let holder = format!("another training writes to {}: process {} on ", run.display(), child.id());
    assert!(printed.contains(&holder), "{printed}");
    // Whatever ends a training lets its folder go.
    child.kill().unwrap();
    child.wait().unwrap();
    let more = format!("steps={}", steps_of_whole_lines(&run).last().unwrap() + 256);
    place.succeed(&["train", "--resume", run.to_str().unwrap(), "--set", &more]);
}

/// A limit on the size of files stands in for the full disk: the metrics reach it, the checkpoints do not.
#[test]
fn a_full_disk_ends_the_run_with_the_file_named_and_the_training_saved() {
    let place = Place::new();
    let phalanx = env!("CARGO_BIN_EXE_phalanx");
    let script = format!(
        "trap '' XFSZ; ulimit -f 64; exec '{phalanx}' train small.yaml --workers 0 --set steps=1_000_000_000"
    );
    let output = Command::new("bash").args(["-c", &script]).current_dir(place.0.path()).output().unwrap();
    let (run, printed) = (&place.runs()[0], text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{printed}");
    let error =
        format!("error: cannot write runs/{}/metrics.jsonl: File too large (os error 27)", name_of(run));
    assert!(printed.trim_end().ends_with(&error), "{printed}");
    // The record that found no room is lost, its iteration is not.
    let written = steps_of_whole_lines(run);
    let saved = written.last().unwrap() + 256;
    assert!(run.join(format!("checkpoints/step-{saved:012}.safetensors")).is_file());
    let more = saved + 256;
    place.succeed(&["train", "--resume", run.to_str().unwrap(), "--set", &format!("steps={more}")]);
    assert_eq!(steps(run), [written, vec![more]].concat());
}
