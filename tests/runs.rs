//! Whole trainings by the binary: what they leave, how they stop, how they go on.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tempfile::TempDir;

/// Eight iterations of 256 steps; an evaluation and a checkpoint after the fourth and the eighth.
const CONFIG: &str = "env: CartPole-v1
rows: 4
workers: 2
steps: 2048
seed: 7
rollout: {steps: 64}
network: {hidden: [16]}
normalize: {observation: true, reward: true}
algorithm: {ppo: {epochs: 2, minibatch: 64}}
evaluation: {every: 1024, episodes: 3}
checkpoint: {every: 1024, keep: 2}
";

/// What differs from run to run: times.
const TIMES: [&str; 6] = [
    "steps_per_second",
    "seconds",
    "seconds_stepping",
    "seconds_inferring",
    "seconds_advantage",
    "seconds_updating",
];

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("small.yaml"), CONFIG).unwrap();
        Self(folder)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phalanx"));
        command.current_dir(self.0.path()).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn succeed(&self, arguments: &[&str]) -> Output {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        output
    }

    /// Folders of all runs, the oldest first.
    fn runs(&self) -> Vec<PathBuf> {
        let mut runs: Vec<PathBuf> =
            fs::read_dir(self.0.path().join("runs")).unwrap().map(|entry| entry.unwrap().path()).collect();
        runs.sort();
        runs
    }

    /// Trains for much longer than anyone waits, until a checkpoint is there.
    #[expect(clippy::zombie_processes, reason = "the caller waits for the child")]
    fn start_long(&self, name: &str) -> (Child, PathBuf) {
        let arguments = ["train", "small.yaml", "--name", name, "--set", "steps=1_000_000_000"];
        let mut child = self.command(&arguments).stderr(Stdio::piped()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            let run = fs::read_dir(self.0.path().join("runs")).ok().and_then(|mut runs| runs.next());
            if let Some(run) = run.map(|run| run.unwrap().path())
                && fs::read_dir(run.join("checkpoints")).is_ok_and(|mut files| {
                    files.any(|file| name_of(&file.unwrap().path()).starts_with("step-"))
                })
            {
                return (child, run);
            }
            if Instant::now() > deadline {
                child.kill().unwrap();
                panic!("no checkpoint after a minute: {}", text(&child.wait_with_output().unwrap().stderr));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn signal(child: &Child, name: &str) {
    let command = format!("kill -{name} {}", child.id());
    assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
}

/// The metrics of a run, without times.
fn metrics(run: &Path) -> Vec<Map<String, Value>> {
    let lines = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let mut records: Vec<Map<String, Value>> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for record in &mut records {
        for name in TIMES {
            assert!(record.remove(name).is_some(), "{name} is not in the metrics");
        }
    }
    records
}

/// Steps of the lines before one that may have been cut off.
fn steps_of_whole_lines(run: &Path) -> Vec<u64> {
    let lines = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let records = lines.lines().map_while(|line| serde_json::from_str::<Value>(line).ok());
    records.map(|record| record["step"].as_u64().unwrap()).collect()
}

fn steps(run: &Path) -> Vec<u64> {
    metrics(run).iter().map(|record| record["step"].as_u64().unwrap()).collect()
}

#[test]
fn a_run_leaves_everything_and_can_be_evaluated() {
    let place = Place::new();
    let output = place.succeed(&["train", "small.yaml", "--seed", "11", "--workers", "0"]);
    let run = &place.runs()[0];
    let said = text(&output.stderr);
    assert!(said.contains(&format!("phalanx evaluate runs/{}", name_of(run))), "{said}");
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
        text(&output.stderr).contains("say `--set evaluation.env.time_limit=5`"),
        "{}",
        text(&output.stderr)
    );

    let output = place.succeed(&["plot", folder, "--metric", "evaluation_return_mean", "--over", "seconds"]);
    assert_eq!(text(&output.stdout), "curve.png\n");
    assert!(fs::read(place.0.path().join("curve.png")).unwrap().starts_with(b"\x89PNG"));
    let output = place.run(&["plot", folder, "--metric", "reward"]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(
        said.contains("no number \"reward\" yet; it has approx_kl, ") && said.contains(", step"),
        "{said}"
    );

    let output =
        place.succeed(&["visualize", folder, "--episodes", "1", "--format", "gif", "--out", "shown"]);
    assert!(text(&output.stdout).starts_with("1 episodes, mean return "), "{}", text(&output.stdout));
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

/// In one process, in workers, and in workers with rows in two groups: the same training, with rollouts of either kind.
#[test]
fn how_rows_are_spread_changes_no_number() {
    let place = Place::new();
    for (kind, rollout) in [("steps", "{steps: 64}"), ("episodes", "{episodes: 8, max_length: 500}")] {
        let rollout = format!("rollout={rollout}");
        let train = |name: &str, more: &[&str]| {
            let name = format!("{kind}-{name}");
            let common = ["train", "small.yaml", "--name", &name, "--set", &rollout, "--set", "steps=1500"];
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
    let said = text(&output.stderr);
    assert!(said.contains("passed over: ") && said.contains("goes on after step 1024"), "{said}");
    assert_eq!(metrics(run), before);
    // Written anew: a damaged one would be refused.
    place.succeed(&["evaluate", run.to_str().unwrap(), "--checkpoint", "2048", "--episodes", "1"]);
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
fn the_first_signal_saves_and_says_how_to_go_on() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let place = Place::new();
        let (child, run) = place.start_long("stopped");
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        let last = *steps(&run).last().unwrap();
        assert!(said.contains(&format!("stopped after {last} steps; go on with: ")), "{said}");
        assert!(said.trim_end().ends_with(&format!("train --resume runs/{}", name_of(&run))), "{said}");
        assert!(run.join(format!("checkpoints/step-{last:012}.safetensors")).is_file());
        let more = format!("steps={}", last + 256);
        place.succeed(&["train", "--resume", run.to_str().unwrap(), "--set", &more]);
        let all: Vec<u64> = (1..=last / 256 + 1).map(|i| i * 256).collect();
        assert_eq!(steps(&run), all);
    }
}

/// As `timeout` sends them, to the process and to its group.
#[test]
fn two_signals_at_once_are_one() {
    let place = Place::new();
    let (child, run) = place.start_long("stopped");
    let both = format!("kill -TERM {0}; kill -INT {0}", child.id());
    assert!(Command::new("sh").args(["-c", &both]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let (code, said) = (output.status.code(), text(&output.stderr));
    assert!(matches!(code, Some(130 | 143)) && said.contains("go on with: "), "{code:?}: {said}");
    assert!(run.join(format!("checkpoints/step-{:012}.safetensors", steps(&run).last().unwrap())).is_file());
}

#[test]
fn the_second_signal_stops_at_once() {
    let place = Place::new();
    // An iteration that would take hours.
    let mut command = place.command(&["train", "small.yaml", "--set", "algorithm.ppo.epochs=100000000"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    // It listens for signals before it says where the run is.
    said.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("run "))).unwrap().unwrap();
    signal(&child, "INT");
    said.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("stopping after "))).unwrap().unwrap();
    // Sooner, it would belong to the first.
    thread::sleep(Duration::from_millis(250));
    signal(&child, "TERM");
    let code = child.wait().unwrap().code();
    assert!(matches!(code, Some(130 | 143)), "{code:?}");
    assert_eq!(fs::read_dir(place.runs()[0].join("checkpoints")).map_or(0, Iterator::count), 0);
}

#[test]
fn a_killed_run_loses_no_record_and_goes_on() {
    let place = Place::new();
    let (mut child, run) = place.start_long("killed");
    child.kill().unwrap();
    child.wait().unwrap();
    let reached = *steps(&run).last().unwrap();
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
    let (run, said) = (&place.runs()[0], text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}");
    let error =
        format!("error: cannot write runs/{}/metrics.jsonl: File too large (os error 27)", name_of(run));
    assert!(said.trim_end().ends_with(&error), "{said}");
    // The record that found no room is lost, its iteration is not.
    let written = steps_of_whole_lines(run);
    let saved = written.last().unwrap() + 256;
    assert!(run.join(format!("checkpoints/step-{saved:012}.safetensors")).is_file());
    let more = saved + 256;
    place.succeed(&["train", "--resume", run.to_str().unwrap(), "--set", &format!("steps={more}")]);
    assert_eq!(steps(run), [written, vec![more]].concat());
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
    let cases: [(&[&str], i32, &str); 7] = [
        (&["train"], 2, "<CONFIG>"),
        (&["train", "missing.yaml"], 2, "cannot read the configuration missing.yaml"),
        (
            &["train", "small.yaml", "--set", "rows=0"],
            2,
            "--set rows=0: expected an integer from 1 to 65536, found 0",
        ),
        (&["train", "small.yaml", "--device", "cuda:99"], 1, "there is no device cuda:99"),
        (&["train", "small.yaml", "--logdir", "small.yaml/runs"], 1, "cannot create small.yaml/runs"),
        (&["train", "--resume", "nothing"], 2, "nothing is no run: it holds no config.yaml"),
        (&["evaluate", "nothing"], 2, "nothing is no run: it holds no config.yaml"),
    ];
    for (arguments, code, message) in cases {
        let output = place.run(arguments);
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(code) && said.contains(message), "{arguments:?}: {said}");
    }
}
