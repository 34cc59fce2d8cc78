//! Inputs of a policy, as networks read them.

use crate::format::{op, step};
use crate::kernels::transfer;
use crate::policy::{Elements, Policy};
use crate::scalars::within;

/// Reads an input; nothing where it is missing or has another length.
#[cfg_attr(feature = "simd", inline(always))]
#[cfg_attr(not(feature = "simd"), inline(never))]
pub fn read(policy: &mut Policy<'_>, words: &[u32; step::WORDS], x: &Elements<'_>) -> Option<()> {
    let len = words[step::WRITE_LEN] as usize;
    let y = policy.arena.get_mut(words[step::WRITE] as usize..)?.get_mut(..len)?;
    match *x {
        Elements::F32(x) if x.len() == y.len() => transfer(x, y, false),
        Elements::U8(x) if x.len() == y.len() => {
            y.iter_mut().zip(x).for_each(|(y, x)| *y = f32::from(*x));
        }
        _ => return None,
    }
    let of = words[step::OP] & 0xff;
    if of == op::READ {
        return Some(());
    }
    let (first, second) =
        policy.file.floats.get(words[step::PARAMETERS] as usize..)?.split_at_checked(len)?;
    let bound = f32::from_bits(words[step::STATE]);
    for ((y, first), second) in y.iter_mut().zip(first).zip(second) {
        let x = *y - first;
        *y = if of == op::FRACTION { x / second } else { within(x * second, -bound, bound) };
    }
    Some(())
}
