//! `phalanx visualize`: videos of a run's policy.

use std::cell::RefCell;
use std::io::Write;
use std::num::NonZeroU32;
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};
use phalanx_agents::stream;
use phalanx_algorithms::digits;
use phalanx_envs::Registry;

use super::played::Played;
use crate::setup;
use crate::video::Format;
use crate::visualize::{PlayedEpisode, Player as Recorder, VisualizeOptions};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    played: Played,
    /// Number of episodes, each written as a video.
    #[arg(long, default_value = "5")]
    episodes: NonZeroU32,
    /// Steps shown per second; above 60, some are skipped [default: the frame rate of the environment].
    #[arg(long)]
    fps: Option<f64>,
    /// Steps after which an episode is cut off if it has not ended.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..), value_name = "STEPS")]
    max_steps: u64,
    /// Folder of the videos [default: `videos` in the folder of the run, or here for a policy file].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Format of the videos; `png` writes a folder of numbered pictures.
    #[arg(long, default_value = Format::ALL[0].name(), value_name = "mp4|gif|png")]
    format: Format,
}

impl Arguments {
    /// See [`super::enter_working_directory`].
    pub fn enter_working_directory(&mut self) -> anyhow::Result<()> {
        self.played.enter_working_directory(self.out.as_mut())
    }
}

/// Progress of the videos: a count of pictures on a terminal, and a line for each episode.
struct Progress(ProgressBar);

impl Progress {
    fn begin() -> Self {
        let style = ProgressStyle::with_template("{spinner} {pos} pictures in {elapsed}");
        let bar = ProgressBar::new_spinner();
        Self(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner())))
    }

    fn picture(&self) {
        #[cfg(feature = "mujoco")]
        if self.0.position() == 0
            && let Some(renderer) = phalanx_envs::mujoco::renderer()
        {
            self.line(&format!("drawn by {renderer}"));
        }
        self.0.inc(1);
    }

    fn episode(&self, episode: &PlayedEpisode) {
        let cut = if episode.ended == "cut_off" { ", cut off (--max-steps)" } else { "" };
        self.line(&format!(
            "{}: return {}, {} steps{cut}",
            episode.file,
            digits(episode.total, 1),
            episode.length
        ));
    }

    fn line(&self, text: &str) {
        self.0.suspend(|| super::eprint_line(text));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

pub(super) fn run(arguments: &Arguments, registry: &Registry, out: &mut impl Write) -> anyhow::Result<()> {
    let Played { seed, stochastic, .. } = arguments.played;
    let opened = arguments.played.open(registry)?;
    let (config, checkpoint_step) = (opened.config.clone(), opened.steps);
    let device = setup::device(&config, 1)?;
    let (env, seed_of_trial) = (config.evaluation_env(), setup::trial_seed(seed));
    let mut recorder = Recorder::new(registry, env, config.action_scaling, seed_of_trial)?;
    let folder = opened.run.as_ref().map_or(PathBuf::from("videos"), |run| run.path().join("videos"));
    let mut player = opened.player(recorder.block().layout(), device)?;
    let options = VisualizeOptions {
        out: arguments.out.clone().unwrap_or(folder),
        format: arguments.format,
        episodes: arguments.episodes,
        fps: arguments.fps,
        max_steps: arguments.max_steps,
        checkpoint_step,
    };
    let mut generator = stream(seed, "evaluation");
    let policy = RefCell::new(player.policy(stochastic.then_some(&mut generator)));
    policy.borrow_mut().begin(1);
    let progress = Progress::begin();
    let summary = recorder.play(
        &options,
        |block| {
            progress.picture();
            policy.borrow_mut().act(block)
        },
        |episode| {
            policy.borrow_mut().begin_episode(0);
            progress.episode(episode);
        },
    )?;
    drop(progress);
    let (mean, folder) = (digits(summary.return_mean, 1), options.out.display());
    let episodes = if options.episodes.get() == 1 { "episode" } else { "episodes" };
    writeln!(out, "{} {episodes}, mean return {mean}, in {folder}", options.episodes)?;
    Ok(())
}
