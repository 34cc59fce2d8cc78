//! The command line: one file for each command.
//!
//! Exit codes: 0 success, 1 the run failed, 2 bad arguments or a bad configuration, and as is customary 130 after
//! Ctrl-C and 143 after SIGTERM, also when the training stopped in order: a script must not take it for finished.

mod bench;
mod config;
mod envs;
mod evaluate;
mod export;
mod flattened;
mod launch;
mod mesh;
mod played;
mod plot;
mod ranks;
mod resume;
mod shell;
mod train;
mod visualize;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use phalanx_envs::{Registry, Zygote};

use crate::config::ConfigError;
use crate::run::RunFolder;
use crate::signals::StopRequest;

/// Batched reinforcement learning with `BatchPPO` and environments in worker processes.
///
/// Start with `phalanx train configs/cartpole.yaml`, then use the run with `phalanx evaluate RUN` and
/// `phalanx visualize RUN`.
#[derive(Debug, Parser)]
#[command(name = "phalanx", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a policy, or continue an earlier training.
    Train(train::Arguments),
    /// Train with several processes on this machine, each with a part of the rows.
    Launch(launch::Arguments),
    /// Run episodes with the policy of a run and print their mean return.
    Evaluate(evaluate::Arguments),
    /// Run episodes with the policy of a run and write a video of each.
    Visualize(visualize::Arguments),
    /// Write the policy of a run as a file that acts without libtorch.
    Export(export::Arguments),
    /// Plot the learning curves of runs, finished or not.
    Plot(plot::Arguments),
    /// Show layouts and simulate the scaling of trainings on several ranks.
    #[command(subcommand)]
    Mesh(mesh::Command),
    /// Measure the speed of environments and trainings on this machine.
    #[command(subcommand)]
    Bench(bench::Command),
    /// List, show and check environments.
    #[command(subcommand)]
    Envs(envs::Command),
    /// Check and show configurations, or print their schema.
    #[command(subcommand)]
    Config(config::Command),
}

/// The whole program, with the environments of `registry`.
#[expect(clippy::needless_pass_by_value, reason = "a user's own `main` makes the registry in the call")]
pub fn main(registry: Registry) -> ExitCode {
    let Arguments { command } = Arguments::parse();
    let (registry, out) = (&registry, &mut io::stdout());
    let done = |()| ExitCode::SUCCESS;
    let result = match command {
        // Workers are forked from a zygote, which itself must be forked before anything starts a thread.
        Command::Train(mut arguments) => arguments
            .enter_working_directory()
            .and_then(|()| start_zygote(registry))
            .and_then(|z| train::run(&arguments, registry, Some(&z), train::listen, out)),
        Command::Launch(arguments) => launch::run(&arguments, registry),
        Command::Evaluate(mut arguments) => arguments
            .enter_working_directory()
            .and_then(|()| start_zygote(registry))
            .and_then(|z| evaluate::run(&arguments, registry, &z, out))
            .map(done),
        Command::Bench(command) => {
            start_zygote(registry).and_then(|z| bench::run(command, registry, &z, out)).map(done)
        }
        Command::Export(mut arguments) => arguments
            .enter_working_directory()
            .and_then(|()| export::run(&arguments, registry, out))
            .map(done),
        Command::Plot(arguments) => plot::run(&arguments, out).map(done),
        Command::Visualize(mut arguments) => arguments
            .enter_working_directory()
            .and_then(|()| visualize::run(&arguments, registry, out))
            .map(done),
        Command::Envs(command) => envs::run(command, registry, out).map(done),
        Command::Mesh(command) => mesh::run(command, registry, out).map(done),
        Command::Config(command) => config::run(command, registry, out).map(done),
    };
    match result {
        Ok(code) => code,
        // The reader has closed the pipe, as in `phalanx config schema | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprint_line(&format!("error: {error:#}"));
            ExitCode::from(if is_usage(&error) { 2 } else { 1 })
        }
    }
}

/// `phalanx train` with these arguments within the calling process, for tests of many trainings: it listens for no signals, and there are
/// no workers.
///
/// # Errors
/// Those of the command.
#[doc(hidden)]
pub fn train(arguments: &[&str], registry: &Registry) -> anyhow::Result<ExitCode> {
    let arguments = train_arguments(arguments)?;
    train::run(&arguments, registry, None, |_| Ok(StopRequest::default()), &mut io::sink())
}

/// The arguments of `phalanx train`.
fn train_arguments<W: Into<OsString> + Clone>(
    arguments: impl IntoIterator<Item = W>,
) -> Result<train::Arguments, clap::Error> {
    let words = ["phalanx", "train"].map(OsString::from).into_iter();
    match Arguments::try_parse_from(words.chain(arguments.into_iter().map(Into::into)))?.command {
        Command::Train(arguments) => Ok(arguments),
        _ => unreachable!("the command is named"),
    }
}

/// Prints a line on standard error; one that is closed does not end the program.
pub(crate) fn eprint_line(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Makes the folder in which a run was trained the current one: names of environments are relative to it. The `run` and other
/// `paths` of the command line still mean the same afterwards. Comes before processes are started.
fn enter_working_directory(run: &mut PathBuf, paths: Option<&mut PathBuf>) -> anyhow::Result<()> {
    let Some(folder) = RunFolder::open(run).ok().and_then(|run| run.other_working_directory()) else {
        return Ok(());
    };
    for path in [Some(run), paths].into_iter().flatten() {
        *path = std::path::absolute(&*path)?;
    }
    std::env::set_current_dir(&folder).with_context(|| format!("cannot enter {}", folder.display()))?;
    eprint_line(&format!("the environments are made in {}, where the run was trained", folder.display()));
    Ok(())
}

fn start_zygote(registry: &Registry) -> anyhow::Result<Zygote> {
    Ok(Zygote::start(registry)?)
}

/// What the user asked for cannot be: exit code 2.
#[derive(Debug)]
struct Usage(String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

fn is_usage(error: &anyhow::Error) -> bool {
    error.is::<Usage>() || error.is::<ConfigError>()
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::CommandFactory;

    use super::*;

    /// The commands below `command`, and itself.
    fn all(command: &clap::Command) -> Vec<&clap::Command> {
        let below = command.get_subcommands().flat_map(all);
        std::iter::once(command).chain(below).collect()
    }

    #[test]
    fn every_command_and_option_is_explained_in_one_sentence() {
        let mut program = Arguments::command();
        program.build();
        let is_ours = |name: &str| !matches!(name, "help" | "version");
        let mut seen = 0;
        for command in all(&program).into_iter().filter(|command| is_ours(command.get_name())) {
            let name = command.get_name();
            let options = command.get_arguments().filter(|option| is_ours(option.get_id().as_str()));
            let options = options.map(|option| (format!("{name} {option}"), option.get_help()));
            for (name, help) in options.chain([(name.to_owned(), command.get_about())]) {
                let help = help.map(ToString::to_string).unwrap_or_default();
                let first = help.chars().next();
                assert!(
                    first.is_some_and(char::is_uppercase),
                    "{name}: {help:?} begins with a capital letter"
                );
                assert!(!help.contains(". ") && !help.ends_with('.'), "{name}: {help:?} is one sentence");
                assert!(help.split_whitespace().count() > 2, "{name}: {help:?} explains nothing");
                seen += 1;
            }
        }
        assert!(seen > 50, "{seen}");
    }
}
