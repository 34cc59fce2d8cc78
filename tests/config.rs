//! Configurations, good and bad, and the messages about them.

use std::fs;
use std::path::{Path, PathBuf};

use phalanx::config::{self, AlgorithmSettings, Config, Make, Problems, Source};
use phalanx::envs::{OnWorkerLoss, Registry, Workers};
use proptest::prelude::*;

fn parse(yaml: &str, sets: &[&str]) -> Result<Config, Problems> {
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    config::parse(Source::File("config.yaml".into(), yaml.to_owned()), &sets, &Registry::standard())
}

fn good(yaml: &str, sets: &[&str]) -> Config {
    parse(yaml, sets).unwrap_or_else(|problems| panic!("{problems}"))
}

fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == "yaml"));
    files.sort();
    files
}

/// `tests/data/config/NAME.yaml` gives the messages of `NAME.txt`; with `PHALANX_BLESS` set, writes those files.
#[test]
fn every_mistake_is_reported_at_its_place() {
    let files = yaml_files("tests/data/config");
    assert!(files.len() >= 12, "{} files", files.len());
    let mut different = Vec::new();
    for file in files {
        let problems = config::examine(&file, &[], &Registry::standard(), Make::BuiltIn).unwrap_err();
        let messages = format!("{problems}\n").replace(&file.display().to_string(), "config.yaml");
        let expected = file.with_extension("txt");
        if std::env::var_os("PHALANX_BLESS").is_some() {
            fs::write(&expected, &messages).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != messages {
            different.push(format!("{}:\n{messages}", file.display()));
        }
    }
    assert!(
        different.is_empty(),
        "messages changed (PHALANX_BLESS=1 accepts them):\n{}",
        different.join("\n")
    );
}

#[test]
fn our_own_configurations_have_no_mistakes() {
    let files = [yaml_files("configs"), yaml_files("configs/bench")].concat();
    assert!(files.len() >= 18, "{files:?}");
    for file in files {
        if let Err(problems) = parse(&fs::read_to_string(&file).unwrap(), &[]) {
            // Of an environment that this build lacks, everything else is checked all the same.
            let lacks = |message: &str| message.contains("is not built in: run `cargo xtask setup --mujoco`");
            let wrong = problems.findings().iter().any(|finding| !lacks(&finding.message));
            assert!(!wrong && !cfg!(feature = "mujoco"), "{}: {problems}", file.display());
        }
    }
}

#[test]
fn the_environment_alone_is_enough() {
    let config = good("env: CartPole-v1", &[]);
    assert_eq!(config.env.name, "CartPole-v1");
    assert_eq!(config.workers, Workers::Auto);
    assert_eq!(config.faults.on_worker_loss, OnWorkerLoss::Fail);
}

#[test]
fn numbers_may_be_written_for_people() {
    let config = good("env: CartPole-v1\nsteps: 1e5\nrows: 0x10\nseed: 18_446_744_073_709_551_615", &[]);
    assert_eq!((config.steps, config.rows, config.seed), (100_000, 16, u64::MAX));
}

#[test]
fn a_choice_whose_settings_have_defaults_is_written_by_its_name() {
    let bare = "env: {name: CartPole-v1, wrappers: [atari, range_normalize]}\nalgorithm: {ppo: {objective: kl_penalty}}";
    let full = "env: {name: CartPole-v1, wrappers: [atari: {}, range_normalize: {}]}\n\
                algorithm: {ppo: {objective: {kl_penalty: {}}}}";
    assert_eq!(good(bare, &[]), good(full, &[]));
    assert_eq!(good("env: CartPole-v1\nalgorithm: ppo", &[]), good("env: CartPole-v1", &[]));
}

#[test]
fn evaluations_play_in_an_environment_of_their_own() {
    let yaml = "env: CartPole-v1\nevaluation: {env: Acrobot-v1}";
    assert_eq!(good(yaml, &["evaluation.env.time_limit=5"]).evaluation_env().time_limit, Some(5));
    assert_eq!(good(yaml, &[]).evaluation_env().name, "Acrobot-v1");
    assert_eq!(good("env: CartPole-v1", &[]).evaluation_env().name, "CartPole-v1");
    let messages =
        parse("env: CartPole-v1\nevaluation: {env: {name: Acrobat-v1}}", &[]).unwrap_err().to_string();
    assert!(messages.contains("config.yaml:2:26: no environment is called `Acrobat-v1`"), "{messages}");
}

#[test]
fn overrides_reach_everything() {
    let config = good(
        "env: Pendulum-v1\nfaults: {on_worker_loss: fail}",
        &[
            "env.time_limit=50",
            "env.params.g=9.81",
            "env.wrappers=[clip_action, {action_repeat: {times: 2}}]",
            "env.wrappers.1.action_repeat.times=4",
            "algorithm.ppo.learning_rate={from: 1e-3, to: 0}",
            "faults.on_worker_loss={respawn: {at_most: 3}}",
            "workers=2",
            "workers=0",
        ],
    );
    assert_eq!(config.env.time_limit, Some(50));
    assert_eq!(serde_json::to_value(&config.env.params).unwrap(), serde_json::json!({"g": 9.81}));
    let wrappers = serde_json::to_value(&config.env.wrappers).unwrap();
    assert_eq!(
        wrappers,
        serde_json::json!(["clip_action", {"action_repeat": {"times": 4, "max_pool": false}}])
    );
    assert_eq!(config.faults.on_worker_loss, OnWorkerLoss::Respawn { at_most: 3 });
    assert_eq!(config.workers, Workers::Count(0));
}

#[test]
fn overrides_reach_into_what_an_earlier_one_named() {
    let sets =
        ["env=Pendulum-v1", "env.params.g=9.81", "evaluation.env=Pendulum-v1", "evaluation.env.time_limit=5"];
    let config =
        good("env: CartPole-v1\nalgorithm: ppo", &[&sets[..], &["algorithm.ppo.discount=0.5"]].concat());
    assert_eq!(config.env.name, "Pendulum-v1");
    assert_eq!(serde_json::to_value(&config.env.params).unwrap(), serde_json::json!({"g": 9.81}));
    assert_eq!(config.evaluation_env().time_limit, Some(5));
    let AlgorithmSettings::Ppo(ppo) = config.algorithm;
    assert_eq!(ppo.discount, 0.5);
}

#[test]
fn an_infinite_parameter_is_refused() {
    let messages = parse("env: CartPole-v1", &["env.params.a=.inf"]).unwrap_err().to_string();
    assert!(messages.starts_with("--set env.params.a=.inf: a number must be finite"), "{messages}");
    let messages = config::from_sets(&["a=.nan".to_owned()]).unwrap_err().to_string();
    assert!(messages.starts_with("--set a=.nan: a number must be finite"), "{messages}");
}

#[test]
fn bytes_that_are_not_utf8_are_reported_at_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("latin1.yaml");
    fs::write(&file, b"steps: 1000\nenv: CartPole-v1 # \xc3\xa9 caf\xe9\n").unwrap();
    let messages = config::load(&file, &[], &Registry::standard()).unwrap_err().to_string();
    let expected = format!("{}:2:25: the byte 0xe9 is not UTF-8; save the file in UTF-8\n", file.display());
    assert!(messages.starts_with(&expected), "{messages}");
}

