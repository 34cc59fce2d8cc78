//! The binary's commands, output and exit codes.

use std::process::{Command, Output};

fn phalanx(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_phalanx")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_bad_config_exits_with_2_and_all_its_problems() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/config/mixed.yaml");
    let output = phalanx(&["config", "check", file]);
    assert_eq!(output.status.code(), Some(2));
    let messages = text(&output.stderr);
    assert!(
        messages.contains(&format!("{file}:3:1: unknown key `rowss`; did you mean `rows`?")),
        "{messages}"
    );
    assert!(messages.ends_with("error: 1 of 1 configurations cannot be used\n"), "{messages}");
}

#[test]
fn a_config_whose_network_cannot_read_the_observations_is_bad() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/cartpole.yaml");
    let set = "network.convolutions=[{filters: 4, kernel: 3, stride: 1}]";
    let output = phalanx(&["config", "check", file, "--set", set]);
    assert_eq!(output.status.code(), Some(2));
    let printed = text(&output.stderr);
    let message = "network.convolutions: observation has the shape [4]: convolutions and pools need pictures";
    assert!(printed.starts_with(&format!("--set {set}: {message}")), "{printed}");
}

#[test]
fn the_memory_of_a_training_is_computed_before_it_is_taken() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/smoke.yaml");
    // By hand: 11,648 bytes of the block and 50 for each of 256 transitions; networks of 4-64-64-2 and 4-64-64-1, 28 bytes a parameter.
    let output = phalanx(&["config", "check", file]);
    let expected =
        "ok, takes 23.9 KiB for rollouts of 4 rows × 64 steps, 143.0 KiB for networks of 9155 parameters";
    assert_eq!(text(&output.stdout), format!("{file}: {expected}\n"));

    let cases = [
        ("network.hidden=[1e6, 1e6]", "for networks of", "`network.hidden`"),
        ("rollout.steps=1e15", "transitions, these are 4 rows × 1000000000000000", "rollout"),
    ];
    for (set, what, setting) in cases {
        for command in [&["config", "check"][..], &["train"]] {
            let folder = tempfile::tempdir().unwrap();
            let logdir = ["--logdir", folder.path().to_str().unwrap()];
            let more = if command == ["train"] { &logdir[..] } else { &[] };
            let steps = ["--set", "steps=9e15"];
            let output = phalanx(&[command, &[file, "--set", set], &steps, more].concat());
            let printed = text(&output.stderr);
            assert!(matches!(output.status.code(), Some(1 | 2)), "{set}: {printed}");
            assert!(printed.contains(what) && printed.contains(setting), "{set}: {printed}");
        }
    }
}

#[test]
fn the_networks_of_a_config_are_shown_as_a_table() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/smoke.yaml");
    let output = phalanx(&["config", "show", file, "--set", "network={hidden: [8], shared: true}"]);
    let table = "\
# name          op          reads         shape      parameters
# observation   input, f32  –             numbers 4           –
# hidden1       dense       observation   units 8            40
# hidden1.tanh  tanh        hidden1       units 8             –
# action        dense       hidden1.tanh  logits 2           18
# value         dense       hidden1.tanh  value 1             9
# 67 parameters
";
    let printed = text(&output.stdout);
    assert!(printed.ends_with(table), "{printed}");
    let frozen = "network={hidden: [8], shared: true, freeze: [hidden1]}";
    let printed = text(&phalanx(&["config", "show", file, "--set", frozen]).stdout);
    assert!(
        printed.contains(" 40 frozen\n") && printed.ends_with("# 67 parameters, 40 of them frozen\n"),
        "{printed}"
    );
    // Layers on top of each other have names of their own; 2·(4·8 + 8) and 2·(8·4 + 4) parameters are frozen.
    let layers = "network={layers: {body: {dense: [8, 4], activation: relu}}, actor: body, critic: body, freeze: [body]}";
    let printed = text(&phalanx(&["config", "show", file, "--set", layers]).stdout);
    let table = "\
# name         op          reads        shape      parameters
# observation  input, f32  –            numbers 4           –
# body.1       dense       observation  units 8     40 frozen
# body.1.relu  relu        body.1       units 8             –
# body.2       dense       body.1.relu  units 4     36 frozen
# body.2.relu  relu        body.2       units 4             –
# action       dense       body.2.relu  logits 2           10
# value        dense       body.2.relu  value 1             5
# 91 parameters, 76 of them frozen
";
    assert!(printed.ends_with(table), "{printed}");
    // Those of providers are started for their spaces; what cannot be shown has its reason.
    let printed = text(&phalanx(&["config", "show", file, "--set", "env=dylib:nowhere.so"]).stdout);
    let note = "# no table of the networks: cannot make dylib:nowhere.so: ";
    assert!(printed.lines().any(|line| line.starts_with(note)), "{printed}");
    let unknown = "network={layers: {a: {dense: 4}}, actor: a, critic: b, hidden: [64, 64]}";
    let output = phalanx(&["config", "show", file, "--set", unknown]);
    let message = "network.critic reads \"b\", and there is no such layer; did you mean \"a\"?";
    assert!(text(&output.stderr).contains(message), "{}", text(&output.stderr));
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(2), ""));
}

