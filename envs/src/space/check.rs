//! Whether a space can be used at all.

use super::{Space, SpaceError};

/// Most choices of an element, over all components: each has an output of the policy or an input of the network.
const MOST_CHOICES: usize = 1 << 20;

impl Space {
    /// Whether this space can be used at all: it has choices, or bounds in order and one for every element, and so has every part of it.
    ///
    /// # Errors
    /// What is wrong with it, with the path of the leaf where it is one of several.
    pub fn check(&self) -> Result<(), SpaceError> {
        let wrong = |reason: String| Err(SpaceError::new("a batch", self, reason));
        let leaves = self.leaves();
        if self.is_composite() {
            if leaves.is_empty() {
                return wrong("it has no parts".to_owned());
            }
            if let Some((path, _)) = leaves.iter().find(|(path, _)| path.split('.').any(str::is_empty)) {
                return wrong(format!("the path `{path}` of a part has an empty name"));
            }
        }
        for (i, (path, leaf)) in leaves.iter().enumerate() {
            if leaves[..i].iter().any(|(other, _)| other == path) {
                return wrong(format!("two parts have the path `{path}`"));
            }
            if let Some(reason) = leaf.fault() {
                return wrong(if path.is_empty() { reason } else { format!("`{path}`: {reason}") });
            }
        }
        Ok(())
    }

    /// What is wrong with this leaf.
    fn fault(&self) -> Option<String> {
        match self {
            Self::Discrete { n: 0 } => Some("there must be something to choose".to_owned()),
            Self::MultiDiscrete { n } if n.is_empty() || n.contains(&0) => {
                Some("every component must have something to choose".to_owned())
            }
            Self::MultiBinary { n: 0 } => Some("there must be at least one bit".to_owned()),
            Self::Discrete { n } | Self::MultiBinary { n } if *n > MOST_CHOICES => {
                Some(format!("at most {MOST_CHOICES} choices are possible"))
            }
            Self::MultiDiscrete { n } if n.iter().fold(0, |sum, &n| n.saturating_add(sum)) > MOST_CHOICES => {
                Some(format!("at most {MOST_CHOICES} choices are possible in all"))
            }
            Self::Box { shape, low, high, .. } => {
                let len = shape.iter().try_fold(1_usize, |len, &axis| len.checked_mul(axis));
                if len.is_none_or(|len| len == 0 || [low.len(), high.len()] != [len; 2]) {
                    return Some(format!(
                        "its shape needs as many bounds as it has elements, at least one; there are {} and {}",
                        low.len(),
                        high.len()
                    ));
                }
                let i = low.iter().zip(high).position(|(l, h)| l.is_nan() || h.is_nan() || l > h)?;
                Some(format!("bounds of element {i} are {}..{}", low[i], high[i]))
            }
            _ => None,
        }
    }
}