#[test]
fn of_a_long_line_the_part_around_the_mistake_is_shown() {
    let yaml = format!("{{env: CartPole-v1, {}rowss: 8}}", " ".repeat(1_000));
    let messages = parse(&yaml, &[]).unwrap_err().to_string();
    let lines: Vec<&str> = messages.lines().collect();
    assert!(lines[0].starts_with("config.yaml:1:1020: unknown key `rowss`"), "{messages}");
    assert_eq!(lines[1].find("rowss"), lines[2].find("^^^^^"), "{messages}");
    assert!(lines[1].len() < 200, "{messages}");
}

#[test]
fn mistakes_in_overrides_name_the_argument() {
    let messages = parse("env: CartPole-v1", &["rows=x", "algorithm.ppo.discont=1", "rows.y=1"])
        .unwrap_err()
        .to_string();
    for line in [
        "--set rows=x: expected an integer from 1 to 65536, found the text `x`",
        "--set algorithm.ppo.discont=1: unknown key `discont`; did you mean `discount`?",
        "      | algorithm.ppo.discont=1\n      |               ^^^^^^^",
        "--set rows.y=1: `y` cannot be set",
        "3 problems found",
    ] {
        assert!(messages.contains(line), "{line}\nis not in\n{messages}");
    }
}

#[test]
fn what_is_shown_reads_back_the_same() {
    for yaml in [
        "env: CartPole-v1",
        "env: {name: Pendulum-v1, params: {g: 9.800000000000002, yes: 'no', deep: [1, {a: null}, '1e3']}, time_limit: 0, \
         wrappers: [frame_delta, {frame_history: {past: [0, 2], flatten: true}}]}\nworkers: 3\ndevice: cuda:1\n\
         rollout: {episodes: 16, max_length: 200}\nalgorithm: {ppo: {minibatch: ~, objective: {kl_penalty: {}}, \
         learning_rate: {from: 0.1, to: 1e-300}}}\nfaults: {on_worker_loss: {respawn: {at_most: 1}}}",
    ] {
        let config = good(yaml, &[]);
        let shown = config.to_yaml().unwrap();
        assert_eq!(good(&shown, &[]), config, "{shown}");
    }
}

/// Pieces that configurations are made of, and pieces that break them.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "env",
        "CartPole-v1",
        "rows",
        "workers",
        "auto",
        "steps",
        "rollout",
        "episodes",
        "network",
        "hidden",
        "algorithm",
        "ppo",
        "objective",
        "clip",
        "name",
        "wrappers",
        "params",
        ":",
        ": ",
        "- ",
        "\n",
        "\n  ",
        "\n    ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "\"",
        "'",
        "&a ",
        "*a",
        "!!int ",
        "|",
        ">",
        "#",
        "1_000",
        "-1",
        "1e-3",
        ".inf",
        "~",
        "010",
        "\t",
        "---\n",
        "é",
        "\u{0}",
        "? ",
        "<<",
    ];
    prop_oneof![9 => prop::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => any::<String>()]
}

proptest! {
    #[test]
    fn no_text_panics(pieces in prop::collection::vec(piece(), 0..40), set in prop::collection::vec(piece(), 0..8)) {
        let (yaml, set) = (pieces.concat(), set.concat());
        if let Err(problems) = parse(&yaml, &[&set]) {
            prop_assert!(!problems.findings().is_empty());
            prop_assert!(problems.to_string().contains("problem"));
        }
    }

    #[test]
    fn numbers_survive_being_shown(x in 0.0f64..1.0, tiny in prop::num::f64::POSITIVE, seed: u64) {
        let tiny = if tiny.is_finite() { tiny } else { 1.0 };
        let config = good("env: Pendulum-v1", &[
            &format!("algorithm.ppo.discount={x:?}"),
            &format!("env.params.g={tiny:?}"),
            &format!("seed={seed}"),
        ]);
        prop_assert_eq!(good(&config.to_yaml().unwrap(), &[]), config);
    }
}
