//! What a policy file holds about itself, in JSON.

use std::fmt;

use phalanx_envs::{Dtype, EnvSpec, Layout, Space};
use serde::{Deserialize, Serialize};

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
}

impl About {
    /// Of a policy after `steps` steps in environments of this layout.
    pub fn new(env: &EnvSpec, layout: &Layout, steps: u64) -> Self {
        Self {
            phalanx: env!("CARGO_PKG_VERSION").into(),
            env: env.clone(),
            steps,
            observation: Field::all("observation", &layout.observation_space),
            action: Field::all("action", &layout.action_space),
        }
    }
}

impl Field {
    /// Those of `space`.
    pub fn all(name: &str, space: &Space) -> Vec<Self> {
        let field = |(path, leaf): (String, &Space)| {
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
            Self { name, dtype, shape, options, low, high }
        };
        space.leaves().into_iter().map(field).collect()
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
        let Self { name, dtype, shape, options, low, high } = other;
        (&self.name, &self.dtype, &self.shape, &self.options) == (name, dtype, shape, options)
            && (!self.needs_bounds() || (&self.low, &self.high) == (low, high))
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, dtype, shape, options, low, high } = self;
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
            |space: &Space| Field::all("action", space).iter().map(Field::to_string).collect::<Vec<_>>();
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
