//! Running statistics that bring observations and rewards to a common scale.
//!
//! They are frozen while a rollout is collected and used, so that old and new policy get the same numbers.

use std::ops::Range;

use phalanx_envs::Episode;
use serde::{Deserialize, Serialize};

/// Added to a variance before its root is taken.
const EPSILON: f64 = 1e-8;

/// Exchanges lists of numbers: returns those of every rank of a mesh, in their order. Alone, there is one's own.
pub trait Gather<E>: FnOnce(Vec<f64>) -> Result<Vec<Vec<f64>>, E> {}

impl<E, F: FnOnce(Vec<f64>) -> Result<Vec<Vec<f64>>, E>> Gather<E> for F {}

/// Count, mean and sum of squared deviations of streams of numbers, one for each element of an observation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Moments {
    count: f64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    fn new(len: usize) -> Self {
        Self { count: 0.0, mean: vec![0.0; len], squares: vec![0.0; len] }
    }

    /// Those of rows `[n, len]`: Welford 1962.
    fn of<R: IntoIterator<Item = f64>>(len: usize, rows: impl Iterator<Item = R>) -> Self {
        let mut fresh = Self::new(len);
        for row in rows {
            fresh.count += 1.0;
            for ((x, mean), squares) in row.into_iter().zip(&mut fresh.mean).zip(&mut fresh.squares) {
                let delta = x - *mean;
                *mean += delta / fresh.count;
                *squares += delta * (x - *mean);
            }
        }
        fresh
    }

    /// Updates with what every rank has seen, in the order of ranks. Alone, this one's is merged as it is.
    fn update<E>(&mut self, fresh: &Self, gather: impl Gather<E>) -> Result<(), E> {
        self.update_each(std::slice::from_ref(fresh), gather)
    }

    /// Updates with what every rank has seen first, then with what every one has seen second, and so on.
    fn update_each<E>(&mut self, fresh: &[Self], gather: impl Gather<E>) -> Result<(), E> {
        let len = self.mean.len();
        let numbers = fresh.iter().flat_map(Self::numbers).collect();
        let ranks = gather(numbers)?;
        let width = 1 + 2 * len;
        let most = ranks.iter().map(|numbers| numbers.len() / width).max().unwrap_or(0);
        for i in 0..most {
            let own = |numbers: &Vec<f64>| numbers.get(i * width..(i + 1) * width).map(Self::from_numbers);
            let all = ranks.iter().filter_map(own).reduce(|mut all, own| {
                all.merge(&own);
                all
            });
            if let Some(all) = all {
                self.merge(&all);
            }
        }
        Ok(())
    }

    /// Count, means and sums of squares in one list.
    fn numbers(&self) -> impl Iterator<Item = f64> {
        std::iter::once(self.count).chain(self.mean.iter().copied()).chain(self.squares.iter().copied())
    }

    fn from_numbers(numbers: &[f64]) -> Self {
        let (mean, squares) = numbers[1..].split_at(numbers.len() / 2);
        Self { count: numbers[0], mean: mean.to_vec(), squares: squares.to_vec() }
    }

    /// Chan et al. 1983.
    fn merge(&mut self, other: &Self) {
        let count = self.count + other.count;
        if other.count == 0.0 {
            return;
        }
        for i in 0..self.mean.len() {
            let delta = other.mean[i] - self.mean[i];
            self.mean[i] += delta * other.count / count;
            self.squares[i] += other.squares[i] + delta * delta * self.count * other.count / count;
        }
        self.count = count;
    }

    fn variance(&self, i: usize) -> f64 {
        if self.count > 1.0 { self.squares[i] / self.count } else { 1.0 }
    }
}

/// Centres and scales observations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Normalizer {
    moments: Moments,
    clip: f64,
}

impl Normalizer {
    /// A normaliser of observations of `len` numbers without statistics, which only clips to ±`clip`.
    pub fn new(len: usize, clip: f64) -> Self {
        Self { moments: Moments::new(len), clip }
    }

    /// Replaces the statistics by those of another one; the settings stay.
    pub fn take_statistics(&mut self, other: Self) {
        self.moments = other.moments;
    }

    /// Replaces the statistics by those of another one, of which `order` has the index for each number.
    pub fn take_reordered(&mut self, other: Self, order: &[usize]) {
        let Moments { count, mean, squares } = other.moments;
        let [mean, squares] = [mean, squares].map(|numbers| order.iter().map(|&i| numbers[i]).collect());
        self.moments = Moments { count, mean, squares };
    }