/// What is wrong with a network is shown at the layer or setting that is wrong.
#[test]
fn mistakes_in_networks_are_reported_at_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("net.yaml");
    let ends = "\n  actor: body\n  critic: body\n";
    let pendulum = "env: Pendulum-v1\nnetwork:\n";
    for (yaml, expected) in [
        (
            format!("{pendulum}  layers:\n    body: {{dense: 8, of: observations}}{ends}"),
            "4:26: network.layers.body reads \"observations\", and there is no such layer; did you mean \"observation\"?",
        ),
        (
            format!(
                "{pendulum}  layers:\n    body:\n      conv: [{{filters: 2, kernel: 2}}]\n      of: observation{ends}"
            ),
            "6:11: network.layers.body.of: observation has the shape [3]: convolutions and pools need pictures",
        ),
        (
            format!("{pendulum}  activation: relu\n  layers:\n    body: {{dense: 8}}{ends}"),
            "3:15: network.activation has no effect beside network.layers",
        ),
        (format!("{pendulum}  layers:\n    body: {{dense: 0}}{ends}"), "4:19: expected an integer from 1"),
        (
            format!("{pendulum}  freeze: [bodi]\n  layers:\n    body: {{dense: 8}}{ends}"),
            "3:12: network.freeze has \"bodi\", and nodes with parameters are body, action, value",
        ),
        (
            "env: Valves-v0\nalgorithm:\n  ppo:\n    entropy_coefficient:\n      fields: {valves: 0.1}\n"
                .to_owned(),
            "5:16: algorithm.ppo.entropy_coefficient.fields has \"valves\", and the fields of an action are valve, opening",
        ),
    ] {
        std::fs::write(&file, yaml).unwrap();
        let output = phalanx(&["config", "check", file.to_str().unwrap()]);
        let printed = text(&output.stderr);
        assert!(output.status.code() == Some(2), "{printed}");
        assert!(
            printed.contains(&format!("net.yaml:{expected}")) && printed.contains("1 problem found"),
            "{printed}"
        );
    }
}

/// Those of one network are reported together, each at its own line.
#[test]
fn all_mistakes_of_a_network_are_reported_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("net.yaml");
    let yaml = "\
env: Pendulum-v1
network:
  activation: relu
  layers:
    body:
      dense: 8
      of: observatoin
    eye:
      max_pool: {kernel: 2, stride: 2}
      of: observation
  actor: body
  critic: [eye, boddy]
  freeze: [body, nothing]
";
    std::fs::write(&file, yaml).unwrap();
    let printed = text(&phalanx(&["config", "check", file.to_str().unwrap()]).stderr);
    for place in ["3:15", "7:11", "10:11", "12:17", "13:18"] {
        assert!(printed.contains(&format!("net.yaml:{place}: ")), "{place}: {printed}");
    }
    assert!(printed.contains("5 problems found"), "{printed}");
}

/// The environment of the test has observations of two numbers and three choices.
#[test]
fn the_networks_of_a_providers_environment_are_shown_once_it_is_started() {
    let smoke = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/smoke.yaml");
    let python = std::env::var("PHALANX_PYTHON").unwrap();
    let command = |verb: &str, sets: &[&str]| {
        let env = format!(
            "env={{name: \"gymnasium:tests.python.fixtures:Walk-v0\", params: {{python: {python}}}}}"
        );
        let sets =
            [&[env.as_str()], sets].concat().into_iter().flat_map(|set| ["--set", set].map(str::to_owned));
        let mut command = Command::new(env!("CARGO_BIN_EXE_phalanx"));
        command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/envs"));
        command.args(["config", verb, smoke]).args(sets).output().unwrap()
    };
    let printed = text(&command("show", &["network={hidden: [8], shared: true}"]).stdout);
    let first = "# observation   input, f32  –             numbers 2           –\n";
    assert!(printed.contains(first) && printed.ends_with("# 60 parameters\n"), "{printed}");
    // Its mistakes are at their places, too.
    let output = command("show", &["network.convolutions=[{filters: 4, kernel: 3}]"]);
    let printed = text(&output.stderr);
    assert!(
        printed.contains("observation has the shape [2]: convolutions and pools need pictures"),
        "{printed}"
    );
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(2), ""));
    // What fails is printed in place of the table; nothing is started to check.
    let printed = text(&command("show", &["env.params.python=/nowhere/python"]).stdout);
    let note = "# no table of the networks: cannot make gymnasium:tests.python.fixtures:Walk-v0: ";
    assert!(printed.contains(note) && printed.contains("/nowhere/python"), "{printed}");
    let printed = text(&command("check", &["env.params.python=/nowhere/python"]).stdout);
    assert!(
        printed.contains("which is not started here: `") && printed.contains(" config show "),
        "{printed}"
    );
}

