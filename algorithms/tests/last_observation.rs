//! Nothing reads the last observation of an episode that terminated; values after truncation come from it.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use phalanx_agents::{Checkpoint, Device, NetworkSettings, NormalizeSettings};
use phalanx_algorithms::{
    AlgorithmError, EpisodesRollout, EvaluationSettings, PpoSettings, Record, RolloutSettings, StepsRollout,
    TrainSettings, Trainer,
};
use phalanx_envs::{
    Action, BatchEnv, Env, EnvError, EnvSpec, Episode, LocalBatch, Registry, Row, Space, Step,
};

/// Steps of an episode.
const LENGTH: u32 = 10;

/// Shows the time and rewards action 1; its last observation is `last`, and it ends with `end`.
struct Ending {
    step: u32,
    last: f32,
    end: Episode,
    observation_space: Space,
    action_space: Space,
}

impl Env for Ending {
    fn observation_space(&self) -> &Space {
        &self.observation_space
    }

    fn action_space(&self) -> &Space {
        &self.action_space
    }

    fn reset(&mut self, _seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        self.step = 0;
        observation.f32()[0] = 0.0;
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        self.step += 1;
        let over = self.step == LENGTH;
        observation.f32()[0] = if over { self.last } else { self.step as f32 };
        let episode = if over { self.end } else { Episode::Running };
        Ok(Step { reward: action.discrete() as f32, episode })
    }
}

/// Two iterations of a training on [`Ending`]: what was recorded besides times, and the parameters.
fn train(
    rollout: RolloutSettings,
    last: f32,
    end: Episode,
) -> Result<(Vec<(String, u64)>, Checkpoint), AlgorithmError> {
    let registry = Registry::new().with("ending", move |_| {
        let (observation_space, action_space) = (Space::unbounded(1), Space::Discrete { n: 2 });
        Ok(Box::new(Ending { step: 0, last, end, observation_space, action_space }))
    });
    let settings = TrainSettings {
        rows: 4,
        steps: 1_000,
        seed: 3,
        device: Device::Cpu,
        rollout,
        network: NetworkSettings { hidden: vec![8], ..NetworkSettings::default() },
        normalize: NormalizeSettings { observation: true, reward: true, ..NormalizeSettings::default() },
        ppo: PpoSettings { minibatch: Some(16), ..PpoSettings::default() },
        evaluation: EvaluationSettings { every: 0, episodes: 0, env: None },
        checkpoint_every: 0,
        stop_at_return: None,
    };
    let make = |_: Option<&EnvSpec>, rows, steps, seed| {
        let batch = LocalBatch::new(&registry, &EnvSpec::named("ending"), rows, steps, seed)?;
        Ok(Box::new(batch) as Box<dyn BatchEnv>)
    };
    let mut trainer = Trainer::new(settings, &make, Arc::default())?;
    let mut values = Vec::new();
    for _ in 0..2 {
        let record: Record = trainer.iterate()?;
        let timed = |name: &str| name.starts_with("seconds") || name == "steps_per_second";
        let kept = record.values.iter().filter(|(name, _)| !timed(name));
        values.extend(kept.map(|(name, value)| (name.to_string(), value.to_bits())));
    }
    let mut checkpoint = Checkpoint::new();
    let agent = trainer.agent_mut();
    agent.save(agent.network().parameters(), &mut checkpoint);
    Ok((values, checkpoint))
}

/// Rollouts of 32 steps, and of 8 whole episodes.
fn rollouts() -> [RolloutSettings; 2] {
    [
        RolloutSettings::Steps(StepsRollout { steps: 32 }),
        RolloutSettings::Episodes(EpisodesRollout { episodes: 8, max_length: LENGTH as usize }),
    ]
}

#[test]
fn the_last_observation_of_a_terminated_episode_changes_no_bit_of_what_is_learned() {
    for rollout in rollouts() {
        let (values, parameters) = train(rollout, 0.5, Episode::Terminated).unwrap();
        for last in [f32::NAN, f32::INFINITY, -3.0] {
            let (other_values, other_parameters) = train(rollout, last, Episode::Terminated).unwrap();
            assert_eq!(values, other_values, "{rollout:?}, {last}");
            assert!(parameters == other_parameters, "{rollout:?}, {last}: other parameters");
        }
    }
}

#[test]
fn a_last_observation_of_a_truncated_episode_that_is_not_finite_stops_the_training() {
    for rollout in rollouts() {
        let error = train(rollout, f32::NAN, Episode::Truncated).unwrap_err().to_string();
        // Step 10 of an episode is time 9 of the rollout.
        let expected = "final observation[0] is not finite (NaN) at row 0, time 9 of the rollout";
        assert!(error.contains(expected), "{error}");
    }
}