    /// Updates the statistics with observations of all ranks, each of `len` numbers. Those of the numbers `frozen` stay, once there are some.
    ///
    /// # Errors
    /// Those of `gather`.
    pub fn update<R: IntoIterator<Item = f64>, E>(
        &mut self,
        observations: impl Iterator<Item = R>,
        frozen: &[Range<usize>],
        gather: impl Gather<E>,
    ) -> Result<(), E> {
        let fresh = Moments::of(self.moments.mean.len(), observations);
        if frozen.is_empty() || self.moments.count == 0.0 {
            return self.moments.update(&fresh, gather);
        }
        let before = self.moments.clone();
        self.moments.update(&fresh, gather)?;
        // One count is that of all numbers: the same variance has more squares now.
        let more = self.moments.count / before.count;
        for i in frozen.iter().cloned().flatten() {
            self.moments.mean[i] = before.mean[i];
            self.moments.squares[i] = before.squares[i] * more;
        }
        Ok(())
    }

    /// The present statistics of a part of the numbers, to be applied to many observations.
    pub fn freeze(&self, part: Range<usize>) -> FrozenNormalizer {
        let moments = &self.moments;
        let scale = |i| 1.0 / (moments.variance(i) + EPSILON).sqrt();
        FrozenNormalizer {
            mean: moments.mean[part.clone()].iter().map(|&m| m as f32).collect(),
            exact_mean: moments.mean[part.clone()].to_vec(),
            scale: part.map(|i| scale(i) as f32).collect(),
            clip: self.clip as f32,
        }
    }
}

/// Statistics of a [`Normalizer`] at one moment.
#[derive(Debug, Clone)]
pub struct FrozenNormalizer {
    mean: Vec<f32>,
    exact_mean: Vec<f64>,
    scale: Vec<f32>,
    clip: f32,
}

impl FrozenNormalizer {
    /// Centres, scales and bounds observations `[B, O]`.
    pub fn apply(&self, observations: &mut [f32]) {
        for row in observations.chunks_exact_mut(self.mean.len()) {
            for ((x, mean), scale) in row.iter_mut().zip(&self.mean).zip(&self.scale) {
                *x = ((*x - mean) * scale).clamp(-self.clip, self.clip);
            }
        }
    }
}

impl FrozenNormalizer {
    /// Means, factors and bound of normalised numbers: `(x − mean)·factor` within ±bound.
    pub fn numbers(&self) -> (&[f32], &[f32], f32) {
        (&self.mean, &self.scale, self.clip)
    }

    /// Appends observations `[B, O]`, centred before they are rounded to 32 bits, scaled and bounded.
    pub fn extend(&self, observations: &[f64], into: &mut Vec<f32>) {
        for row in observations.chunks_exact(self.mean.len()) {
            let numbers = row.iter().zip(&self.exact_mean).zip(&self.scale);
            into.extend(
                numbers.map(|((x, mean), scale)| ((x - mean) as f32 * scale).clamp(-self.clip, self.clip)),
            );
        }
    }
}

/// Scales rewards by the standard deviation of the discounted return so far of each row, at each step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RewardNormalizer {
    moments: Moments,
    /// Discounted return of each row since its episode began or a life was lost, the learner's end of an episode.
    returns: Vec<f32>,
    discount: f64,
    clip: f64,
}

impl RewardNormalizer {
    /// A normaliser of the rewards of `rows` rows without statistics.
    pub fn new(rows: usize, discount: f64, clip: f64) -> Self {
        Self { moments: Moments::new(1), returns: vec![0.0; rows], discount, clip }
    }

    /// Replaces the statistics by those of another one; settings and returns so far stay.
    pub fn take_statistics(&mut self, other: Self) {
        self.moments = other.moments;
    }

    /// Resets the discounted return of a row, which begins a new episode.
    pub fn begin_episode(&mut self, row: usize) {
        self.returns[row] = 0.0;
    }

    /// Updates the statistics with the rewards `[T, N]` of T steps of all ranks, and how each step left its episode.
    ///
    /// # Errors
    /// Those of `gather`.
    pub fn update<E>(
        &mut self,
        reward: &[f32],
        episode: &[Option<Episode>],
        gather: impl Gather<E>,
    ) -> Result<(), E> {
        let rows = self.returns.len();
        let steps = reward.chunks(rows).zip(episode.chunks(rows));
        let fresh: Vec<Moments> = steps.map(|(reward, episode)| self.step(reward, episode)).collect();
        self.moments.update_each(&fresh, gather)
    }

