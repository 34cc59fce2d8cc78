//! Whole episodes of a policy, drawn: one video each, and a summary.
//!
//! A [`Player`] is a batch of one row whose environment keeps a picture of every state. The batch resets an environment
//! in the very step that ends its episode, so pictures are taken inside, where the last state still exists. The caller
//! chooses the actions: this module depends on neither policies nor checkpoints.

mod error;
mod recorded;

use std::fs;
use std::io;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use phalanx_envs::{
    ActionScaling, BatchEnv, BatchError, Block, EnvError, EnvSpec, Episode, Frame, LocalBatch, Registry,
    episode_seed,
};
use serde::Serialize;

pub use self::error::VisualizeError;

use self::recorded::{FrameQueue, Recorded, lock};
use crate::video::{Format, Video, VideoError, number, overlay};

/// Pictures a second at most: of the states of faster environments, some are left out.
const MOST_FRAMES: f64 = 60.0;

/// Steps that an episode may take before its first picture.
const STEPS_UNDRAWN: u64 = 100;

/// What to show, and where.
#[derive(Debug, Clone)]
pub struct VisualizeOptions {
    /// Folder of the videos; made when it is missing.
    pub out: PathBuf,
    /// Kind of video.
    pub format: Format,
    /// Whole episodes to play.
    pub episodes: NonZeroU32,
    /// States a second, in place of the environment's own rate.
    pub fps: Option<f64>,
    /// Steps after which an episode that has not ended is cut off.
    pub max_steps: u64,
    /// Step of the training whose policy this is, for the summary.
    pub checkpoint_step: u64,
}

/// One episode in the summary.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlayedEpisode {
    /// File, or folder of pictures, beside the summary.
    pub file: String,
    /// Seed that the environment was reset with.
    pub seed: u64,
    /// Undiscounted sum of rewards.
    #[serde(rename = "return")]
    pub total: f64,
    /// Steps.
    pub length: u64,
    /// `terminated`, `truncated`, or `cut_off` after as many steps as it may take.
    pub ended: &'static str,
}

/// What was played: the content of `summary.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Name of the environment.
    pub env: String,
    /// Step of the training whose policy played.
    pub checkpoint_step: u64,
    /// Pace of the videos, in pictures a second.
    pub frames_per_second: f64,
    /// Mean of the episodes' returns.
    pub return_mean: f64,
    /// Mean of the episodes' lengths.
    pub length_mean: f64,
    /// Every episode, in the order of playing.
    pub episodes: Vec<PlayedEpisode>,
}

/// A batch of one environment that keeps a picture of every state.
pub struct Player {
    batch: LocalBatch,
    queue: Arc<Mutex<FrameQueue>>,
    env: String,
    seed: u64,
}

impl Player {
    /// Makes the environment, whose actions are scaled so; `seed` decides its episodes.
    ///
    /// # Errors
    /// [`BatchError::Registry`] when the environment cannot be made, [`BatchError::Space`] when a batch cannot have its spaces.
    pub fn new(
        registry: &Registry,
        spec: &EnvSpec,
        scaling: ActionScaling,
        seed: u64,
    ) -> Result<Self, BatchError> {
        let queue = Arc::new(Mutex::new(FrameQueue::default()));
        let (known, wanted, shared) = (registry.clone(), spec.clone(), Arc::clone(&queue));
        let recorded = Registry::new().with(&spec.name, move |_| {
            let inner = known.build_drawn(&wanted).map_err(EnvError::failed)?;
            Ok(Box::new(Recorded { inner, queue: Arc::clone(&shared) }))
        });
        let batch = LocalBatch::new(&recorded, &EnvSpec::named(&spec.name), 1, 1, seed)?;
        let batch = batch.with_action_scaling(scaling)?;
        Ok(Self { batch, queue, env: spec.name.clone(), seed })
    }

    /// Where actions are read from and observations appear: one row, one step.
    pub fn block(&self) -> &Block {
        self.batch.block()
    }

