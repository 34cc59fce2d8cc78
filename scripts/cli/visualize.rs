//! `phalanx visualize`: videos of a run's policy.

use std::io::Write;
use std::num::NonZeroU32;
use std::path::PathBuf;

use phalanx_agents::{Mode, stream};
use phalanx_algorithms::checkpoint_step;
use phalanx_envs::Registry;

use super::played::Played;
use crate::setup;
use crate::video::Format;
use crate::visualize::{Stage, VisualizeOptions};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    played: Played,
    /// Whole episodes to play; each becomes a video of its own.
    #[arg(long, default_value = "5")]
    episodes: NonZeroU32,
    /// Folder of the videos, by default `videos` in the run's folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Kind of video.
    #[arg(long, default_value = Format::ALL[0].name(), value_name = "mp4|gif|png")]
    format: Format,
}

pub(super) fn run(arguments: &Arguments, registry: &Registry, out: &mut impl Write) -> anyhow::Result<()> {
    let Played { seed, stochastic, .. } = arguments.played;
    let (run, config, found) = arguments.played.open(registry)?;
    let device = setup::device(&config)?;
    let mut stage = Stage::new(registry, config.evaluation_env(), setup::trial_seed(seed))?;
    let mut agent =
        setup::agent(&config, stage.observation_space(), stage.action_space(), device, &found.checkpoint)?;
    let options = VisualizeOptions {
        out: arguments.out.clone().unwrap_or_else(|| run.path().join("videos")),
        format: arguments.format,
        episodes: arguments.episodes,
        checkpoint_step: checkpoint_step(&found.checkpoint)?,
    };
    let mut actor = agent.actor();
    let (mut generator, mut noise) = (stream(seed, "evaluation"), Vec::new());
    let summary = stage.play(
        &options,
        |block| {
            let mode = if stochastic {
                noise.clear();
                actor.add_noise(1, &mut generator, &mut noise);
                Mode::Sample(&noise)
            } else {
                Mode::Greedy
            };
            actor.act(block, 0, 0..1, mode, &mut [0.0])
        },
        |episode| eprintln!("{}: return {:.1}, {} steps", episode.file, episode.total, episode.length),
    )?;
    #[cfg(feature = "mujoco")]
    if let Some(renderer) = phalanx_envs::mujoco::renderer() {
        eprintln!("drawn by {renderer}");
    }
    let (mean, folder) = (summary.return_mean, options.out.display());
    writeln!(out, "{} episodes, mean return {mean:.1}, in {folder}", options.episodes)?;
    Ok(())
}
