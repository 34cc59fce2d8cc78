//! Makes one array of numbers of observations and actions that have several fields.

use super::Wrapper;
use super::inside::Inside;
use crate::{Action, Dtype, Env, EnvError, Label, Labels, Row, Space, Step};

/// Shows observations as one box of f32, and takes actions as one array.
///
/// The fields of an observation stand one after the other: choices as a 1 among zeros (one-hot), bits as 0 or 1, numbers rounded to 32
/// bits. A box of f32 or bytes stays as it is. Actions whose fields are all choices are taken as one `MultiDiscrete`, those whose
/// fields are all boxes as one box; others stay as they are.
pub struct Flatten {
    inner: Box<dyn Env>,
    /// The space that is shown, and the observation inside.
    observation: Option<(Space, Inside)>,
    /// The space that actions are taken from, and the one inside.
    action: Option<(Space, Space)>,
}

impl Flatten {
    /// Whether it shows or takes anything else than `env` itself.
    pub fn changes(env: &dyn Env) -> bool {
        !is_flat(env.observation_space()) || flat_action(env.action_space()).is_some()
    }

    /// `inner` with observations and actions of one field, where that can be.
    pub fn new(inner: Box<dyn Env>) -> Self {
        let action = flat_action(inner.action_space()).map(|flat| (flat, inner.action_space().clone()));
        Self { action, ..Self::observations(inner) }
    }

    /// `inner` with observations of one field, and its own actions.
    pub(super) fn observations(inner: Box<dyn Env>) -> Self {
        let space = inner.observation_space();
        let observation = (!is_flat(space)).then(|| (flat_observation(space), Inside::new(space)));
        Self { inner, observation, action: None }
    }
}

fn is_flat(space: &Space) -> bool {
    matches!(space, Space::Box { dtype: Dtype::F32 | Dtype::U8, .. })
}

fn flat_observation(space: &Space) -> Space {
    let (mut low, mut high) = (Vec::new(), Vec::new());
    for (_, leaf) in space.leaves() {
        match leaf {
            Space::Box { low: least, high: most, .. } => {
                low.extend(least);
                high.extend(most);
            }
            leaf => {
                low.resize(low.len() + width(leaf), 0.0);
                high.resize(high.len() + width(leaf), 1.0);
            }
        }
    }
    let flat = Space::boxed(&low, &high);
    // What has one field keeps its axes.
    match space {
        Space::Box { shape, .. } => flat.with_shape(shape),
        _ => flat,
    }
}

/// Numbers that show a leaf.
fn width(leaf: &Space) -> usize {
    match leaf {
        Space::Discrete { .. } | Space::MultiDiscrete { .. } => leaf.options_len(),
        _ => leaf.len(),
    }
}

/// One space for the fields of an action; none where it has one field or fields of both kinds.
fn flat_action(space: &Space) -> Option<Space> {
    match (space, space.choices_len(), space.numbers_len()) {
        (Space::MultiBinary { .. } | Space::Dict(_) | Space::Tuple(_), 1.., 0) => {
            Some(Space::MultiDiscrete { n: space.components() })
        }
        (Space::Dict(_) | Space::Tuple(_), 0, 1..) => Some(flat_observation(space)),
        _ => None,
    }
}

/// The label on one array of all fields; units are known where those of all boxes are.
fn flat_label(space: &Space, labels: &[Label], shown: impl Fn(&Space) -> usize) -> Label {
    let leaves = space.leaves();
    let each = leaves.iter().zip(labels).map(|((_, leaf), label)| match leaf {
        Space::Box { .. } => label.each(leaf.len()),
        leaf => vec!["1".to_owned(); shown(leaf)],
    });
    let each: Vec<Vec<String>> = each.collect();
    let is_box = |leaf: &Space| matches!(leaf, Space::Box { .. });
    let is_known = |((_, leaf), unit): (&(String, &Space), &Vec<String>)| !is_box(leaf) || !unit.is_empty();
    let has_units = leaves.iter().any(|(_, leaf)| is_box(leaf)) && leaves.iter().zip(&each).all(is_known);
    Label::units(if has_units { each.concat() } else { Vec::new() })
}

/// Writes the fields of an observation, one after the other.
fn show(inside: &Inside, shown: &mut [f32]) {
    let mut rest = shown;
    for (i, field) in inside.fields.all.iter().enumerate() {
        let (own, others) = rest.split_at_mut(width(&field.space));
        let numbers = inside.field(i);
        if let Space::Discrete { .. } | Space::MultiDiscrete { .. } = field.space {
            own.fill(0.0);
            let (mut first, mut choice) = (0, 0);
            field.space.for_each_component(&mut |options| {
                own[first + numbers.number(choice) as usize] = 1.0;
                (first, choice) = (first + options, choice + 1);
            });
        } else {
            own.iter_mut().enumerate().for_each(|(i, x)| *x = numbers.number(i));
        }
        rest = others;
    }
}

/// The action inside; choices and numbers stand in the order of its leaves there, too.
fn inside_action<'a>(
    spaces: Option<&'a (Space, Space)>,
    action: Action<'a>,
    choice: &'a mut i64,
) -> Action<'a> {
    let Some((_, inside)) = spaces else { return action };
    let (choices, numbers) = action.split(choice);
    Action::of(inside, choices, numbers)
}

impl Wrapper for Flatten {
    fn inner(&self) -> &dyn Env {
        &*self.inner
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut *self.inner
    }

    fn outer_observation_space(&self) -> &Space {
        self.observation.as_ref().map_or_else(|| self.inner.observation_space(), |(space, _)| space)
    }

    fn outer_action_space(&self) -> &Space {
        self.action.as_ref().map_or_else(|| self.inner.action_space(), |(space, _)| space)
    }

    fn outer_labels(&mut self) -> Result<Labels, EnvError> {
        let mut labels = self.inner.labels()?;
        if self.observation.is_some() {
            labels.observation = vec![flat_label(self.inner.observation_space(), &labels.observation, width)];
        }
        if let Some((_, inside)) = &self.action {
            let start = inside.leaves().into_iter().zip(&labels.action).flat_map(|((_, leaf), label)| {
                (0..leaf.choices_len()).map(|i| label.start.get(i).copied().unwrap_or(0))
            });
            let start: Vec<i64> = start.collect();
            let flat = flat_label(inside, &labels.action, Space::len);
            let start = if start.iter().all(|&start| start == 0) { Vec::new() } else { start };
            labels.action = vec![Label { start, ..flat }];
        }
        Ok(labels)
    }

    fn on_reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        let Some((_, inside)) = &mut self.observation else { return self.inner.reset(seed, observation) };
        self.inner.reset(seed, inside.row())?;
        show(inside, observation.f32());
        Ok(())
    }

    fn on_prepare(&mut self, action: Action<'_>) -> Result<(), EnvError> {
        self.inner.prepare(inside_action(self.action.as_ref(), action, &mut 0))
    }

    fn on_step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        let mut choice = 0;
        let action = inside_action(self.action.as_ref(), action, &mut choice);
        let Some((_, inside)) = &mut self.observation else { return self.inner.step(action, observation) };
        let step = self.inner.step(action, inside.row())?;
        show(inside, observation.f32());
        Ok(step)
    }
}
