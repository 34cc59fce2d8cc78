//! One environment.

use serde_json::Value;

use crate::{Action, EnvError, Labels, Row, Space};

/// An environment: something that shows observations and answers actions.
///
/// Observations are written into the caller's row, so that stepping copies nothing; the batch hands out rows of
/// the block that the learner reads.
pub trait Env {
    /// Where observations come from.
    fn observation_space(&self) -> &Space;

    /// Where actions come from.
    fn action_space(&self) -> &Space;

    /// Starts an episode and writes its first observation.
    ///
    /// With a seed, the episode depends on that seed and its actions alone; `None` continues the generator.
    ///
    /// # Errors
    /// Whatever keeps the environment from starting; it reaches the user with row, seed and episode.
    fn reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError>;

    /// Takes one step and writes the observation after it.
    ///
    /// The caller resets after a step that left the episode, before the next step.
    ///
    /// # Errors
    /// Whatever keeps the environment from continuing; it reaches the user with row, seed, step and action.
    fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError>;

    /// Whether steps are computed elsewhere, such as in another process, so that those of several rows can run at the same time.
    fn is_remote(&self) -> bool {
        false
    }

    /// Sends a remote environment ([`Self::is_remote`]) the action of its coming step, which may begin at once.
    ///
    /// A batch prepares every row before it steps the first one; [`Self::step`] with the same action then waits for what has
    /// begun. Stepping without preparation works as well, one row after the other.
    ///
    /// # Errors
    /// Whatever keeps the step from beginning.
    fn prepare(&mut self, action: Action<'_>) -> Result<(), EnvError> {
        let _ = action;
        Ok(())
    }

    /// As [`Self::prepare`], for a coming reset with this seed.
    ///
    /// # Errors
    /// Whatever keeps the reset from beginning.
    fn prepare_reset(&mut self, seed: Option<u64>) -> Result<(), EnvError> {
        let _ = seed;
        Ok(())
    }

    /// Ends in order what the environment has started: a batch that is closed calls it once, and drops the environment afterwards. One
    /// whose worker was lost ends without it.
    ///
    /// # Errors
    /// What kept it from ending in order.
    fn close(&mut self) -> Result<(), EnvError> {
        Ok(())
    }

    /// Prepares an environment to be dropped, so that what takes time to end can begin to: a batch prepares every row before it
    /// drops the first one.
    fn prepare_drop(&mut self) {}

    /// Begins what was prepared, if it has not begun yet, and returns whether to collect it: its results are there, or waiting for them is
    /// all that is left to do. A batch prepares other rows meanwhile.
    fn is_ready(&mut self) -> bool {
        true
    }

    /// Lives that are left, in a game that counts them: by default `lives` in the answer to `call("info", null)`.
    ///
    /// # Errors
    /// Those of `call`, except that there is no such method.
    fn lives(&mut self) -> Result<Option<u64>, EnvError> {
        match self.call("info", &Value::Null) {
            Err(EnvError::NoMethod(_)) => Ok(None),
            info => Ok(info?["lives"].as_u64()),
        }
    }

    /// Units of numbers, and which number the first option of a choice has outside; by default the units that the answer to `call("units", null)`
    /// has, as [`Labels::with_units`] reads them.
    ///
    /// # Errors
    /// Those of [`Labels::with_units`]. Where the call fails, no unit is known.
    fn labels(&mut self) -> Result<Labels, EnvError> {
        let units = self.call("units", &Value::Null).unwrap_or_default();
        let (observation, action) = (self.observation_space(), self.action_space());
        Labels::none(observation, action).with_units(&units, observation, action)
    }

    /// Draws the present state.
    ///
    /// # Errors
    /// [`EnvError::NoRender`] when the environment never has a picture, [`EnvError::NoPicture`] when it has none now; whatever else kept
    /// it from drawing.
    fn render(&mut self) -> Result<Frame, EnvError> {
        Err(EnvError::NoRender("it does not implement `render`".to_owned()))
    }

    /// Pictures a second at which those of [`Self::render`], one a step, are good to watch.
    fn frames_per_second(&self) -> f64 {
        30.0
    }

    /// Calls a method of the environment's own, or reads an attribute, by name.
    ///
    /// Batches call `info` after the last step of each episode, without arguments: trainings log the numbers and truth values of the
    /// map of its answer. Where there is no such method, it is not called again.
    ///
    /// # Errors
    /// [`EnvError::NoMethod`] when there is none of this name.
    fn call(&mut self, name: &str, arguments: &Value) -> Result<Value, EnvError> {
        let _ = arguments;
        Err(EnvError::NoMethod(name.to_owned()))
    }
}

/// What a remote environment has begun.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Coming {
    /// A step, with its action.
    Step,
    /// A reset with this seed.
    Reset(Option<u64>),
}

/// What one step brought.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Reward, in the unit of the task.
    pub reward: f32,
    /// How the step left the episode.
    pub episode: Episode,
}

/// How a step left its episode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[repr(u8)]
pub enum Episode {
    /// It continues.
    #[default]
    Running = 0,
    /// The task ended it: nothing follows, the value after it is zero.
    Terminated = 1,
    /// It was cut off, by a time limit for example: the value after it is that of the final observation.
    Truncated = 2,
    /// It continues, but the step cost one of several lives: the learner bootstraps nothing after it, as if it had terminated.
    LifeLost = 3,
}

impl Episode {
    /// Whether this step was the last of its episode.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Terminated | Self::Truncated)
    }

    /// The status that a byte of the block stands for.
    pub fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::Running,
            1 => Self::Terminated,
            3 => Self::LifeLost,
            _ => Self::Truncated,
        }
    }
}

/// A picture: 8-bit RGB, row-major from the top left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Pixels in a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// `width · height · 3` bytes.
    pub pixels: Vec<u8>,
}

impl Frame {
    /// Whether there are as many bytes as the sides require, and at least one.
    ///
    /// # Errors
    /// [`EnvError::Failed`], which has their number.
    pub fn check(&self) -> Result<(), EnvError> {
        let Self { width, height, pixels } = self;
        let bytes = *width as usize * *height as usize * 3;
        if bytes > 0 && pixels.len() == bytes {
            return Ok(());
        }
        Err(EnvError::failed(format!(
            "a picture of {width}×{height} has {} bytes, not {bytes}",
            pixels.len()
        )))
    }
}
