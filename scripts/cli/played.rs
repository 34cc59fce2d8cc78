//! What `evaluate` and `visualize` share: which policy plays, of a run or of a file, and where.

use std::ffi::OsStr;
use std::path::PathBuf;

use anyhow::Context;
use phalanx_agents::{Agent, Device};
use phalanx_algorithms::{AgentPolicy, Found, Policy, Which, checkpoint_step};
use phalanx_envs::{Generator, Layout, Registry};

use super::{Usage, flattened, shell};
use crate::config::{self, Config, Source};
use crate::export::FilePolicy;
use crate::run::RunFolder;
use crate::setup;

#[derive(Debug, clap::Args)]
pub(super) struct Played {
    /// Folder of the run, as printed by `phalanx train`.
    #[arg(value_name = "RUN", required_unless_present = "policy")]
    run: Option<PathBuf>,
    /// Policy file that plays instead of a run, as written by `phalanx export`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["run", "checkpoint"])]
    policy: Option<PathBuf>,
    /// Environment in which a policy file plays [default: the one that it was trained for].
    #[arg(long, value_name = "NAME", requires = "policy", conflicts_with = "run")]
    env: Option<String>,
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

/// A policy that plays, and the configuration of what it plays in.
pub(super) struct Opened {
    /// The folder of the run; none of a policy file.
    pub run: Option<RunFolder>,
    /// The configuration of the run, or one for the environment of a file.
    pub config: Config,
    /// Environment steps that the policy was trained for.
    pub steps: u64,
    from: From,
}

enum From {
    Run(Found),
    File(Box<FilePolicy>),
}

/// What a policy needs while it plays.
pub(super) enum Player {
    Agent(Box<Agent>),
    File(Box<FilePolicy>),
}

impl Player {
    /// The policy, with actions that are drawn where there is a generator.
    pub fn policy<'a>(&'a mut self, generator: Option<&'a mut Generator>) -> Box<dyn Policy + 'a> {
        match self {
            Self::Agent(agent) => Box::new(AgentPolicy::new(agent, generator)),
            Self::File(file) => {
                file.draw_with(generator.cloned());
                Box::new(&mut **file)
            }
        }
    }
}

impl Opened {
    /// The policy, for environments of this layout.
    pub fn player(self, layout: &Layout, device: Device) -> anyhow::Result<Player> {
        match self.from {
            From::Run(found) => {
                let config = &self.config;
                let agent = setup::agent(config, layout, device, &found.checkpoint).map_err(|e| {
                    flattened::explain(e, config.evaluation_env(), config.evaluation_env_path())
                })?;
                Ok(Player::Agent(Box::new(agent)))
            }
            From::File(file) => {
                file.check(&self.config.evaluation_env().name, layout)?;
                Ok(Player::File(file))
            }
        }
    }
}

/// The configuration of a run with overrides, of which those of an environment are to be about the one of evaluations.
pub(super) fn configuration(run: &RunFolder, sets: &[String], registry: &Registry) -> anyhow::Result<Config> {
    let config = run.config(sets, registry)?;
    let of_training = |set: &&String| set.starts_with("env.") || set.starts_with("env=");
    if let (Some(_), Some(set)) = (&config.evaluation.env, sets.iter().find(of_training)) {
        let set = shell::command(["--set", &format!("evaluation.{set}")].map(OsStr::new));
        return Err(Usage(format!("this run is evaluated in `evaluation.env`: use `{set}`")).into());
    }
    Ok(config)
}

impl Played {
    /// See [`super::enter_working_directory`]; `out` is another path of the command line.
    pub fn enter_working_directory(&mut self, out: Option<&mut PathBuf>) -> anyhow::Result<()> {
        self.run.as_mut().map_or(Ok(()), |run| super::enter_working_directory(run, out))
    }

    /// The policy and its configuration. Damaged checkpoints that were skipped are printed.
    pub fn open(&self, registry: &Registry) -> anyhow::Result<Opened> {
        match (&self.run, &self.policy) {
            (Some(run), _) => self.open_run(run, registry),
            (None, Some(file)) => self.open_file(file, registry),
            (None, None) => unreachable!("the command line has one of both"),
        }
    }

    fn open_run(&self, path: &std::path::Path, registry: &Registry) -> anyhow::Result<Opened> {
        let run = RunFolder::open(path).map_err(|error| Usage(error.to_string()))?;
        let config = configuration(&run, &self.sets, registry)?;
        let found = run.checkpoints(config.checkpoint.keep).load(self.checkpoint);
        let found = found.with_context(|| format!("cannot play the policy of {}", path.display()))?;
        for damaged in &found.damaged {
            super::eprint_line(&format!("skipped: {damaged}"));
        }
        let steps = checkpoint_step(&found.checkpoint)?;
        Ok(Opened { run: Some(run), config, steps, from: From::Run(found) })
    }

    fn open_file(&self, path: &std::path::Path, registry: &Registry) -> anyhow::Result<Opened> {
        let policy = FilePolicy::open(path)?;
        // Its actions are those of the environment: nothing is left to be scaled.
        let env = serde_json::to_string(&policy.about().env)?;
        let source = Source::File(path.to_owned(), format!("env: {env}\naction_scaling: clip\n"));
        let own = self.env.iter().map(|env| format!("env={env}"));
        let sets: Vec<String> = own.chain(self.sets.iter().cloned()).collect();
        let config = config::parse(source, &sets, registry).map_err(config::ConfigError::from)?;
        let steps = policy.about().steps;
        Ok(Opened { run: None, config, steps, from: From::File(Box::new(policy)) })
    }
}
