//! Whole trainings by the binary: what they leave, and how they go on.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};

use phalanx::agents::Checkpoint;
use serde_json::{Map, Value};

use super::place::{Place, metrics, name_of, steps, text};

#[test]
fn a_run_leaves_everything_and_can_be_evaluated() {
    let place = Place::new();
    let output = place.succeed(&["train", "small.yaml", "--seed", "11", "--workers", "0"]);
    let run = &place.runs()[0];
    let printed = text(&output.stderr);
    assert!(printed.contains(&format!("phalanx evaluate runs/{}", name_of(run))), "{printed}");
    assert!(name_of(run).ends_with("-small"), "{run:?}");

    let config = fs::read_to_string(run.join("config.yaml")).unwrap();
    for line in ["seed: 11\n", "workers: 0\n", "gae_lambda: 0.95\n"] {
        assert!(config.contains(line), "{line} is not in\n{config}");
    }
    assert_eq!(steps(run), [256, 512, 768, 1024, 1280, 1536, 1792, 2048]);
    let records = metrics(run);
    for name in [
        "episode_return_mean",
        "episode_length_mean",
        "policy_loss",
        "value_loss",
        "approx_kl",
        "entropy",
        "explained_variance",
        "learning_rate",
    ] {
        assert!(records[7][name].is_f64(), "{name} in {records:?}");
    }
    assert!(
        records[3].contains_key("evaluation_return_mean")
            && !records[4].contains_key("evaluation_return_mean")
    );
    assert!(fs::read(run.join("events.out.tfevents.phalanx")).unwrap().len() > 8 * 100);
    assert!(fs::read_to_string(run.join("log.txt")).unwrap().contains("finished after 2048 steps"));
    let mut files: Vec<String> =
        fs::read_dir(run.join("checkpoints")).unwrap().map(|file| name_of(&file.unwrap().path())).collect();
    files.sort();
    assert_eq!(files, ["best.safetensors", "step-000000001024.safetensors", "step-000000002048.safetensors"]);

    let folder = run.to_str().unwrap();
    let output = place.succeed(&["evaluate", folder, "--episodes", "4", "--json"]);
    let line = text(&output.stdout);
    assert!(line.starts_with("{\"env\":\"CartPole-v1\",\"episodes\":4,\"return_mean\":"), "{line}");
    assert!(line.ends_with(",\"checkpoint_step\":2048}\n"), "{line}");
    let again = place.succeed(&["evaluate", folder, "--episodes", "4", "--json"]);
    assert_eq!(text(&again.stdout), line);
    let first =
        place.succeed(&["evaluate", folder, "--episodes", "2", "--checkpoint", "1024", "--stochastic"]);
    assert!(
        text(&first.stdout).starts_with("CartPole-v1 after 1024 steps of training, 2 episodes:\nreturn ")
    );

    let output = place.succeed(&["evaluate", folder, "--episodes", "2", "--set", "env.time_limit=5"]);
    assert!(text(&output.stdout).contains(", length 5.0"), "{}", text(&output.stdout));
    let own = ["--set", "evaluation.env=CartPole-v1", "--set", "env.time_limit=5"];
    let output = place.run(&[&["evaluate", folder], &own[..]].concat());
    assert!(
        text(&output.stderr).contains("use `--set 'evaluation.env.time_limit=5'`"),
        "{}",
        text(&output.stderr)
    );

    let output = place.succeed(&["plot", folder, "--metric", "evaluation_return_mean", "--over", "seconds"]);
    assert_eq!(text(&output.stdout), "curve.png\n");
    assert!(fs::read(place.0.path().join("curve.png")).unwrap().starts_with(b"\x89PNG"));
    let output = place.run(&["plot", folder, "--metric", "reward"]);
    assert_eq!(output.status.code(), Some(2));
    let printed = text(&output.stderr);
    assert!(
        printed.contains("no number \"reward\" yet; it has approx_kl, ") && printed.contains(", step"),
        "{printed}"
    );

    let output =
        place.succeed(&["visualize", folder, "--episodes", "1", "--format", "gif", "--out", "shown"]);
    assert!(text(&output.stdout).starts_with("1 episode, mean return "), "{}", text(&output.stdout));
    assert!(place.0.path().join("shown/summary.json").is_file());
}

