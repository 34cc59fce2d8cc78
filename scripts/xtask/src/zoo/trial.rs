//! One environment put through the commands that a user would type.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::limited::{self, Printed};
use super::packages::Environment;

/// Environment steps of a training; a resumed one takes as many again.
pub const STEPS: u64 = 4096;

/// Seconds that a command may take.
const SHORT: u64 = 120;
const TRAINING: u64 = 240;

/// What came of one command: a word for the table, or why it failed.
pub type Cell = Result<String, String>;

/// What came of an environment, in the order of the table's columns.
#[derive(Debug)]
pub struct Trial {
    pub check: Cell,
    /// Environment steps a second of random actions.
    pub rate: Result<f64, String>,
    pub trains: Cell,
    /// Of the trained policy, if there is one.
    pub rest: Option<Rest>,
}

/// What came of a trained policy.
#[derive(Debug)]
pub struct Rest {
    pub evaluates: Cell,
    pub draws: Cell,
    pub resumes: Cell,
}

/// Phalanx with the Python of a package, in a folder of its own.
pub struct Runner<'a> {
    pub phalanx: &'a Path,
    /// Virtual environment of the package.
    pub python: &'a Path,
    pub folder: &'a Path,
}

impl Runner<'_> {
    /// Checks, times, trains, evaluates, draws and resumes.
    ///
    /// # Errors
    /// Phalanx cannot be started, or files cannot be written.
    pub fn trial(&self, environment: &Environment) -> Result<Trial> {
        let settings = environment.settings()?;
        let name = format!("gymnasium:{}", environment.id);
        let options = options(&settings);
        let check = self.run(&["envs", "check", &name], &options, SHORT)?;
        let bench = ["bench", "envs", &name, "--rows", "8", "--workers", "2", "--seconds", "3", "--json"];
        let rate = self.run(&bench, &options, SHORT)?.and_then(|printed| rate(&printed));
        let config = self.folder.join("zoo.yaml");
        fs::write(&config, config_text(&name, settings, environment.pictures))
            .with_context(|| format!("cannot write {}", config.display()))?;
        let run = self.run(&["train", "zoo.yaml", "--logdir", "runs"], &[], TRAINING)?;
        let run = run.map(|printed| printed.stdout.lines().last().unwrap_or_default().to_owned());
        let rest = run.as_ref().ok().map(|run| self.rest(run)).transpose()?;
        Ok(Trial { check: check.map(|printed| verdict(&printed)), rate, trains: run.map(|_| yes()), rest })
    }

    fn rest(&self, run: &str) -> Result<Rest> {
        let steps = format!("steps={}", 2 * STEPS);
        Ok(Rest {
            evaluates: self.run(&["evaluate", run, "--episodes", "2", "--json"], &[], SHORT)?.map(|_| yes()),
            draws: self.run(&["visualize", run, "--episodes", "1"], &[], SHORT)?.map(|_| yes()),
            resumes: self
                .run(&["train", "--resume", run, "--set", &steps], &[], TRAINING)?
                .map(|printed| begun_anew(&printed.stderr)),
        })
    }

    fn run(&self, arguments: &[&str], options: &[String], seconds: u64) -> Result<Result<Printed, String>> {
        let mut command = Command::new(self.phalanx);
        command.args(arguments).args(options).env("VIRTUAL_ENV", self.python);
        limited::run(&mut command, Duration::from_secs(seconds), self.folder)
    }
}

/// Of a command that ended well.
pub fn yes() -> String {
    "yes".to_owned()
}

/// The parameters and wrappers of the settings, as `envs check` and `bench envs` take them.
fn options(settings: &Map<String, Value>) -> Vec<String> {
    let params = settings.get("params").and_then(Value::as_object).into_iter().flatten();
    let params = params.flat_map(|(key, value)| ["--set".to_owned(), format!("{key}={value}")]);
    let wrappers = settings.get("wrappers").and_then(Value::as_array).into_iter().flatten();
    let wrappers = wrappers.flat_map(|wrapper| ["--wrapper".to_owned(), wrapper.to_string()]);
    params.chain(wrappers).collect()
}

/// A configuration of a short training; every JSON text is YAML.
fn config_text(name: &str, mut settings: Map<String, Value>, pictures: bool) -> String {
    settings.insert("name".to_owned(), name.into());
    let mut network = json!({ "hidden": [64, 64] });
    if pictures {
        network["convolutions"] =
            json!([{ "filters": 16, "kernel": 8, "stride": 4 }, { "filters": 16, "kernel": 4, "stride": 2 }]);
        network["shared"] = true.into();
    }
    let config = json!({
        "env": settings,
        "rows": 8,
        "workers": 2,
        "steps": STEPS,
        "rollout": { "steps": 128 },
        "network": network,
        "algorithm": { "ppo": { "epochs": 2 } },
        "evaluation": { "every": 0, "episodes": 0 },
    });
    config.to_string()
}

/// What `bench envs --json` measured.
fn rate(printed: &Printed) -> Result<f64, String> {
    let report: Value = serde_json::from_str(&printed.stdout).unwrap_or_default();
    report["steps_per_second"].as_f64().ok_or_else(|| "no rate was printed".to_owned())
}

/// What `envs check` found where it found no error.
fn verdict(printed: &Printed) -> String {
    let lines = printed.stdout.lines().chain(printed.stderr.lines());
    match lines.filter(|line| line.trim_start().starts_with("warning:")).count() {
        0 => "passes".to_owned(),
        1 => "passes, 1 warning".to_owned(),
        count => format!("passes, {count} warnings"),
    }
}

/// Whether a resumed training put all episodes back, from what it printed.
fn begun_anew(printed: &str) -> String {
    let line = printed.lines().find_map(|line| line.split_once(" begin a new episode"));
    line.map_or_else(yes, |(count, _)| format!("yes; {count} begin a new episode"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn settings(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn params_and_wrappers_become_options() {
        let settings = settings(r#"{"params": {"keys": ["image"], "size": 5}, "wrappers": [{"atari": {}}]}"#);
        let wanted = ["--set", "keys=[\"image\"]", "--set", "size=5", "--wrapper", "{\"atari\":{}}"];
        assert_eq!(options(&settings), wanted);
        assert!(options(&Map::new()).is_empty());
    }

    #[test]
    fn only_pictures_get_convolutions() {
        let config = |pictures| -> Value {
            let text = config_text("gymnasium:A-v0", settings(r#"{"time_limit": 5}"#), pictures);
            serde_json::from_str(&text).unwrap()
        };
        assert_eq!(config(false)["env"], json!({ "name": "gymnasium:A-v0", "time_limit": 5 }));
        assert!(config(false)["network"]["convolutions"].is_null());
        assert!(config(true)["network"]["convolutions"].is_array());
    }

    #[test]
    fn what_was_printed_is_read() {
        let printed = |stdout: &str| Printed { stdout: stdout.to_owned(), stderr: String::new() };
        assert_eq!(rate(&printed("{\"steps_per_second\": 12.5}\n")), Ok(12.5));
        assert!(rate(&printed("")).is_err());
        assert_eq!(verdict(&printed("warning: a\nnote: b\n  warning: c\n")), "passes, 2 warnings");
        assert_eq!(verdict(&printed("it keeps the contract\n")), "passes");
        assert_eq!(
            begun_anew("3 of 8 rows begin a new episode:\n  row 2: …\n"),
            "yes; 3 of 8 rows begin a new episode"
        );
        assert_eq!(begun_anew("continues after step 4096\n"), "yes");
    }
}
