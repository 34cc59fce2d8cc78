//! Noise and sums.

use rand::RngExt;
use rand_distr::StandardNormal;

use crate::Generator;
use crate::native::uniform;

/// Adds to each number another one between −`scale` and `scale`, every one as likely.
pub(super) fn add_uniform(numbers: &mut [f64], scale: f64, generator: &mut Generator) {
    for x in numbers {
        *x += uniform(generator, -scale, scale);
    }
}

/// Adds Gaussian noise of this standard deviation to each number.
pub(super) fn add_gaussian(numbers: &mut [f64], scale: f64, generator: &mut Generator) {
    for x in numbers {
        *x += scale * generator.sample::<f64, _>(StandardNormal);
    }
}

/// The sum of the squares.
///
/// Added up as `NumPy` does, in eight strands: the last bit of a 32-bit sum depends on it, and the reward shows it.
pub(super) fn square_sum(numbers: &[f32]) -> f32 {
    let (eights, rest) = numbers.as_chunks::<8>();
    let mut strands = [0.0_f32; 8];
    for eight in eights {
        for (strand, x) in strands.iter_mut().zip(eight) {
            *strand += x * x;
        }
    }
    let [a, b, c, d, e, f, g, h] = strands;
    rest.iter().fold(((a + b) + (c + d)) + ((e + f) + (g + h)), |sum, x| sum + x * x)
}

/// How far two points are from each other.
pub(super) fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
}
