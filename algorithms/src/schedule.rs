//! Coefficients that change over a training.

use std::f64::consts::PI;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A number that may change over the training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Schedule {
    /// A constant.
    Constant(#[schemars(range(min = 0.0))] f64),
    /// Changes linearly from one number to another over the steps of the training.
    Linear(Range),
    /// Changes along half a cosine: slowly at both ends.
    Cosine(CosineSchedule),
    /// Changes linearly from point to point.
    Piecewise(PiecewiseSchedule),
}

/// The numbers at the start and at the end of a training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// At the start.
    #[schemars(range(min = 0.0))]
    pub from: f64,
    /// At the end.
    #[schemars(range(min = 0.0))]
    pub to: f64,
}

/// Changes along half a cosine: slowly at both ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CosineSchedule {
    /// The numbers at the start and at the end of the training.
    pub cosine: Range,
}

/// Changes linearly from point to point, constant before the first and after the last one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PiecewiseSchedule {
    /// The points, in the order of time.
    #[schemars(length(min = 1))]
    pub piecewise: Vec<Point>,
}

/// A point of a piecewise schedule.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Share of the training's steps that are taken, in [0, 1].
    #[schemars(range(min = 0.0, max = 1.0))]
    pub at: f64,
    /// The number there.
    #[schemars(range(min = 0.0))]
    pub value: f64,
}

impl Schedule {
    /// The number after a share `progress` of the training, in [0, 1].
    ///
    /// ```
    /// use phalanx_algorithms::{CosineSchedule, Range, Schedule};
    /// let falling = Schedule::Linear(Range { from: 1e-3, to: 0.0 });
    /// assert_eq!(falling.at(0.25), 7.5e-4);
    /// let falling = Schedule::Cosine(CosineSchedule { cosine: Range { from: 1.0, to: 0.0 } });
    /// // (1 + cos(π/3))/2.
    /// assert!((falling.at(1.0 / 3.0) - 0.75).abs() < 1e-12);
    /// ```
    pub fn at(&self, progress: f64) -> f64 {
        let progress = progress.clamp(0.0, 1.0);
        // P25
        match self {
            Self::Constant(value) => *value,
            Self::Linear(Range { from, to }) => from + (to - from) * progress,
            Self::Cosine(CosineSchedule { cosine: Range { from, to } }) => {
                to + (from - to) * 0.5 * (1.0 + (PI * progress).cos())
            }
            Self::Piecewise(PiecewiseSchedule { piecewise }) => {
                let next = piecewise.partition_point(|point| point.at <= progress);
                match (next.checked_sub(1).map(|last| piecewise[last]), piecewise.get(next)) {
                    (Some(a), Some(b)) => a.value + (b.value - a.value) * (progress - a.at) / (b.at - a.at),
                    (Some(end), None) => end.value,
                    (None, Some(start)) => start.value,
                    (None, None) => 0.0,
                }
            }
        }
    }

    /// Whether its points are in the order of time.
    pub fn is_ordered(&self) -> bool {
        match self {
            Self::Piecewise(PiecewiseSchedule { piecewise }) => piecewise.is_sorted_by(|a, b| a.at <= b.at),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_points_the_number_changes_linearly_and_jumps_where_two_are_at_one_time() {
        let points = [(0.2, 1.0), (0.6, 3.0), (0.6, 0.5), (0.8, 0.0)];
        let piecewise = points.map(|(at, value)| Point { at, value }).to_vec();
        let schedule = Schedule::Piecewise(PiecewiseSchedule { piecewise });
        for (progress, expected) in
            [(0.0, 1.0), (0.2, 1.0), (0.3, 1.5), (0.5, 2.5), (0.6, 0.5), (0.7, 0.25), (0.8, 0.0), (1.0, 0.0)]
        {
            assert!((schedule.at(progress) - expected).abs() < 1e-12, "at {progress}");
        }
        assert!(schedule.is_ordered());
    }

    #[test]
    fn a_cosine_is_slow_at_both_ends() {
        let schedule = Schedule::Cosine(CosineSchedule { cosine: Range { from: 2.0, to: 1.0 } });
        for (progress, expected) in [(0.0, 2.0), (0.5, 1.5), (1.0, 1.0)] {
            assert!((schedule.at(progress) - expected).abs() < 1e-12, "at {progress}");
        }
        // 1 + (1 + cos(π/10))/2 by hand.
        assert!((schedule.at(0.1) - 1.975_528_258_147_576_7).abs() < 1e-12);
    }
}