#[test]
fn a_run_in_two_parts_is_the_run_in_one() {
    let place = Place::new();
    place.succeed(&["train", "small.yaml", "--name", "whole"]);
    place.succeed(&["train", "small.yaml", "--name", "parts", "--set", "steps=1024"]);
    let runs = place.runs();
    let find = |name: &str| runs.iter().find(|run| name_of(run).ends_with(name)).unwrap();
    let (whole, parts) = (find("whole"), find("parts"));
    assert_eq!(steps(parts), [256, 512, 768, 1024]);
    place.succeed(&["train", "--resume", parts.to_str().unwrap(), "--set", "steps=2048"]);
    assert_eq!(metrics(parts), metrics(whole));
    assert!(fs::read_to_string(parts.join("config.yaml")).unwrap().contains("steps: 2048\n"));
    let evaluate = |run: &Path| place.succeed(&["evaluate", run.to_str().unwrap(), "--json"]).stdout;
    assert_eq!(text(&evaluate(parts)), text(&evaluate(whole)));
}

/// Another critic: what fits is taken, with the statistics, and the rest reported. The file is not needed again.
#[test]
fn a_run_starts_from_another_one() {
    let place = Place::new();
    let place_file = |name: &str| place.0.path().join(name);
    place.succeed(&["train", "small.yaml", "--name", "first", "--set", "steps=256"]);
    let first = place.runs()[0].clone();
    let path = format!("network.init_from={}", first.display());
    let other = "network={layers: {body: {dense: 16, activation: tanh}, worth: {dense: 8}}, actor: body, critic: worth, hidden: [64, 64]}";
    let names = "{body: actor.hidden1, worth: critic.hidden1, action: action, value: value}";
    let file = first.join("checkpoints/step-000000000256.safetensors");
    fs::copy(file, place_file("start.safetensors")).unwrap();
    let named = format!("network.init_from={{path: start.safetensors, names: {names}}}");
    for (set, expected) in [
        (
            vec![path.as_str()],
            "8 of 8 tensors, 211 of 211 parameters, and the statistics of observations and rewards",
        ),
        (vec![other, &named], "5 of 8 tensors, 115 of 163 parameters"),
    ] {
        let sets: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
        let train = [&["train", "small.yaml", "--name", "second", "--set", "steps=512"][..], &sets].concat();
        let printed = text(&place.succeed(&train).stderr);
        assert!(printed.contains("starts from ") && printed.contains(expected), "{printed}");
        if set.len() == 2 {
            let shapes =
                "of another shape in the file, hence initialised: worth.weight [8, 4] (there [16, 4])";
            assert!(printed.contains(shapes), "{printed}");
        }
    }
    fs::remove_file(place_file("start.safetensors")).unwrap();
    let second = place.runs().pop().unwrap();
    place.succeed(&["train", "--resume", second.to_str().unwrap(), "--set", "steps=768"]);

    let count = place.runs().len();
    fs::write(place_file("policy.pt"), b"PK\x03\x04").unwrap();
    for (set, expected) in [
        ("network.init_from=nowhere.safetensors", "nowhere.safetensors is neither a run nor a file (from "),
        ("network.init_from=policy.pt", "policy.pt: is a file of torch.save: load it in Python and save"),
        ("network.init_from=small.yaml", "small.yaml: is no file of the safetensors format, or damaged"),
        ("network.init_from={path: small.yaml, name: {}}", "unknown key"),
    ] {
        let output = place.run(&["train", "small.yaml", "--set", set]);
        assert!(
            !output.status.success() && text(&output.stderr).contains(expected),
            "{}",
            text(&output.stderr)
        );
    }
    for (command, names, known, near) in [
        (
            &["config", "check"][..],
            "{acter: action}",
            "has \"acter\", and the tensors of this network are",
            "actor",
        ),
        (&["train"], "{action: actions}", "has \"actions\", and the tensors of ", "action"),
    ] {
        let unknown = format!("network.init_from={{path: {}, names: {names}}}", first.display());
        let printed = text(&place.run(&[command, &["small.yaml", "--set", &unknown]].concat()).stderr);
        let near = format!("; did you mean `{near}`?");
        assert!(printed.contains(known) && printed.contains(&near), "{printed}");
    }
    assert_eq!(place.runs().len(), count, "no folder of a run is left");
    // A file without statistics.
    place.succeed(&[
        "train",
        "small.yaml",
        "--name",
        "plain",
        "--set",
        "steps=256",
        "--set",
        "normalize={observation: false, reward: false}",
    ]);
    let plain = place.runs().into_iter().find(|run| run.to_string_lossy().ends_with("-plain")).unwrap();
    let set = format!("network.init_from={}", plain.display());
    let printed = text(&place.succeed(&["train", "small.yaml", "--set", "steps=256", "--set", &set]).stderr);
    for what in ["observations", "rewards"] {
        assert!(
            printed.contains(&format!("statistics of {what} begin anew: the file has none")),
            "{printed}"
        );
    }
}

