//! Every setting of the schema, changed on a resumed run: it takes effect, or it is refused.

mod environments;
mod schema;
mod table;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use phalanx::agents::{Array, Checkpoint};
use phalanx::envs::Registry;
use phalanx::{cli, config};
use serde_json::Value;

use super::place::{Place, metrics, name_of, text};
use schema::{setting_of, settings};
use table::{BASES, Base, CONFIG, Shown};

/// Steps that a worker is ahead of another: with two rows each, no more than these where they wait for each other.
const PACE: usize = 4;

/// File of the checkpoint whose evaluation was the best.
const BEST: &str = "best.safetensors";

#[test]
fn every_setting_takes_effect_on_a_resumed_run_or_is_refused() {
    let all = settings(&config::json_schema());
    let sets = BASES.iter().flat_map(|base| base.rows);
    let known: BTreeSet<String> = sets.map(|(set, _)| setting_of(set, &all)).collect();
    let undecided: Vec<_> = all.difference(&known).collect();
    assert!(undecided.is_empty(), "tests/resume_settings/table.rs lacks {undecided:#?}");
    let unknown: Vec<_> = known.difference(&all).collect();
    assert!(unknown.is_empty(), "tests/resume_settings/table.rs has {unknown:#?}, which are no settings");

    let trials = Trials::new();
    let wrong: Vec<String> = BASES.iter().flat_map(|base| trials.check(base)).collect();
    assert!(wrong.is_empty(), "{} rows of the table do not hold:\n{}", wrong.len(), wrong.join("\n"));
}

struct Trials {
    place: Place,
    registry: Registry,
}

/// What a training left.
struct Trial {
    run: PathBuf,
    /// Of the command, if it failed.
    error: Option<String>,
    /// The process of each step, where the environment writes it.
    trace: String,
}

impl Trials {
    fn new() -> Self {
        let place = Place::new();
        let folder = place.0.path();
        fs::write(folder.join("base.yaml"), CONFIG).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut build = Command::new("cc");
        build.args(["-O1", "-shared", "-fPIC", "-o", "libslow.so", "-I"]).arg(root.join("envs/include"));
        assert!(build.arg(root.join("tests/data/slow.c")).current_dir(folder).status().unwrap().success());
        Self { place, registry: environments::registry() }
    }

    /// Messages about the rows of the table that do not hold.
    fn check(&self, base: &Base) -> Vec<String> {
        let half = self.half(base);
        let unchanged = self.resume(base, &half, None);
        assert_eq!(unchanged.error, None, "{}", base.name);
        // What a setting changes, nothing else does.
        let whole = half.with_file_name("whole");
        assert!(base.has_workers || parameters(&unchanged.run) == parameters(&whole), "{}", base.name);
        let check = |&(set, shown): &(&str, Shown)| {
            let changed = self.resume(base, &half, Some(set));
            let seen = match &changed.error {
                Some(error) => {
                    matches!(shown, Shown::Refused(words) | Shown::Error(words) if error.contains(words))
                }
                None => self.is_seen(shown, &changed, &unchanged),
            };
            let kept = !matches!(shown, Shown::Refused(_)) || config_of(&changed.run) == config_of(&half);
            let found = changed.error.as_deref().unwrap_or("no error");
            (!seen || !kept).then(|| format!("{}: {set}: {shown:?}: {found}", base.name))
        };
        base.rows.iter().filter_map(check).collect()
    }

    /// Whether a training that succeeded shows its setting.
    fn is_seen(&self, shown: Shown, changed: &Trial, unchanged: &Trial) -> bool {
        match shown {
            Shown::Refused(_) | Shown::Error(_) => false,
            Shown::Parameters => parameters(&changed.run) != parameters(&unchanged.run),
            Shown::Metric(name) => metric(&changed.run, name) != metric(&unchanged.run, name),
            Shown::Checkpoints => checkpoints(&changed.run) != checkpoints(&unchanged.run),
            Shown::Log(words) => {
                let has =
                    |trial: &Trial| fs::read_to_string(trial.run.join("log.txt")).unwrap().contains(words);
                has(changed) && !has(unchanged)
            }
            Shown::Best => checkpoints(&changed.run).contains(&BEST.to_owned()),
            Shown::Pace => lead(&changed.trace) <= PACE && lead(&unchanged.trace) > PACE,
            Shown::Threads => self.has_17_threads(&changed.run),
            Shown::Ranks => parameters(&changed.run) == parameters(&unchanged.run),
        }
    }

