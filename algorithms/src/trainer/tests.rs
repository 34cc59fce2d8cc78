//! Half a change is nothing to continue from, and what counts as the best evaluation.

use std::sync::Arc;
use std::time::Duration;

use phalanx_agents::{AgentError, Checkpoint};
use phalanx_envs::{EnvError, LocalBatch, Registry, RegistryError};

use super::*;
use crate::{StepsRollout, Which};

fn trainer() -> Trainer {
    let settings = TrainSettings {
        rows: 2,
        steps: 64,
        stop_at_return: None,
        seed: 1,
        device: Device::Cpu,
        rollout: RolloutSettings::Steps(StepsRollout { steps: 8 }),
        network: NetworkSettings { hidden: vec![4], ..NetworkSettings::default() },
        normalize: NormalizeSettings::default(),
        ppo: PpoSettings { minibatch: Some(8), ..PpoSettings::default() },
        evaluation: EvaluationSettings { every: 0, episodes: 0, env: None },
        checkpoint_every: 0,
    };
    let make = |_: Option<&EnvSpec>, rows, steps, seed| {
        let spec = EnvSpec::named("CartPole-v1");
        Ok(Box::new(LocalBatch::new(&Registry::standard(), &spec, rows, steps, seed)?) as Box<dyn BatchEnv>)
    };
    Trainer::new(settings, &make, Arc::default()).expect("a training")
}

/// After any error in an update, the state is saved as `failed` alone, and nothing continues from it.
#[test]
fn no_error_leaves_half_a_change_to_go_on_from() {
    let entry = || AgentError::Entry { name: "adam.mean".into(), reason: "is missing".into() };
    let errors = [
        AlgorithmError::Agent(AgentError::Torch(tch::TchError::Torch("out of memory".into()))),
        AlgorithmError::Agent(entry()),
        AlgorithmError::Batch(RegistryError::from(EnvError::failed("the bearing is worn out")).into()),
        AlgorithmError::Settings("contradictory".into()),
        AlgorithmError::Shape { what: "rewards and values", left: 1, right: 2 },
        AlgorithmError::NotFinite { what: "loss".into(), value: f64::NAN, place: "gradient step 2".into() },
    ];
    for error in errors {
        let (mut trainer, folder) = (trainer(), tempfile::tempdir().expect("a folder"));
        let checkpoints = Checkpoints::new(folder.path(), 2);
        trainer.iterate().expect("an iteration");
        let message = error.to_string();
        let half = |trainer: &mut Trainer| -> Result<(), AlgorithmError> {
            trainer.agent.network_mut().change(|parameters, _| {
                parameters[0] = 123.0;
                Ok(())
            })?;
            Err(error)
        };
        assert_eq!(trainer.change(half).expect_err("an error").to_string(), message);
        for finished in [false, true] {
            if finished {
                trainer.progress.step = trainer.settings.steps;
            }
            let error = trainer.run(&checkpoints, &mut |_| Ok(()), &|| false).expect_err("half a state");
            let AlgorithmError::Stopped { path, source } = error else { panic!("{error}") };
            assert!(matches!(*source, AlgorithmError::HalfChanged), "{source}");
            let failed = Checkpoint::load(&path).expect("a file");
            let len = trainer.agent.network().parameters().len();
            let parameters = failed.vector("parameters", len).expect("parameters");
            assert_eq!(parameters[0], 123.0);
            let none = checkpoints.load(Which::Latest).expect_err("nothing to go on from").to_string();
            assert!(none.ends_with("holds no checkpoint to continue from"), "{none}");
        }
    }
}

#[test]
fn a_checkpoint_that_could_be_restored_in_part_only_is_nothing_to_go_on_from() {
    let mut trainer = trainer();
    trainer.iterate().expect("an iteration");
    let whole = trainer.save().expect("one rank");
    let mut part = Checkpoint::new();
    trainer.agent.save(trainer.agent.network().parameters(), &mut part);
    trainer.restore(&part, Duration::from_mins(1), &mut |_| {}).expect_err("it lacks the optimiser");
    assert!(matches!(trainer.iterate(), Err(AlgorithmError::HalfChanged)));
    trainer.restore(&whole, Duration::from_mins(1), &mut |_| {}).expect("a whole checkpoint");
    trainer.iterate().expect("an iteration");
}

#[test]
fn a_return_that_is_not_finite_is_never_the_best() {
    assert!(is_best(-3.0, None) && is_best(2.0, Some(1.0)) && !is_best(1.0, Some(1.0)));
    for mean in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(!is_best(mean, None) && !is_best(mean, Some(-3.0)), "{mean}");
    }
}
