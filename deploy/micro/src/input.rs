//! Inputs of a policy, as networks read them.

use crate::format::op;
use crate::policy::Elements;

/// Reads an input by the operation `of`; nothing where it has another length.
#[cfg_attr(feature = "simd", inline(always))]
pub fn read(of: u32, x: Elements<'_>, parameters: &[f32], bound: f32, y: &mut [f32]) -> Option<()> {
    match x {
        Elements::F32(x) if x.len() == y.len() => y.iter_mut().zip(x).for_each(|(y, x)| *y = *x),
        Elements::U8(x) if x.len() == y.len() => y.iter_mut().zip(x).for_each(|(y, x)| *y = f32::from(*x)),
        _ => return None,
    }
    if of == op::READ {
        return Some(());
    }
    let (first, second) = parameters.split_at_checked(y.len())?;
    for ((y, first), second) in y.iter_mut().zip(first).zip(second) {
        *y = if of == op::FRACTION { (*y - first) / second } else { within((*y - first) * second, bound) };
    }
    Some(())
}

/// `x` within ±`bound`; NaN stays NaN.
fn within(x: f32, bound: f32) -> f32 {
    if x < -bound {
        -bound
    } else if x > bound {
        bound
    } else {
        x
    }
}
