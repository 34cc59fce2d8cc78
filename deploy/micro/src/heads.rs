//! From the outputs of a network to an action.

use crate::error::ActError;
use crate::format::{NONE, activation, part};
use crate::kernels::{activate, transfer};
use crate::policy::Policy;
use crate::scalars::within;

/// A part of an action, and what it is made of.
pub struct Head<'a> {
    /// Its words of the file.
    pub words: &'a [u32; part::WORDS],
    /// Logits of options or bits, or means.
    pub outputs: &'a [f32],
    /// 0 where an option is illegal, one number for each, two for each bit; empty where all are legal.
    mask: &'a [f32],
    /// Its numbers of the action.
    pub action: &'a mut [f32],
}

/// `len` numbers from `at` on.
pub fn numbers(all: &[f32], at: u32, len: usize) -> Option<&[f32]> {
    all.get(at as usize..)?.get(..len)
}

fn is_legal(mask: &[f32], option: usize) -> bool {
    mask.get(option).is_none_or(|&legal| legal != 0.0)
}

impl<'a> Head<'a> {
    /// A part of `action`, which is too short where there is none.
    #[inline(always)]
    pub fn new(
        policy: &'a Policy<'_>,
        words: &'a [u32; part::WORDS],
        action: &'a mut [f32],
    ) -> Result<Self, ActError> {
        let len = words[part::LEN] as usize;
        let (written, options) = match words[part::KIND] {
            part::CHOICE => (1, len),
            _ => (len, len.wrapping_mul(2)),
        };
        let mask = match words[part::MASK] {
            NONE => &[],
            at => numbers(policy.arena, at, options).ok_or(ActError::File)?,
        };
        let outputs = numbers(policy.arena, words[part::OUTPUTS], len).ok_or(ActError::File)?;
        let action = action.get_mut(words[part::ACTION] as usize..).and_then(|rest| rest.get_mut(..written));
        Ok(Self { words, outputs, mask, action: action.ok_or(ActError::Action)? })
    }

    /// Whether an option is legal.
    pub fn is_legal(&self, option: usize) -> bool {
        is_legal(self.mask, option)
    }

    /// Takes an option, by its number from the first one's on.
    pub fn choose(&mut self, option: usize) {
        let option = (option as i32).wrapping_add(self.words[part::START] as i32);
        self.action.iter_mut().for_each(|into| *into = option as f32);
    }

    /// Centre, factor, lower and upper bound of each number.
    #[inline(always)]
    pub fn scales<'f>(&self, floats: &'f [f32]) -> Option<impl Iterator<Item = [f32; 4]> + use<'f>> {
        let len = self.outputs.len();
        let scale = numbers(floats, self.words[part::SCALE], len.wrapping_mul(4))?;
        let (scale, bounds) = scale.split_at_checked(len.wrapping_mul(2))?;
        let (centre, factor) = scale.split_at_checked(len)?;
        let (low, high) = bounds.split_at_checked(len)?;
        let all = centre.iter().zip(factor).zip(low).zip(high);
        Some(all.map(|(((centre, factor), low), high)| [*centre, *factor, *low, *high]))
    }
}

/// `centre + factor·x` within the bounds.
pub fn scaled([centre, factor, low, high]: [f32; 4], x: f32) -> f32 {
    within(centre + factor * x, low, high)
}

/// The index of the largest number among those of legal options.
#[cfg_attr(feature = "simd", inline(always))]
#[cfg_attr(not(feature = "simd"), inline(never))]
fn largest(x: &[f32], mask: &[f32]) -> Option<usize> {
    let mut best: Option<(usize, f32)> = None;
    for (i, &x) in x.iter().enumerate() {
        if best.is_none_or(|(_, most)| x > most) && is_legal(mask, i) {
            best = Some((i, x));
        }
    }
    best.map(|(i, _)| i)
}

/// Writes the most probable values of a part of an action.
#[cfg_attr(feature = "simd", inline(always))]
#[cfg_attr(not(feature = "simd"), inline(never))]
pub fn act(policy: &Policy<'_>, words: &[u32; part::WORDS], action: &mut [f32]) -> Result<(), ActError> {
    let mut head = Head::new(policy, words, action)?;
    match words[part::KIND] {
        part::CHOICE => head.choose(largest(head.outputs, head.mask).ok_or(ActError::Mask)?),
        part::BITS => {
            for (i, (into, &x)) in head.action.iter_mut().zip(head.outputs).enumerate() {
                let mask = head.mask.get(2 * i..).unwrap_or_default();
                *into = largest(&[0.0, x], mask).ok_or(ActError::Mask)? as f32;
            }
        }
        kind => {
            transfer(head.outputs, head.action, false);
            if kind == part::SQUASHED {
                activate(head.action, activation::TANH);
            }
            let scales = head.scales(policy.file.floats).ok_or(ActError::File)?;
            head.action.iter_mut().zip(scales).for_each(|(x, scale)| *x = scaled(scale, *x));
        }
    }
    Ok(())
}
