//! From the outputs of a network to an action.

use crate::error::ActError;
use crate::format::{NONE, part};
use crate::scalars::tanh;

/// A part of an action, and what it is made of.
pub struct Head<'a> {
    /// Words of the file.
    pub words: &'a [u32; part::WORDS],
    /// Logits of options or bits, or means.
    pub outputs: &'a [f32],
    /// What follows them in the arena.
    pub after: &'a [f32],
    /// 0 where an option is illegal: one number for each, two for each bit.
    pub mask: Option<&'a [f32]>,
}

/// Whether an option is legal.
pub fn is_legal(mask: Option<&[f32]>, i: usize) -> bool {
    mask.is_none_or(|mask| mask.get(i).is_some_and(|&legal| legal != 0.0))
}

/// `centre + factor·x` within the bounds.
pub fn scaled([centre, factor, low, high]: [f32; 4], x: f32) -> f32 {
    let scaled = centre + factor * x;
    // No `clamp`, which panics where bounds are in the wrong order.
    if scaled < low {
        low
    } else if scaled > high {
        high
    } else {
        scaled
    }
}

/// The most probable option among the legal ones.
fn choice(outputs: &[f32], mask: Option<&[f32]>) -> Option<usize> {
    let mut best: Option<(usize, f32)> = None;
    for (i, &x) in outputs.iter().enumerate() {
        if best.is_none_or(|(_, most)| x > most) && is_legal(mask, i) {
            best = Some((i, x));
        }
    }
    best.map(|(i, _)| i)
}

impl<'a> Head<'a> {
    /// The part with these words, over the results of the network.
    pub fn new(words: &'a [u32; part::WORDS], arena: &'a [f32]) -> Result<Self, ActError> {
        let word = |i: usize| words[i] as usize;
        let len = word(part::LEN);
        let rest = |at: usize| arena.get(at..).ok_or(ActError::File);
        let (outputs, after) = rest(word(part::OUTPUTS))?.split_at_checked(len).ok_or(ActError::File)?;
        let options = if words[part::KIND] == part::BITS { len.saturating_mul(2) } else { len };
        let mask = match words[part::MASK] {
            NONE => None,
            at => Some(rest(at as usize)?.get(..options).ok_or(ActError::File)?),
        };
        Ok(Self { words, outputs, after, mask })
    }

    /// Its part of an action.
    pub fn own<'b>(&self, action: &'b mut [f32]) -> Result<&'b mut [f32], ActError> {
        action.get_mut(self.words[part::ACTION] as usize..).ok_or(ActError::Action)
    }

    /// The number of an option.
    pub fn option(&self, option: usize) -> f32 {
        (option as i32).wrapping_add(self.words[part::START] as i32) as f32
    }

    /// Centre, factor and bounds of number `i`.
    pub fn scale(&self, floats: &[f32], i: usize) -> [f32; 4] {
        let (start, len) = (self.words[part::SCALE] as usize, self.outputs.len());
        let at = |of: usize| start.wrapping_add(of.wrapping_mul(len)).wrapping_add(i);
        [0, 1, 2, 3].map(|of| floats.get(at(of)).copied().unwrap_or(0.0))
    }

    /// Writes its most probable action; numbers are scaled by `floats`.
    pub fn act(&self, floats: &[f32], into: &mut [f32]) -> Result<(), ActError> {
        let Self { words, outputs, mask, .. } = *self;
        match words[part::KIND] {
            part::CHOICE => {
                let option = choice(outputs, mask).ok_or(ActError::Mask)?;
                *into.first_mut().ok_or(ActError::Action)? = self.option(option);
            }
            part::BITS => {
                for (i, (into, &x)) in into.iter_mut().zip(outputs).enumerate() {
                    *into = match (is_legal(mask, 2 * i), is_legal(mask, 2 * i + 1)) {
                        (true, true) => f32::from(u8::from(x > 0.0)),
                        (true, false) => 0.0,
                        (false, true) => 1.0,
                        (false, false) => return Err(ActError::Mask),
                    };
                }
            }
            kind => {
                for (i, (into, &x)) in into.iter_mut().zip(outputs).enumerate() {
                    let x = if kind == part::SQUASHED { tanh(x) } else { x };
                    *into = scaled(self.scale(floats, i), x);
                }
            }
        }
        Ok(())
    }
}
