//! Numbers that nothing can be learned from.

use phalanx_agents::Rollout;
use phalanx_envs::{Block, Elements, Episode};

use crate::AlgorithmError;

/// Fails where an observation of the transitions `held` is not finite. The final observation of an episode that terminated is not checked: its
/// value is not used.
pub fn check_observations(block: &Block, rollout: &Rollout, held: &[i64]) -> Result<(), AlgorithmError> {
    let check = |shown: Elements<'_>, what: &str, row: usize, t: usize| {
        let Some((element, value)) = shown.non_finite() else { return Ok(()) };
        Err(AlgorithmError::NotFinite {
            what: format!("{what}{element}"),
            value,
            place: format!("row {row}, time {t} of the rollout"),
        })
    };
    let rows = rollout.rows();
    held.iter().try_for_each(|&i| {
        let (t, row) = (i as usize / rows, i as usize % rows);
        check(block.observation_row(t, row), "observation", row, t)?;
        match block.episode(t, row) {
            Episode::Truncated => check(block.final_observation_row(t, row), "final observation", row, t),
            Episode::Running | Episode::LifeLost if t + 1 == rollout.len => {
                check(block.observation_row(t + 1, row), "observation", row, t + 1)
            }
            _ => Ok(()),
        }
    })
}

/// Fails unless a number of the gradient step after `steps` others is finite.
pub fn finite(what: &str, value: f64, steps: u64) -> Result<f64, AlgorithmError> {
    if value.is_finite() {
        return Ok(value);
    }
    Err(AlgorithmError::NotFinite { what: what.into(), value, place: format!("gradient step {}", steps + 1) })
}
