//! What is wrong with an observation.

use super::report::Severity::{self, Error, Warning};
use super::trial::Position;
use crate::{Block, Elements, Episode, Field, Row, Space};

/// Bits that no computation brings about: not a number, with a payload.
const UNWRITTEN: u32 = 0x7FC0_DEAD;
/// Kind, severity and message of a finding.
type Found = (&'static str, Severity, String);

/// The observation farthest outside its bounds.
pub struct Excess {
    pub by: f64,
    pub message: String,
}

/// Fills the next observation with what no environment writes.
pub fn fill(block: &mut Block, filling: u8) {
    fn fill(row: Row<'_>, filling: u8) {
        match row {
            Row::F32(row) => row.fill(f32::from_bits(UNWRITTEN)),
            Row::F64(row) => row.fill(f32::from_bits(UNWRITTEN).into()),
            Row::U8(row) => row.fill(filling),
            mut row @ Row::Fields { fields, .. } => {
                (0..fields.len()).for_each(|field| fill(row.field_at(field), filling));
            }
        }
    }
    fill(block.observation_row_mut(1, 0), filling);
}

/// What is wrong with a field that is shown, if anything; an element outside its bounds goes to `excess`.
pub fn fault(
    field: &Field,
    shown: Elements<'_>,
    episode: Episode,
    place: Position,
    excess: &mut Option<Excess>,
) -> Option<Found> {
    for i in 0..field.len {
        let (x, (low, high)) = (shown.number(i), field.space.bounds(i));
        let element = || field.element(i);
        if x.to_bits() == UNWRITTEN {
            return Some(("unwritten", Error, format!("{} was not written", element())));
        }
        if !x.is_finite() && episode == Episode::Terminated {
            let message = format!(
                "{} is {x} after the last step of a terminated episode: nothing is learned from it, so training \
                 goes on; clear it in the environment if it is not meant",
                element()
            );
            return Some(("last", Warning, message));
        }
        if !x.is_finite() {
            return Some(("finite", Error, format!("{} is {x}: not a finite number", element())));
        }
        let chosen = low <= x && x <= high && x.fract() == 0.0;
        if !chosen && !matches!(field.space, Space::Box { .. }) {
            let message = format!("{} is {x}: not a choice of {}", element(), field.space);
            return Some(("choice", Error, message));
        }
        if x < low || x > high {
            let by = f64::from(low - x).max(f64::from(x - high));
            if excess.as_ref().is_none_or(|known| by > known.by) {
                let message =
                    format!("{} is {x} at {place}, outside its bounds {low}..{high} by {by:.1e}", element());
                *excess = Some(Excess { by, message });
            }
        }
    }
    None
}

/// A choice of which the mask leaves no option.
pub fn closed_mask(block: &Block) -> Option<Found> {
    let (seen, mut first) = (block.observation_row(1, 0), 0);
    for (choice, options) in block.layout().action_space.components().into_iter().enumerate() {
        if !(first..first + options).any(|option| seen.is_legal(option)) {
            return Some((
                "mask",
                Error,
                format!("the mask leaves no legal option of choice {choice} of the action"),
            ));
        }
        first += options;
    }
    None
}
