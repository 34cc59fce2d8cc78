//! Brings observations and actions to [−1, 1], where networks work best.

use super::{Wrapper, float_bounds};
use crate::{Action, Dtype, Env, EnvError, Label, Labels, Role, Row, Space, SpaceError, Step};

const WRAPPER: &str = "range_normalize";

/// Shows observations and takes actions in [−1, 1] for what lies between the bounds of the environment's spaces.
///
/// A space can be normalized when it is a box of floats whose bounds are finite and apart; asking for it otherwise is an
/// error, and not asking leaves such a space as it is. Of an observation with several fields those are normalized that are boxes of floats.
/// Actions are put within the bounds, so that rounding cannot carry them out.
pub struct RangeNormalize {
    inner: Box<dyn Env>,
    observation_space: Space,
    /// The fields that are normalized, by their number.
    observation: Vec<(usize, Bounds)>,
    action: Option<Range>,
}

/// What −1 and 1 stand for.
struct Bounds {
    low: Vec<f32>,
    high: Vec<f32>,
}

/// Actions that are normalized.
struct Range {
    space: Space,
    bounds: Bounds,
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
        let observation = fields(inner.observation_space(), observation)?;
        let action = choose(action, Range::of(inner.action_space()))?;
        let mut leaf = 0..;
        let observation_space = inner.observation_space().map_leaves(&mut |space| {
            let index = leaf.next();
            let is_normalized = observation.iter().any(|(field, _)| Some(*field) == index);
            if is_normalized { normal(space) } else { space.clone() }
        });
        Ok(Self { inner, observation_space, observation, action })
    }

    fn show(&self, mut row: Row<'_>) {
        for (field, bounds) in &self.observation {
            match &mut row {
                Row::Fields { .. } => bounds.normalize(row.field_at(*field)),
                row => bounds.normalize(row.again()),
            }
        }
    }
}

/// The fields of an observation space to normalize.
fn fields(space: &Space, wish: Option<bool>) -> Result<Vec<(usize, Bounds)>, SpaceError> {
    space.check()?;
    let mut chosen = Vec::new();
    for (i, (path, leaf)) in space.leaves().into_iter().enumerate() {
        let is_read = matches!(leaf, Space::Box { dtype: Dtype::F32 | Dtype::F64, .. })
            && Role::of(&path) == Role::Observation;
        if is_read || !space.is_composite() {
            let named = |error: SpaceError| match path.as_str() {
                "" => error,
                path => SpaceError { space: format!("the field `{path}`, {}", error.space), ..error },
            };
            chosen.extend(choose(wish, Bounds::of(leaf).map_err(named))?.map(|bounds| (i, bounds)));
        }
    }
    if chosen.is_empty() && wish == Some(true) {
        return Err(SpaceError::new(WRAPPER, space, "none of its fields is a box of floats"));
    }
    Ok(chosen)
}

fn choose<T>(wish: Option<bool>, range: Result<T, SpaceError>) -> Result<Option<T>, SpaceError> {
    match wish {
        Some(true) => range.map(Some),
        Some(false) => Ok(None),
        None => Ok(range.ok()),
    }
}

/// The space with bounds −1 and 1.
fn normal(space: &Space) -> Space {
    match space {
        Space::Box { shape, low, dtype, .. } => Space::Box {
            shape: shape.clone(),
            low: vec![-1.0; low.len()],
            high: vec![1.0; low.len()],
            dtype: *dtype,
        },
        other => other.clone(),
    }
}

impl Bounds {
    fn of(space: &Space) -> Result<Self, SpaceError> {
        let (low, high) = match space {
            Space::Box { low, high, dtype: Dtype::F64, .. } => (low.as_slice(), high.as_slice()),
            other => float_bounds(other, WRAPPER)?,
        };
        let usable = |(l, h): (&f32, &f32)| (h - l).is_finite() && l < h;
        if !low.iter().zip(high).all(usable) {
            return Err(SpaceError::new(WRAPPER, space, "its bounds must be finite and apart"));
        }
        Ok(Self { low: low.to_vec(), high: high.to_vec() })
    }

    fn normalize(&self, row: Row<'_>) {
        let bounds = self.low.iter().zip(&self.high);
        match row {
            Row::F32(row) => {
                for (x, (low, high)) in row.iter_mut().zip(bounds) {
                    *x = 2.0 * (*x - low) / (high - low) - 1.0;
                }
            }
            Row::F64(row) => {
                for (x, (&low, &high)) in row.iter_mut().zip(bounds) {
                    *x = 2.0 * (*x - f64::from(low)) / (f64::from(high) - f64::from(low)) - 1.0;
                }
            }
            Row::U8(_) | Row::Fields { .. } => {}
        }
    }
}

impl Range {
    fn of(space: &Space) -> Result<Self, SpaceError> {
        let bounds = Bounds::of(space)?;
        Ok(Self { space: normal(space), action: vec![1.0; bounds.low.len()], bounds })
    }

    /// An action from [−1, 1] in the environment's range.
    fn stretch(&mut self, action: Action<'_>) -> Action<'_> {
        let bounds = self.bounds.low.iter().zip(&self.bounds.high);
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
        &self.observation_space
    }

    fn outer_action_space(&self) -> &Space {
        self.action.as_ref().map_or_else(|| self.inner.action_space(), |range| &range.space)
    }

    fn outer_labels(&mut self) -> Result<Labels, EnvError> {
        let mut labels = self.inner.labels()?;
        let scaled = self.observation.iter().map(|(field, _)| *field);
        scaled.for_each(|field| labels.observation[field] = Label::units(vec!["1".into()]));
        if self.action.is_some() {
            labels.action = vec![Label::units(vec!["1".into()])];
        }
        Ok(labels)
    }

    fn on_reset(&mut self, seed: Option<u64>, mut observation: Row<'_>) -> Result<(), EnvError> {
        self.inner.reset(seed, observation.again())?;
        self.show(observation);
        Ok(())
    }

    fn on_prepare(&mut self, action: Action<'_>) -> Result<(), EnvError> {
        let action = self.action.as_mut().map_or(action, |range| range.stretch(action));
        self.inner.prepare(action)
    }

    fn on_step(&mut self, action: Action<'_>, mut observation: Row<'_>) -> Result<Step, EnvError> {
        let action = self.action.as_mut().map_or(action, |range| range.stretch(action));
        let step = self.inner.step(action, observation.again())?;
        self.show(observation);
        Ok(step)
    }
}
