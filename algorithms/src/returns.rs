//! Advantages and returns of a rollout.

use phalanx_envs::Episode;

use crate::AlgorithmError;

/// What [`advantages`] reads of a rollout of T steps in N rows; all slices are `[T, N]`, time-major.
pub struct Transitions<'a> {
    /// Reward of each step, in the unit of the values.
    pub reward: &'a [f32],
    /// Value of the observation that each action answered.
    pub value: &'a [f32],
    /// Value after each step: 0 where it terminated or a life was lost, that of the final observation where it was
    /// truncated, otherwise that of the next observation.
    pub next_value: &'a [f32],
    /// How each step left its episode; `None` where the row was inactive.
    pub episode: &'a [Option<Episode>],
}

/// Generalized advantage estimate and returns of a rollout.
///
/// `A_t = δ_t + γλ·running_t·A_{t+1}` with `δ_t = r_t + γ·next_value_t − V_t`; the returns are `A_t + V_t`. λ = 1 gives
/// Monte-Carlo returns (with the value after the rollout where an episode continues). Steps of inactive rows get zeros.
///
/// # Shapes
/// All inputs `[T, N]` with N = `rows`, time-major. Returns advantages and returns, `[T, N]` each.
/// # Units
/// Reward units of the task; `discount` per environment step, in [0, 1].
/// # Errors
/// [`AlgorithmError::Shape`] when lengths differ.
/// # Source
/// Schulman et al. 2016, arXiv:1506.02438; truncation bootstraps, docs/ppo.md.
///
/// ```
/// use phalanx_algorithms::{Transitions, advantages};
/// use phalanx_envs::Episode::{Running, Terminated};
/// // One row: δ₁ = 2 − 0.5 = 1.5; δ₀ = 1 + 0.5·0.5 − 1 = 0.25; A₀ = 0.25 + 0.5·0.8·1.5 = 0.85.
/// let transitions = Transitions {
///     reward: &[1.0, 2.0],
///     value: &[1.0, 0.5],
///     next_value: &[0.5, 0.0],
///     episode: &[Some(Running), Some(Terminated)],
/// };
/// let (advantage, returns) = advantages(&transitions, 1, 0.5, 0.8).unwrap();
/// assert!((advantage[0] - 0.85).abs() < 1e-6 && (returns[1] - 2.0).abs() < 1e-6);
/// ```
pub fn advantages(
    transitions: &Transitions<'_>,
    rows: usize,
    discount: f64,
    lambda: f64,
) -> Result<(Vec<f32>, Vec<f32>), AlgorithmError> {
    let Transitions { reward, value, next_value, episode } = transitions;
    for (what, right) in
        [("values", value.len()), ("next values", next_value.len()), ("episodes", episode.len())]
    {
        if reward.len() != right {
            return Err(AlgorithmError::Shape { what, left: reward.len(), right });
        }
    }
    if rows == 0 || !reward.len().is_multiple_of(rows) {
        return Err(AlgorithmError::Shape { what: "rewards and rows", left: reward.len(), right: rows });
    }
    let (discount, decay) = (discount as f32, (discount * lambda) as f32);
    let mut advantage = vec![0.0; reward.len()];
    let mut returns = vec![0.0; reward.len()];
    let mut later = vec![0.0f32; rows];
    for i in (0..reward.len()).rev() {
        let Some(episode) = episode[i] else { continue };
        // P30: nothing flows back over a lost life either, though the episode continues.
        let running = f32::from(u8::from(episode == Episode::Running));
        let delta = reward[i] + discount * next_value[i] - value[i];
        // P14
        let estimate = delta + decay * running * later[i % rows];
        later[i % rows] = estimate;
        advantage[i] = estimate;
        // P15
        returns[i] = estimate + value[i];
    }
    Ok((advantage, returns))
}

#[cfg(test)]
mod tests {
    use Episode::{LifeLost, Running, Terminated, Truncated};
    use proptest::prelude::*;

    use super::*;

    fn column(
        reward: &[f32],
        value: &[f32],
        next_value: &[f32],
        episode: &[Episode],
        lambda: f64,
    ) -> (Vec<f32>, Vec<f32>) {
        let episode: Vec<_> = episode.iter().copied().map(Some).collect();
        advantages(&Transitions { reward, value, next_value, episode: &episode }, 1, 0.9, lambda)
            .expect("equal lengths")
    }

    #[test]
    fn termination_ignores_the_value_after_it_and_truncation_takes_it() {
        let at_end = |end, next| column(&[1.0], &[0.0], &[next], &[end], 0.95).0[0];
        assert_eq!(at_end(Terminated, 0.0), 1.0);
        // 1 + 0.9·10.
        assert_eq!(at_end(Truncated, 10.0), 10.0);
    }

