//! A wrapper of one array, around one field of an observation that has several.

use std::cell::RefCell;
use std::rc::Rc;

use super::inside::Inside;
use super::select::fields;
use super::{Selected, Wrapper};
use crate::{Action, Dtype, Env, EnvError, Labels, Role, Row, Space, SpaceError, Step};

/// Shows one field alone. The whole observation is kept.
struct OneField {
    inner: Box<dyn Env>,
    space: Space,
    index: usize,
    inside: Rc<RefCell<Inside>>,
}

/// Shows all fields, of which a wrapper around [`OneField`] has changed one.
struct Rejoined {
    wrapped: Box<dyn Env>,
    observation_space: Space,
    index: usize,
    inside: Rc<RefCell<Inside>>,
}

/// What `wrap` makes of `env`, or of its field number `index` among all.
///
/// # Errors
/// Those of `wrap`; that of a space has the name of the field.
fn around(
    env: Box<dyn Env>,
    index: usize,
    wrap: impl FnOnce(Box<dyn Env>) -> Result<Box<dyn Env>, EnvError>,
) -> Result<Box<dyn Env>, EnvError> {
    let whole = env.observation_space().clone();
    let leaves = whole.leaves();
    let (path, space) = (&leaves[index].0, leaves[index].1.clone());
    let inside = Rc::new(RefCell::new(Inside::new(&whole)));
    let wrapped = wrap(Box::new(OneField { inner: env, space, index, inside: Rc::clone(&inside) }));
    let wrapped = wrapped.map_err(|error| match error {
        EnvError::Space(error) => {
            SpaceError { space: format!("the field `{path}`, {}", error.space), ..error }.into()
        }
        other => other,
    })?;
    let mut place = 0;
    let observation_space = whole.map_leaves(&mut |leaf| {
        place += 1;
        if place == index + 1 { wrapped.observation_space().clone() } else { leaf.clone() }
    });
    Ok(Box::new(Rejoined { wrapped, observation_space, index, inside }))
}

/// What `wrap` makes of the observations of `env`, or of the field that is named. `wrapper` is its name.
///
/// # Errors
/// Those of `wrap`; [`EnvError::Space`] where observations have several fields and none is named, or no such field.
pub fn on_field(
    env: Box<dyn Env>,
    field: Option<&Selected>,
    wrapper: &str,
    wrap: impl FnOnce(Box<dyn Env>) -> Result<Box<dyn Env>, EnvError>,
) -> Result<Box<dyn Env>, EnvError> {
    let space = env.observation_space();
    match field {
        None => wrap(env),
        Some(field) => {
            let index = named(space, &field.path(), wrapper)?;
            around(env, index, wrap)
        }
    }
}

/// As [`on_field`], where the one picture among the fields needs no name.
///
/// # Errors
/// Those of [`on_field`].
pub fn on_picture(
    env: Box<dyn Env>,
    field: Option<&Selected>,
    wrapper: &str,
    wrap: impl FnOnce(Box<dyn Env>) -> Result<Box<dyn Env>, EnvError>,
) -> Result<Box<dyn Env>, EnvError> {
    let space = env.observation_space();
    if field.is_some() || !space.is_composite() {
        return on_field(env, field, wrapper, wrap);
    }
    let leaves = space.leaves();
    let pictures: Vec<_> = (0..leaves.len()).filter(|&i| is_picture(&leaves[i].0, leaves[i].1)).collect();
    match pictures[..] {
        [index] => around(env, index, wrap),
        [] => {
            let reason = format!(
                "a picture is needed, bytes [H, W] or [H, W, C], and none of its fields {:?} is one",
                paths(space)
            );
            Err(SpaceError::new(wrapper, space, reason).into())
        }
        [first, ..] => {
            let all: Vec<_> = pictures.iter().map(|&i| &leaves[i].0).collect();
            let first = &leaves[first].0;
            let reason = format!("the fields {all:?} are pictures: name one of them, as in `field: {first}`");
            Err(SpaceError::new(wrapper, space, reason).into())
        }
    }
}

fn is_picture(path: &str, leaf: &Space) -> bool {
    let has_axes =
        matches!(leaf, Space::Box { shape, dtype: Dtype::U8, .. } if (2..=3).contains(&shape.len()));
    has_axes && Role::of(path) == Role::Observation
}

/// The one field at `path`, or within it.
fn named(space: &Space, path: &str, wrapper: &str) -> Result<usize, SpaceError> {
    let refuse = |reason: String| SpaceError::new(wrapper, space, reason);
    if !space.is_composite() {
        return Err(refuse(format!(
            "it has no field `{path}`: it is one array, for which no field is named"
        )));
    }
    match fields(space, &[path.to_owned()], wrapper)?[..] {
        [index] => Ok(index),
        _ => Err(refuse(format!("`{path}` has several fields; the fields are {:?}", paths(space)))),
    }
}

fn paths(space: &Space) -> Vec<String> {
    space.leaves().into_iter().map(|(path, _)| path).collect()
}

impl Wrapper for OneField {
    fn inner(&self) -> &dyn Env {
        &*self.inner
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut *self.inner
    }

    fn outer_observation_space(&self) -> &Space {
        &self.space
    }

    fn outer_labels(&mut self) -> Result<Labels, EnvError> {
        let labels = self.inner.labels()?;
        self.inside.borrow_mut().labels = labels.clone();
        Ok(Labels { observation: vec![labels.observation[self.index].clone()], ..labels })
    }

    fn on_reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        let mut inside = self.inside.borrow_mut();
        self.inner.reset(seed, inside.row())?;
        observation.copy_from(inside.field(self.index));
        Ok(())
    }

    fn on_step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        let mut inside = self.inside.borrow_mut();
        let step = self.inner.step(action, inside.row())?;
        observation.copy_from(inside.field(self.index));
        Ok(step)
    }
}

impl Rejoined {
    /// Copies the fields that are not changed.
    fn copy_others(&self, mut observation: Row<'_>) {
        let inside = self.inside.borrow();
        for i in (0..inside.fields.all.len()).filter(|&i| i != self.index) {
            observation.field_at(i).copy_from(inside.field(i));
        }
    }
}

impl Wrapper for Rejoined {
    fn inner(&self) -> &dyn Env {
        &*self.wrapped
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut *self.wrapped
    }

    fn outer_observation_space(&self) -> &Space {
        &self.observation_space
    }

    fn outer_labels(&mut self) -> Result<Labels, EnvError> {
        let Labels { mut observation, action } = self.wrapped.labels()?;
        let mut all = self.inside.borrow().labels.observation.clone();
        std::mem::swap(&mut all[self.index], &mut observation[0]);
        Ok(Labels { observation: all, action })
    }

    fn on_reset(&mut self, seed: Option<u64>, mut observation: Row<'_>) -> Result<(), EnvError> {
        self.wrapped.reset(seed, observation.field_at(self.index))?;
        self.copy_others(observation);
        Ok(())
    }

    fn on_step(&mut self, action: Action<'_>, mut observation: Row<'_>) -> Result<Step, EnvError> {
        let step = self.wrapped.step(action, observation.field_at(self.index))?;
        self.copy_others(observation);
        Ok(step)
    }
}
