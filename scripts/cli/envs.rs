//! `phalanx envs`: the known environments.

use std::io::Write;

use clap::Subcommand;
use phalanx_envs::{EnvError, EnvInfo, EnvSpec, Registry, contract};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List all environments.
    List,
    /// Use an environment and report where it breaks the contract of environments.
    Check {
        /// As listed by `phalanx envs list`.
        name: String,
    },
    /// Show an environment: its spaces, time limit and parameters with their defaults.
    Show {
        /// As listed by `phalanx envs list`.
        name: String,
    },
}

pub(super) fn run(command: Command, registry: &Registry, out: &mut impl Write) -> anyhow::Result<()> {
    match command {
        Command::List => {
            let doors =
                registry.doors().map(|(prefix, door)| (format!("{prefix}:…"), door.summary().to_owned()));
            let named = registry.names().map(|name| Ok((name.to_owned(), registry.info(name)?.summary)));
            let lines = named.chain(doors.map(Ok)).collect::<Result<Vec<_>, EnvError>>()?;
            let width = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
            for (name, summary) in lines {
                writeln!(out, "{name:width$}  {summary}")?;
            }
        }
        Command::Check { name } => {
            // An unknown name is the user's slip, not a finding.
            registry.info(&name)?;
            let report = contract::check(registry, &EnvSpec::named(&name));
            writeln!(out, "{report}")?;
            anyhow::ensure!(report.passed(), "{name} breaks the contract of environments");
        }
        Command::Show { name } => show(&registry.info(&name)?, out)?,
    }
    Ok(())
}

fn show(info: &EnvInfo, out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(out, "{}: {}", info.name, info.summary)?;
    writeln!(out, "observation  {}", info.observation_space)?;
    writeln!(out, "action       {}", info.action_space)?;
    match info.time_limit {
        Some(steps) => writeln!(out, "time limit   {steps} steps")?,
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
