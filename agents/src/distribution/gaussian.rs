//! Independent numbers, each of a normal distribution, which may be squashed by tanh afterwards.
//!
//! The action of a squashed distribution is the number u before tanh, so that nothing has to be inverted: who acts takes
//! its tanh. The density of a = s·tanh u is that of u over da/du = s·(1 − tanh² u). Two policies share this derivative, so that it cancels in
//! ratios and divergences, which are those of the normal distributions.
//!
//! The entropy of a squashed distribution has no closed form: it is that of the normal distribution plus the mean of ln da/du, which is
//! estimated by the action that was taken. As it was drawn as u = mean + std·z, the gradient of the estimate is taken at the same
//! z: a change of the policy moves u. (At the same u it would be 0 on average, whatever the policy.)

use std::ops::RangeInclusive;

use super::Terms;
use super::part::PartWeights;
use super::row::{Distribution, Gradient, Widths};

/// ln 2π.
const LN_TAU: f32 = 1.837_877_1;

/// How the numbers of a field are distributed.
#[derive(Debug, Clone, PartialEq)]
pub struct Gaussian {
    /// Numbers of the field.
    pub len: usize,
    /// Bounds of log standard deviations that the network outputs after the means; without them they are parameters, which are within
    /// bounds already.
    pub output_bounds: Option<RangeInclusive<f32>>,
    /// Σ ln s of squashed numbers, where s is what each is multiplied by after tanh; without it they are not squashed.
    pub log_scale: Option<f32>,
}

/// Means and log standard deviations of one row.
#[derive(Clone, Copy)]
struct Normal<'a> {
    means: &'a [f32],
    log_std: &'a [f32],
    bounds: [f32; 2],
}

impl Normal<'_> {
    fn log_std(self, i: usize) -> f32 {
        self.log_std[i].clamp(self.bounds[0], self.bounds[1])
    }

    /// Whether a change of log standard deviation `i` has an effect.
    fn is_within(self, i: usize) -> bool {
        (self.bounds[0]..=self.bounds[1]).contains(&self.log_std[i])
    }
}

impl Gaussian {
    pub fn widths(&self) -> Widths {
        let len = self.len;
        match self.output_bounds {
            Some(_) => Widths { outputs: 2 * len, numbers: len, ..Widths::default() },
            None => Widths { outputs: len, numbers: len, log_std: len, ..Widths::default() },
        }
    }

    fn normal<'a>(&self, distribution: Distribution<'a>) -> Normal<'a> {
        let (means, rest) = distribution.outputs.split_at(self.len);
        if let Some(bounds) = &self.output_bounds {
            return Normal { means, log_std: rest, bounds: [*bounds.start(), *bounds.end()] };
        }
        let bounds = [f32::NEG_INFINITY, f32::INFINITY];
        Normal { means, log_std: distribution.log_std, bounds }
    }

    /// Standard deviations.
    pub fn deviations<'a>(&self, distribution: Distribution<'a>) -> impl Iterator<Item = f32> + use<'a> {
        let normal = self.normal(distribution);
        (0..self.len).map(move |i| normal.log_std(i).exp())
    }

    /// Draws numbers around the means, or takes the means; returns their log density.
    pub fn act(&self, distribution: Distribution<'_>, noise: Option<&[f32]>, numbers: &mut [f32]) -> f32 {
        let normal = self.normal(distribution);
        let sum: f32 = (0..self.len).map(|i| normal.log_std(i)).sum();
        let scale = sum + 0.5 * LN_TAU * self.len as f32;
        let mut square = 0.0;
        for (i, number) in numbers.iter_mut().enumerate() {
            // P7: mean plus deviation times noise.
            let noise = noise.map_or(0.0, |noise| noise[i]);
            *number = normal.means[i] + normal.log_std(i).exp() * noise;
            square += noise * noise;
        }
        let log_prob = -0.5 * square - scale;
        self.log_slope(numbers).map_or(log_prob, |log_slope| log_prob - log_slope)
    }

    /// Adds to all terms.
    pub fn evaluate(
        &self,
        distribution: Distribution<'_>,
        numbers: &[f32],
        old: Option<Distribution<'_>>,
        terms: &mut Terms,
    ) {
        let (normal, old) = (self.normal(distribution), old.map(|old| self.normal(old)));
        for (i, (mean, number)) in normal.means.iter().zip(numbers).enumerate() {
            let log_std = normal.log_std(i);
            let z = (number - mean) * (-log_std).exp();
            terms.log_prob -= 0.5 * z * z + log_std + 0.5 * LN_TAU;
            terms.entropy += log_std + 0.5 * (LN_TAU + 1.0);
            if let Some(old) = old {
                let old_log_std = old.log_std(i);
                let ratio = (2.0 * (old_log_std - log_std)).exp();
                let distance = (old.means[i] - mean) * (-log_std).exp();
                terms.kl += log_std - old_log_std + 0.5 * (ratio + distance * distance - 1.0);
            }
        }
        if let Some(log_slope) = self.log_slope(numbers) {
            terms.log_prob -= log_slope;
            terms.entropy += log_slope;
        }
    }

    /// Writes the gradient over the outputs, and adds that over deviations that are parameters.
    pub fn gradient(
        &self,
        distribution: Distribution<'_>,
        numbers: &[f32],
        old: Option<Distribution<'_>>,
        weights: PartWeights,
        gradient: Gradient<'_>,
    ) {
        let (normal, old) = (self.normal(distribution), old.map(|old| self.normal(old)));
        let (d_mean, rest) = gradient.outputs.split_at_mut(self.len);
        rest.fill(0.0);
        let d_log_std = if self.output_bounds.is_some() { rest } else { gradient.log_std };
        for (i, (mean, number)) in normal.means.iter().zip(numbers).enumerate() {
            let log_std = normal.log_std(i);
            let inverse = (-log_std).exp();
            let z = (number - mean) * inverse;
            d_mean[i] = weights.log_prob * z * inverse;
            let mut slope = weights.log_prob * (z * z - 1.0) + weights.entropy;
            if self.log_scale.is_some() {
                let moved = -2.0 * weights.entropy * number.tanh();
                d_mean[i] += moved;
                slope += moved * (number - mean);
            }
            if normal.is_within(i) {
                d_log_std[i] += slope;
            }
            if let Some(old) = old {
                let ratio = (2.0 * (old.log_std(i) - log_std)).exp();
                let distance = (mean - old.means[i]) * inverse;
                d_mean[i] += weights.kl * distance * inverse;
                if normal.is_within(i) {
                    d_log_std[i] += weights.kl * (1.0 - ratio - distance * distance);
                }
            }
        }
    }

    /// ln |da/du| of squashed numbers u, over all of them.
    fn log_slope(&self, numbers: &[f32]) -> Option<f32> {
        // P32: ln(1 − tanh² u) = 2·(ln 2 − u − ln(1 + e⁻²ᵘ)), which does not cancel for large u.
        let ln_1p_exp = |x: f32| x.max(0.0) + (-x.abs()).exp().ln_1p();
        let one = |u: f32| 2.0 * (std::f32::consts::LN_2 - u - ln_1p_exp(-2.0 * u));
        self.log_scale.map(|log_scale| log_scale + numbers.iter().map(|&u| one(u)).sum::<f32>())
    }
}
