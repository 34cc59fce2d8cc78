//! Brings observations and actions to [−1, 1], where networks work best.

use super::{Wrapper, float_bounds};
use crate::{Action, Env, EnvError, Row, Space, SpaceError, Step};

/// Shows observations and takes actions in [−1, 1] for what lies between the bounds of the environment's spaces.
///
/// A space can be normalized when it is a box of f32 whose bounds are finite and apart; asking for it otherwise is an
/// error, and not asking leaves such a space as it is. Actions are put within the bounds, so that rounding cannot
/// carry them out.
pub struct RangeNormalize {
    inner: Box<dyn Env>,
    observation: Option<Range>,
    action: Option<Range>,
}

/// A normalized space: the bounds that ±1 stand for.
struct Range {
    space: Space,
    low: Vec<f32>,
    high: Vec<f32>,
    /// The present action in the environment's range.
    action: Vec<f32>,
}

impl RangeNormalize {
    /// `inner` with normalized observations and actions: `Some(true)` insists, `Some(false)` leaves them, `None` does
    /// what can be done.
    ///
    /// # Errors
    /// [`EnvError::Space`] when a space is to be normalized that cannot be.
    pub fn new(
        inner: Box<dyn Env>,
        observation: Option<bool>,
        action: Option<bool>,
    ) -> Result<Self, EnvError> {
        let observation = choose(observation, Range::of(inner.observation_space()))?;
        let action = choose(action, Range::of(inner.action_space()))?;
        Ok(Self { inner, observation, action })
    }

    fn show(&self, row: &mut [f32]) {
        if let Some(Range { low, high, .. }) = &self.observation {
            for ((x, low), high) in row.iter_mut().zip(low).zip(high) {
                *x = 2.0 * (*x - low) / (high - low) - 1.0;
            }
        }
    }
}

fn choose(wish: Option<bool>, range: Result<Range, SpaceError>) -> Result<Option<Range>, SpaceError> {
    match wish {
        Some(true) => range.map(Some),
        Some(false) => Ok(None),
        None => Ok(range.ok()),
    }
}

impl Range {
    fn of(space: &Space) -> Result<Self, SpaceError> {
        let (low, high) = float_bounds(space, "range_normalize")?;
        let usable = |(l, h): (&f32, &f32)| (h - l).is_finite() && l < h;
        if !low.iter().zip(high).all(usable) {
            return Err(SpaceError::new("range_normalize", space, "its bounds must be finite and apart"));
        }
        let ones = vec![1.0; low.len()];
        let minus_ones = vec![-1.0; low.len()];
        Ok(Self {
            space: Space::boxed(&minus_ones, &ones).with_shape(space.shape()),
            low: low.to_vec(),
            high: high.to_vec(),
            action: ones,
        })
    }

    /// An action from [−1, 1] in the environment's range.
    fn stretch(&mut self, action: Action<'_>) -> Action<'_> {
        let bounds = self.low.iter().zip(&self.high);
        for ((x, given), (&low, &high)) in self.action.iter_mut().zip(action.continuous()).zip(bounds) {
            *x = ((given + 1.0) / 2.0 * (high - low) + low).clamp(low, high);
        }
        Action::Box(&self.action)
    }
}

impl Wrapper for RangeNormalize {
    fn inner(&self) -> &dyn Env {
        &*self.inner
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut *self.inner
    }

    fn outer_observation_space(&self) -> &Space {
        self.observation.as_ref().map_or_else(|| self.inner.observation_space(), |range| &range.space)
    }

    fn outer_action_space(&self) -> &Space {
        self.action.as_ref().map_or_else(|| self.inner.action_space(), |range| &range.space)
    }

    fn on_reset(&mut self, seed: Option<u64>, mut observation: Row<'_>) -> Result<(), EnvError> {
        self.inner.reset(seed, observation.again())?;
        if let Row::F32(row) = observation {
            self.show(row);
        }
        Ok(())
    }

    fn on_prepare(&mut self, action: Action<'_>) -> Result<(), EnvError> {
        let action = self.action.as_mut().map_or(action, |range| range.stretch(action));
        self.inner.prepare(action)
    }

    fn on_step(&mut self, action: Action<'_>, mut observation: Row<'_>) -> Result<Step, EnvError> {
        let action = self.action.as_mut().map_or(action, |range| range.stretch(action));
        let step = self.inner.step(action, observation.again())?;
        if let Row::F32(row) = observation {
            self.show(row);
        }
        Ok(step)
    }
}
