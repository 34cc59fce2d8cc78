//! What a policy file holds about itself, in JSON.

use std::fmt;

use phalanx_envs::{Dtype, EnvInfo, EnvSpec, Label, Space};
use phalanx_export::{Record, Recorded};
use serde::{Deserialize, Serialize};

use super::PolicyError;

/// What a policy file was made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// Version of the program that wrote it.
    pub phalanx: String,
    /// The environment that it was trained for.
    pub env: EnvSpec,
    /// Environment steps of the training.
    pub steps: u64,
    /// What is observed, in the order of the file's inputs.
    pub observation: Vec<Field>,
    /// What is done, in the order of an action's numbers.
    pub action: Vec<Field>,
}

/// A part of an observation or an action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// `observation`, `action`, or one of them with a path, as in `observation.camera.left`.
    pub name: String,
    /// `f32`, `f64` or `u8`; choices are floats that are whole numbers.
    pub dtype: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Options of each choice; nothing of numbers.
    pub options: Vec<usize>,
    /// Lower bounds of a box, null where there is none.
    pub low: Vec<Option<f32>>,
    /// Upper bounds of a box.
    pub high: Vec<Option<f32>>,
    /// The unit of all numbers, or that of each; nothing where they are not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unit: Vec<String>,
    /// The number of each choice's first option, where that is not 0 for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub start: Vec<i64>,
}

/// Whole numbers up to this one, and no others, are floats.
const LARGEST: u64 = 1 << 24;

impl About {
    /// Of a policy after `steps` steps in environments of which this is known.
    ///
    /// # Errors
    /// [`PolicyError::Start`] where a choice has options with numbers that no float holds.
    pub fn new(env: &EnvSpec, info: &EnvInfo, steps: u64) -> Result<Self, PolicyError> {
        let observation = Field::all("observation", &info.observation_space, &info.labels.observation);
        let action = Field::all("action", &info.action_space, &info.labels.action);
        for field in observation.iter().chain(&action) {
            let mut options = field.start.iter().zip(&field.options);
            let large = options.find(|(start, n)| start.unsigned_abs().saturating_add(**n as u64) > LARGEST);
            if let Some((&start, _)) = large {
                return Err(PolicyError::Start { field: field.name.clone(), start, most: LARGEST });
            }
        }
        Ok(Self { phalanx: env!("CARGO_PKG_VERSION").into(), env: env.clone(), steps, observation, action })
    }

    /// An observation whose choices count from 0, as the environment numbers them.
    pub fn number(&self, observation: &mut [Recorded]) {
        for (field, part) in self.observation.iter().zip(observation) {
            if let Recorded::F32(x) = part {
                x.iter_mut().zip(&field.start).for_each(|(x, start)| *x += *start as f32);
            }
        }
    }

    /// Numbers of an action: what each is more than one that counts from 0.
    pub fn action_starts(&self) -> impl Iterator<Item = f32> + '_ {
        self.action.iter().flat_map(|field| {
            let start = |i: usize| field.start.get(i).map_or(0.0, |start| *start as f32);
            (0..field.shape.iter().product()).map(start)
        })
    }

    /// Records of an environment whose choices count from 0, with those that it has outside.
    pub fn numbered(&self, mut records: Vec<Record>) -> Vec<Record> {
        for Record { observation, action, .. } in &mut records {
            self.number(observation);
            action.iter_mut().zip(self.action_starts()).for_each(|(x, start)| *x += start);
        }
        records
    }
}

impl Field {
    /// Those of `space`, with what is noted of them, if anything is.
    pub fn all(name: &str, space: &Space, labels: &[Label]) -> Vec<Self> {
        let field = |((path, leaf), label): ((String, &Space), Label)| {
            let name = if path.is_empty() { name.to_owned() } else { format!("{name}.{path}") };
            let finite = |bounds: &[f32]| bounds.iter().map(|&x| x.is_finite().then_some(x)).collect();
            let (dtype, options, low, high) = match leaf {
                Space::Box { low, high, dtype, .. } => (*dtype, vec![], finite(low), finite(high)),
                Space::Discrete { n } => (Dtype::F32, vec![*n], vec![], vec![]),
                Space::MultiDiscrete { n } => (Dtype::F32, n.clone(), vec![], vec![]),
                _ => (Dtype::U8, vec![2; leaf.len()], vec![], vec![]),
            };
            let dtype = format!("{dtype:?}").to_lowercase();
            let shape = match leaf {
                Space::MultiDiscrete { n } => vec![n.len()],
                leaf => leaf.shape().to_vec(),
            };
            let Label { unit, start } = label;
            Self { name, dtype, shape, options, low, high, unit, start }
        };
        let labels = labels.iter().cloned().chain(std::iter::repeat(Label::default()));
        space.leaves().into_iter().zip(labels).map(field).collect()
    }

    /// Whether its bounds decide on what numbers mean.
    fn needs_bounds(&self) -> bool {
        self.name.starts_with("action") || self.dtype == "u8"
    }

    /// Its name and shape, as models have them.
    pub fn exported(&self) -> phalanx_export::Field {
        phalanx_export::Field { name: self.name.clone(), shape: self.shape.clone() }
    }

    /// Whether it is the same, but for the bounds of floats that are observed: actions are scaled by their bounds, and bytes too.
    pub fn is_like(&self, other: &Self) -> bool {
        let Self { name, dtype, shape, options, low, high, .. } = other;
        (&self.name, &self.dtype, &self.shape, &self.options) == (name, dtype, shape, options)
            && (!self.needs_bounds() || (&self.low, &self.high) == (low, high))
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, dtype, shape, options, low, high, .. } = self;
        match options.as_slice() {
            [] if self.needs_bounds() => {
                let (low, high) = (bounds(low, "-inf"), bounds(high, "inf"));
                write!(f, "{name} of {dtype} {shape:?} from {low} to {high}")
            }
            [] => write!(f, "{name} of {dtype} {shape:?}"),
            [n] if shape.is_empty() => write!(f, "{name}, Discrete({n})"),
            options if dtype == "u8" => write!(f, "{name}, MultiBinary({})", options.len()),
            options => write!(f, "{name}, MultiDiscrete({options:?})"),
        }
    }
}

/// The bound that all elements have, or those of each.
fn bounds(all: &[Option<f32>], none: &str) -> String {
    let text = |bound: &Option<f32>| bound.map_or(none.to_owned(), |bound| bound.to_string());
    match all {
        [first, rest @ ..] if rest.iter().all(|bound| bound == first) => text(first),
        all => format!("[{}]", all.iter().map(text).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_differ_have_different_texts() {
        let texts =
            |space: &Space| Field::all("action", space, &[]).iter().map(Field::to_string).collect::<Vec<_>>();
        for (space, text) in [
            (Space::Discrete { n: 3 }, "action, Discrete(3)"),
            (Space::MultiDiscrete { n: vec![3] }, "action, MultiDiscrete([3])"),
            (Space::MultiDiscrete { n: vec![2, 2] }, "action, MultiDiscrete([2, 2])"),
            (Space::MultiBinary { n: 2 }, "action, MultiBinary(2)"),
            (Space::boxed(&[-1.0, -1.0], &[1.0, 1.0]), "action of f32 [2] from -1 to 1"),
            (Space::boxed(&[-1.0, -1.0], &[1.0, 2.0]), "action of f32 [2] from -1 to [1, 2]"),
            (Space::boxed(&[-1.0], &[f32::INFINITY]), "action of f32 [1] from -1 to inf"),
        ] {
            assert_eq!(texts(&space), [text]);
        }
    }
}
