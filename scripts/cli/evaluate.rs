//! `phalanx evaluate`: how well a run's policy does.

use std::collections::BTreeMap;
use std::io::Write;

use indicatif::{ProgressBar, ProgressStyle};
use phalanx_agents::stream;
use phalanx_algorithms::{Evaluation, digits, evaluate, evaluation_shape};
use phalanx_envs::{Registry, Zygote};

use super::played::Played;
use crate::setup;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    played: Played,
    /// Number of episodes.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    episodes: u32,
    /// Steps after which an episode is cut off if it has not ended.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..), value_name = "STEPS")]
    max_steps: u64,
    /// Print the results as one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// See [`super::enter_working_directory`].
    pub fn enter_working_directory(&mut self) -> anyhow::Result<()> {
        self.played.enter_working_directory(None)
    }
}

/// What `--json` prints, in this order.
#[derive(serde::Serialize)]
struct Report<'a> {
    env: &'a str,
    episodes: usize,
    return_mean: f64,
    return_std: f64,
    length_mean: f64,
    /// Episodes that had not ended after `--max-steps` steps.
    cut_off: usize,
    checkpoint_step: u64,
    /// Means of the info that the environments returned about the episodes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    info: BTreeMap<&'a str, f64>,
}

/// Episodes and their mean return so far, on a terminal.
fn bar(episodes: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:24.cyan/dim} {pos}/{len} episodes  {msg}  {eta} left");
    ProgressBar::new(episodes as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

pub(super) fn run(
    arguments: &Arguments,
    registry: &Registry,
    zygote: &Zygote,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let Played { seed, stochastic, .. } = arguments.played;
    let opened = arguments.played.open(registry)?;
    let (config, checkpoint_step) = (opened.config.clone(), opened.steps);
    let device = setup::device(&config, 1)?;
    let episodes = arguments.episodes as usize;
    let (rows, steps) = evaluation_shape(episodes);
    let env = config.evaluation_env();
    let shape = (rows, steps, setup::trial_seed(seed));
    let mut batch = setup::batch(&config, env, registry, Some(zygote), shape, 1)?.batch;
    let mut player = opened.player(batch.block().layout(), device)?;
    let mut generator = stream(seed, "evaluation");
    let mut policy = player.policy(stochastic.then_some(&mut generator));
    let bar = bar(episodes);
    bar.tick();
    let show = |evaluation: &Evaluation| {
        bar.set_position(evaluation.returns.len() as u64);
        bar.set_message(format!("return {}", digits(evaluation.return_mean(), 1)));
    };
    let played = (episodes, arguments.max_steps);
    let evaluation = evaluate(&mut *policy, &mut *batch, played, show, &|| false);
    bar.finish_and_clear();
    let evaluation = evaluation?.expect("nothing stops it");
    if let Err(error) = batch.close() {
        super::eprint_line(&format!("the environments did not end in order: {error}"));
    }
    let result = Report {
        env: &env.name,
        episodes,
        return_mean: evaluation.return_mean(),
        return_std: evaluation.return_std(),
        length_mean: evaluation.length_mean(),
        cut_off: evaluation.cut_off,
        checkpoint_step,
        info: evaluation.infos.means().collect(),
    };
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&result)?)?;
    } else {
        let Report { env, return_mean, return_std, length_mean, cut_off, checkpoint_step, .. } = result;
        writeln!(out, "{env} after {checkpoint_step} steps of training, {episodes} episodes:")?;
        let (mean, deviation) = (digits(return_mean, 2), digits(return_std, 2));
        writeln!(out, "return {mean} ± {deviation} (standard deviation), length {length_mean:.1}")?;
        if cut_off > 0 {
            let most = arguments.max_steps;
            writeln!(out, "{cut_off} of {episodes} episodes were cut off after {most} steps (--max-steps)")?;
        }
        for (name, mean) in result.info {
            writeln!(out, "info/{name} {}", digits(mean, 4))?;
        }
    }
    Ok(())
}
