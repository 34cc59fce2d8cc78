//! Probe environments: tasks so small that their value and best action are known exactly.
//!
//! A learner that fails one of them has a bug, and which one it fails shows where: the value's target, its dependence on
//! the observation, the discount, the policy's gradient, or what follows the end of an episode. They are for tests and
//! not among [`Registry::standard`]; [`Registry::probes`] has them.

use rand::RngExt;

use crate::{Action, Env, EnvError, Episode, Generator, Registry, Row, Space, Step, generator};

/// A task with known value. Observations are one number; every episode lasts one step, but for [`Self::DelayedReward`]
/// and [`Self::LostLife`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Observation 0, reward 1. A learner whose value does not come to 1 has a wrong value loss or optimiser.
    ConstantReward,
    /// Observation −1 or 1, which is also the reward: the value must depend on the observation.
    ObservationReward,
    /// Observation 0, then 1, then the end; reward 0, then 1: the value of 0 is the discount.
    DelayedReward,
    /// Observation 0; reward −1 for action 0 and 1 for action 1: the policy must learn.
    ActionReward,
    /// Observation −1 or 1; reward 1 for action 0 at −1 and action 1 at 1, otherwise −1: both must learn together.
    MatchingReward,
    /// Observation −1 or 1, reward 1. Episodes at −1 terminate, those at 1 are truncated and would continue at 1 for ever:
    /// their values are 1 and 1/(1 − discount).
    TruncationValue,
    /// Observation 0, then 1, then the end; both steps are rewarded with 1, and the first costs a life: both values are 1.
    LostLife,
    /// Observation −1 or 1; reward −(action − observation/2)² for an action in [−1, 1].
    ContinuousAction,
}

impl Probe {
    /// Every probe, the simplest first.
    pub const ALL: [Self; 8] = [
        Self::ConstantReward,
        Self::ObservationReward,
        Self::DelayedReward,
        Self::ActionReward,
        Self::MatchingReward,
        Self::TruncationValue,
        Self::LostLife,
        Self::ContinuousAction,
    ];

    /// Registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ConstantReward => "probe/constant-reward",
            Self::ObservationReward => "probe/observation-reward",
            Self::DelayedReward => "probe/delayed-reward",
            Self::ActionReward => "probe/action-reward",
            Self::MatchingReward => "probe/matching-reward",
            Self::TruncationValue => "probe/truncation-value",
            Self::LostLife => "probe/lost-life",
            Self::ContinuousAction => "probe/continuous-action",
        }
    }

    /// Observations that can be seen before a step.
    pub fn observations(self) -> &'static [f32] {
        match self {
            Self::ConstantReward | Self::ActionReward => &[0.0],
            Self::DelayedReward | Self::LostLife => &[0.0, 1.0],
            Self::ObservationReward
            | Self::MatchingReward
            | Self::TruncationValue
            | Self::ContinuousAction => &[-1.0, 1.0],
        }
    }

    /// Value of `observation` under the best policy, in units of reward.
    pub fn value(self, observation: f32, discount: f32) -> f32 {
        match self {
            Self::ObservationReward => observation,
            Self::DelayedReward if observation < 0.5 => discount,
            Self::TruncationValue if observation > 0.0 => 1.0 / (1.0 - discount),
            Self::ContinuousAction => 0.0,
            _ => 1.0,
        }
    }

    /// The best action at `observation`, a choice as its number; `None` where all are as good.
    pub fn best_action(self, observation: f32) -> Option<f32> {
        match self {
            Self::ConstantReward
            | Self::ObservationReward
            | Self::DelayedReward
            | Self::TruncationValue
            | Self::LostLife => None,
            Self::ActionReward => Some(1.0),
            Self::MatchingReward => Some(if observation > 0.0 { 1.0 } else { 0.0 }),
            Self::ContinuousAction => Some(observation / 2.0),
        }
    }

    fn reward(self, observation: f32, action: Action<'_>) -> f32 {
        let sign = |right: bool| if right { 1.0 } else { -1.0 };
        match self {
            Self::ConstantReward | Self::TruncationValue | Self::LostLife => 1.0,
            Self::ObservationReward | Self::DelayedReward => observation,
            Self::ActionReward => sign(action.discrete() == 1),
            Self::MatchingReward => sign((action.discrete() == 1) == (observation > 0.0)),
            Self::ContinuousAction => -(action.continuous()[0] - observation / 2.0).powi(2),
        }
    }

    fn episode(self, observation: f32) -> Episode {
        match self {
            Self::DelayedReward if observation == 0.0 => Episode::Running,
            Self::TruncationValue if observation > 0.0 => Episode::Truncated,
            Self::LostLife if observation == 0.0 => Episode::LifeLost,
            _ => Episode::Terminated,
        }
    }
}