/// What only the environment shows was found by trainings alone.
#[test]
fn settings_that_do_not_go_with_the_environment_are_found_without_a_training() {
    let folder = tempfile::tempdir().unwrap();
    let check = |yaml: &str| {
        let file = folder.path().join("wrong.yaml");
        std::fs::write(&file, yaml).unwrap();
        let output = phalanx(&["config", "check", file.to_str().unwrap()]);
        (output.status.code(), format!("{}{}", text(&output.stdout), text(&output.stderr)))
    };
    for (yaml, place, message) in [
        (
            "env: Valves-v0\nalgorithm: {ppo: {entropy_coefficient: {fields: {valv: 0.01, opening: 0}}}}",
            "2:50",
            "algorithm.ppo.entropy_coefficient.fields has \"valv\", and the fields of an action are valve, opening",
        ),
        (
            "env: CartPole-v1\nalgorithm: {ppo: {entropy_coefficient: {fields: {action: 0.01}}}}",
            "2:50",
            "an action is a single field: write `entropy_coefficient: 0.01` without `fields`",
        ),
        (
            "env: CartPole-v1\nnetwork: {memory: {gru: 8}}\nrollout: {episodes: 8, max_length: 499}",
            "3:36",
            "episodes of CartPole-v1 have up to 500 steps",
        ),
        (
            "env: CartPole-v1\nevaluation: {env: Acrobot-v1}",
            "2:14",
            "evaluation.env has the observation space",
        ),
        (
            "env: {name: PictureAndNumbers-v0, wrappers: [{select: [picture]}]}\nnormalize: {observation: true}",
            "2:26",
            "normalize.observation is for boxes of floats",
        ),
    ] {
        let (code, printed) = check(yaml);
        assert!(code == Some(2) && printed.contains(&format!("wrong.yaml:{place}: ")), "{yaml}: {printed}");
        assert!(printed.contains(message) && printed.contains("1 problem found"), "{yaml}: {printed}");
    }
    // Of four steps each: 125 of 500.
    let wrapped = "env: {name: CartPole-v1, wrappers: [{action_repeat: {times: 4}}]}\nrollout: {episodes: 8, max_length: 125}";
    assert_eq!(check(wrapped).0, Some(0));
    let longer = wrapped.replace("125", "124");
    assert_eq!(check(&longer).0, Some(2));
}

/// What the system refuses is an error with the setting and the size, not an abort.
#[test]
fn a_training_that_the_system_gives_no_memory_fails_with_the_setting_and_the_size() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/smoke.yaml");
    let folder = tempfile::tempdir().unwrap();
    for workers in ["0", "1"] {
        // 240 million transitions of 45 bytes; libtorch maps some 2 GB.
        let script = "ulimit -v 6000000; exec \"$@\"";
        let arguments = ["-c", script, "sh", env!("CARGO_BIN_EXE_phalanx"), "train", file];
        let sets = ["--set", "rollout.steps=60_000_000", "--set", "steps=1e12", "--workers", workers];
        let logdir = ["--logdir", folder.path().to_str().unwrap()];
        let output = Command::new("sh").args(arguments).args(sets).args(logdir).output().unwrap();
        let printed = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{printed}");
        let message = "a rollout of 4 rows × 60000000 steps takes 10.1 GiB of memory";
        assert!(printed.contains(message) && printed.contains("lower `rows`"), "{printed}");
    }
}

