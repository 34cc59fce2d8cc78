//! Shared libraries.

use phalanx_envs::{BatchEnv, LocalBatch, Registry};
use serde_json::{Value, json};

use crate::programs::run;
use crate::{assert_keeps_the_contract, build, refusal, rollout, spec};

/// A library by its provider.
fn provider(library: &std::path::Path) -> String {
    format!("dylib:{}", library.display())
}

/// `tests/providers/faulty.c`, built with these definitions.
fn faulty(definitions: &str) -> String {
    let name: String = definitions.chars().filter(char::is_ascii_alphanumeric).collect();
    provider(&build::build(&format!(
        "cc -shared -fPIC {definitions} -I envs/include envs/tests/providers/faulty.c -o libfaulty{name}.so"
    )))
}

#[test]
fn the_example_in_c_keeps_the_contract() {
    let name = provider(&build::example("envs/examples/c/walk.c"));
    let report = assert_keeps_the_contract(&spec(&name, &json!({ "length": 3 })));
    assert_eq!(report.frame, None);
    let spec = spec(&name, &json!({}));
    assert_eq!(rollout(&spec), rollout(&spec));
    let registry = Registry::standard();
    assert_eq!(registry.info(&name).unwrap().observation_space.to_string(), "Box([1], -5..5, F32)");
    let message = refusal(&name, &json!({ "length": 0 }));
    assert!(message.ends_with("libwalk.so: `create` returned 1: length is 0: it lies within 1 and 1000"));
}

#[test]
fn the_example_in_cpp_keeps_the_contract_and_draws() {
    let name = provider(&build::example("envs/examples/c/point_mass.cpp"));
    let report = assert_keeps_the_contract(&spec(&name, &json!({})));
    assert_eq!(report.frame, Some((96, 96)));
    let mut env = Registry::standard().build(&spec(&name, &json!({}))).unwrap();
    let mut observation = [0.0; 4];
    env.reset(Some(3), phalanx_envs::Row::F32(&mut observation)).unwrap();
    let position = env.call("position", &Value::Null).unwrap();
    assert!((position[0].as_f64().unwrap() - f64::from(observation[0])).abs() < 1e-6, "{position}");
    assert_eq!(position.as_array().unwrap().len(), 2);
    let labels = env.labels().unwrap();
    assert_eq!(labels.observation[0].unit, ["m", "m", "m/s", "m/s"]);
    assert_eq!(labels.action[0].unit, ["N"]);
}

#[test]
fn a_relative_path_begins_at_the_current_directory() {
    let library = build::example("envs/examples/c/walk.c");
    let here = std::env::current_dir().unwrap();
    let up: String = here.components().skip(1).map(|_| "../").collect();
    let relative = format!("dylib:{up}{}", library.strip_prefix("/").unwrap().display());
    assert!(Registry::standard().build(&spec(&relative, &json!({}))).is_ok(), "{relative}");
}

#[test]
fn the_example_of_several_fields_keeps_the_contract() {
    let name = provider(&build::example("envs/examples/c/gearbox.c"));
    assert_keeps_the_contract(&spec(&name, &json!({})));
    let mut batch = LocalBatch::new(&Registry::standard(), &spec(&name, &json!({})), 1, 1, 1).unwrap();
    assert_eq!(
        batch.observation_space().to_string(),
        "Dict(lamps: MultiBinary(3), speed: Box([1], 0..3, F64), action_mask: MultiBinary(3))"
    );
    batch.reset(None).unwrap();
    let (choices, numbers) = batch.block_mut().actions_mut(0, 0..1);
    (choices[0], numbers[0]) = (1, 0.75);
    batch.step(0).unwrap();
    // From 0 the speed goes half the way to gear · throttle, 0.5 · 1 · 0.75 = 0.375; the lamp of the gear is lit.
    let row = batch.block().observation_row(1, 0);
    assert_eq!((row.field("lamps").u8(), row.field("speed").f64()), (&[0, 1, 0][..], &[0.375][..]));
    assert_eq!((row.field("action_mask").u8(), batch.block().reward(0, 0)), (&[1, 1, 1][..], 0.375));
}

/// Spaces had no parts in version 1.
#[test]
fn a_library_of_version_1_still_runs() {
    let name = faulty("-DABI=1 '-DSPACE=offsetof(phalanx_space, names)'");
    let env = Registry::standard().build(&spec(&name, &json!({}))).unwrap();
    assert_eq!(env.action_space().to_string(), "Discrete(3)");
}