/// A frozen body computes what it did: its observations are normalised as they were. Where the critic's own layer learns from them, they go on.
#[test]
fn statistics_that_frozen_layers_alone_read_stay() {
    let place = Place::new();
    let train = |name: &str, sets: &[&str]| {
        let sets = sets.iter().flat_map(|set| ["--set", *set]);
        let arguments: Vec<&str> = ["train", "small.yaml", "--name", name].into_iter().chain(sets).collect();
        place.succeed(&arguments);
        place.runs().into_iter().find(|run| name_of(run).ends_with(name)).unwrap()
    };
    // Means and variances at a step.
    let statistics = |run: &Path, step: u64| {
        let path = run.join(format!("checkpoints/step-{step:012}.safetensors"));
        let state: Value = Checkpoint::load(&path).unwrap().state("normalizer").unwrap();
        let moments = &state["moments"];
        let list = |name: &str| -> Vec<f64> { serde_json::from_value(moments[name].clone()).unwrap() };
        let count = moments["count"].as_f64().unwrap();
        let variances = list("squares").into_iter().map(|squares| squares / count);
        list("mean").into_iter().chain(variances).collect::<Vec<_>>()
    };
    for (shared, freeze, stay) in [("true", "hidden1", true), ("false", "actor.hidden1", false)] {
        let shared = format!("network.shared={shared}");
        let first = train(&format!("first-{stay}"), &["steps=256", &shared]);
        let from = format!("network.init_from={}", first.display());
        let freeze = format!("network.freeze=[{freeze}]");
        let second = train(&format!("second-{stay}"), &["steps=1024", &shared, &from, &freeze]);
        let (before, after) = (statistics(&first, 256), statistics(&second, 1024));
        let same = before.iter().zip(&after).all(|(a, b)| (a - b).abs() <= 1e-12 * a.abs());
        assert_eq!(same, stay, "{before:?} {after:?}");
    }
}