    /// A run that can be resumed after half of its iterations, beside the whole one.
    fn half(&self, base: &Base) -> PathBuf {
        let sets: Vec<&str> = base.sets.iter().flat_map(|set| ["--set", set]).collect();
        let logdir = self.place.0.path().join(base.name);
        let folder = logdir.to_str().unwrap();
        let config = self.place.0.path().join("base.yaml");
        let train = [config.to_str().unwrap(), "--name", "base", "--logdir", folder];
        let (error, _) = self.train(base, &[&train, &sets[..]].concat());
        assert_eq!(error, None, "{}", base.name);
        let (whole, half) = (logdir.join("whole"), logdir.join("half"));
        fs::rename(fs::read_dir(&logdir).unwrap().next().unwrap().unwrap().path(), &whole).unwrap();
        copy(&whole, &half);
        let files = checkpoints(&half);
        let steps: Vec<&String> = files.iter().filter(|name| name.starts_with("step-")).collect();
        assert_eq!(steps.len(), 4, "{}: {files:?}", base.name);
        for later in &steps[2..] {
            fs::remove_file(half.join("checkpoints").join(later)).unwrap();
        }
        let _ = fs::remove_file(half.join("checkpoints").join(BEST));
        fs::write(half.join("log.txt"), "").unwrap();
        half
    }

    fn resume(&self, base: &Base, half: &Path, set: Option<&str>) -> Trial {
        let run = half.with_file_name(set.unwrap_or("unchanged").replace(['/', '"'], "-"));
        copy(half, &run);
        let mut arguments = vec!["--resume", run.to_str().unwrap()];
        arguments.extend(set.iter().flat_map(|set| ["--set", set]));
        let (error, trace) = self.train(base, &arguments);
        Trial { run, error, trace }
    }

    /// The error of `phalanx train`, if it failed, and the trace of its environments.
    fn train(&self, base: &Base, arguments: &[&str]) -> (Option<String>, String) {
        if !base.has_workers {
            let result = cli::train(arguments, &self.registry);
            return (result.err().map(|error| format!("{error:#}")), String::new());
        }
        let files = ["first", "trace"].map(|file| self.place.0.path().join(file));
        for file in &files {
            let _ = fs::remove_file(file);
        }
        let output = self.place.run(&[&["train"], arguments].concat());
        let error = (!output.status.success()).then(|| text(&output.stderr));
        (error, fs::read_to_string(&files[1]).unwrap_or_default())
    }

    /// Whether a training that is asked for 17 threads has them: the process of the test has its own already. The run has 2, and a handful
    /// of others.
    fn has_17_threads(&self, run: &Path) -> bool {
        let mut command = self.place.command(&["train", "--resume", run.to_str().unwrap()]);
        command.args(["--set", "steps=1_000_000_000", "--set", "threads=17"]);
        let mut child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        let tasks = format!("/proc/{}/task", child.id());
        let mut found = false;
        while !found && Instant::now() < deadline && child.try_wait().unwrap().is_none() {
            found = fs::read_dir(&tasks).is_ok_and(|tasks| tasks.count() >= 17);
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        found
    }
}

fn config_of(run: &Path) -> String {
    fs::read_to_string(run.join("config.yaml")).unwrap()
}

/// Names of the files of checkpoints, sorted.
fn checkpoints(run: &Path) -> Vec<String> {
    let files = fs::read_dir(run.join("checkpoints")).unwrap();
    let mut names: Vec<String> = files.map(|file| name_of(&file.unwrap().path())).collect();
    names.sort();
    names
}

/// Bits of the parameters in the newest checkpoint.
fn parameters(run: &Path) -> Vec<u32> {
    let newest = checkpoints(run).into_iter().rfind(|name| name.starts_with("step-")).unwrap();
    let checkpoint = Checkpoint::load(&run.join("checkpoints").join(newest)).unwrap();
    let Array::F32(_, parameters) = checkpoint.array("parameters").unwrap() else { panic!("floats") };
    parameters.iter().map(|x| x.to_bits()).collect()
}

fn metric(run: &Path, name: &str) -> Vec<Option<Value>> {
    metrics(run).iter().map(|record| record.get(name).cloned()).collect()
}

/// By how many steps a process was ahead of the other one.
fn lead(trace: &str) -> usize {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    let mut lead = 0;
    for process in trace.lines() {
        match counts.iter_mut().find(|(known, _)| *known == process) {
            Some((_, count)) => *count += 1,
            None => counts.push((process, 1)),
        }
        let count = |(_, count): &(&str, usize)| *count;
        let least = if counts.len() < 2 { 0 } else { counts.iter().map(count).min().unwrap_or(0) };
        lead = lead.max(counts.iter().map(count).max().unwrap_or(0) - least);
    }
    lead
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}