    /// Follows the discounted returns through one step; the statistics of those in it.
    fn step(&mut self, reward: &[f32], episode: &[Option<Episode>]) -> Moments {
        let mut seen = Vec::with_capacity(reward.len());
        for (row, (reward, episode)) in reward.iter().zip(episode).enumerate() {
            let Some(episode) = episode else { continue };
            self.returns[row] = (self.discount * f64::from(self.returns[row])) as f32 + reward;
            seen.push(self.returns[row]);
            if *episode != Episode::Running {
                self.returns[row] = 0.0;
            }
        }
        Moments::of(1, seen.iter().map(|&x| [f64::from(x)]))
    }

    /// Discounted returns of the rows.
    pub fn returns(&self) -> &[f32] {
        &self.returns
    }

    /// The same statistics, with the discounted returns of other rows.
    #[must_use]
    pub fn with_returns(&self, returns: &[f32]) -> Self {
        Self { returns: returns.to_vec(), ..self.clone() }
    }

    /// Replaces the discounted returns of the rows.
    ///
    /// # Panics
    /// When there is another number of them.
    pub fn set_returns(&mut self, returns: &[f32]) {
        self.returns.copy_from_slice(returns);
    }

    /// Rewards over the present standard deviation, bounded.
    pub fn apply(&self, reward: &mut [f32]) {
        // P13: scaled by the deviation of discounted returns, not centred.
        let scale = 1.0 / (self.moments.variance(0) + EPSILON).sqrt() as f32;
        let clip = self.clip as f32;
        for r in reward {
            *r = (*r * scale).clamp(-clip, clip);
        }
    }
}

/// Centres and scales value targets by their running mean and standard deviation, so that the critic and its loss do not depend on
/// the unit of rewards.
///
/// The critic's output is in standard deviations from the mean. Without statistics, all values are 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValueNormalizer {
    moments: Moments,
}

impl Default for ValueNormalizer {
    /// A normaliser without statistics.
    fn default() -> Self {
        Self { moments: Moments::new(1) }
    }
}

impl ValueNormalizer {
    /// Updates the statistics with value targets of all ranks, in reward units.
    ///
    /// # Errors
    /// Those of `gather`.
    pub fn update<E>(&mut self, targets: impl Iterator<Item = f32>, gather: impl Gather<E>) -> Result<(), E> {
        self.moments.update(&Moments::of(1, targets.map(|x| [f64::from(x)])), gather)
    }

    /// From reward units to those of the critic; targets that do not vary are 0.
    pub fn normalize(&self, values: &mut [f32]) {
        // P33: the unit of rewards cancels, as nothing is added to the deviation.
        let (mean, std) = self.mean_and_std();
        let scale = if std > 0.0 { 1.0 / std } else { 0.0 };
        for value in values {
            *value = ((f64::from(*value) - mean) * scale) as f32;
        }
    }

    /// From the critic's units to those of rewards.
    pub fn denormalize(&self, values: &mut [f32]) {
        let (mean, std) = self.mean_and_std();
        for value in values {
            *value = (mean + std * f64::from(*value)) as f32;
        }
    }

