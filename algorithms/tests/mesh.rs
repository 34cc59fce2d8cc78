//! A mesh changes no results: trainings by several ranks, here threads, against one rank.
#![allow(clippy::unwrap_used)]

use std::net::TcpListener;
use std::rc::Rc;

use phalanx_agents::{Device, NetworkSettings, NormalizeSettings};
use phalanx_algorithms::{
    EvaluationSettings, PpoSettings, RolloutSettings, StepsRollout, TrainSettings, Trainer,
};
use phalanx_envs::{BatchEnv, EnvSpec, LocalBatch, Registry};
use phalanx_mesh::{JoinOptions, Mesh, MeshSettings, Place};

/// Parameters after `updates` updates, and the mean return, on `size` ranks.
fn train(size: usize, env: &str, settings: &TrainSettings, updates: usize) -> Vec<(Vec<f32>, f64)> {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let on_rank = |rank| {
        let mesh = if size == 1 {
            Mesh::alone()
        } else {
            let host = "127.0.0.1".to_owned();
            let place = Place { rank, size, local_rank: rank, host, port, is_served: false, restarts: 0 };
            let options = JoinOptions { settings: MeshSettings::default(), identity: String::new() };
            Mesh::join(&place, &options, &mut |_| ()).unwrap()
        };
        let make = |_: Option<&EnvSpec>, rows, steps, seeds| {
            let batch = LocalBatch::new(&Registry::standard(), &EnvSpec::named(env), rows, steps, seeds)?;
            Ok(Box::new(batch) as Box<dyn BatchEnv>)
        };
        let mut trainer = Trainer::new(settings.clone(), &make, Rc::new(mesh)).unwrap();
        let mut last = f64::NAN;
        for _ in 0..updates {
            last = trainer.iterate().unwrap().get("episode_return_mean").unwrap();
        }
        (trainer.agent_mut().network().parameters().to_vec(), last)
    };
    std::thread::scope(|scope| {
        let ranks: Vec<_> = (0..size).map(|rank| scope.spawn(move || on_rank(rank))).collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

fn settings() -> TrainSettings {
    TrainSettings {
        rows: 8,
        steps: 1_000_000,
        stop_at_return: None,
        seed: 3,
        device: Device::Cpu,
        rollout: RolloutSettings::Steps(StepsRollout { steps: 32 }),
        network: NetworkSettings { hidden: vec![16], ..NetworkSettings::default() },
        normalize: NormalizeSettings::default(),
        ppo: PpoSettings { minibatch: Some(64), epochs: 2, ..PpoSettings::default() },
        evaluation: EvaluationSettings { every: 0, episodes: 0, env: None },
        checkpoint_every: 0,
    }
}

/// Largest difference, over the largest number.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    let largest = a.iter().fold(0.0, |most: f32, x| most.max(x.abs()));
    a.iter().zip(b).fold(0.0, |most: f32, (a, b)| most.max((a - b).abs())) / largest
}

#[test]
fn ranks_have_the_same_parameters_and_those_of_one_rank() {
    for env in ["CartPole-v1", "Pendulum-v1"] {
        for updates in [1, 5] {
            let [one] = &train(1, env, &settings(), updates)[..] else { panic!() };
            for size in [2, 4] {
                let ranks = train(size, env, &settings(), updates);
                assert!(ranks.iter().all(|rank| rank.0 == ranks[0].0), "ranks differ");
                let far = distance(&one.0, &ranks[0].0);
                println!("{env} {updates} updates {size} ranks: {far:e}, return {} {}", one.1, ranks[0].1);
                assert!(far < 1e-4, "{env}, {updates} updates, {size} ranks: {far}");
            }
        }
    }
}
