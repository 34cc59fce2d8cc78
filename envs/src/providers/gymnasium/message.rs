//! What goes over the pipes beside the bell, as JSON.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Dtype, EnvError, Space};

/// Asked of the interpreter.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Request<'a> {
    /// Answered with nothing.
    Make { name: &'a str, params: &'a Map<String, Value>, drawn: bool },
    /// Makes the environment that was made last a row; answered with [`Added`].
    Add { keys: Option<&'a [String]>, drop: &'a [String], reward_weights: Option<&'a [f64]>, masks: bool },
    /// Answered with what the method returned, or the attribute.
    Call { row: u32, name: &'a str, arguments: &'a Value },
    /// Answered with width and height and then, in a message of their own, the pixels; or with nothing.
    Render { row: u32 },
    /// Answered with nothing.
    Close { row: u32 },
    /// Not answered: the interpreter ends.
    End {},
}

/// How a request went.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer<T> {
    /// Well.
    Value(T),
    /// The exception in one line, and its traceback beneath.
    Failed(String),
    /// The same of what asked the interpreter to exit, which it did not: its rows are not to be used any more.
    Exited(String),
    /// There is no method or attribute of this name.
    Missing(String),
    /// The environment never draws, and why.
    Undrawn(String),
}

impl<T> Answer<T> {
    pub fn into_result(self) -> Result<T, EnvError> {
        match self {
            Self::Value(value) => Ok(value),
            Self::Failed(traceback) => Err(EnvError::Failed(traceback)),
            Self::Exited(traceback) => Err(EnvError::Died(traceback)),
            Self::Missing(name) => Err(EnvError::NoMethod(name)),
            Self::Undrawn(why) => Err(EnvError::NoRender(why)),
        }
    }
}

/// A row that was added.
#[derive(Deserialize)]
pub struct Added {
    pub row: u32,
    pub observation: SpaceSummary,
    pub action: SpaceSummary,
    /// Which number the first option of each choice has: for each part of an observation, and of an action.
    pub starts: [Vec<Vec<i64>>; 2],
    /// Where its memory begins in the shared file, and how long it is.
    pub offset: u64,
    pub length: usize,
    /// Where the observation stands in it.
    pub observation_at: usize,
    pub frames_per_second: f64,
}

/// A box whose bounds are written shortly.
#[derive(Deserialize)]
pub struct BoxSummary {
    shape: Vec<usize>,
    low: Bound,
    high: Bound,
    dtype: Dtype,
}

/// One bound for all elements, or one for each; `None` is infinite.
#[derive(Deserialize)]
#[serde(untagged)]
enum Bound {
    Common(Option<f32>),
    Each(Vec<Option<f32>>),
}

/// A space.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpaceSummary {
    Discrete(usize),
    MultiDiscrete(Vec<usize>),
    MultiBinary(usize),
    Box(BoxSummary),
    Dict(Vec<(String, SpaceSummary)>),
    Tuple(Vec<SpaceSummary>),
}

impl Bound {
    fn spread(self, len: usize, infinite: f32) -> Vec<f32> {
        match self {
            Self::Common(bound) => vec![bound.unwrap_or(infinite); len],
            Self::Each(bounds) => bounds.into_iter().map(|bound| bound.unwrap_or(infinite)).collect(),
        }
    }
}

impl From<BoxSummary> for Space {
    fn from(BoxSummary { shape, low, high, dtype }: BoxSummary) -> Self {
        let len = shape.iter().product();
        Self::Box {
            low: low.spread(len, f32::NEG_INFINITY),
            high: high.spread(len, f32::INFINITY),
            shape,
            dtype,
        }
    }
}

impl From<SpaceSummary> for Space {
    fn from(summary: SpaceSummary) -> Self {
        match summary {
            SpaceSummary::Discrete(n) => Self::Discrete { n },
            SpaceSummary::MultiDiscrete(n) => Self::MultiDiscrete { n },
            SpaceSummary::MultiBinary(n) => Self::MultiBinary { n },
            SpaceSummary::Box(summary) => summary.into(),
            SpaceSummary::Dict(parts) => {
                Self::Dict(parts.into_iter().map(|(key, part)| (key, part.into())).collect())
            }
            SpaceSummary::Tuple(parts) => Self::Tuple(parts.into_iter().map(Self::from).collect()),
        }
    }
}