#[test]
fn what_is_no_library_of_ours_is_refused() {
    for (name, reason) in [
        ("dylib:no/such.so".to_owned(), "no/such.so: No such file"),
        ("dylib:libc.so.6".to_owned(), "libc.so.6: No such file"),
        (provider(&build::root().join("Cargo.toml")), "invalid ELF header"),
        (faulty("-DENTRY=other"), "undefined symbol: phalanx_env"),
        (faulty("-DABI=3"), "its version and sizes are 3, "),
        (faulty("-DSIZE=8"), "its version and sizes are 2, 8 and "),
        (faulty("-DSTEP=NULL -Wno-unused-function"), "its function `step` is NULL"),
    ] {
        let message = refusal(&name, &json!({}));
        assert!(message.contains(reason), "{reason:?} is missing in: {message}");
    }
}

#[test]
fn nonsense_of_a_library_is_refused() {
    for (fault, reason) in [
        ("create", "`create` returned 7: the key is missing"),
        ("null space", "the observation space is invalid: it is NULL"),
        ("choice", "the observation space is invalid: Discrete(0): there must be something to choose"),
        ("unknown", "its kind is 9; 0 to 7 are known"),
        ("too big", "a box of shape [70000, 70000] has more than 268435456 elements"),
        ("no low", "`low` is NULL"),
        ("three", "there are 3 and 3"),
        ("not a bound", "bounds of element 0 are NaN..0"),
        ("nothing to choose", "the action space is invalid: MultiDiscrete([3, 0])"),
        ("bytes", "the action space is invalid: it is Box([3], 0..255, U8); a box must have floats"),
    ] {
        let message = refusal(&faulty(""), &json!({ "fault": fault }));
        assert!(message.contains(reason), "{reason:?} is missing in: {message}");
    }
}

#[test]
fn errors_of_a_library_keep_their_words() {
    let registry = Registry::standard();
    let mut observation = [0.0];
    let mut fails = |fault: &str, steps: usize| {
        let mut env = registry.build(&spec(&faulty(""), &json!({ "fault": fault }))).unwrap();
        env.reset(None, phalanx_envs::Row::F32(&mut observation))?;
        for _ in 0..steps {
            env.step(phalanx_envs::Action::Discrete(0), phalanx_envs::Row::F32(&mut observation))?;
        }
        env.call("echo", &json!({ "a": [1, "ü"] }))
    };
    assert_eq!(fails("", 3).unwrap(), json!({ "a": [1, "ü"] }));
    assert_eq!(fails("reset", 0).unwrap_err().to_string(), "`reset` returned 3: no message");
    assert_eq!(fails("step", 4).unwrap_err().to_string(), "`step` returned 5: the belt slipped");
    let message = fails("status", 1).unwrap_err().to_string();
    assert_eq!(message, "a step left the episode 3: 0 is running, 1 terminated, 2 truncated");

    let mut env = registry.build(&spec(&faulty(""), &json!({}))).unwrap();
    let mut fails = |name| env.call(name, &Value::Null).unwrap_err().to_string();
    assert!(fails("torn").contains("the answer of \"torn\" is no JSON (EOF"));
    assert_eq!(fails("mute"), "`call` of \"mute\" stored no answer");
    assert_eq!(fails("other"), "no method or attribute \"other\"");
}

#[test]
fn a_crash_of_a_library_is_the_loss_of_its_worker() {
    let output = run(&["provider", &faulty(""), r#"{"fault":"segfault"}"#, "30"]);
    assert!(output.contains("error: row 0: worker "), "{output}");
    let crash = "died (signal 11, SIGSEGV) at step 3 of episode 0 (seed 11241344834629033336), last action 0";
    assert!(output.contains(crash), "{output}");
}

#[test]
fn an_error_of_a_library_reaches_the_learner() {
    let output = run(&["provider", &faulty(""), r#"{"fault":"step"}"#, "30"]);
    assert!(output.contains("row 0: step failed at step 3 of episode 0"), "{output}");
    assert!(output.contains("last action 0: `step` returned 5: the belt slipped"), "{output}");
}

#[test]
fn a_library_that_never_returns_meets_its_deadline() {
    let output = run(&["provider", &faulty(""), r#"{"fault":"hang"}"#, "0.5"]);
    assert!(output.contains("did not answer within its deadline of 500ms and was killed"), "{output}");
}