    /// Plays whole episodes, writes a video of each and `summary.json`, and calls `played` after each.
    ///
    /// `act` finds the observation of time 0 in the block and puts the action of time 0 there.
    ///
    /// # Errors
    /// All of [`VisualizeError`]. Videos that were complete before an error stay.
    pub fn play<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
        &mut self,
        options: &VisualizeOptions,
        mut act: impl FnMut(&mut Block) -> Result<(), E>,
        mut played: impl FnMut(&PlayedEpisode),
    ) -> Result<Summary, VisualizeError> {
        self.batch.reset(None)?;
        let mut episodes = Vec::new();
        for number in 0..options.episodes.get() {
            let episode = self.play_episode(number, options, &mut act)?;
            played(&episode);
            episodes.push(episode);
        }
        let mean = |value: fn(&PlayedEpisode) -> f64| {
            episodes.iter().map(value).sum::<f64>() / episodes.len() as f64
        };
        let summary = Summary {
            env: self.env.clone(),
            checkpoint_step: options.checkpoint_step,
            frames_per_second: self.pace(options).1,
            return_mean: mean(|episode| episode.total),
            length_mean: mean(|episode| episode.length as f64),
            episodes,
        };
        save(&summary, &options.out.join("summary.json"))?;
        Ok(summary)
    }

    /// Plays the episode whose first state has just been recorded.
    fn play_episode<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
        &mut self,
        episode: u32,
        options: &VisualizeOptions,
        act: &mut impl FnMut(&mut Block) -> Result<(), E>,
    ) -> Result<PlayedEpisode, VisualizeError> {
        let digits = (options.episodes.get() - 1).to_string().len().max(2);
        let stem = format!("episode-{episode:0digits$}");
        let (every, fps) = self.pace(options);
        let (mut total, mut length) = (0.0, 0);
        let mut latest = self.picture(episode, length, total)?;
        let mut video = None;
        let mut show = |picture: Option<&Frame>| -> Result<(), VideoError> {
            let Some(picture) = picture else { return Ok(()) };
            if let Some(video) = &mut video {
                return Video::push(video, picture);
            }
            video = Some(Video::begin(&options.out, &stem, options.format, fps, picture)?);
            Ok(())
        };
        let ended = loop {
            if length % every == 0 {
                show(latest.as_ref())?;
            }
            act(self.batch.block_mut()).map_err(|e| VisualizeError::Policy {
                episode,
                step: length,
                source: e.into(),
            })?;
            self.batch.step(0)?;
            let block = self.batch.block_mut();
            let ended = block.episode(0, 0);
            total += f64::from(block.reward(0, 0));
            length += 1;
            block.carry_over(1);
            // Where there is none, the one before stays.
            latest = self.picture(episode, length, total)?.or(latest);
            if latest.is_none() && length == STEPS_UNDRAWN {
                break "undrawn"; // an error below
            }
            match ended {
                Episode::Running | Episode::LifeLost if length == options.max_steps => {
                    self.batch.reset(None)?;
                    break "cut_off";
                }
                Episode::Running | Episode::LifeLost => {}
                Episode::Terminated => break "terminated",
                Episode::Truncated => break "truncated",
            }
        };
        // The last state is never left out.
        show(latest.as_ref())?;
        let video = video.ok_or_else(|| VisualizeError::NoPicture {
            env: self.env.clone(),
            episode,
            step: length,
            reason: "there was no picture of any state so far".to_owned(),
        })?;
        let path = video.finish(&format!("{stem}_return_{}", number(total)))?;
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let seed = episode_seed(self.seed, 0, episode.into());
        Ok(PlayedEpisode { file, seed, total, length, ended })
    }

    /// Every how many states one is drawn, and pictures a second.
    fn pace(&self, options: &VisualizeOptions) -> (u64, f64) {
        let fps = options.fps.unwrap_or_else(|| self.queue().frames_per_second);
        let every = (fps / MOST_FRAMES).ceil().max(1.0);
        (every as u64, fps / every)
    }

    /// The oldest picture not yet taken out, with words in its corner; `None` where the environment drew none.
    fn picture(&mut self, episode: u32, step: u64, total: f64) -> Result<Option<Frame>, VisualizeError> {
        let taken = self.queue().pictures.pop_front().unwrap_or(Err(EnvError::NoPicture));
        let mut frame = match taken.and_then(|frame| frame.check().map(|()| frame)) {
            Ok(frame) => frame,
            Err(EnvError::NoPicture) => return Ok(None),
            Err(EnvError::NoRender(reason)) => {
                return Err(VisualizeError::NoPicture { env: self.env.clone(), episode, step, reason });
            }
            Err(source) => return Err(VisualizeError::Picture { episode, step, source }),
        };
        let words =
            [format!("episode {episode}"), format!("step {step}"), format!("return {}", number(total))];
        overlay(&mut frame, &words);
        Ok(Some(frame))
    }

    fn queue(&self) -> MutexGuard<'_, FrameQueue> {
        lock(&self.queue)
    }
}

/// Writes the summary at once: no half of it is ever found.
fn save(summary: &Summary, path: &Path) -> Result<(), VisualizeError> {
    let partial = path.with_file_name(".summary.json.partial");
    serde_json::to_string_pretty(summary)
        .map_err(io::Error::from)
        .and_then(|text| fs::write(&partial, text + "\n"))
        .and_then(|()| fs::rename(&partial, path))
        .map_err(|source| VisualizeError::Summary { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