    #[test]
    fn nothing_flows_back_over_the_end_of_an_episode() {
        for end in [Terminated, Truncated, LifeLost] {
            let (advantage, _) = column(&[1.0, 100.0], &[0.0, 0.0], &[0.0, 0.0], &[end, Running], 0.95);
            assert_eq!(advantage[0], 1.0);
        }
    }

    #[test]
    fn a_lost_life_cuts_one_episode_in_two() {
        // λ = 1, γ = 0.9: A₃ = 4 − 2, A₂ = 3 + 0.9·2 − 1 + 0.9·A₃; A₁ = 2 − 0.5 does not depend on them, A₀ = 1 + 0.9·2.
        let (advantage, returns) = column(
            &[1.0, 2.0, 3.0, 4.0],
            &[0.0, 0.5, 1.0, 2.0],
            &[0.5, 0.0, 2.0, 0.0],
            &[Running, LifeLost, Running, Terminated],
            1.0,
        );
        for (found, expected) in advantage.iter().zip([2.8, 1.5, 5.6, 2.0]) {
            assert!((found - expected).abs() < 1e-5, "{advantage:?}");
        }
        // The returns are those of two episodes: 1 + 0.9·2 and 3 + 0.9·4.
        assert!((returns[0] - 2.8).abs() < 1e-5 && (returns[2] - 6.6).abs() < 1e-5, "{returns:?}");
    }

    #[test]
    fn rows_are_apart_and_resting_steps_count_for_nothing() {
        let episode = [Some(Running), Some(Running), Some(Terminated), None];
        let transitions = Transitions {
            reward: &[1.0, 5.0, 2.0, 99.0],
            value: &[0.0; 4],
            next_value: &[0.0; 4],
            episode: &episode,
        };
        let (advantage, returns) = advantages(&transitions, 2, 1.0, 1.0).expect("equal lengths");
        assert_eq!(advantage, [3.0, 5.0, 2.0, 0.0]);
        assert_eq!(returns, advantage);
    }

    #[test]
    fn lengths_that_differ_are_refused() {
        let transitions =
            Transitions { reward: &[1.0], value: &[], next_value: &[0.0], episode: &[Some(Running)] };
        assert!(matches!(advantages(&transitions, 1, 0.9, 0.9), Err(AlgorithmError::Shape { .. })));
    }

    proptest! {
        #[test]
        fn lambda_one_is_monte_carlo_and_lambda_zero_is_temporal_difference(
            steps in prop::collection::vec((-1.0f32..1.0, -1.0f32..1.0), 1..20),
        ) {
            let (reward, value): (Vec<_>, Vec<_>) = steps.into_iter().unzip();
            let t = reward.len();
            let mut next_value = value[1..].to_vec();
            next_value.push(0.0);
            let mut episode = vec![Running; t];
            episode[t - 1] = Terminated;
            let (_, returns) = column(&reward, &value, &next_value, &episode, 1.0);
            let mut expected = 0.0f64;
            for i in (0..t).rev() {
                expected = f64::from(reward[i]) + 0.9 * expected;
                prop_assert!((f64::from(returns[i]) - expected).abs() < 1e-4);
            }
            let (advantage, _) = column(&reward, &value, &next_value, &episode, 0.0);
            for i in 0..t {
                prop_assert!((advantage[i] - (reward[i] + 0.9 * next_value[i] - value[i])).abs() < 1e-5);
            }
        }

        #[test]
        fn permuting_rows_permutes_results(
            cells in prop::collection::vec((-1.0f32..1.0, -1.0f32..1.0, 0u8..4), 12),
        ) {
            let pick = |order: [usize; 3]| {
                let at = |i: usize| cells[i / 3 * 3 + order[i % 3]];
                let reward: Vec<f32> = (0..12).map(|i| at(i).0).collect();
                let value: Vec<f32> = (0..12).map(|i| at(i).1).collect();
                let episode: Vec<_> = (0..12).map(|i| Some(Episode::from_byte(at(i).2))).collect();
                let transitions =
                    Transitions { reward: &reward, value: &value, next_value: &value, episode: &episode };
                advantages(&transitions, 3, 0.9, 0.8).expect("equal lengths").0
            };
            let (plain, turned) = (pick([0, 1, 2]), pick([1, 2, 0]));
            for t in 0..4 {
                for (i, j) in [(0, 1), (1, 2), (2, 0)] {
                    prop_assert_eq!(turned[t * 3 + i], plain[t * 3 + j]);
                }
            }
        }
    }
}
