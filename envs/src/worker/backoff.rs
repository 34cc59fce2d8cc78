//! Whether to look or to sleep, learnt from the waits before.

use std::time::{Duration, Instant};

use super::bell::SpinPolicy;

/// A wait that is no longer is worth looking for its end: sleeping and being woken takes some 70 µs, and who yields is behind by
/// as long as the other computes.
const SHORT: Duration = Duration::from_micros(250);

/// How long somebody's waits usually take.
///
/// Where processes share cores, looking shortens a short wait and lengthens a long one: who yields its core stays in that core's queue
/// behind those who compute there, even while another core falls idle. A sleeper is woken on the idle one.
#[derive(Default)]
pub struct Backoff(Duration);

impl Backoff {
    /// Whether looking pays.
    pub fn is_short(&self) -> bool {
        self.0 < SHORT
    }

    /// How to wait, when this is how to look.
    pub fn policy(&self, spin: SpinPolicy) -> SpinPolicy {
        match spin {
            SpinPolicy::Yield(_) if !self.is_short() => SpinPolicy::Sleep,
            _ => spin,
        }
    }

    /// Takes in a wait that has begun at this time and is over. One that was long by chance changes no backoff.
    pub fn record(&mut self, begun: Instant) {
        self.0 = (3 * self.0 + begun.elapsed().min(2 * SHORT)) / 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_waits_make_a_sleeper_and_short_ones_a_looker() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.policy(SpinPolicy::Yield(9)), SpinPolicy::Yield(9));
        let mut wait_long = || {
            backoff.record(
                Instant::now().checked_sub(Duration::from_millis(100)).expect("a clock that has run"),
            );
            backoff.policy(SpinPolicy::Yield(9))
        };
        // 500 µs · (1 - (3/4)ⁿ) > 250 µs from n = 3 on.
        assert_eq!([wait_long(), wait_long()], [SpinPolicy::Yield(9); 2]);
        assert_eq!(wait_long(), SpinPolicy::Sleep);
        assert_eq!(backoff.policy(SpinPolicy::Spin(9)), SpinPolicy::Spin(9), "a core of its own is kept");
        // Less than 500 µs · (3/4)ⁿ, which is below 250 µs from n = 3 on.
        (0..20).for_each(|_| backoff.record(Instant::now()));
        assert_eq!(backoff.policy(SpinPolicy::Yield(9)), SpinPolicy::Yield(9));
    }
}