/// The environment of a [`Probe`].
struct ProbeEnv {
    probe: Probe,
    observation: f32,
    generator: Generator,
    observation_space: Space,
    action_space: Space,
}

impl ProbeEnv {
    fn new(probe: Probe) -> Self {
        let action_space = match probe {
            Probe::ContinuousAction => Space::boxed(&[-1.0], &[1.0]),
            _ => Space::Discrete { n: 2 },
        };
        Self {
            probe,
            observation: 0.0,
            generator: generator(0),
            observation_space: Space::boxed(&[-1.0], &[1.0]),
            action_space,
        }
    }
}

impl Env for ProbeEnv {
    fn observation_space(&self) -> &Space {
        &self.observation_space
    }

    fn action_space(&self) -> &Space {
        &self.action_space
    }

    fn reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        if let Some(seed) = seed {
            self.generator = generator(seed);
        }
        self.observation = match (self.probe, self.probe.observations()) {
            (Probe::DelayedReward | Probe::LostLife, _) | (_, [_]) => 0.0,
            (_, seen) => seen[self.generator.random_range(0..seen.len())],
        };
        observation.f32()[0] = self.observation;
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        let before = self.observation;
        let step = Step { reward: self.probe.reward(before, action), episode: self.probe.episode(before) };
        if !step.episode.is_over() {
            self.observation = 1.0;
        }
        observation.f32()[0] = self.observation;
        Ok(step)
    }
}

impl Registry {
    /// The probe environments, by [`Probe::name`].
    pub fn probes() -> Self {
        Probe::ALL.into_iter().fold(Self::new(), |registry, probe| {
            registry.with(probe.name(), move |_| Ok(Box::new(ProbeEnv::new(probe))))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::EnvSpec;

    /// Return of the best policy from a reset, and what it started from; a truncated episode is worth the same again.
    fn play(env: &mut dyn Env, probe: Probe, discount: f32) -> (f32, f32) {
        let mut row = [f32::NAN];
        env.reset(None, Row::F32(&mut row)).unwrap();
        let (start, mut total, mut weight) = (row[0], 0.0, 1.0);
        loop {
            let action = [probe.best_action(row[0]).unwrap_or(0.0)];
            let choice = Action::Discrete(action[0] as usize);
            let action = if matches!(env.action_space(), Space::Discrete { .. }) {
                choice
            } else {
                Action::Box(&action)
            };
            let step = env.step(action, Row::F32(&mut row)).unwrap();
            total += weight * step.reward;
            weight *= discount;
            match step.episode {
                Episode::Running => {}
                Episode::Terminated | Episode::LifeLost => return (start, total),
                Episode::Truncated => return (start, total + weight * probe.value(row[0], discount)),
            }
        }
    }

    #[test]
    fn the_best_policy_gets_the_value() {
        for probe in Probe::ALL {
            let mut env = Registry::probes().build(&EnvSpec::named(probe.name())).unwrap();
            for _ in 0..20 {
                let (start, total) = play(&mut *env, probe, 0.75);
                assert!(probe.observations().contains(&start), "{probe:?} began with {start}");
                assert_eq!(total, probe.value(start, 0.75), "{probe:?} at {start}");
            }
        }
    }

    #[test]
    fn every_start_occurs() {
        for probe in [Probe::ObservationReward, Probe::TruncationValue, Probe::ContinuousAction] {
            let mut env = Registry::probes().build(&EnvSpec::named(probe.name())).unwrap();
            let starts: Vec<f32> = (0..50).map(|_| play(&mut *env, probe, 0.5).0).collect();
            assert!(starts.contains(&-1.0) && starts.contains(&1.0), "{probe:?}");
        }
    }
}
