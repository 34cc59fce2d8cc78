//! From the outputs of a network to an action.

use crate::error::ActError;
use crate::format::{NONE, part};
use crate::scalars::tanh;

/// The most probable option among the legal ones.
pub fn choice(outputs: &[f32], mask: Option<&[f32]>) -> Option<usize> {
    let is_legal = |i: usize| mask.is_none_or(|mask| mask.get(i).is_some_and(|&legal| legal != 0.0));
    let mut best: Option<(usize, f32)> = None;
    for (i, &x) in outputs.iter().enumerate() {
        if best.is_none_or(|(_, most)| x > most) && is_legal(i) {
            best = Some((i, x));
        }
    }
    best.map(|(i, _)| i)
}

/// Writes a part of an action from `arena`; numbers are scaled by `floats`.
pub fn act(
    words: &[u32; part::WORDS],
    arena: &[f32],
    floats: &[f32],
    action: &mut [f32],
) -> Result<(), ActError> {
    let word = |i: usize| words[i] as usize;
    let len = word(part::LEN);
    let slice =
        |at: usize, len: usize| arena.get(at..).and_then(|rest| rest.get(..len)).ok_or(ActError::File);
    let outputs = slice(word(part::OUTPUTS), len)?;
    let into = action.get_mut(word(part::ACTION)..).ok_or(ActError::Action)?;
    let mask = match words[part::MASK] {
        NONE => None,
        at if words[part::KIND] == part::BITS => Some(slice(at as usize, len.saturating_mul(2))?),
        at => Some(slice(at as usize, len)?),
    };
    match words[part::KIND] {
        part::CHOICE => {
            let option = choice(outputs, mask).ok_or(ActError::Mask)?;
            *into.first_mut().ok_or(ActError::Action)? = option as f32;
        }
        part::BITS => {
            let legal = |i: usize| mask.is_none_or(|mask| mask.get(i).is_some_and(|&legal| legal != 0.0));
            for (i, (into, &x)) in into.iter_mut().zip(outputs).enumerate() {
                *into = match (legal(2 * i), legal(2 * i + 1)) {
                    (true, true) => f32::from(u8::from(x > 0.0)),
                    (true, false) => 0.0,
                    (false, true) => 1.0,
                    (false, false) => return Err(ActError::Mask),
                };
            }
        }
        kind => {
            let scale = floats.get(word(part::SCALE)..).ok_or(ActError::File)?;
            let at =
                |i: usize, of: usize| scale.get(of.wrapping_mul(len).wrapping_add(i)).copied().unwrap_or(0.0);
            for (i, (into, &x)) in into.iter_mut().zip(outputs).enumerate() {
                let x = if kind == part::SQUASHED { tanh(x) } else { x };
                let scaled = at(i, 0) + at(i, 1) * x;
                // No `clamp`, which panics where bounds are in the wrong order.
                *into = if scaled < at(i, 2) {
                    at(i, 2)
                } else if scaled > at(i, 3) {
                    at(i, 3)
                } else {
                    scaled
                };
            }
        }
    }
    Ok(())
}
