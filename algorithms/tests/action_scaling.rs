//! Boxes far from a unit are learned when actions are scaled to them, and are not when they are clipped.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use phalanx_agents::{Device, NetworkSettings, NormalizeSettings};
use phalanx_algorithms::{
    EvaluationSettings, PpoSettings, RolloutSettings, Schedule, StepsRollout, TrainSettings, Trainer,
};
use phalanx_envs::{
    Action, ActionScaling, BatchEnv, Env, EnvError, EnvSpec, Episode, LocalBatch, Registry, Row, Space, Step,
};

/// Episodes of one step. The best action is at three quarters of the box, and the reward falls to −1 half a width away.
struct Aim {
    observation_space: Space,
    action_space: Space,
}

impl Env for Aim {
    fn observation_space(&self) -> &Space {
        &self.observation_space
    }

    fn action_space(&self) -> &Space {
        &self.action_space
    }

    fn reset(&mut self, _seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        observation.f32()[0] = 1.0;
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        let Space::Box { low, high, .. } = &self.action_space else { unreachable!("a box") };
        let place = (action.continuous()[0] - low[0]) / (high[0] - low[0]);
        observation.f32()[0] = 1.0;
        Ok(Step { reward: -(2.0 * (place - 0.75)).powi(2), episode: Episode::Terminated })
    }
}

/// Return of the most probable action after a training on a box of these bounds: 0 at best.
fn learned(low: f32, high: f32, scaling: ActionScaling) -> f64 {
    let registry = Registry::new().with("aim", move |_| {
        Ok(Box::new(Aim {
            observation_space: Space::unbounded(1),
            action_space: Space::boxed(&[low], &[high]),
        }))
    });
    let settings = TrainSettings {
        rows: 8,
        steps: 8 * 32 * 60,
        seed: 1,
        device: Device::Cpu,
        rollout: RolloutSettings::Steps(StepsRollout { steps: 32 }),
        network: NetworkSettings { hidden: vec![8], ..NetworkSettings::default() },
        normalize: NormalizeSettings::default(),
        ppo: PpoSettings {
            learning_rate: Schedule::Constant(0.01),
            minibatch: Some(64),
            ..PpoSettings::default()
        },
        evaluation: EvaluationSettings { every: 0, episodes: 1, env: None },
        checkpoint_every: 0,
        stop_at_return: None,
    };
    let make = |_: Option<&EnvSpec>, rows, steps, seed| {
        let batch = LocalBatch::new(&registry, &EnvSpec::named("aim"), rows, steps, seed)?;
        Ok(Box::new(batch.with_action_scaling(scaling)?) as Box<dyn BatchEnv>)
    };
    let mut trainer = Trainer::new(settings, &make, Arc::default()).unwrap();
    while !trainer.is_finished() {
        trainer.iterate().unwrap();
    }
    trainer.evaluate(&|| false).unwrap().unwrap().return_mean()
}

#[test]
fn boxes_far_from_a_unit_are_learned_when_actions_are_scaled() {
    for (low, high) in [(10.0, 20.0), (-1000.0, 1000.0), (-1.0, 1.0)] {
        for scaling in [ActionScaling::Rescale, ActionScaling::Squash] {
            let found = learned(low, high, scaling);
            assert!(found > -0.01, "{low}..{high}, {scaling:?}: {found}");
        }
    }
    // Actions about 0 are the lower bound of one box, and the centre of the other.
    for (low, high) in [(10.0, 20.0), (-1000.0, 1000.0)] {
        let found = learned(low, high, ActionScaling::Clip);
        assert!(found < -0.2, "{low}..{high}, clipped: {found}");
    }
}
