//! What is wrong with an observation.

use super::report::Severity::{self, Error, Warning};
use super::trial::Position;
use crate::{Block, Elements, Episode, Field, Role, Row, Space};

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
        // 64 bits hold what is infinite in 32.
        let whole = if let Elements::F64(shown) = shown { shown[i] } else { x.into() };
        if x.to_bits() == UNWRITTEN {
            return Some(("unwritten", Error, format!("{} was not written", element())));
        }
        if !x.is_finite() && episode == Episode::Terminated {
            let message = format!(
                "{} is {whole:e} after the last step of a terminated episode: nothing is learned from it, so training \
                 goes on; clear it in the environment if it is not meant",
                element()
            );
            return Some(("last", Warning, message));
        }
        if !x.is_finite() {
            let why = if whole.is_finite() {
                "beyond the floats of 32 bits that networks read, at most 3.4e38; scale it in the environment"
            } else {
                "not a finite number"
            };
            return Some(("finite", Error, format!("{} is {whole:e}: {why}", element())));
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

/// A mask that has another number than 0 and 1, or leaves a choice no option.
pub fn bad_mask(block: &Block) -> Option<Found> {
    let (seen, mut first) = (block.observation_row(1, 0), 0);
    let fields = block.layout().fields().iter().enumerate();
    for (i, field) in fields.filter(|(_, field)| field.role == Role::Mask) {
        let mask = seen.field_at(i);
        if let Some(option) = (0..field.len).find(|&option| ![0.0, 1.0].contains(&mask.number(option))) {
            let (element, value) = (field.element(option), mask.number(option));
            let message = format!("{element} is {value}, where 0 forbids an option and 1 allows it");
            return Some(("mask", Error, message));
        }
    }
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