#[test]
fn a_config_whose_environment_cannot_be_made_is_bad() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/cartpole.yaml");
    assert!(phalanx(&["config", "check", file]).status.success());
    let output = phalanx(&["config", "check", file, "--set", "env.params.wheels=3"]);
    assert_eq!(output.status.code(), Some(2));
    let printed = text(&output.stderr);
    assert!(
        printed.starts_with("--set env.params.wheels=3: parameters of CartPole-v1: unknown field `wheels`"),
        "{printed}"
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.yaml");
    let (env, evaluation) =
        ("{name: Pendulum-v1, params: {g: heavy}}", "{name: Pendulum-v1, params: {gravity: 1}}");
    std::fs::write(&file, format!("env: {env}\nevaluation: {{env: {evaluation}}}\n")).unwrap();
    let printed = text(&phalanx(&["config", "check", file.to_str().unwrap()]).stderr);
    for (place, message) in [
        ("1:35", "`g`: invalid type: string \"heavy\", expected a number"),
        ("2:48", "unknown field `gravity`, expected `g`"),
    ] {
        let line = format!("{}:{place}: parameters of Pendulum-v1: {message}\n", file.display());
        assert!(printed.contains(&line), "{line}{printed}");
    }
    assert!(printed.contains("2 problems found\n"), "{printed}");
}

#[test]
fn environments_are_shown_with_their_wrappers() {
    let show = |wrappers: &[&str]| {
        let words = wrappers.iter().flat_map(|wrapper| ["--wrapper", wrapper]);
        phalanx(&["envs", "show", "CartPole-v1"].into_iter().chain(words).collect::<Vec<_>>())
    };
    let output = show(&["finite_check", "{frame_history: {past: [0, 1]}}"]);
    assert!(text(&output.stdout).contains("observation  Box([2, 4]"), "{}", text(&output.stdout));
    // With its defaults this one wants bytes: its name alone was understood.
    let message = text(&show(&["atari"]).stderr);
    assert!(message.contains("a box of bytes is needed"), "{message}");
    for (wrapper, why) in
        [("atri", "unknown variant `atri`"), ("", "expected string or map"), ("{atari", "not YAML")]
    {
        let output = show(&[wrapper]);
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(why), "{}", text(&output.stderr));
    }
}