#[test]
fn settings_that_a_policy_was_not_trained_with_are_refused_and_the_run_keeps_its_own() {
    let place = Place::new();
    place.succeed(&["train", "small.yaml", "--set", "steps=1024"]);
    let (run, read) = (&place.runs()[0], |run: &Path| fs::read_to_string(run.join("config.yaml")).unwrap());
    let (folder, before) = (run.to_str().unwrap(), read(run));
    for (set, why) in [
        ("seed=8", "`seed` decides how a run starts"),
        ("network.initial_std=0.5", "`network.initial_std` decides how a run starts"),
        ("network.output_gain=0.5", "`network.output_gain` decides how a run starts"),
    ] {
        let output = place.run(&["train", "--resume", folder, "--set", set]);
        assert!(output.status.code() == Some(2) && text(&output.stderr).contains(why), "{set}");
    }
    let penalty = "algorithm.ppo.objective={kl_penalty: {initial_penalty: 2.0}}";
    place.succeed(&["train", "small.yaml", "--name", "penalty", "--set", "steps=256", "--set", penalty]);
    let runs = place.runs();
    let penalized = runs.iter().find(|run| name_of(run).ends_with("penalty")).unwrap().to_str().unwrap();
    let set = "algorithm.ppo.objective.kl_penalty.initial_penalty=3";
    let output = place.run(&["train", "--resume", penalized, "--set", set]);
    let why = "`algorithm.ppo.objective.kl_penalty.initial_penalty` decides how a run starts";
    assert!(output.status.code() == Some(2) && text(&output.stderr).contains(why), "{set}");
    for (set, trained) in [
        ("env=Pendulum-v1", "actions Discrete(2), not Box([1], F32)"),
        ("network.activation=relu", "network.activation tanh, not relu"),
        ("network.hidden=[4, 4]", "network.hidden [16], not [4,4]"),
        ("normalize.observation=false", "normalize.observation true, not false"),
    ] {
        for command in [&["evaluate", folder][..], &["train", "--resume", folder, "--set", "steps=2048"]] {
            let output = place.run(&[command, &["--set", set]].concat());
            let printed = text(&output.stderr);
            let reason = format!("the policy was trained with {trained}\n");
            assert!(output.status.code() == Some(1) && printed.ends_with(&reason), "{command:?}: {printed}");
        }
    }
    assert_eq!(read(run), before);
    place.succeed(&["evaluate", folder, "--episodes", "1", "--set", "env.params.sutton_barto_reward=true"]);
}

/// In one process, in workers, and in workers with rows in two groups: the same training, with rollouts of either kind.
#[test]
fn how_rows_are_spread_changes_no_number() {
    let place = Place::new();
    for (kind, rollout) in [("steps", "{steps: 64}"), ("episodes", "{episodes: 8, max_length: 500}")] {
        let rollout = format!("rollout={rollout}");
        let train = |name: &str, more: &[&str]| {
            let name = format!("{kind}-{name}");
            let common = ["train", "small.yaml", "--name", &name, "--set", &rollout, "--set", "steps=1500"];
            // Wide enough that products of few rows and of all would round differently.
            let common = [&common[..], &["--set", "network.hidden=[128]"]].concat();
            place.succeed(&[&common[..], more].concat());
            metrics(place.runs().iter().find(|run| name_of(run).ends_with(&name)).unwrap())
        };
        let alone = train("alone", &["--workers", "0"]);
        assert!(alone.len() > 1, "{rollout}");
        assert_eq!(train("crew", &["--set", "pipelined=false"]), alone, "{rollout}");
        assert_eq!(train("groups", &["--set", "pipelined=true"]), alone, "{rollout}");
    }
}

#[test]
fn a_damaged_checkpoint_is_passed_over_and_what_it_led_to_forgotten() {
    let place = Place::new();
    place.succeed(&["train", "small.yaml"]);
    let run = &place.runs()[0];
    let before = metrics(run);
    let newest = run.join("checkpoints/step-000000002048.safetensors");
    let bytes = fs::read(&newest).unwrap();
    fs::write(&newest, &bytes[..bytes.len() / 2]).unwrap();
    let output = place.succeed(&["train", "--resume", run.to_str().unwrap()]);
    let printed = text(&output.stderr);
    assert!(printed.contains("skipped: ") && printed.contains("continues after step 1024"), "{printed}");
    assert_eq!(metrics(run), before);
    // Written anew: a damaged one would be refused.
    place.succeed(&["evaluate", run.to_str().unwrap(), "--checkpoint", "2048", "--episodes", "1"]);
}

