//! Who is measured, and the ways to run each of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::install::{COMMON, Installed, scripts};
use super::peer::{OUR_PYTHONS, OUR_THREADS, OUR_WORKERS, Peer, our_trainings, peers};
use super::setting::{Setting, Suite};
use crate::process::{cache, output, root};

/// A library; the fastest way to run it counts.
pub struct Contender {
    pub name: &'static str,
    pub ours: bool,
    pub variants: Vec<Variant>,
}

/// One way to run a library.
pub struct Variant {
    pub label: String,
    program: PathBuf,
    arguments: Vec<String>,
    /// Steps a second of every run so far, or why it cannot run.
    pub outcome: Result<Vec<f64>, String>,
    /// What its last run reported.
    pub report: Value,
}

/// All contenders that can run a setting, Phalanx first.
pub fn contenders(setting: &Setting, phalanx: &Path, installed: &Installed) -> Vec<Contender> {
    let ours = our_trainings(setting.policy).iter().map(|(name, more)| ours(setting, phalanx, name, more));
    ours.chain(peers(setting).map(|peer| peer.contender(setting, installed))).collect()
}

fn ours(setting: &Setting, phalanx: &Path, name: &'static str, more: &[&str]) -> Contender {
    let seconds = ["--seconds", setting.suite.seconds(), "--json"];
    let (what, ways) = match setting.suite {
        Suite::Train => {
            let config = root().join("configs/bench").join(format!("{}.yaml", setting.name));
            (vec!["train".into(), config.to_string_lossy().into_owned()], OUR_THREADS)
        }
        Suite::Envs => (stepping(setting.env, setting.rows), OUR_WORKERS),
        Suite::Gymnasium => {
            let mut arguments = stepping(&format!("gymnasium:{}", setting.env), setting.rows);
            // The peers' episodes have no seeds of their own.
            arguments.extend(["--set", "seed_resets=false"].map(String::from));
            (arguments, OUR_PYTHONS)
        }
    };
    let more = seconds.iter().chain(more).map(ToString::to_string).collect();
    let arguments = [vec!["bench".into()], what, more].concat();
    let variants = ways.iter().map(|way| Variant::new(phalanx.to_path_buf(), &arguments, way)).collect();
    Contender { name, ours: true, variants }
}

fn stepping(env: &str, rows: u32) -> Vec<String> {
    vec!["envs".into(), env.into(), "--rows".into(), rows.to_string()]
}

impl Peer {
    fn contender(&self, setting: &Setting, installed: &Installed) -> Contender {
        let python = if self.is_puffer() { &installed.puffer } else { &installed.common };
        let script = scripts().join(self.script).to_string_lossy().into_owned();
        let words = ["--env", setting.env, "--seconds", setting.suite.seconds()];
        let mut arguments: Vec<String> =
            std::iter::once(script).chain(words.iter().chain(self.more).map(ToString::to_string)).collect();
        let mut numbers = vec![("--rows", setting.rows)];
        if setting.suite == Suite::Train {
            let (steps, epochs, minibatches) = setting.update;
            numbers.extend([("--steps", steps), ("--epochs", epochs), ("--minibatches", minibatches)]);
        }
        arguments.extend(numbers.iter().flat_map(|(name, number)| [(*name).to_owned(), number.to_string()]));
        let variants = self.ways.iter().map(|way| match python {
            Ok(python) => Variant::new(python.clone(), &arguments, way),
            Err(reason) => Variant { outcome: Err(reason.clone()), ..Variant::new(PathBuf::new(), &[], way) },
        });
        Contender { name: self.name, ours: false, variants: variants.collect() }
    }
}

impl Variant {
    fn new(program: PathBuf, arguments: &[String], (label, more): &(&str, &[&str])) -> Self {
        let arguments = arguments.iter().cloned().chain(more.iter().map(ToString::to_string)).collect();
        let label = (*label).to_owned();
        Self { label, program, arguments, outcome: Ok(Vec::new()), report: Value::Null }
    }