    fn mean_and_std(&self) -> (f64, f64) {
        let moments = &self.moments;
        (moments.mean[0], if moments.count > 0.0 { (moments.squares[0] / moments.count).sqrt() } else { 0.0 })
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    /// One rank.
    #[expect(clippy::unnecessary_wraps, reason = "as a mesh's, which may fail")]
    fn alone(numbers: Vec<f64>) -> Result<Vec<Vec<f64>>, Infallible> {
        Ok(vec![numbers])
    }

    fn see(moments: &mut Moments, xs: &[f32]) {
        let Ok(()) = moments.update(&Moments::of(1, xs.iter().map(|&x| [f64::from(x)])), alone);
    }

    #[test]
    fn moments_by_hand() {
        let mut moments = Moments::new(1);
        see(&mut moments, &[2.0, 4.0, 9.0]);
        // Mean 5, squared deviations 9 + 1 + 16.
        assert_eq!((moments.count, moments.mean[0], moments.variance(0)), (3.0, 5.0, 26.0 / 3.0));
    }

    #[test]
    fn a_fresh_normalizer_changes_nothing() {
        let mut x = [3.0, -4.0];
        Normalizer::new(2, 10.0).freeze(0..2).apply(&mut x);
        assert!((x[0] - 3.0).abs() < 1e-6 && (x[1] + 4.0).abs() < 1e-6);
    }

    #[test]
    fn normalised_observations_are_centred_scaled_and_bounded() {
        let mut normalizer = Normalizer::new(1, 2.0);
        let Ok(()) = normalizer.update([[1.0], [3.0]].into_iter(), &[], alone);
        // Mean 2, standard deviation 1; 7 is five deviations away.
        let mut x = [3.0, 7.0];
        normalizer.freeze(0..1).apply(&mut x);
        assert!((x[0] - 1.0).abs() < 1e-6 && x[1] == 2.0);
    }

    #[test]
    fn frozen_statistics_stay_beside_others_that_go_on() {
        let mut normalizer = Normalizer::new(2, 10.0);
        let frozen = 0..1;
        let frozen = std::slice::from_ref(&frozen);
        // The first ones are taken: nothing is known before.
        let Ok(()) = normalizer.update([[1.0, 1.0], [3.0, 3.0]].into_iter(), frozen, alone);
        let Ok(()) = normalizer.update([[50.0, 5.0], [70.0, 7.0]].into_iter(), frozen, alone);
        // Means 2 and 4, variances 1 and 5.
        let mut x = [4.0, 4.0 + 5.0f32.sqrt()];
        normalizer.freeze(0..2).apply(&mut x);
        assert!((x[0] - 2.0).abs() < 1e-6 && (x[1] - 1.0).abs() < 1e-6, "{x:?}");
    }

    /// 2³⁰ + 1 and 2³⁰ + 3 are one number in 32 bits.
    #[test]
    fn wide_numbers_are_centred_before_they_are_rounded() {
        let large = f64::from(1 << 30);
        let mut normalizer = Normalizer::new(2, 5.0);
        let Ok(()) = normalizer.update([[0.0, large + 1.0], [0.0, large + 3.0]].into_iter(), &[], alone);
        let mut x = Vec::new();
        normalizer.freeze(1..2).extend(&[large + 1.0, large + 2.5], &mut x);
        assert!((x[0] + 1.0).abs() < 1e-6 && (x[1] - 0.5).abs() < 1e-6, "{x:?}");
    }

    #[test]
    fn rewards_are_scaled_by_the_deviation_of_discounted_returns() {
        // A lost life counts as an end: the discounted return begins anew after it.
        for end in [Episode::Terminated, Episode::LifeLost] {
            let mut normalizer = RewardNormalizer::new(1, 0.5, 10.0);
            // Returns 4, then 2 + 4 = 6 and the end, then 1 alone: mean 11/3, variance 38/9.
            let episodes = [Episode::Running, end, Episode::Running].map(Some);
            let Ok(()) = normalizer.update(&[4.0, 4.0, 1.0], &episodes, alone);
            let mut reward = [2.0f32];
            normalizer.apply(&mut reward);
            assert!((f64::from(reward[0]) - 2.0 / (38.0f64 / 9.0).sqrt()).abs() < 1e-6);
        }
    }

    #[test]
    fn values_are_in_deviations_of_their_targets() {
        let mut normalizer = ValueNormalizer::default();
        let mut values = [0.3, -0.1];
        normalizer.denormalize(&mut values);
        assert_eq!(values, [0.0, 0.0]);
        // Mean 5, standard deviation 2.
        let Ok(()) = normalizer.update([3.0, 7.0].into_iter(), alone);
        let mut values = [9.0, 1.0];
        normalizer.normalize(&mut values);
        assert_eq!(values, [2.0, -2.0]);
        normalizer.denormalize(&mut values);
        assert_eq!(values, [9.0, 1.0]);
    }

    proptest! {
        #[test]
        fn merged_statistics_are_those_of_merged_data(
            xs in prop::collection::vec(-100.0f32..100.0, 0..40),
            ys in prop::collection::vec(-100.0f32..100.0, 1..40),
        ) {
            let (mut parts, mut whole) = (Moments::new(1), Moments::new(1));
            see(&mut parts, &xs);
            see(&mut parts, &ys);
            see(&mut whole, &[&xs[..], &ys].concat());
            // What two ranks see at once.
            let of = |xs: &[f32]| Moments::of(1, xs.iter().map(|&x| [f64::from(x)]));
            let mut meshed = Moments::new(1);
            let both = |own| Ok::<_, Infallible>(vec![own, of(&ys).numbers().collect()]);
            let Ok(()) = meshed.update(&of(&xs), both);
            prop_assert!((meshed.mean[0] - whole.mean[0]).abs() < 1e-9);
            prop_assert!((meshed.squares[0] - whole.squares[0]).abs() < 1e-6);
            prop_assert_eq!(parts.count, whole.count);
            prop_assert!((parts.mean[0] - whole.mean[0]).abs() < 1e-9);
            prop_assert!((parts.squares[0] - whole.squares[0]).abs() < 1e-6);
        }
    }
}