#[test]
fn a_deviation_that_runs_away_is_warned_about_once_and_bounded() {
    let place = Place::new();
    let sets = [
        "env=Pendulum-v1",
        "action_scaling=clip",
        "algorithm.ppo.entropy_coefficient=1",
        "algorithm.ppo.learning_rate=0.1",
    ];
    let sets: Vec<&str> = sets.iter().chain(&["network.max_std=50"]).flat_map(|set| ["--set", set]).collect();
    let output = place.succeed(&[&["train", "small.yaml", "--workers", "0"], &sets[..]].concat());
    // An update is 8 gradient steps of 0.1: e^0.8 = 2.2 at first, e^2.4 = 11 after the third, less than 10 times Pendulum's ±2 until
    // the fourth, and 50 from the sixth on.
    let most: Vec<f64> =
        metrics(&place.runs()[0]).iter().map(|record| record["action_std_max"].as_f64().unwrap()).collect();
    assert!((most[0] - 2.2255).abs() < 0.1, "{most:?}");
    assert!(most[5..].iter().all(|std| (std - 50.0).abs() < 1e-4), "{most:?}");
    let warning = "warning: the policy's standard deviation runs away: it is 22.";
    for printed in [text(&output.stderr), fs::read_to_string(place.runs()[0].join("log.txt")).unwrap()] {
        assert_eq!(printed.matches("runs away").count(), 1, "{printed}");
        assert!(printed.contains(warning) && printed.contains("after 1024 steps"), "{printed}");
    }
}

#[test]
fn a_run_ends_when_its_return_is_reached() {
    let place = Place::new();
    place.succeed(&["train", "small.yaml", "--set", "stop_at_return=15", "--set", "steps=1_000_000"]);
    let run = &place.runs()[0];
    let records = metrics(run);
    let (last, before) = records.split_last().unwrap();
    let reached = |record: &Map<String, Value>| {
        record["episodes"].as_f64() >= Some(100.0) && record["episode_return_mean"].as_f64() >= Some(15.0)
    };
    assert!(reached(last) && !before.iter().any(reached), "{last:?}");
    place.succeed(&["evaluate", run.to_str().unwrap(), "--json"]);
}

#[test]
fn runs_of_the_same_second_have_folders_of_their_own() {
    let place = Place::new();
    let children: Vec<Child> = (0..3)
        .map(|_| {
            place
                .command(&["train", "small.yaml", "--set", "steps=256"])
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(place.runs().len(), 3);
}

#[test]
fn slips_are_told_with_their_exit_code() {
    let place = Place::new();
    let cases: [(&[&str], i32, &str); 8] = [
        (&["train"], 2, "<CONFIG>"),
        (&["train", "missing.yaml"], 2, "cannot read the configuration missing.yaml"),
        (
            &["train", "small.yaml", "--set", "rows=0"],
            2,
            "--set rows=0: expected an integer from 1 to 65536, found 0",
        ),
        (&["train", "small.yaml", "--device", "cuda:99"], 1, "there is no device cuda:99"),
        (&["train", "small.yaml", "--logdir", "small.yaml/runs"], 1, "cannot create small.yaml/runs"),
        (&["train", "--resume", "nothing"], 2, "nothing is no run: there is no such folder"),
        (&["train", "--resume", "nothing", "--logdir", "elsewhere"], 2, "cannot be used with"),
        (&["evaluate", "nothing"], 2, "nothing is no run: there is no such folder"),
    ];
    for (arguments, code, message) in cases {
        let output = place.run(arguments);
        let printed = text(&output.stderr);
        assert!(output.status.code() == Some(code) && printed.contains(message), "{arguments:?}: {printed}");
    }
}
