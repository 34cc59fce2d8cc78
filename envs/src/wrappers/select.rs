//! Shows some of what an environment observes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Wrapper;
use super::inside::Inside;
use crate::field::Fields;
use crate::{Action, Elements, Env, EnvError, Row, Space, SpaceError, Step};

/// What is selected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Selection {
    /// Numbers of a box, counted from 0 row after row.
    Numbers(Vec<usize>),
    /// Fields of a Dict or Tuple by their paths, or parts with all their fields.
    Fields(Vec<String>),
}

/// Shows some numbers of a box, `[0, 2]`, or some fields of a Dict or Tuple, `[camera.left, joints]`, in their own order.
///
/// A single field is shown as a space of its own, several as a Dict of their paths.
pub struct Select {
    inner: Box<dyn Env>,
    observation_space: Space,
    inside: Inside,
    chosen: Chosen,
}

/// Numbers of the one field, or fields.
enum Chosen {
    Numbers(Vec<usize>),
    Fields(Vec<usize>),
}

impl Select {
    /// `inner` with what is selected of its observations.
    ///
    /// # Errors
    /// [`EnvError::Space`] when observations have no such numbers or fields.
    pub fn new(inner: Box<dyn Env>, selection: &Selection) -> Result<Self, EnvError> {
        let space = inner.observation_space();
        space.check()?;
        let (observation_space, chosen) = match selection {
            Selection::Numbers(indices) => (numbers(space, indices)?, Chosen::Numbers(indices.clone())),
            Selection::Fields(paths) => {
                let chosen = fields(space, paths)?;
                (shown(space, &chosen), Chosen::Fields(chosen))
            }
        };
        Ok(Self { observation_space, inside: Inside::new(space), chosen, inner })
    }

    fn show(&self, mut observation: Row<'_>) {
        match &self.chosen {
            Chosen::Numbers(indices) => match (observation, self.inside.field(0)) {
                (Row::F32(to), Elements::F32(from)) => pick(indices, from, to),
                (Row::F64(to), Elements::F64(from)) => pick(indices, from, to),
                (Row::U8(to), Elements::U8(from)) => pick(indices, from, to),
                (row, _) => panic!("{row:?} is no row of {}", self.observation_space),
            },
            Chosen::Fields(fields) => {
                if let [field] = fields[..] {
                    return observation.copy_from(self.inside.field(field));
                }
                for (i, &field) in fields.iter().enumerate() {
                    observation.field_at(i).copy_from(self.inside.field(field));
                }
            }
        }
    }
}

fn pick<T: Copy>(indices: &[usize], from: &[T], to: &mut [T]) {
    to.iter_mut().zip(indices).for_each(|(to, &i)| *to = from[i]);
}

/// The box of the numbers `indices` of a box.
fn numbers(space: &Space, indices: &[usize]) -> Result<Space, SpaceError> {
    let refuse = |reason: String| SpaceError::new("select", space, reason);
    let Space::Box { low, high, dtype, .. } = space else {
        return Err(refuse("numbers are selected of a box: name paths of fields instead".to_owned()));
    };
    if let Some(i) = indices.iter().find(|&&i| i >= low.len()) {
        return Err(refuse(format!("there is no number {i}: it has {}", low.len())));
    }
    let bounds = |of: &[f32]| indices.iter().map(|&i| of[i]).collect();
    let space =
        Space::Box { shape: vec![indices.len()], low: bounds(low), high: bounds(high), dtype: *dtype };
    space.check().map(|()| space)
}

/// The fields of `space` at `paths` and within them.
fn fields(space: &Space, paths: &[String]) -> Result<Vec<usize>, SpaceError> {
    let all = Fields::of(space).all;
    let within = |path: &str, part: &str| {
        path.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    if let Some(part) = paths.iter().find(|part| !all.iter().any(|field| within(&field.path, part))) {
        let known: Vec<_> = all.iter().map(|field| field.path.as_str()).collect();
        return Err(SpaceError::new(
            "select",
            space,
            format!("it has no field `{part}`; its fields are {known:?}"),
        ));
    }
    let chosen = |i: &usize| paths.iter().any(|part| within(&all[*i].path, part));
    let chosen: Vec<_> = (0..all.len()).filter(chosen).collect();
    if chosen.is_empty() {
        return Err(SpaceError::new("select", space, "nothing is selected"));
    }
    Ok(chosen)
}

fn shown(space: &Space, chosen: &[usize]) -> Space {
    let leaves = space.leaves();
    match chosen {
        [field] => leaves[*field].1.clone(),
        fields => Space::Dict(fields.iter().map(|&i| (leaves[i].0.clone(), leaves[i].1.clone())).collect()),
    }
}

impl Wrapper for Select {
    fn inner(&self) -> &dyn Env {
        &*self.inner
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut *self.inner
    }

    fn outer_observation_space(&self) -> &Space {
        &self.observation_space
    }

    fn on_reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        self.inner.reset(seed, self.inside.row())?;
        self.show(observation);
        Ok(())
    }

    fn on_step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        let step = self.inner.step(action, self.inside.row())?;
        self.show(observation);
        Ok(step)
    }
}