#[test]
fn a_missing_file_exits_with_2_and_says_which() {
    let output = phalanx(&["config", "show", "/nowhere/x.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    let expected =
        "error: cannot read the configuration /nowhere/x.yaml: No such file or directory (os error 2)\n";
    assert_eq!(text(&output.stderr), expected);
}

#[test]
fn bad_arguments_exit_with_2() {
    for arguments in [&["tran"][..], &["config"], &["envs", "show"], &["--frobnicate"]] {
        assert_eq!(phalanx(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn the_schema_is_json_and_knows_the_keys() {
    let output = phalanx(&["config", "schema"]);
    assert!(output.status.success());
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let described =
        schema["properties"].as_object().unwrap().values().all(|key| key["description"].is_string());
    assert!(described && schema["required"] == serde_json::json!(["env"]), "{schema:#}");
}

#[test]
fn environments_are_listed_shown_and_suggested() {
    let list = text(&phalanx(&["envs", "list"]).stdout);
    for name in ["CartPole-v1", "Pendulum-v1", "Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0"] {
        assert!(list.lines().any(|line| line.starts_with(name)), "{name} is not in\n{list}");
    }
    let shown = text(&phalanx(&["envs", "show", "Pendulum-v1"]).stdout);
    assert!(shown.contains("time limit   200 steps") && shown.contains("g: 10.0"), "{shown}");
    assert!(shown.contains("units\n  observation: 1, 1, rad/s\n  action: N·m\n"), "{shown}");
    let shown = text(&phalanx(&["envs", "show", "Valves-v0"]).stdout);
    assert!(shown.contains("units\n  observation.levels: 1\n  action.opening: 1\n"), "{shown}");
    let shown = text(&phalanx(&["envs", "show", "Pendulum-v1", "--set", "g=9.81"]).stdout);
    assert!(shown.contains("g: 9.81"), "{shown}");
    let output = phalanx(&["envs", "check", "Pendulum-v1", "--set", "h=9.81"]);
    assert!(text(&output.stderr).contains("parameters of Pendulum-v1: unknown field `h`"), "{output:?}");
    // Of infinite bounds, and of several fields.
    for name in ["CartPole-v1", "Valves-v0"] {
        let output = phalanx(&["envs", "check", name]);
        let printed = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(printed.contains("can be trained: 0 errors, 0 warnings"), "{printed}");
    }
    let output = phalanx(&["envs", "check", "Pendulum-v1", "--set", "g"]);
    assert!(text(&output.stderr).contains("an override has the form key.path=value"), "{output:?}");
    let output = phalanx(&["envs", "show", "Pendulm-v1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("did you mean `Pendulum-v1`?"));
}

#[test]
fn what_is_missing_is_listed_with_what_to_type() {
    let folder = tempfile::tempdir().unwrap();
    let list = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phalanx"));
        let output = command.args(["envs", "list"]).env("VIRTUAL_ENV", folder.path()).output().unwrap();
        assert!(output.status.success());
        text(&output.stdout)
    };
    let printed = list();
    let python = folder.path().join("bin/python");
    assert!(printed.contains("\nmissing: gymnasium:…\n"), "{printed}");
    assert!(printed.contains(&format!("{} cannot be started: No such file", python.display())), "{printed}");
    // Instead of Python: one that does not find Gymnasium, and one that does.
    std::fs::create_dir(folder.path().join("bin")).unwrap();
    for (program, installed) in [("/usr/bin/false", false), ("/usr/bin/true", true)] {
        let _ = std::fs::remove_file(&python);
        std::os::unix::fs::symlink(program, &python).unwrap();
        let printed = list();
        let command = format!("run `{} -m pip install 'gymnasium>=1.0'`", python.display());
        assert_eq!(printed.contains(&command), !installed, "{printed}");
        assert_eq!(printed.contains("\ngymnasium:…"), installed, "{printed}");
    }
    for (is_built_in, name, command) in [
        (
            cfg!(feature = "mujoco"),
            "HalfCheetah-v5",
            "run `cargo xtask setup --mujoco`, then build with `--features mujoco`",
        ),
        (cfg!(feature = "gym-rs"), "gym-rs/CartPole", "build with `--features gym-rs`"),
    ] {
        assert_eq!(printed.contains(command), !is_built_in, "{printed}");
        assert_eq!(printed.lines().any(|line| line.starts_with(name)), is_built_in, "{printed}");
    }
}

#[test]
fn benchmarks_tell_their_figures_as_json() {
    let arguments =
        ["bench", "envs", "CartPole-v1", "--rows", "2,3", "--workers", "0,1", "--seconds", "0", "--json"];
    let printed = text(&phalanx(&arguments).stdout);
    let reports: Vec<serde_json::Value> =
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen: Vec<_> = reports.iter().map(|r| (r["rows"].as_u64(), r["workers"].as_u64())).collect();
    assert_eq!(seen, [(2, 0), (2, 1), (3, 0), (3, 1)].map(|(rows, workers)| (Some(rows), Some(workers))));
    for report in &reports {
        let number = |name: &str| report[name].as_f64().unwrap();
        assert!(number("min") > 0.0 && number("slices") >= 5.0, "{report}");
        assert!((number("min")..=number("max")).contains(&number("steps_per_second")), "{report}");
    }

    let smoke = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/smoke.yaml");
    let output = phalanx(&["bench", "train", smoke, "--set", "threads=1", "--seconds", "0", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((report["env"].as_str(), report["threads"].as_u64()), (Some("CartPole-v1"), Some(1)));
    let shares: Vec<f64> =
        report["shares"].as_object().unwrap().values().map(|share| share.as_f64().unwrap()).collect();
    // Parts of the whole; bookkeeping has the rest.
    assert!(
        shares.len() == 5 && shares.iter().all(|s| *s > 0.0) && shares.iter().sum::<f64>() < 1.0,
        "{report}"
    );

    let limit = &report["limit"];
    // Networks of 4·64, 64·64 and 64·2 or 64·1 weights; forwards and backwards in 4 epochs, forwards in the rollout.
    let flop = 2.0 * f64::from(2 * (4 * 64 + 64 * 64) + 64 * 3) * 13.0;
    assert_eq!(limit["flop_per_step"].as_f64(), Some(flop), "{report}");
    assert!(limit["steps_per_second"].as_f64() > Some(0.0), "{report}");

    let picture = tempfile::tempdir().unwrap().path().join("growth.png");
    let vary =
        ["--vary", "rows=4", "--vary", "rows=8", "--plot", picture.to_str().unwrap(), "--seconds", "0"];
    let output = phalanx(&[&["bench", "train", smoke], &vary[..]].concat());
    // The folder is gone already: what was measured is shown, and the picture's place is named.
    assert!(text(&output.stdout).contains("rows=8\nCartPole-v1, 8 rows"), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains("cannot write"), "{}", text(&output.stderr));

    for wrong in [&["--rows", "0"][..], &["--seconds", "-1"], &["--workers", "two"]] {
        let output = phalanx(&[&["bench", "envs", "CartPole-v1"], wrong].concat());
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
}
