//! What `evaluate` and `visualize` share: a run and which of its policies plays.

use std::ffi::OsStr;
use std::path::PathBuf;

use anyhow::Context;
use phalanx_algorithms::{Found, Which};
use phalanx_envs::Registry;

use super::{Usage, shell};
use crate::config::Config;
use crate::run::RunFolder;

#[derive(Debug, clap::Args)]
pub(super) struct Played {
    /// Folder of the run, as printed by `phalanx train`.
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Checkpoint whose policy is used: the newest, the one with the best evaluation, or the one of a step.
    #[arg(long, default_value = "latest", value_name = "latest|best|STEP")]
    checkpoint: Which,
    /// Override a setting of the run's configuration, as in `--set env.params.g=1.6`; may be repeated.
    ///
    /// Where the configuration has an environment of its own for evaluations, that is the one to set: `--set evaluation.env.params.g=1.6`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Sample actions from the policy instead of taking the most probable ones.
    #[arg(long)]
    pub stochastic: bool,
    /// Seed of the episodes, which differ from those of training and its evaluations.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

impl Played {
    /// See [`super::enter_working_directory`]; `out` is another path of the command line.
    pub fn enter_working_directory(&mut self, out: Option<&mut PathBuf>) -> anyhow::Result<()> {
        super::enter_working_directory(&mut self.run, out)
    }

    /// The run, its configuration and the checkpoint. Damaged checkpoints that were skipped are printed.
    pub fn open(&self, registry: &Registry) -> anyhow::Result<(RunFolder, Config, Found)> {
        let run = RunFolder::open(&self.run).map_err(|error| Usage(error.to_string()))?;
        let config = run.config(&self.sets, registry)?;
        let of_training = |set: &&String| set.starts_with("env.") || set.starts_with("env=");
        if let (Some(_), Some(set)) = (&config.evaluation.env, self.sets.iter().find(of_training)) {
            let set = shell::command(["--set", &format!("evaluation.{set}")].map(OsStr::new));
            let message = format!("this run is evaluated in `evaluation.env`: use `{set}`");
            return Err(Usage(message).into());
        }
        let found = run.checkpoints(config.checkpoint.keep).load(self.checkpoint);
        let found = found.with_context(|| format!("cannot play the policy of {}", self.run.display()))?;
        for damaged in &found.damaged {
            super::eprint_line(&format!("skipped: {damaged}"));
        }
        Ok((run, config, found))
    }
}
