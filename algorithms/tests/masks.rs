//! Masks that do not say what is legal stop a training and an evaluation before an action is taken by them.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use phalanx_agents::{AgentError, Device, NetworkSettings, NormalizeSettings};
use phalanx_algorithms::{
    AgentPolicy, AlgorithmError, EvaluationSettings, PpoSettings, RolloutSettings, StepsRollout,
    TrainSettings, Trainer, evaluate,
};
use phalanx_envs::{
    Action, BatchEnv, Env, EnvError, EnvSpec, Episode, LocalBatch, Registry, Row, Seeds, Space, Step,
};

/// Forbids the second of three options, and has `value` for the third one from step 5 of an episode on.
struct Masked {
    step: u32,
    value: f32,
    observation_space: Space,
    action_space: Space,
}

impl Masked {
    fn show(&self, mut observation: Row<'_>) {
        let third = if self.step < 5 { 1.0 } else { self.value };
        observation.field("action_mask").f32().copy_from_slice(&[1.0, 0.0, third]);
        observation.field("x").f32()[0] = self.step as f32;
    }
}

impl Env for Masked {
    fn observation_space(&self) -> &Space {
        &self.observation_space
    }

    fn action_space(&self) -> &Space {
        &self.action_space
    }

    fn reset(&mut self, _seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        self.step = 0;
        self.show(observation);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        assert_ne!(action.discrete(), 1);
        self.step += 1;
        self.show(observation);
        let episode = if self.step == 10 { Episode::Terminated } else { Episode::Running };
        Ok(Step { reward: 1.0, episode })
    }
}

fn registry(value: f32) -> Registry {
    Registry::new().with("masked", move |_| {
        let mask = ("action_mask".to_owned(), Space::unbounded(3));
        let observation_space = Space::Dict(vec![mask, ("x".to_owned(), Space::unbounded(1))]);
        Ok(Box::new(Masked { step: 0, value, observation_space, action_space: Space::Discrete { n: 3 } }))
    })
}

fn batch(registry: &Registry, rows: usize, steps: usize, seeds: impl Into<Seeds>) -> LocalBatch {
    LocalBatch::new(registry, &EnvSpec::named("masked"), rows, steps, seeds).unwrap()
}

fn trainer(registry: &Registry) -> Trainer {
    let settings = TrainSettings {
        rows: 2,
        steps: 1_000,
        seed: 3,
        device: Device::Cpu,
        rollout: RolloutSettings::Steps(StepsRollout { steps: 16 }),
        network: NetworkSettings { hidden: vec![8], ..NetworkSettings::default() },
        normalize: NormalizeSettings::default(),
        ppo: PpoSettings { minibatch: Some(16), ..PpoSettings::default() },
        evaluation: EvaluationSettings { every: 0, episodes: 0, env: None },
        checkpoint_every: 0,
        stop_at_return: None,
    };
    let make = |_: Option<&EnvSpec>, rows, steps, seeds| {
        Ok(Box::new(batch(registry, rows, steps, seeds)) as Box<dyn BatchEnv>)
    };
    Trainer::new(settings, &make, Arc::default()).unwrap()
}

#[test]
fn a_mask_has_zeros_and_ones() {
    for value in [0.0, 1.0] {
        trainer(&registry(value)).iterate().unwrap();
    }
    let mut trained = trainer(&registry(1.0));
    for value in [f32::NAN, 2.0, -1.0, f32::NEG_INFINITY] {
        let expected = format!(
            "row 0, step 5: observation.action_mask[2] is {value}, where 0 forbids an option and 1 allows it"
        );
        let error = trainer(&registry(value)).iterate().unwrap_err();
        assert!(matches!(error, AlgorithmError::Agent(AgentError::MaskValue { .. })), "{error}");
        assert_eq!(error.to_string(), expected);
        let mut policy = AgentPolicy::new(trained.agent_mut(), None);
        let error = evaluate(&mut policy, &mut batch(&registry(value), 2, 1, 0), (2, 100), |_| {}, &|| false);
        assert_eq!(error.err().unwrap().to_string(), expected);
    }
}
