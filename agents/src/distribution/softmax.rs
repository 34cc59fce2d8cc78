//! The probabilities of one choice's options, from their logits.

/// The logits of one choice's options.
#[derive(Clone, Copy)]
pub struct Logits<'a> {
    /// One for each option.
    pub values: &'a [f32],
    /// Other than 0 where an option is legal; without it all are. Others count in no sum: their probability is exactly 0.
    pub mask: Option<&'a [u8]>,
}

impl Logits<'_> {
    /// The legal options.
    pub fn legal(self) -> impl DoubleEndedIterator<Item = usize> {
        // P34: others count in no sum and no maximum.
        (0..self.values.len()).filter(move |&option| self.mask.is_none_or(|mask| mask[option] != 0))
    }
}

/// The distribution of one choice over its legal options.
#[derive(Clone, Copy)]
pub struct Softmax<'a> {
    logits: Logits<'a>,
    /// The largest logit, which is subtracted from all of them before they are exponentiated.
    most: f32,
    /// Σ eˡ⁻ᵐᵒˢᵗ.
    sum: f32,
    /// ln Σ eˡ⁻ᵐᵒˢᵗ.
    log_sum: f32,
}

impl<'a> Softmax<'a> {
    /// Of these logits.
    pub fn new(logits: Logits<'a>) -> Self {
        Self::with(logits, |_, _| ())
    }

    /// Of these logits; the probabilities of all options are written to `p`.
    pub fn with_probabilities(logits: Logits<'a>, p: &mut [f32]) -> Self {
        if logits.mask.is_some() {
            p.fill(0.0);
        }
        let softmax = Self::with(logits, |option, weight| p[option] = weight);
        for p in p {
            *p /= softmax.sum;
        }
        softmax
    }

    /// Of these logits; `each` is called with every legal option and eˡ⁻ᵐᵒˢᵗ.
    #[inline]
    fn with(logits: Logits<'a>, mut each: impl FnMut(usize, f32)) -> Self {
        let most = logits.legal().map(|option| logits.values[option]).fold(f32::NEG_INFINITY, f32::max);
        let mut sum = 0.0;
        for option in logits.legal() {
            let weight = (logits.values[option] - most).exp();
            each(option, weight);
            sum += weight;
        }
        Self { logits, most, sum, log_sum: sum.ln() }
    }

    /// Log probability of a legal option, in nats.
    pub fn log_prob(self, option: usize) -> f32 {
        self.logits.values[option] - (self.most + self.log_sum)
    }

    /// The option that `uniform`, a number of `[0, 1)`, draws, or the most probable one without it; and its log probability.
    pub fn choose(self, uniform: Option<f32>) -> (usize, f32) {
        // P6: inverse of the cumulated softmax.
        let option = match uniform {
            Some(uniform) => self.inverse_cdf(uniform),
            None => self.logits.legal().find(|&option| self.logits.values[option] == self.most),
        };
        // Rounding, and logits that are not finite, leave none.
        let option = option.or_else(|| self.logits.legal().next_back()).unwrap_or(0);
        (option, self.logits.values[option] - self.most - self.log_sum)
    }

    /// The first legal option whose cumulated probability exceeds `uniform`.
    fn inverse_cdf(self, uniform: f32) -> Option<usize> {
        let (threshold, mut cumulated) = (self.sum * uniform, 0.0);
        self.logits.legal().find(|&option| {
            cumulated += (self.logits.values[option] - self.most).exp();
            threshold < cumulated
        })
    }

    /// −Σ p·ln p, in nats, of the probabilities `p` of the legal options.
    pub fn entropy(self, p: impl Fn(usize) -> f32) -> f32 {
        self.logits.legal().map(|option| -p(option) * self.log_prob(option)).sum()
    }

    /// KL(old ‖ this), in nats, from the softmax of other logits under the same mask.
    pub fn divergence(self, old: &[f32]) -> f32 {
        let q = Softmax::new(Logits { values: old, ..self.logits });
        let term = |option| q.log_prob(option).exp() * (q.log_prob(option) - self.log_prob(option));
        self.logits.legal().map(term).sum()
    }
}
