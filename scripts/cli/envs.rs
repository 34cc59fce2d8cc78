//! `phalanx envs`: the known environments.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use phalanx_envs::contract::{self, CheckLimits, Severity};
use phalanx_envs::{EnvInfo, EnvSpec, Params, Registry, WrapperSpec};
use serde::Deserialize;
use serde_json::json;

use crate::config::{self, ConfigError};
use crate::export::Field;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List all environments, and what to install for more.
    List,
    /// Run an environment and report whether it can be trained, and with what limitations.
    ///
    /// Findings are errors (it cannot be trained), warnings (it can, with a loss that is named together with what to do) or notes. The
    /// exit code is 1 if there are errors, with `--strict` also if there are warnings.
    Check {
        #[command(flatten)]
        named: Named,
        /// Exit with code 1 for warnings, too.
        #[arg(long)]
        strict: bool,
        /// Seconds of the whole check; what there was no time for is reported.
        #[arg(long, default_value = "60", value_parser = clap::value_parser!(u32).range(1..))]
        seconds: u32,
        /// Seconds that any single call of the environment may take, its constructor included.
        #[arg(long, default_value = "300", value_parser = clap::value_parser!(u32).range(1..), value_name = "SECONDS")]
        deadline: u32,
    },
    /// Show an environment: its spaces, time limit and parameters with their defaults.
    Show {
        #[command(flatten)]
        named: Named,
    },
}

/// An environment with its parameters and wrappers.
#[derive(Debug, Args)]
pub(super) struct Named {
    /// Name of the environment, as listed by `phalanx envs list`.
    name: String,
    /// Set a parameter of the environment to a YAML value, as in `--set g=9.81`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Add a wrapper, as in `--wrapper atari` or `--wrapper '{atari: {clip_reward: false}}'`; may be repeated, the innermost first.
    #[arg(long = "wrapper", value_name = "WRAPPER", value_parser = wrapper)]
    wrappers: Vec<WrapperSpec>,
}

/// What `env.wrappers` has as one of its items.
fn wrapper(yaml: &str) -> Result<WrapperSpec, String> {
    let settings = config::from_sets(&[format!("wrapper={yaml}")]).map_err(|_| "not YAML".to_owned())?;
    let value = &settings["wrapper"];
    // A name alone is that wrapper with its defaults.
    let spelled_out = value.as_str().map_or_else(|| value.clone(), |name| json!({ name: {} }));
    WrapperSpec::deserialize(value)
        .or_else(|_| WrapperSpec::deserialize(spelled_out))
        .map_err(|e| e.to_string())
}

impl Named {
    pub(super) fn spec(self) -> Result<EnvSpec, ConfigError> {
        let Self { name, sets, wrappers } = self;
        Ok(EnvSpec { params: Params(config::from_sets(&sets)?), wrappers, ..EnvSpec::named(&name) })
    }
}

pub(super) fn run(command: Command, registry: &Registry, out: &mut impl Write) -> anyhow::Result<()> {
    match command {
        Command::List => list(registry, out)?,
        Command::Check { named, strict, seconds, deadline } => {
            check(&named.spec()?, strict, seconds, deadline, registry, out)?;
        }
        Command::Show { named } => {
            show(&registry.info_of(&named.spec()?)?, out)?;
        }
    }
    Ok(())
}

fn check(
    spec: &EnvSpec,
    strict: bool,
    seconds: u32,
    deadline: u32,
    registry: &Registry,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let [deadline, total] = [deadline, seconds].map(|seconds| Duration::from_secs(seconds.into()));
    let style = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}");
    let bar =
        ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    // An unknown name or parameter is the user's slip, not a finding.
    let report = contract::check_apart(registry, spec, CheckLimits { deadline, total }, &mut |begun| {
        bar.set_message(begun.to_owned());
    });
    bar.finish_and_clear();
    let report = report?;
    writeln!(out, "{report}")?;
    anyhow::ensure!(report.passed(), "{} cannot be trained", spec.name);
    let warnings = report.count(Severity::Warning);
    anyhow::ensure!(
        !strict || warnings == 0,
        "{} has {warnings} warning{}, which --strict counts as errors",
        spec.name,
        if warnings == 1 { "" } else { "s" }
    );
    Ok(())
}

fn list(registry: &Registry, out: &mut impl Write) -> anyhow::Result<()> {
    let mut lines = Vec::new();
    for name in registry.names() {
        lines.push((name.to_owned(), registry.info(name)?.summary));
    }
    let mut missing: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, remedy) in registry.missing() {
        missing.entry(remedy.to_owned()).or_default().push(name.to_owned());
    }
    for (prefix, provider) in registry.providers() {
        let name = format!("{prefix}:…");
        match provider.remedy() {
            None => lines.push((name, provider.summary().to_owned())),
            Some(remedy) => missing.entry(remedy).or_default().push(name),
        }
    }
    let width = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    for (name, summary) in lines {
        writeln!(out, "{name:width$}  {summary}")?;
    }
    for (remedy, names) in missing {
        writeln!(out, "\nmissing: {}\n  {remedy}", names.join(", "))?;
    }
    Ok(())
}

/// Names of fields whose units are known, and these.
fn units(info: &EnvInfo) -> Vec<(String, String)> {
    let observation = Field::all("observation", &info.observation_space, &info.labels.observation);
    let action = Field::all("action", &info.action_space, &info.labels.action);
    let all = observation.into_iter().chain(action).filter(|field| !field.unit.is_empty());
    all.map(|field| (field.name, field.unit.join(", "))).collect()
}

fn show(info: &EnvInfo, out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(out, "{}: {}", info.name, info.summary)?;
    writeln!(out, "observation  {}", info.observation_space)?;
    writeln!(out, "action       {}", info.action_space)?;
    let units = units(info);
    if !units.is_empty() {
        writeln!(out, "units")?;
        units.iter().try_for_each(|(name, unit)| writeln!(out, "  {name}: {unit}"))?;
    }
    match info.time_limit {
        Some(steps) => writeln!(out, "time limit   {steps} steps")?,
        // A provider may know one that is not known here.
        None if info.name.contains(':') => writeln!(out, "time limit   its own, if it has one")?,
        None => writeln!(out, "time limit   none")?,
    }
    if !info.params.0.is_empty() {
        writeln!(out, "params")?;
        for (name, value) in &info.params.0 {
            writeln!(out, "  {name}: {}", serde_json::to_string(value)?)?;
        }
    }
    Ok(())
}