    /// Runs it once more in this folder, unless it has failed before.
    pub fn measure(&mut self, folder: &Path) {
        let Ok(rates) = &mut self.outcome else { return };
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(folder).env("PYTHONDONTWRITEBYTECODE", "1");
        // Our provider `gymnasium:` takes the peers' Python.
        command.env("VIRTUAL_ENV", cache().join(COMMON.folder));
        // And finds the masked task there.
        command.env("PYTHONPATH", scripts());
        match output(&mut command).and_then(|printed| report(&printed)) {
            Ok((rate, report)) => {
                rates.push(rate);
                self.report = report;
            }
            Err(error) => self.outcome = Err(format!("failed: {}", last_line(&format!("{error:#}")))),
        }
    }
}

/// The line of a traceback that has the exception.
fn last_line(text: &str) -> &str {
    text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().trim()
}

/// The last line of what a run printed, and the steps a second in it.
fn report(printed: &str) -> Result<(f64, Value)> {
    let value: Value = serde_json::from_str(last_line(printed)).context("its last line is not JSON")?;
    let rate = value["steps_per_second"].as_f64().context("it printed no steps_per_second")?;
    Ok((rate, value))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::peer::C_CARTPOLE;
    use super::super::setting::SETTINGS;
    use super::*;

    impl Contender {
        /// One that runs these lines of shell.
        pub fn of_shell(name: &'static str, ours: bool, lines: &[&str]) -> Self {
            let variant = |line: &&str| {
                let arguments = ["-c".to_owned(), (*line).to_owned()];
                Variant::new("sh".into(), &arguments, &(*line, &[]))
            };
            Self { name, ours, variants: lines.iter().map(variant).collect() }
        }

        /// One with these figures.
        pub fn of_rates(name: &'static str, ours: bool, rates: &[(&str, &[f64])]) -> Self {
            let variant = |(label, rates): &(&str, &[f64])| Variant {
                outcome: Ok(rates.to_vec()),
                ..Variant::new("sh".into(), &[], &(*label, &[]))
            };
            Self { name, ours, variants: rates.iter().map(variant).collect() }
        }
    }

    #[test]
    fn the_last_line_is_the_report() {
        let printed = "a warning\n{\"steps_per_second\": 12.5, \"versions\": {\"torch\": \"2.11.0\"}}\n";
        let (rate, parsed) = report(printed).unwrap();
        assert_eq!((rate, parsed["versions"]["torch"].as_str()), (12.5, Some("2.11.0")));
        assert!(report("").is_err());
        assert!(report("{\"steps\": 1}").is_err());
    }

    #[test]
    fn who_is_not_installed_is_still_named() {
        let installed = Installed { common: Ok("python".into()), puffer: Err("not installed: no C".into()) };
        let all = contenders(&SETTINGS[0], Path::new("phalanx"), &installed);
        assert!(all[0].ours);
        let missing: Vec<_> =
            all.iter().filter(|c| c.variants.iter().all(|v| v.outcome.is_err())).map(|c| c.name).collect();
        assert_eq!(missing, ["PufferLib, Serial", C_CARTPOLE]);
    }

    #[test]
    fn we_may_be_measured_in_several_forms() {
        let installed = Installed { common: Ok("python".into()), puffer: Err("not needed".into()) };
        for (name, ours) in [
            ("recurrent64", ["Phalanx, GRU", "Phalanx, LSTM"]),
            ("masked64", ["Phalanx, environment in C", "Phalanx, environment in Python"]),
        ] {
            let setting = SETTINGS.iter().find(|setting| setting.name == name).unwrap();
            let all = contenders(setting, Path::new("phalanx"), &installed);
            let named: Vec<_> = all.iter().filter(|c| c.ours).map(|c| c.name).collect();
            assert_eq!((named, all.len()), (ours.to_vec(), 3));
            assert_ne!(all[0].variants[0].arguments, all[1].variants[0].arguments);
        }
    }
}
