//! The probabilities of one choice's options, from their logits.

/// The normaliser of one choice's logits.
#[derive(Clone, Copy)]
pub struct Softmax {
    /// The largest logit, which is subtracted from all of them before they are exponentiated.
    most: f32,
    /// Σ eˡ⁻ᵐᵒˢᵗ.
    sum: f32,
    /// ln Σ eˡ⁻ᵐᵒˢᵗ.
    log_sum: f32,
}

impl Softmax {
    /// Of these logits.
    pub fn new(logits: &[f32]) -> Self {
        Self::with(logits, |_| ())
    }

    /// Of these logits, whose probabilities are written to `p`.
    pub fn with_probabilities(logits: &[f32], p: &mut [f32]) -> Self {
        let mut unscaled = p.iter_mut();
        let softmax = Self::with(logits, |weight| {
            if let Some(p) = unscaled.next() {
                *p = weight;
            }
        });
        for p in p {
            *p /= softmax.sum;
        }
        softmax
    }

    /// Of these logits; `each` is called with eˡ⁻ᵐᵒˢᵗ, one after the other.
    #[inline]
    fn with(logits: &[f32], mut each: impl FnMut(f32)) -> Self {
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut sum = 0.0;
        for logit in logits {
            let weight = (logit - most).exp();
            each(weight);
            sum += weight;
        }
        Self { most, sum, log_sum: sum.ln() }
    }

    /// Log probability of an option with this logit, in nats.
    pub fn log_prob(self, logit: f32) -> f32 {
        logit - (self.most + self.log_sum)
    }

    /// The option that `uniform`, a number of `[0, 1)`, draws, or the most probable one without it; and its log probability.
    pub fn choose(self, logits: &[f32], uniform: Option<f32>) -> (usize, f32) {
        // P6: inverse of the cumulated softmax.
        let choice = match uniform {
            Some(uniform) => self.inverse_cdf(logits, uniform),
            None => logits.iter().position(|&l| l == self.most).unwrap_or(0),
        };
        (choice, logits[choice] - self.most - self.log_sum)
    }

    /// The first option whose cumulated probability exceeds `uniform`.
    fn inverse_cdf(self, logits: &[f32], uniform: f32) -> usize {
        let (threshold, mut cumulated) = (self.sum * uniform, 0.0);
        let exceeds = |logit: &f32| {
            cumulated += (logit - self.most).exp();
            threshold < cumulated
        };
        logits.iter().position(exceeds).unwrap_or(logits.len() - 1)
    }

    /// −Σ p·ln p of the probabilities `p`, in nats.
    pub fn entropy(self, logits: &[f32], p: impl Iterator<Item = f32>) -> f32 {
        logits.iter().zip(p).map(|(&l, p)| -p * self.log_prob(l)).sum()
    }

    /// KL(old ‖ this), in nats.
    pub fn divergence(self, logits: &[f32], old: &[f32]) -> f32 {
        let q = Self::new(old);
        let term = |(&l, &o): (&f32, &f32)| q.log_prob(o).exp() * (q.log_prob(o) - self.log_prob(l));
        logits.iter().zip(old).map(term).sum()
    }
}
