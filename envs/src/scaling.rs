//! How the numbers that a policy takes become those that an environment is given.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Space, SpaceError};

/// How the numbers of a policy become those of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActionScaling {
    /// Clipped to the bounds.
    Clip,
    /// −1…1 becomes the range of an element with two finite bounds, in proportion; then clipped to the bounds.
    Rescale,
    /// The tanh of a number, which lies in −1…1, becomes the range of its element. All bounds must be finite.
    Squash,
}

/// An [`ActionScaling`] for the numbers `[C]` of one action space: those of all its boxes, in their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionScale {
    scaling: ActionScaling,
    elements: Vec<Element>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Element {
    centre: f32,
    /// What a number is multiplied by, before `centre` is added.
    half: f32,
    low: f32,
    high: f32,
}

impl Element {
    fn new(low: f32, high: f32, scaling: ActionScaling) -> Self {
        // Halves first: the width of a large box may be no finite number.
        let (centre, half) = if scaling == ActionScaling::Clip || !low.is_finite() || !high.is_finite() {
            (0.0, 1.0)
        } else {
            (0.5 * low + 0.5 * high, 0.5 * high - 0.5 * low)
        };
        Self { centre, half, low, high }
    }
}

impl ActionScale {
    /// That of the actions of `space`.
    ///
    /// # Errors
    /// When they are to be squashed and a bound is not finite.
    pub fn new(space: &Space, scaling: ActionScaling) -> Result<Self, SpaceError> {
        if scaling == ActionScaling::Squash && !space.is_bounded() {
            let reason = "every number needs two finite bounds";
            return Err(SpaceError::new("action_scaling: squash", space, reason));
        }
        let leaves = space.leaves();
        let bounds = leaves.iter().filter_map(|(_, leaf)| match leaf {
            Space::Box { low, high, .. } => Some(low.iter().zip(high)),
            _ => None,
        });
        let elements = bounds.flatten().map(|(&low, &high)| Element::new(low, high, scaling)).collect();
        Ok(Self { scaling, elements })
    }

    /// Which scaling it is.
    pub fn scaling(&self) -> ActionScaling {
        self.scaling
    }

    /// Whether numbers are no more than clipped, as those of a box of −1…1 are by [`ActionScaling::Rescale`].
    pub fn only_clips(&self) -> bool {
        let is_unit = |element: &Element| element.centre == 0.0 && element.half == 1.0;
        self.elements.is_empty() || self.scaling != ActionScaling::Squash && self.elements.iter().all(is_unit)
    }

    /// What each number is multiplied by, `[C]`: half the width of its range, or 1.
    pub fn factors(&self) -> impl Iterator<Item = f32> {
        self.elements.iter().map(|element| element.half)
    }

    /// Centre, factor, lower and upper bound of each number `[C]`: an environment is given `centre + factor·number` within the bounds, where the number
    /// is its tanh by [`ActionScaling::Squash`].
    pub fn elements(&self) -> impl Iterator<Item = [f32; 4]> {
        self.elements.iter().map(|element| [element.centre, element.half, element.low, element.high])
    }

    /// Writes what an environment is given for the numbers `[C]` of a policy.
    #[inline]
    pub fn apply(&self, numbers: &[f32], scaled: &mut [f32]) {
        for ((scaled, &number), element) in scaled.iter_mut().zip(numbers).zip(&self.elements) {
            let Element { centre, half, low, high } = *element;
            let number = if self.scaling == ActionScaling::Squash { number.tanh() } else { number };
            *scaled = (centre + half * number).clamp(low, high);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaled(low: f32, high: f32, scaling: ActionScaling, number: f32) -> f32 {
        let scale = ActionScale::new(&Space::boxed(&[low], &[high]), scaling).expect("finite bounds");
        let mut scaled = [f32::NAN];
        scale.apply(&[number], &mut scaled);
        scaled[0]
    }

    #[test]
    fn numbers_reach_their_box() {
        for (scaling, number, expected) in [
            (ActionScaling::Clip, 0.5, 10.0),
            (ActionScaling::Clip, 12.5, 12.5),
            (ActionScaling::Rescale, -1.0, 10.0),
            (ActionScaling::Rescale, 0.5, 17.5),
            (ActionScaling::Rescale, 3.0, 20.0),
            (ActionScaling::Squash, 0.0, 15.0),
            // 15 + 5·tanh 0.5.
            (ActionScaling::Squash, 0.5, 17.310_585),
            (ActionScaling::Squash, 1e30, 20.0),
        ] {
            assert_eq!(scaled(10.0, 20.0, scaling, number), expected, "{scaling:?} of {number}");
        }
        assert_eq!(scaled(f32::MIN, f32::MAX, ActionScaling::Rescale, 1.0), f32::MAX);
        assert_eq!(scaled(2.0, f32::INFINITY, ActionScaling::Rescale, 3.0), 3.0);
    }

    #[test]
    fn a_box_of_one_is_not_rescaled_by_a_bit() {
        for number in [0.1f32, -0.37, 1.0, 0.999_999_94] {
            assert_eq!(scaled(-1.0, 1.0, ActionScaling::Rescale, number).to_bits(), number.to_bits());
        }
        let only_clips =
            |space: &Space, scaling| ActionScale::new(space, scaling).expect("finite bounds").only_clips();
        assert!(only_clips(&Space::boxed(&[-1.0], &[1.0]), ActionScaling::Rescale));
        assert!(!only_clips(&Space::boxed(&[-1.0], &[1.0]), ActionScaling::Squash));
        assert!(!only_clips(&Space::boxed(&[-1.0, -1.0], &[1.0, 2.0]), ActionScaling::Rescale));
        assert!(only_clips(&Space::Discrete { n: 2 }, ActionScaling::Squash));
    }

    #[test]
    fn numbers_without_bounds_are_not_squashed() {
        let space = Space::boxed(&[0.0, 0.0], &[1.0, f32::INFINITY]);
        let error =
            ActionScale::new(&space, ActionScaling::Squash).expect_err("a bound of infinity").to_string();
        assert!(error.contains("squash cannot work with Box([2], 0..inf, F32)"), "{error}");
    }
}
