//! The usual set-up of Atari games: Mnih et al. 2015, Machado et al. 2018 (arXiv:1709.06009) and `AtariPreprocessing` of
//! Gymnasium.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    ActionRepeat, ClipReward, EpisodicLife, FireStart, FrameHistory, Grayscale, RandomStart, Resize, pixels,
};
use crate::{Env, EnvError};

/// Settings of the usual preprocessing of Atari games.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AtariSettings {
    /// Frames for which an action is repeated, at least 1; each pixel is the brighter one of the last two frames.
    pub frame_skip: u32,
    /// An episode starts with fewer random actions than this; 0 and 1 mean none.
    pub random_start: u32,
    /// Height and width of the picture; at least 1.
    pub size: usize,
    /// Number of the latest pictures in an observation, the oldest first; at least 1.
    pub stack: usize,
    /// Whether a lost life counts as a termination for the learner.
    pub episodic_life: bool,
    /// Whether rewards are clipped to ±1; evaluate without it to see the game's score.
    pub clip_reward: bool,
}

impl Default for AtariSettings {
    fn default() -> Self {
        Self { frame_skip: 4, random_start: 30, size: 84, stack: 4, episodic_life: true, clip_reward: true }
    }
}

impl AtariSettings {
    /// Puts the wrappers of this set-up around `env`, which shows each frame `[H, W]` or `[H, W, 3]`.
    ///
    /// Games whose `get_action_meanings` have FIRE are started by it. Observations are bytes `[stack, size, size]`.
    ///
    /// # Errors
    /// [`EnvError::Params`] when the environment skips frames itself, and those of the wrappers.
    pub fn wrap(&self, mut env: Box<dyn Env>) -> Result<Box<dyn Env>, EnvError> {
        let refuse = |message: String| EnvError::Params { name: "atari".to_owned(), message };
        if let Some(skipped) = ask(&mut *env, "_frameskip")?.filter(|skipped| *skipped != 1) {
            return Err(refuse(format!(
                "the environment skips frames itself (frameskip: {skipped}), which would be counted twice: set \
                 `params: {{frameskip: 1}}`"
            )));
        }
        if self.stack == 0 {
            return Err(refuse("stack must be at least 1".to_owned()));
        }
        let meanings = ask(&mut *env, "get_action_meanings")?.unwrap_or_default();
        let fire = meanings.as_array().and_then(|names| names.iter().position(|name| name == "FIRE"));
        if self.random_start > 1 {
            env = Box::new(RandomStart::new(env, self.random_start)?);
        }
        env = Box::new(ActionRepeat::new(env, self.frame_skip, true)?);
        if pixels(env.observation_space(), "atari")?.len() == 3 {
            env = Box::new(Grayscale::new(env)?);
        }
        env = Box::new(Resize::new(env, self.size, self.size)?);
        if self.episodic_life {
            env = Box::new(EpisodicLife::new(env));
        }
        if let Some(action) = fire {
            env = Box::new(FireStart::new(env, action)?);
        }
        if self.clip_reward {
            env = Box::new(ClipReward::new(env, 1.0)?);
        }
        let past: Vec<usize> = (0..self.stack).rev().collect();
        Ok(Box::new(FrameHistory::new(env, &past, false)?))
    }
}

/// The environment's answer to a call without arguments; `None` when it has no such method.
fn ask(env: &mut dyn Env, name: &str) -> Result<Option<Value>, EnvError> {
    match env.call(name, &Value::Null) {
        Err(EnvError::NoMethod(_)) => Ok(None),
        answer => answer.map(Some),
    }
}
