//! Shows some of what an environment observes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Wrapper;
use super::inside::Inside;
use crate::field::Fields;
use crate::{Action, Elements, Env, EnvError, Label, Labels, Row, Space, SpaceError, Step};

/// Something that is selected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Selected {
    /// A number of a box, counted from 0 row after row, or a part of a Tuple.
    Number(usize),
    /// A field of a Dict or Tuple by its path, or a part with all its fields.
    Path(String),
}

impl Selected {
    /// As a path.
    pub(super) fn path(&self) -> String {
        match self {
            Self::Number(i) => i.to_string(),
            Self::Path(path) => path.clone(),
        }
    }
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
    pub fn new(inner: Box<dyn Env>, selection: &[Selected]) -> Result<Self, EnvError> {
        let space = inner.observation_space();
        space.check()?;
        let (observation_space, chosen) = if space.is_composite() {
            let paths: Vec<String> = selection.iter().map(Selected::path).collect();
            let chosen = fields(space, &paths, "select")?;
            (shown(space, &chosen), Chosen::Fields(chosen))
        } else {
            let indices = indices(space, selection)?;
            (numbers(space, &indices)?, Chosen::Numbers(indices))
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

/// The numbers that are selected of a space without fields.
fn indices(space: &Space, selection: &[Selected]) -> Result<Vec<usize>, SpaceError> {
    let index = |selected: &Selected| match selected {
        Selected::Number(i) => Ok(*i),
        Selected::Path(path) => {
            let reason = format!("it has no field `{path}`: numbers are selected of a box, by their places");
            Err(SpaceError::new("select", space, reason))
        }
    };
    selection.iter().map(index).collect()
}

/// The box of the numbers `indices` of a box.
fn numbers(space: &Space, indices: &[usize]) -> Result<Space, SpaceError> {
    let refuse = |reason: String| SpaceError::new("select", space, reason);
    let Space::Box { low, high, dtype, .. } = space else {
        return Err(refuse("numbers are selected of a box".to_owned()));
    };
    if let Some(i) = indices.iter().find(|&&i| i >= low.len()) {
        return Err(refuse(format!("there is no number {i}: it has {}", low.len())));
    }
    let bounds = |of: &[f32]| indices.iter().map(|&i| of[i]).collect();
    let space =
        Space::Box { shape: vec![indices.len()], low: bounds(low), high: bounds(high), dtype: *dtype };
    space.check().map(|()| space)
}

/// The fields of `space` at `paths` and within them, which `wrapper` is to have.
pub(super) fn fields(space: &Space, paths: &[String], wrapper: &str) -> Result<Vec<usize>, SpaceError> {
    let all = Fields::of(space).all;
    let within = |path: &str, part: &str| {
        path.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    if let Some(part) = paths.iter().find(|part| !all.iter().any(|field| within(&field.path, part))) {
        let known: Vec<_> = all.iter().map(|field| field.path.as_str()).collect();
        let reason = format!("it has no field `{part}`; its fields are {known:?}");
        return Err(SpaceError::new(wrapper, space, reason));
    }
    let chosen = |i: &usize| paths.iter().any(|part| within(&all[*i].path, part));
    let chosen: Vec<_> = (0..all.len()).filter(chosen).collect();
    if chosen.is_empty() {
        return Err(SpaceError::new(wrapper, space, "nothing is selected"));
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

    fn outer_labels(&mut self) -> Result<Labels, EnvError> {
        let Labels { observation, action } = self.inner.labels()?;
        let observation = match &self.chosen {
            Chosen::Numbers(indices) => {
                let each = observation[0].each(self.inside.fields.all[0].len);
                let unit = indices.iter().filter_map(|&i| each.get(i).cloned()).collect();
                vec![Label::units(unit)]
            }
            Chosen::Fields(fields) => fields.iter().map(|&field| observation[field].clone()).collect(),
        };
        Ok(Labels { observation, action })
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
