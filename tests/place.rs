//! A folder in which the binary trains, and what it leaves there.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
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

pub struct Place(pub TempDir);

impl Place {
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("small.yaml"), CONFIG).unwrap();
        Self(folder)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phalanx"));
        command.current_dir(self.0.path()).args(arguments);
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub fn succeed(&self, arguments: &[&str]) -> Output {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        output
    }

    /// Folders of all runs, the oldest first.
    pub fn runs(&self) -> Vec<PathBuf> {
        let mut runs: Vec<PathBuf> =
            fs::read_dir(self.0.path().join("runs")).unwrap().map(|entry| entry.unwrap().path()).collect();
        runs.sort();
        runs
    }

    /// Trains for much longer than anyone waits, in a process group of its own, until a checkpoint is there.
    #[expect(clippy::zombie_processes, reason = "the caller waits for the child")]
    pub fn start_long(&self, name: &str, more: &[&str]) -> (Child, PathBuf) {
        let arguments = ["train", "small.yaml", "--name", name, "--set", "steps=1_000_000_000"];
        let mut child = self
            .command(&[&arguments, more].concat())
            .process_group(0)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
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

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

pub fn signal(child: &Child, name: &str) {
    let command = format!("kill -{name} {}", child.id());
    assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
}

/// The metrics of a run, without times.
pub fn metrics(run: &Path) -> Vec<Map<String, Value>> {
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
pub fn steps_of_whole_lines(run: &Path) -> Vec<u64> {
    let lines = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let records = lines.lines().map_while(|line| serde_json::from_str::<Value>(line).ok());
    records.map(|record| record["step"].as_u64().unwrap()).collect()
}

pub fn steps(run: &Path) -> Vec<u64> {
    metrics(run).iter().map(|record| record["step"].as_u64().unwrap()).collect()
}

/// Steps of the events with metrics in a run's TensorBoard file, of which the last may have been cut off.
///
/// A frame is a length of 8 bytes, 4 of checksum, the event, 4 of checksum. An event is its time (a key and 8 bytes), its
/// step (the key 0x10 and groups of 7 bits, the lowest first) unless that is 0, and what happened.
pub fn event_steps(run: &Path) -> Vec<u64> {
    let bytes = fs::read(run.join("events.out.tfevents.phalanx")).unwrap();
    let (mut rest, mut steps) = (&bytes[..], Vec::new());
    while let Some((length, framed)) = rest.split_first_chunk::<8>()
        && let Some(event) = framed.get(4..4 + u64::from_le_bytes(*length) as usize)
    {
        if event[9] == 0x10 {
            let groups = event[10..].iter().position(|byte| byte & 0x80 == 0).unwrap();
            steps.push(event[10..=10 + groups].iter().rev().fold(0, |n, b| n << 7 | u64::from(b & 0x7f)));
        }
        rest = framed.get(4 + event.len() + 4..).unwrap_or_default();
    }
    steps
}
