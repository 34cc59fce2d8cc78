//! Does it learn? Probe environments of known value and best action, with both objectives and both kinds of rollout.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use phalanx_agents::{Agent, Device, Inputs, Mode, NetworkSettings, NormalizeSettings, Tower};
use phalanx_algorithms::{
    Checkpoints, EpisodesRollout, EvaluationSettings, KlPenaltySettings, Objective, Outcome, PpoSettings,
    RolloutSettings, Schedule, StepsRollout, TrainSettings, Trainer,
};
use phalanx_envs::{Action, BatchEnv, Block, Elements, EnvSpec, Layout, LocalBatch, Probe, Registry, Space};

const DISCOUNT: f64 = 0.8;

fn settings(rollout: RolloutSettings, objective: Objective) -> TrainSettings {
    TrainSettings {
        rows: 16,
        steps: 16 * 16 * 60,
        seed: 1,
        device: Device::Cpu,
        rollout,
        network: NetworkSettings { hidden: vec![16], initial_std: 0.5, ..NetworkSettings::default() },
        normalize: NormalizeSettings::default(),
        ppo: PpoSettings {
            discount: DISCOUNT,
            learning_rate: Schedule::Constant(0.01),
            minibatch: Some(64),
            objective,
            ..PpoSettings::default()
        },
        evaluation: EvaluationSettings { every: 0, episodes: 0, env: None },
        checkpoint_every: 0,
        stop_at_return: None,
    }
}

fn trained(probe: Probe, rollout: RolloutSettings, objective: Objective) -> Trainer {
    let registry = Registry::probes();
    let make = |_: Option<&EnvSpec>, rows, steps, seed| {
        let batch = LocalBatch::new(&registry, &EnvSpec::named(probe.name()), rows, steps, seed)?;
        Ok(Box::new(batch) as Box<dyn BatchEnv>)
    };
    let mut trainer = Trainer::new(settings(rollout, objective), &make, Arc::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::new(folder.path(), 1);
    let outcome = trainer.run(&checkpoints, &mut |_| Ok(()), &|| false).unwrap();
    assert_eq!(outcome, Outcome::Finished);
    trainer
}

fn value(agent: &mut Agent, observation: f32) -> f64 {
    let mut values = Vec::new();
    let observation = [observation];
    let x = Inputs::One(Elements::F32(&observation));
    agent.network_mut().infer(Tower::Critic, x, 0..1, &mut [], &mut values).unwrap();
    f64::from(values[0])
}

fn action(agent: &mut Agent, space: &Space, observation: f32) -> f32 {
    let mut block = Block::local(Layout::new(1, 1, Space::unbounded(1), space.clone()).unwrap());
    block.observation_row_mut(0, 0).f32()[0] = observation;
    let mut memory = agent.memory(1);
    agent.actor().act(&mut block, 0, 0..1, Mode::Greedy, &mut memory, &mut [0.0]).unwrap();
    match block.action(0, 0) {
        Action::Box(numbers) => numbers[0],
        choice => choice.discrete() as f32,
    }
}

fn assert_learned(probe: Probe, trainer: &mut Trainer) {
    let space = trainer.batch_mut().action_space().clone();
    for &observation in probe.observations() {
        let agent = trainer.agent_mut();
        if let Some(best) = probe.best_action(observation) {
            let taken = action(agent, &space, observation);
            assert!((taken - best).abs() < 0.1, "{}: action {taken} at {observation}", probe.name());
        }
        // A sampled policy is not quite the best one, so values of tasks with a choice come close from below.
        let known = f64::from(probe.value(observation, DISCOUNT as f32));
        let learned = value(agent, observation);
        let tolerance =
            0.03 * known.abs().max(1.0) + if probe == Probe::ContinuousAction { 0.2 } else { 0.0 };
        assert!((learned - known).abs() < tolerance, "{}: value {learned} at {observation}", probe.name());
    }
}

#[test]
fn every_probe_is_learned_with_the_clipped_objective() {
    for probe in Probe::ALL {
        let rollout = RolloutSettings::Steps(StepsRollout { steps: 16 });
        assert_learned(probe, &mut trained(probe, rollout, Objective::default()));
    }
}

#[test]
fn every_probe_is_learned_with_the_kl_penalty_from_whole_episodes() {
    for probe in Probe::ALL {
        let rollout = RolloutSettings::Episodes(EpisodesRollout { episodes: 256, max_length: 2 });
        let objective = Objective::KlPenalty(KlPenaltySettings::default());
        assert_learned(probe, &mut trained(probe, rollout, objective));
    }
}
