//! `phalanx evaluate`: how well a run's policy does.

use std::io::Write;

use phalanx_agents::stream;
use phalanx_algorithms::{checkpoint_step, evaluate, evaluation_shape};
use phalanx_envs::{Registry, Zygote};
use serde_json::json;

use super::played::Played;
use crate::setup;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    played: Played,
    /// Whole episodes to play.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    episodes: u32,
    /// Print one JSON object with the means instead of text.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(
    arguments: &Arguments,
    registry: &Registry,
    zygote: &Zygote,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let Played { seed, stochastic, .. } = arguments.played;
    let (_, config, found) = arguments.played.open(registry)?;
    let device = setup::device(&config)?;
    let episodes = arguments.episodes as usize;
    let (rows, steps) = evaluation_shape(episodes);
    let mut batch = setup::batch(&config, registry, zygote, (rows, steps, setup::trial_seed(seed)))?.batch;
    let spaces = (batch.observation_space(), batch.action_space());
    let agent = setup::agent(&config, spaces.0, spaces.1, device, &found.checkpoint)?;
    let mut generator = stream(seed, "evaluation");
    let evaluation = evaluate(&agent, &mut *batch, episodes, stochastic.then_some(&mut generator))?;
    batch.close()?;
    let (env, step) = (&config.env.name, checkpoint_step(&found.checkpoint)?);
    let (mean, std, length) = (evaluation.return_mean(), evaluation.return_std(), evaluation.length_mean());
    if arguments.json {
        let result = json!({
            "env": env, "episodes": episodes, "return_mean": mean, "return_std": std, "length_mean": length,
            "checkpoint_step": step,
        });
        writeln!(out, "{result}")?;
    } else {
        writeln!(out, "{env} after {step} steps of training, {episodes} episodes:")?;
        writeln!(out, "return {mean:.2} ± {std:.2} (standard deviation), length {length:.1}")?;
    }
    Ok(())
}
