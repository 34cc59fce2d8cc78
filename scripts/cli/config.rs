//! `phalanx config`: configurations without a run.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use phalanx_envs::Registry;

use super::{Usage, shell};
use crate::config::{self, Examined, Make};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print the JSON schema of configurations, which editors use for completion.
    Schema,
    /// Report all mistakes in configurations, with their lines.
    ///
    /// Built-in environments are made to check their parameters, and the memory that a training takes is printed, environments and
    /// libtorch aside; programs, libraries and Python are not started.
    Check {
        /// Configuration files (YAML).
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Print a configuration with every default filled in, and its networks as a table.
    ///
    /// The table has each node with its op, what it reads, its shape and the number of its parameters, as comments after the YAML. The
    /// environment is made for its spaces, a program or Python's, too.
    Show {
        /// Configuration file (YAML).
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        overrides: Overrides,
    },
}

/// Settings of the command line, laid over those of the file.
#[derive(Debug, clap::Args)]
pub(super) struct Overrides {
    /// Override a setting, as in `--set algorithm.ppo.discount=0.99`; may be repeated.
    ///
    /// The value is YAML: `--set 'network.hidden=[128, 128]'`, `--set 'env.wrappers=[clip_action]'`. Items of a list are named by
    /// their index: `--set network.hidden.0=256`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

pub(super) fn run(command: Command, registry: &Registry, out: &mut impl Write) -> anyhow::Result<()> {
    match command {
        Command::Schema => writeln!(out, "{:#}", config::json_schema())?,
        Command::Show { file, overrides } => show(&file, &overrides.sets, registry, out)?,
        Command::Check { files, overrides } => {
            let mut bad = 0;
            for file in &files {
                match config::examine(file, &overrides.sets, registry, Make::BuiltIn) {
                    Ok(Examined { config, networks }) => {
                        let memory = match networks {
                            Ok(Some(networks)) => format!(", takes {}", networks.memory),
                            _ => format!(
                                "; memory and networks depend on the spaces of {}, which is not started here: `{}` starts it",
                                config.env.name,
                                shell::phalanx(&["config", "show"], file)
                            ),
                        };
                        writeln!(out, "{}: ok{memory}", file.display())?;
                    }
                    Err(error) => {
                        bad += 1;
                        super::eprint_line(&error.to_string());
                    }
                }
            }
            if bad > 0 {
                let count = files.len();
                return Err(Usage(format!("{bad} of {count} configurations cannot be used")).into());
            }
        }
    }
    Ok(())
}

/// Prints a configuration with every default, and its networks as comments.
fn show(file: &Path, sets: &[String], registry: &Registry, out: &mut impl Write) -> anyhow::Result<()> {
    let Examined { config, networks } = config::examine(file, sets, registry, Make::All)?;
    write!(out, "{}", config.to_yaml()?)?;
    let networks = match networks {
        Ok(networks) => networks.map_or_else(String::new, |networks| networks.graph.to_string()),
        Err(error) => {
            let error = anyhow::Error::from(error).context(format!("cannot make {}", config.env.name));
            format!("no table of the networks: {error:#}")
        }
    };
    for line in networks.lines() {
        writeln!(out, "# {line}")?;
    }
    Ok(())
}
