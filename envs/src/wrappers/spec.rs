//! Wrappers as typed by the user.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::one_field::{on_field, on_picture};
use super::{
    ActionRepeat, AtariSettings, Boxed, ClipAction, ClipReward, EpisodicLife, FiniteCheck, FireStart,
    Flatten, FrameDelta, FrameHistory, Grayscale, LimitDuration, RandomStart, RangeNormalize, Resize, Select,
    Selected,
};
use crate::{Env, EnvError};

/// One wrapper with its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum WrapperSpec {
    /// Repeats each action and adds up the rewards.
    ActionRepeat {
        /// Number of repetitions, at least 1.
        times: u32,
        /// Observes the element-wise maximum of the last two observations instead of the last one.
        #[serde(default)]
        max_pool: bool,
    },
    /// Takes random actions after every reset.
    RandomStart {
        /// Fewer actions than this are taken; at least 1.
        max_steps: u32,
    },
    /// Adds past observations to the current one.
    FrameHistory {
        /// Ages of the observations, in steps: `[0, 1]` is the current one and the one before. Must contain 0.
        past: Vec<usize>,
        /// Joins them along the first axis instead of stacking them along a new one.
        #[serde(default)]
        flatten: bool,
        /// The field of a Dict or Tuple, by its path.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        field: Option<Selected>,
    },
    /// Observes the difference to the previous observation.
    FrameDelta,
    /// Scales observations and actions to [−1, 1].
    RangeNormalize {
        /// Whether to normalize observations; left out: if their bounds are finite.
        #[serde(default)]
        observation: Option<bool>,
        /// Whether to normalize actions; left out: if their bounds are finite.
        #[serde(default)]
        action: Option<bool>,
    },
    /// Accepts any numbers as an action and clips them to the bounds.
    ClipAction,
    /// Truncates an episode after a number of steps.
    LimitDuration {
        /// Number of steps, as the wrapper sees them; at least 1.
        steps: u32,
    },
    /// Fails when a reward or observation is not finite, and names it.
    FiniteCheck,
    /// Makes pictures grey.
    Grayscale {
        /// The field of a Dict or Tuple, by its path; left out: the one that is a picture.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        field: Option<Selected>,
    },
    /// Resizes pictures by means over areas.
    Resize {
        /// Lines, at least 1.
        height: usize,
        /// Pixels in a line, at least 1.
        width: usize,
        /// The field of a Dict or Tuple, by its path; left out: the one that is a picture.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        field: Option<Selected>,
    },
    /// Makes a lost life a termination for the learner, while the game continues; needs `lives` in the environment's info.
    EpisodicLife,
    /// Takes one action at the start of each episode and after each lost life.
    FireStart {
        /// The action, counted from 0.
        action: usize,
    },
    /// Clips rewards.
    ClipReward {
        /// Largest reward and largest penalty, in reward units.
        limit: f32,
    },
    /// Observes some numbers of a box, `[0, 2]`, or some fields of a Dict or Tuple by path.
    Select(Vec<Selected>),
    /// Observes several fields as one array of numbers, choices as a 1 among zeros; takes an action of several fields as one array.
    Flatten,
    /// The usual preprocessing of Atari games, made of other wrappers; needs `params: {frameskip: 1}`.
    Atari(AtariSettings),
}

impl WrapperSpec {
    /// Puts this wrapper around `env`.
    ///
    /// # Errors
    /// [`EnvError::Space`] or [`EnvError::Params`] when it does not fit.
    pub fn wrap(&self, env: Box<dyn Env>) -> Result<Box<dyn Env>, EnvError> {
        Ok(match self {
            Self::ActionRepeat { times, max_pool } => Box::new(ActionRepeat::new(env, *times, *max_pool)?),
            Self::RandomStart { max_steps } => Box::new(RandomStart::new(env, *max_steps)?),
            Self::FrameHistory { past, flatten, field } => {
                on_field(env, field.as_ref(), "frame_history", |env| {
                    Ok(Box::new(FrameHistory::new(env, past, *flatten)?))
                })?
            }
            Self::FrameDelta => Box::new(FrameDelta::new(env)?),
            Self::RangeNormalize { observation, action } => {
                Box::new(RangeNormalize::new(env, *observation, *action)?)
            }
            Self::ClipAction => Box::new(ClipAction::new(env)?),
            Self::LimitDuration { steps } => Box::new(LimitDuration::new(Boxed(env), *steps)?),
            Self::FiniteCheck => Box::new(FiniteCheck::new(env)),
            Self::Grayscale { field } => {
                on_picture(env, field.as_ref(), "grayscale", |env| Ok(Box::new(Grayscale::new(env)?)))?
            }
            Self::Resize { height, width, field } => on_picture(env, field.as_ref(), "resize", |env| {
                Ok(Box::new(Resize::new(env, *height, *width)?))
            })?,
            Self::EpisodicLife => Box::new(EpisodicLife::new(env)),
            Self::FireStart { action } => Box::new(FireStart::new(env, *action)?),
            Self::ClipReward { limit } => Box::new(ClipReward::new(env, *limit)?),
            Self::Select(selection) => Box::new(Select::new(env, selection)?),
            Self::Flatten => Box::new(Flatten::new(env)),
            Self::Atari(settings) => settings.wrap(env)?,
        })
    }

    /// Most steps of an episode outside this wrapper, of at most `inside` steps; nothing where there is no limit.
    pub fn longest(&self, inside: Option<u32>) -> Option<u32> {
        match *self {
            Self::ActionRepeat { times, .. } => inside.map(|steps| steps.div_ceil(times.max(1))),
            Self::Atari(AtariSettings { frame_skip, .. }) => {
                inside.map(|steps| steps.div_ceil(frame_skip.max(1)))
            }
            Self::LimitDuration { steps } => Some(inside.map_or(steps, |inside| inside.min(steps))),
            _ => inside,
        }
    }

    /// One of each kind.
    #[cfg(test)]
    pub(crate) fn examples() -> Vec<Self> {
        vec![
            Self::ActionRepeat { times: 2, max_pool: true },
            Self::RandomStart { max_steps: 3 },
            Self::FrameHistory { past: vec![0, 2], flatten: true, field: None },
            Self::FrameDelta,
            Self::RangeNormalize { observation: Some(true), action: None },
            Self::ClipAction,
            Self::LimitDuration { steps: 7 },
            Self::FiniteCheck,
            Self::Grayscale { field: None },
            Self::Resize { height: 3, width: 4, field: None },
            Self::EpisodicLife,
            Self::FireStart { action: 1 },
            Self::ClipReward { limit: 0.5 },
            Self::Select(vec![Selected::Number(0)]),
            Self::Flatten,
            Self::Atari(AtariSettings { size: 5, stack: 2, ..AtariSettings::default() }),
        ]
    }
}
