//! What goes wrong in Python, in words.

use phalanx_envs::{Action, BatchEnv, LocalBatch, Registry};
use serde_json::json;

use super::{fixture, make, reset, shown, spec, step_error};

#[test]
fn a_reward_that_is_none_is_named() {
    let params = json!({ "fault": "no_reward", "disable_env_checker": true });
    let mut env = fixture("Walk-v0", &params);
    reset(&mut *env, Some(5));
    assert_eq!(
        step_error(&mut *env, Action::Discrete(1)),
        "TypeError: the reward is NoneType None, where a number is needed"
    );
}

#[test]
fn the_cause_of_an_exception_comes_first_and_its_traceback_beneath() {
    let name = "tests.python.fixtures:Walk-v0";
    for (fault, cause) in [("raise", "ValueError: the wheel came off"), ("exit", "SystemExit: 3")] {
        for phase in ["new", "reset", "step"] {
            let params = json!({ "fault": fault, "phase": phase });
            let error = match make(name, &params) {
                Err(error) => error.to_string(),
                Ok(mut env) => match shown(&mut *env, |env, row| env.reset(Some(1), row)).1 {
                    Err(error) => error.to_string(),
                    Ok(()) => step_error(&mut *env, Action::Discrete(1)),
                },
            };
            assert!(error.starts_with(&format!("{cause}\nTraceback (most recent call last):\n")), "{error}");
            assert!(error.contains("fixtures.py\", line") && error.ends_with(cause), "{error}");
            assert!(!error.contains("<stdin>"), "the hosting script is of no interest: {error}");
        }
    }
    let error = make(name, &json!({ "fault": "paragraphs", "phase": "new" })).err().unwrap().to_string();
    assert!(error.starts_with("ValueError: the wheel came off: twice\nTraceback "), "{error}");
    assert!(error.ends_with("ValueError: the wheel\n  came off:\n\n  twice"), "{error}");
    let error = make("CartPole-v1", &json!({ "wheels": 3 })).err().unwrap().to_string();
    assert!(error.contains("unexpected keyword argument 'wheels'"), "{error}");
    let error = make("CartPoel-v1", &json!({})).err().unwrap().to_string();
    assert!(error.starts_with("NameNotFound: Environment `CartPoel` doesn't exist"), "{error}");
}

#[test]
fn a_module_that_is_not_found_is_named_with_the_folders_searched() {
    let error = make("no.such_module:Walk-v0", &json!({})).err().unwrap().to_string();
    let (cause, folders) = error.split_once(" (searched: ").unwrap();
    assert_eq!(cause, "ModuleNotFoundError: No module named 'no'");
    let folders: Vec<_> = folders.trim_end_matches(')').split(", ").collect();
    assert_eq!(folders[0], std::env::current_dir().unwrap().to_str().unwrap());
    assert!(folders.last().unwrap().ends_with("-packages"), "those of pip: {folders:?}");
    // The folders of Python itself are not reported.
    let own = |folder: &&&str| !folder.ends_with("-packages") && folder.contains("lib/python3");
    assert_eq!(folders.iter().find(own), None);
    let error = fixture("Walk-v0", &json!({})).call("import_elsewhere", &json!(["nothing"])).unwrap_err();
    let error = error.to_string();
    assert!(error.starts_with("ModuleNotFoundError: No module named 'nothing' (searched: /"), "{error}");
    assert!(error.contains("fixtures.py\", line"), "{error}");
}

#[test]
fn a_failing_row_is_named_and_the_others_are_stepped() {
    let params = json!({ "fault": "raise", "phase": "step", "at": 1 });
    let spec = spec("tests.python.fixtures:Walk-v0", &params);
    let mut batch = LocalBatch::new(&Registry::standard(), &spec, 2, 2, 7).unwrap();
    batch.reset(None).unwrap();
    batch.block_mut().set_active(0, false);
    batch.block_mut().choices_mut(0, 0..2).fill(2);
    batch.step(0).unwrap();
    batch.block_mut().set_active(0, true);
    batch.block_mut().choices_mut(1, 0..2).fill(2);
    let error = batch.step(1).unwrap_err().to_string();
    assert!(error.starts_with("row 1: step failed at step 1 of episode 0"), "{error}");
    assert!(error.ends_with("ValueError: the wheel came off"), "{error}");
    assert_eq!(batch.block().observation_row(2, 0).f64()[1], 1.0, "row 0 took its first step");
}

#[test]
fn an_environment_that_can_be_made_once_in_a_process_is_explained() {
    let spec = spec("tests.python.fixtures:Single-v0", &json!({}));
    assert!(LocalBatch::new(&Registry::standard(), &spec, 1, 2, 7).is_ok());
    let error = LocalBatch::new(&Registry::standard(), &spec, 2, 2, 7).err().unwrap().to_string();
    let start = "row 1 cannot be made beside other rows of its process; where a process can have only one of them, set `workers` \
                 to the number of `rows`, and `evaluation.episodes` to no more: RuntimeError: the engine runs already\n";
    assert!(error.starts_with(start), "{error}");
}

#[test]
fn a_close_that_fails_is_named_with_its_row() {
    let params = json!({ "fault": "raise", "phase": "close", "at": 1 });
    let spec = spec("tests.python.fixtures:Walk-v0", &params);
    let mut batch = LocalBatch::new(&Registry::standard(), &spec, 2, 2, 7).unwrap();
    batch.reset(None).unwrap();
    let error = batch.close().unwrap_err().to_string();
    assert!(error.starts_with("row 0: close failed at step 0 of episode 0 (seed "), "{error}");
    assert!(error.contains("): ValueError: the wheel came off\n"), "{error}");
    batch.close().unwrap();
}
