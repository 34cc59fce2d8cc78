//! Programs that are started, and programs that listen.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use phalanx_envs::{Action, BatchEnv, Env, EnvError, LocalBatch, Registry, Role, Row, Step};
use serde_json::{Value, json};

use crate::programs::run;
use crate::{assert_keeps_the_contract, build, refusal, rollout, spec};

/// `tests/providers/faulty.py` with this fault, and a word by which its processes are known.
fn faulty(fault: &str, word: &str) -> String {
    format!("exec:python3 '{}/envs/tests/providers/faulty.py' '{fault}' '{word}'", build::root().display())
}

/// A word that no other process has.
fn word(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

/// Command lines of the processes that have this word in theirs.
fn processes(word: &str) -> Vec<String> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = all.filter_map(|entry| std::fs::read_to_string(entry.path().join("cmdline")).ok());
    lines.filter(|line| line.split('\0').any(|found| found == word)).collect()
}

/// Sees that these processes end: the kernel may need a moment.
fn assert_gone(word: &str) {
    let start = Instant::now();
    while let left @ [_, ..] = &processes(word)[..] {
        assert!(start.elapsed() < Duration::from_secs(10), "{left:?} live on");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn made(name: &str, params: &Value) -> Box<dyn Env> {
    Registry::standard().build(&spec(name, params)).unwrap()
}

/// Resets and takes steps until one fails or there have been `steps`.
fn play(env: &mut dyn Env, steps: usize) -> Result<Vec<Step>, EnvError> {
    let mut observation = [f32::NAN];
    env.reset(Some(1), Row::F32(&mut observation))?;
    (0..steps).map(|_| env.step(Action::Discrete(0), Row::F32(&mut observation))).collect()
}

#[test]
fn the_client_in_c_keeps_the_contract() {
    let name = format!("exec:'{}'", build::example("envs/examples/exec/pendulum.c").display());
    let spec = spec(&name, &json!({ "step_deadline": 30 }));
    let report = assert_keeps_the_contract(&spec);
    assert_eq!(report.frame, None);
    let spec = phalanx_envs::EnvSpec { time_limit: Some(30), ..spec };
    assert_eq!(rollout(&spec), rollout(&spec));
}

#[test]
fn the_client_in_python_keeps_the_contract_and_draws() {
    let name = format!("exec:python3 '{}/envs/examples/exec/walk.py'", build::root().display());
    let report = assert_keeps_the_contract(&spec(&name, &json!({ "length": 3 })));
    assert_eq!(report.frame, Some((64, 4)));
    let spec = spec(&name, &json!({}));
    assert_eq!(rollout(&spec), rollout(&spec));
    let mut walk = made(&name, &json!({}));
    play(&mut *walk, 3).unwrap();
    assert_eq!(walk.call("info", &Value::Null).unwrap(), json!({ "arrived": false }));
    assert_eq!(walk.labels().unwrap().observation[0].unit, ["m"]);
    assert!(matches!(walk.call("weather", &json!([1])), Err(EnvError::NoMethod(name)) if name == "weather"));
    let message = refusal(&name, &json!({ "length": 0 }));
    assert!(
        message.ends_with("walk.py': ValueError('length is 0.0: it lies within 1 and 1000')"),
        "{message}"
    );
}

/// The grid ends with an error at an illegal step.
#[test]
fn a_program_in_python_with_fields_and_a_mask_keeps_the_contract() {
    let name = format!("exec:python3 '{}/envs/examples/exec/grid.py'", build::root().display());
    let spec = spec(&name, &json!({ "size": 3 }));
    assert_keeps_the_contract(&spec);
    let batch = LocalBatch::new(&Registry::standard(), &spec, 1, 1, 1).unwrap();
    let fields = batch.block().layout().fields();
    let found: Vec<_> = fields.iter().map(|field| (field.path.as_str(), field.role)).collect();
    let expected =
        [("position", Role::Observation), ("goal", Role::Observation), ("action_mask", Role::Mask)];
    assert_eq!(found, expected);
}

#[test]
fn actions_of_several_fields_reach_a_program_in_python() {
    let name = format!("exec:python3 '{}/envs/tests/providers/echo.py'", build::root().display());
    let mut batch = LocalBatch::new(&Registry::standard(), &spec(&name, &json!({})), 1, 1, 1).unwrap();
    batch.reset(None).unwrap();
    batch.block_mut().choices_mut(0, 0..1).copy_from_slice(&[2, 3, 4, 0, 1]);
    batch.block_mut().numbers_mut(0, 0..1).copy_from_slice(&[0.5, -0.25]);
    batch.step(0).unwrap();
    let row = batch.block().observation_row(1, 0);
    assert_eq!((row.field("gear").f32(), row.field("arm.0").f64()), (&[2.0][..], &[0.5, -0.25][..]));
    assert_eq!((row.field("arm.1").f32(), row.field("lights").u8()), (&[3.0, 4.0][..], &[0, 1][..]));
    assert_eq!(row.field("pixels").u8(), [1, 2]);
}

#[test]
fn a_program_that_listens_keeps_the_contract() {
    let walk = build::root().join("envs/examples/exec/walk.py");
    let mut server = Command::new("python3").arg(walk).arg("0").stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let name = format!("tcp:127.0.0.1:{}", line.trim().rsplit(' ').next().unwrap());
    let spec = spec(&name, &json!({}));
    assert_keeps_the_contract(&spec);
    assert_eq!(rollout(&spec), rollout(&spec));

    let mut env = made(&name, &json!({}));
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(play(&mut *env, 1).unwrap_err().to_string(), "the simulator closed the connection");
    let message = refusal(&name, &json!({ "start_deadline": 0.1 }));
    assert!(message.ends_with(": nobody listened within 100ms"), "{message}");
}

#[test]
fn the_steps_of_all_rows_are_computed_at_the_same_time() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(word("meet"));
    std::fs::create_dir_all(&folder).unwrap();
    // Each of the four simulators waits in its step for the three others.
    let spec = spec(&faulty("meet", folder.to_str().unwrap()), &json!({ "step_deadline": 30 }));
    let mut batch = phalanx_envs::LocalBatch::new(&Registry::standard(), &spec, 4, 2, 1).unwrap();
    phalanx_envs::BatchEnv::reset(&mut batch, None).unwrap();
    for t in 0..2 {
        phalanx_envs::BatchEnv::step(&mut batch, t).unwrap();
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_cannot_be_started_is_refused() {
    let here = "exec: a program and its words are expected";
    for (name, params, reason) in [
        ("exec:", json!({}), here),
        ("exec:python3 'walk.py", json!({}), here),
        ("exec:./no/such program", json!({}), "cannot start \"./no/such\": No such file"),
        ("exec:true", json!({ "step_deadline": 0 }), "parameters of exec:true: step_deadline is 0"),
        ("exec:true", json!({ "restart": 3 }), "invalid type: integer `3`, expected true or false"),
        ("exec:true", json!({}), "the simulator ended (exit code 0)"),
        ("tcp:nowhere", json!({}), "cannot connect to nowhere: invalid socket address"),
    ] {
        let message = refusal(name, &params);
        assert!(message.contains(reason), "{reason:?} is missing in: {message}");
    }
}

#[test]
fn nonsense_of_a_simulator_is_refused() {
    for (fault, reason) in [
        ("version", "the simulator uses version 3 of the protocol, Phalanx versions 1 to 2; it was killed"),
        ("kind", "the observation space is invalid: its kind is 9"),
        ("size", "the observation space is invalid: a box of shape [2147483648, 2147483648] has more than"),
        ("choice", "the observation space is invalid: Discrete(0): there must be something to choose"),
        ("nothing", "the action space is invalid: MultiDiscrete([])"),
        ("short spaces", "an answer of the simulator ends too early"),
        ("long spaces", "the simulator's spaces are followed by 1 bytes too many"),
        ("no start", "the simulator ended (exit code 1)"),
        ("silent", "the simulator did not answer within 500ms; it was killed"),
    ] {
        let word = word(&format!("nonsense-{fault}"));
        let deadline = if fault == "silent" { 0.5 } else { 30.0 };
        let message = refusal(&faulty(fault, &word), &json!({ "start_deadline": deadline }));
        assert!(message.contains(reason), "{reason:?} is missing in: {message}");
        assert_gone(&word);
    }
}

#[test]
fn a_simulator_that_fails_in_a_step_is_told() {
    for (fault, reason) in [
        ("exit", "the simulator ended (exit code 3)"),
        ("killed", "the simulator ended (signal 9, SIGKILL)"),
        ("hang", "the simulator did not answer within 500ms; it was killed"),
        ("hang with another", "the simulator did not answer within 500ms; it was killed"),
        ("deaf", "the simulator closed PHALANX_OUT and went on; it was killed"),
        (
            "garbage",
            "the simulator sent \"Iteration 1: re\", which is no answer to a message of kind 3; it was killed",
        ),
        ("vast", "the simulator sent an answer of kind 3 and length 4294967295; 10 to 10 is possible"),
        ("zero", "kind 3 and length 0; 10 to 10 is possible; it was killed"),
        ("short", "kind 3 and length 9; 10 to 10 is possible"),
        ("torn", "the simulator ended in the middle of an answer (exit code 0)"),
        (
            "partial",
            "sent only 6 bytes of an answer of 14 (\"\\n\\x00\\x00\\x00\\x03\\x00\") within 500ms; it was killed",
        ),
        ("no kind", "the simulator sent a message of length 0, without a kind; it was killed"),
        ("no words", "the simulator reported an error without a message"),
        ("twice", "the simulator sent more than one answer to one message"),
        ("status", "a step left the episode 3: 0 is running, 1 terminated, 2 truncated"),
        ("error", "the mesh is too coarse: Δx"),
    ] {
        let word = word(&format!("step-{fault}"));
        let deadline = if fault.starts_with("hang") || fault == "partial" { 0.5 } else { 30.0 };
        let mut env = made(&faulty(fault, &word), &json!({ "step_deadline": deadline }));
        let message = play(&mut *env, 3).unwrap_err().to_string();
        assert!(message.contains(reason), "{reason:?} is missing in: {message}");
        drop(env);
        assert_gone(&word);
    }
}

#[test]
fn simulators_that_do_not_end_are_waited_for_together() {
    let word = word("stay");
    let spec = spec(&faulty("stay", &word), &json!({}));
    let batch = phalanx_envs::LocalBatch::new(&Registry::standard(), &spec, 4, 2, 1).unwrap();
    let start = Instant::now();
    drop(batch);
    assert!(start.elapsed() < Duration::from_secs(6), "two seconds are for all of them");
    assert_gone(&word);
}

#[test]
fn an_answer_to_a_call_is_json() {
    let word = word("call");
    let mut env = made(&faulty("call", &word), &json!({}));
    play(&mut *env, 5).unwrap();
    let message = env.call("info", &Value::Null).unwrap_err().to_string();
    assert!(message.contains("answer to the call of \"info\" is no JSON"), "{message}");
    assert_gone(&word);
    let mut env = made(&faulty("", "whole"), &json!({}));
    assert!(matches!(env.call("info", &Value::Null), Err(EnvError::NoMethod(_))));
}

#[test]
fn answers_may_come_in_pieces() {
    let mut env = made(&faulty("drip", "-"), &json!({}));
    assert_eq!(play(&mut *env, 5).unwrap().len(), 5);
    let frame = env.render().unwrap();
    assert_eq!((frame.width, frame.height, frame.pixels.len()), (2, 1, 6));
}

#[test]
fn parameters_of_the_provider_are_not_passed_on() {
    let params = json!({ "mesh": "fine", "start_deadline": 20, "step_deadline": 5.5, "restart": true });
    let message = refusal(&faulty("params", "-"), &params);
    assert!(message.ends_with(r#"/faulty.py' 'params' '-': {"mesh":"fine"}"#), "{message}");
}

#[test]
fn a_simulator_that_ended_between_episodes_is_started_again_if_asked_for() {
    let mut env = made(&faulty("leave", "-"), &json!({ "restart": true }));
    for _ in 0..3 {
        assert_eq!(play(&mut *env, 5).unwrap().len(), 5);
    }
    let mut env = made(&faulty("leave", "-"), &json!({}));
    play(&mut *env, 5).unwrap();
    assert_eq!(play(&mut *env, 5).unwrap_err().to_string(), "the simulator ended (exit code 0)");
    // Not within an episode.
    let mut env = made(&faulty("exit", "-"), &json!({ "restart": true }));
    assert_eq!(play(&mut *env, 5).unwrap_err().to_string(), "the simulator ended (exit code 3)");
}

#[test]
fn a_simulator_fails_in_a_worker() {
    let word = word("worker-exit");
    let output = run(&["provider", &faulty("exit", &word), "{}", "30"]);
    assert!(output.contains("error: row 0: step failed at step 2 of episode 0 (seed "), "{output}");
    assert!(output.contains("last action 0: the simulator ended (exit code 3)"), "{output}");
    assert_gone(&word);
}

#[test]
fn a_simulator_that_hangs_ends_with_the_worker_that_waited_for_it() {
    let word = word("worker-hang");
    let output = run(&["provider", &faulty("hang", &word), "{}", "2"]);
    let late = "did not answer within its deadline of 2s and was killed at step 2 of episode 0";
    assert!(output.contains("error: row 0: worker ") && output.contains(late), "{output}");
    assert_gone(&word);
}
