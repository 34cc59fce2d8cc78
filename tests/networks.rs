//! Every configuration in docs/networks.md trains, is evaluated and continues, and so do the tasks in configs/ that need it.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::place::{Place, text};

// Its test of the gradient runs here.
#[allow(dead_code)] // its program
#[path = "../scripts/examples/radial.rs"]
mod radial;

/// A short training of any configuration; the last of these settings hold.
const SHORT: [&str; 12] = [
    "--set",
    "rollout={steps: 16}",
    "--set",
    "rows=4",
    "--set",
    "workers=0",
    "--set",
    "evaluation={every: 64, episodes: 2}",
    "--set",
    "checkpoint.every=64",
    "--set",
    "algorithm.ppo.minibatch=32",
];

/// Trains for two iterations, evaluates, and continues for a third one.
fn trains(place: &Place, config: &str) {
    let run = trains_with(place, config, &|arguments| {
        place.succeed(arguments);
    });
    exports(place, &run, config);
}

/// The same with another program; the run.
fn trains_with(place: &Place, config: &str, succeed: &dyn Fn(&[&str])) -> String {
    let train = |more: &[&str]| succeed(&[&["train"][..], more].concat());
    train(&[&[config, "--logdir", "runs", "--set", "steps=128"], &SHORT[..]].concat());
    let run = fs::read_dir(place.0.path().join("runs")).unwrap().next().unwrap().unwrap().path();
    let run = run.to_str().unwrap();
    succeed(&["evaluate", run, "--episodes", "1"]);
    train(&["--resume", run, "--set", "steps=192"]);
    run.to_owned()
}

/// Its policy as a file acts as the run does.
fn exports(place: &Place, run: &str, config: &str) {
    let evaluate = |from: &[&str]| {
        let output = place.succeed(&[&["evaluate", "--episodes", "3", "--json"][..], from].concat());
        serde_json::from_str::<Value>(&text(&output.stdout)).unwrap()
    };
    place.succeed(&["export", run, "--records", "40", "-o", "policy.phx"]);
    let [file, trained] = [evaluate(&["--policy", "policy.phx"]), evaluate(&[run])];
    for (key, trained) in trained.as_object().unwrap() {
        match trained.as_f64() {
            Some(number) => {
                let here = file[key].as_f64().unwrap();
                let near = (here - number).abs() <= 1e-4 * number.abs().max(1.0);
                assert!(near, "{config}: {key} is {here} by the file and {number} by the run");
            }
            None => assert_eq!(&file[key], trained, "{config}: {key}"),
        }
    }
}

#[test]
fn configurations_of_the_document_train() {
    let document = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/networks.md")).unwrap();
    let blocks: Vec<&str> =
        document.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 8, "{} configurations", blocks.len());
    for block in blocks {
        let place = Place::new();
        fs::write(place.0.path().join("block.yaml"), block).unwrap();
        trains(&place, "block.yaml");
    }
}

#[test]
fn the_example_of_a_layer_trains() {
    let tests = std::env::current_exe().unwrap();
    let example = tests.parent().unwrap().parent().unwrap().join("examples/radial");
    let place = Place::new();
    let run = |arguments: &[&str]| {
        let output = Command::new(&example).current_dir(place.0.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    };
    let config = format!("{}/scripts/examples/radial.yaml", env!("CARGO_MANIFEST_DIR"));
    let trained = trains_with(&place, &config, &run);
    let export = ["export", &trained, "-o", "policy.phx"];
    let output = Command::new(&example).current_dir(place.0.path()).args(export).output().unwrap();
    let printed = text(&output.stderr);
    assert!(printed.contains("near is radial, an operation of one's own"), "{printed}");
    // The standard program does not have it.
    let printed = text(&place.run(&["config", "check", &config]).stderr);
    assert!(printed.contains("operation radial: no operation of this name is registered"), "{printed}");
}

#[test]
fn tasks_for_memory_fields_and_masks_train() {
    for name in ["recall", "cartpole_positions", "valves", "picture_and_numbers"] {
        let config = format!("{}/configs/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        trains(&Place::new(), &config);
    }
}
