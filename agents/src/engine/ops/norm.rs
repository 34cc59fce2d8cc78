//! Layer normalisation. Ba et al. 2016, arXiv:1607.06450.

use phalanx_graph::LAYER_NORM_EPSILON;

use super::{Back, Work};

/// Mean of a row, and the factor that scales its deviations.
fn statistics(x: &[f32]) -> (f32, f32) {
    let n = x.len() as f32;
    let mean = x.iter().sum::<f32>() / n;
    let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / n;
    (mean, 1.0 / (variance + LAYER_NORM_EPSILON).sqrt())
}

/// `y = (x − mean)·factor·scale + shift`.
pub fn forward(work: Work<'_>, x: &[f32], y: &mut [f32]) {
    let len = work.step.len;
    let (scale, shift) = work.parameters().split_at(len);
    for (x, y) in x.chunks_exact(len).zip(y[..work.rows * len].chunks_exact_mut(len)) {
        let (mean, factor) = statistics(x);
        for (((y, x), scale), shift) in y.iter_mut().zip(x).zip(scale).zip(shift) {
            *y = (x - mean) * factor * scale + shift;
        }
    }
}

/// Gradients of scale and shift, and of `x`.
pub fn backward(work: Work<'_>, mut back: Back<'_>) {
    let len = work.step.len;
    let scale = &work.parameters()[..len];
    for (i, (x, g)) in back.x.chunks_exact(len).zip(back.gradient.chunks_exact_mut(len)).enumerate() {
        let (mean, factor) = statistics(x);
        if let Some(sum) = &mut back.sum {
            let (d_scale, d_shift) = sum.split_at_mut(len);
            for (((d_scale, d_shift), x), g) in d_scale.iter_mut().zip(d_shift).zip(x).zip(&*g) {
                *d_scale += g * (x - mean) * factor;
                *d_shift += g;
            }
        }
        let Some(below) = &mut back.below else { continue };
        // With h = (x − mean)·factor and d = g·scale: factor·(d − mean(d) − h·mean(d·h)).
        let (mut sum, mut product) = (0.0, 0.0);
        for ((g, scale), x) in g.iter_mut().zip(scale).zip(x) {
            *g *= scale;
            sum += *g;
            product += *g * (x - mean) * factor;
        }
        let (sum, product) = (sum / len as f32, product / len as f32);
        let into = below.gradient[i * len..(i + 1) * len].iter_mut();
        for ((into, g), x) in into.zip(&*g).zip(x) {
            let slope = factor * (g - sum - (x - mean) * factor * product);
            *into = if below.first { slope } else { *into + slope };
        }
    }
}
