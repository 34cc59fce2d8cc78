//! The interpreter of a process: its life, and what it gives environments.

use phalanx_envs::{Action, BatchEnv, Env, LocalBatch, Registry};
use serde_json::{Value, json};

use super::{fixture, make, python, reset, shown, spec};

#[test]
fn multiprocessing_works_within_an_environment() {
    for method in ["fork", "spawn", "forkserver"] {
        let answer = fixture("Walk-v0", &json!({})).call("ask_child", &json!([method])).unwrap();
        assert_eq!(answer, json!(42), "{method}");
    }
}

#[test]
fn modules_are_found_from_another_folder() {
    // A folder of this crate, of which Python makes a package.
    let found = fixture("Walk-v0", &json!({})).call("import_elsewhere", &json!(["examples"])).unwrap();
    assert_eq!(found, json!("examples"));
}

#[test]
fn rows_of_one_interpreter_share_it_until_the_last_is_dropped() {
    let mut rows: Vec<_> = (0..3).map(|_| fixture("Walk-v0", &json!({}))).collect();
    let process = |env: &mut Box<dyn Env>| env.call("pid", &Value::Null).unwrap().as_u64().unwrap();
    let first = process(&mut rows[0]);
    assert!(rows.iter_mut().all(|row| process(row) == first));
    rows.truncate(1);
    assert_eq!(process(&mut rows[0]), first);
    let is_there = || std::path::Path::new(&format!("/proc/{first}")).exists();
    assert!(is_there());
    let started = [false, true].map(|session| rows[0].call("start", &json!([session])).unwrap());
    drop(rows);
    assert!(!is_there());
    for pid in started {
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "{pid} lives on");
    }
}

/// No deadline of a worker ends it here.
#[test]
fn an_environment_that_does_not_close_is_ended_in_this_process_too() {
    let mut env = fixture("Walk-v0", &json!({ "fault": "hang", "phase": "close" }));
    reset(&mut *env, Some(5));
    let error = env.close().unwrap_err().to_string();
    assert!(error.ends_with("as it should: `close` did not return within 6s"), "{error}");
    env.close().unwrap();
}

#[test]
fn what_is_printed_meets_no_message() {
    let mut env = fixture("Walk-v0", &json!({ "fault": "print" }));
    reset(&mut *env, Some(5));
    for _ in 0..3 {
        shown(&mut *env, |env, row| env.step(Action::Discrete(1), row)).1.unwrap();
    }
}

#[test]
fn an_interpreter_that_ends_is_named_with_its_row() {
    for (fault, how) in [("os_exit", "ended: exit code 4"), ("abort", "ended: signal 6, SIGABRT")] {
        let params = json!({ "fault": fault, "phase": "step", "at": 1 });
        let mut batch =
            LocalBatch::new(&Registry::standard(), &spec("tests.python.fixtures:Walk-v0", &params), 3, 4, 7)
                .unwrap();
        batch.reset(None).unwrap();
        batch.block_mut().choices_mut(0, 0..3).fill(2);
        batch.step(0).unwrap();
        // Row 0 rests, so that row 1 is the first to take its second step.
        batch.block_mut().set_active(0, false);
        batch.block_mut().choices_mut(1, 0..3).fill(2);
        let error = batch.step(1).unwrap_err().to_string();
        assert!(error.starts_with("row 1: step failed at step 1 of episode 0"), "{error}");
        assert!(error.contains("last action 2: the Python interpreter") && error.contains(how), "{error}");
        let error = batch.reset(None).unwrap_err().to_string();
        assert!(error.contains(how), "{error}");
        // A new one is started for new rows.
        reset(&mut *fixture("Walk-v0", &json!({})), Some(1));
    }
}

#[test]
fn an_interpreter_that_will_not_do_is_named_with_the_remedy() {
    let error = |python: &str| make("CartPole-v1", &json!({ "python": python })).err().unwrap().to_string();
    let absent = error("/nowhere/python");
    assert!(absent.contains("/nowhere/python cannot be started: No such file"), "{absent}");
    assert!(error("false").contains("the Python interpreter false"), "{}", error("false"));

    // One without site-packages, which has no Gymnasium, and one that finds an old Gymnasium first.
    let folder = std::env::temp_dir().join(format!("phalanx-python-{}", std::process::id()));
    let old = folder.join("old/gymnasium");
    std::fs::create_dir_all(&old).unwrap();
    std::fs::write(old.join("__init__.py"), "__version__ = '0.29.1'\nspaces = None\n").unwrap();
    let script = |name: &str, command: &str| {
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{command}\n")).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let bare = script("python", &format!("exec {} -I -S \"$@\"", python()));
    let message = error(&bare);
    assert!(message.contains("No module named 'gymnasium'"), "{message}");
    assert!(message.contains(&format!("run `{bare} -m pip install 'gymnasium>=1.0'`")), "{message}");
    let outdated =
        script("outdated", &format!("PYTHONPATH={}/old exec {} \"$@\"", folder.display(), python()));
    assert_eq!(
        error(&outdated),
        format!(
            "the Python interpreter {outdated} has Gymnasium 0.29.1, and 1.0 or later is needed: run `{outdated} -m pip install \
             'gymnasium>=1.0'`, name another interpreter in the parameter `python`, or activate a virtual environment that has it"
        )
    );
    std::fs::remove_dir_all(folder).unwrap();
}
