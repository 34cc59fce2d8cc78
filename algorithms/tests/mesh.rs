//! A mesh changes no results: trainings by several ranks, here threads, against one rank.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use phalanx_agents::{Array, Device, NetworkSettings, NormalizeSettings};
use phalanx_algorithms::{
    EpisodesRollout, EvaluationSettings, KlPenaltySettings, Objective, PpoSettings, RolloutSettings,
    StepsRollout, TrainSettings, Trainer,
};
use phalanx_envs::{
    Action, BatchEnv, Env, EnvError, EnvSpec, Episode, LocalBatch, Registry, Row, Space, Step,
};
use phalanx_mesh::{Grid, JoinOptions, Mesh, MeshSettings, Place, free_port};

/// What a rank has after its updates.
#[derive(Debug, PartialEq)]
struct End {
    parameters: Vec<f32>,
    /// Adam's mean of gradients: after one gradient step, a tenth of the gradient.
    mean: Vec<f32>,
    /// Metrics but for times, NaN as −1.
    metrics: Vec<(String, f64)>,
}

/// Trains for `updates` updates on `size` ranks, which divide the rows; what each has then.
fn train(size: usize, env: &EnvSpec, settings: &TrainSettings, updates: usize) -> Vec<End> {
    train_over(size, &MeshSettings::default(), env, settings, updates)
}

/// Trains for `updates` updates on `size` ranks along the axes and by the layout of `mesh`; what each has then.
fn train_over(
    size: usize,
    mesh: &MeshSettings,
    env: &EnvSpec,
    settings: &TrainSettings,
    updates: usize,
) -> Vec<End> {
    let port = free_port().unwrap();
    let on_rank = |rank| {
        let grid = if size == 1 {
            Grid::alone()
        } else {
            let host = "127.0.0.1".to_owned();
            let place = Place { rank, size, local_rank: rank, host, port, is_served: false, restarts: 0 };
            let options = JoinOptions { settings: mesh.clone(), identity: String::new() };
            Grid::new(&Mesh::join(&place, &options, &mut |_| ()).unwrap(), mesh).unwrap()
        };
        let make = |_: Option<&EnvSpec>, rows, steps, seeds| {
            let batch = LocalBatch::new(&Registry::standard(), env, rows, steps, seeds)?;
            Ok(Box::new(batch) as Box<dyn BatchEnv>)
        };
        let mut trainer = Trainer::new(settings.clone(), &make, Arc::new(grid)).unwrap();
        let records: Vec<_> = (0..updates).map(|_| trainer.iterate().unwrap()).collect();
        let last = records.last().unwrap();
        let metrics = last.values.iter().filter(|(name, _)| !name.contains("second"));
        let checkpoint = trainer.save().unwrap();
        let Array::F32(_, mean) = checkpoint.array("adam.mean").unwrap() else { panic!() };
        let Array::F32(_, parameters) = checkpoint.array("parameters").unwrap() else { panic!() };
        End {
            parameters: parameters.clone(),
            mean: mean.clone(),
            metrics: metrics
                .map(|(name, x)| (name.to_string(), if x.is_nan() { -1.0 } else { *x }))
                .collect(),
        }
    };
    std::thread::scope(|scope| {
        let ranks: Vec<_> = (0..size).map(|rank| scope.spawn(move || on_rank(rank))).collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

fn settings(network: &str) -> TrainSettings {
    TrainSettings {
        rows: 8,
        steps: 1_000_000,
        stop_at_return: None,
        seed: 3,
        device: Device::Cpu,
        rollout: RolloutSettings::Steps(StepsRollout { steps: 32 }),
        network: serde_json::from_str::<NetworkSettings>(network).unwrap(),
        normalize: NormalizeSettings { value: true, ..NormalizeSettings::default() },
        ppo: PpoSettings { minibatch: Some(64), epochs: 2, sequence: 8, ..PpoSettings::default() },
        evaluation: EvaluationSettings { every: 0, episodes: 0, env: None },
        checkpoint_every: 0,
    }
}

/// Largest difference, over the largest number.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    let largest = a.iter().fold(0.0, |most: f32, x| most.max(x.abs()));
    a.iter().zip(b).fold(0.0, |most: f32, (a, b)| most.max((a - b).abs())) / largest
}

/// Ranks have the same bits; their parameters and metrics are those of one rank but for rounding.
fn assert_same(name: &str, env: &EnvSpec, settings: &TrainSettings, updates: usize, sizes: &[usize]) {
    let [one] = &train(1, env, settings, updates)[..] else { panic!() };
    for &size in sizes {
        let ranks = train(size, env, settings, updates);
        assert!(ranks.iter().all(|rank| *rank == ranks[0]), "{name}: ranks differ");
        let far = distance(&one.parameters, &ranks[0].parameters);
        assert!(far < 1e-5, "{name}, {size} ranks: parameters differ by {far}");
        for ((name, a), (_, b)) in one.metrics.iter().zip(&ranks[0].metrics) {
            assert!((a - b).abs() <= 1e-3 * a.abs().max(0.1), "{name}, {size} ranks: {a} and {b}");
        }
    }
}

#[test]
fn two_and_four_ranks_train_as_one() {
    for env in ["CartPole-v1", "Pendulum-v1"] {
        assert_same(env, &EnvSpec::named(env), &settings(r#"{"hidden": [16]}"#), 5, &[2, 4]);
    }
}

#[test]
fn the_first_gradient_is_that_of_one_rank() {
    let mut settings = settings(r#"{"hidden": [64, 64]}"#);
    settings.ppo = PpoSettings { minibatch: None, epochs: 1, max_gradient_norm: None, ..settings.ppo };
    let env = EnvSpec::named("CartPole-v1");
    let [one] = &train(1, &env, &settings, 1)[..] else { panic!() };
    for (shape, layout) in [
        ("rows:2", "env:rows"),
        ("rows:4", "env:rows"),
        ("cols:2", "h1:cols"),
        ("rows:2,cols:2", "env:rows,h1:cols"),
    ] {
        let mesh = mesh(shape, layout);
        let ranks = train_over(mesh.shape.size(), &mesh, &env, &settings, 1);
        let far = distance(&one.mean, &ranks[0].mean);
        assert!(far < 1e-6, "{shape}: gradients differ by {far}");
    }
}

#[test]
fn memory_masks_pictures_and_whole_episodes_are_shared_as_well() {
    let memory = r#"{"hidden": [8], "memory": {"gru": 8}}"#;
    assert_same("memory", &EnvSpec::named("Recall-v0"), &settings(memory), 2, &[2]);
    assert_same("masks", &EnvSpec::named("Valves-v0"), &settings(r#"{"hidden": [16]}"#), 3, &[2]);
    let picture = r#"{"convolutions": [{"filters": 4, "kernel": 8, "stride": 8}], "hidden": [8]}"#;
    let mut pictures = settings(picture);
    pictures.rollout = RolloutSettings::Steps(StepsRollout { steps: 8 });
    assert_same("pictures", &EnvSpec::named("PictureAndNumbers-v0"), &pictures, 2, &[2]);
    let mut episodes = settings(r#"{"hidden": [16]}"#);
    episodes.rollout = RolloutSettings::Episodes(EpisodesRollout { episodes: 16, max_length: 500 });
    episodes.ppo.objective = Objective::KlPenalty(KlPenaltySettings::default());
    assert_same("episodes", &EnvSpec::named("CartPole-v1"), &episodes, 3, &[2, 4]);
    let mut early = settings(r#"{"hidden": [16]}"#);
    early.ppo = PpoSettings { target_kl: Some(1e-4), epochs: 10, ..early.ppo };
    assert_same("early", &EnvSpec::named("Pendulum-v1"), &early, 4, &[2]);
}

fn mesh(shape: &str, layout: &str) -> MeshSettings {
    MeshSettings { shape: shape.parse().unwrap(), layout: layout.parse().unwrap(), ..MeshSettings::default() }
}

/// Layers that ranks divide, alone and together with rows.
#[test]
fn divided_layers_train_as_whole_ones() {
    let two = r#"{"hidden": [16, 12]}"#;
    let pictures = r#"{"convolutions": [{"filters": 4, "kernel": 8, "stride": 8}], "hidden": [8, 6]}"#;
    for (env, network, shape, layout) in [
        ("CartPole-v1", two, "cols:2", "h1:cols"),
        ("Pendulum-v1", two, "rows:2,cols:2", "env:rows,h1:cols"),
        ("Pendulum-v1", two, "cols:2,depth:2", "h1:cols,h2:depth"),
        ("Recall-v0", r#"{"hidden": [8, 8], "memory": {"gru": 8}}"#, "rows:2,cols:2", "env:rows,h1:cols"),
        ("Valves-v0", two, "rows:2,cols:2", "env:rows,actor.hidden2:cols"),
        ("PictureAndNumbers-v0", pictures, "cols:2", "h1:cols"),
    ] {
        let (env, settings, mesh) = (EnvSpec::named(env), settings(network), mesh(shape, layout));
        let [one] = &train(1, &env, &settings, 4)[..] else { panic!() };
        let ranks = train_over(mesh.shape.size(), &mesh, &env, &settings, 4);
        for rank in &ranks {
            assert_eq!(rank.parameters, ranks[0].parameters, "{layout}: ranks differ");
            let far = distance(&one.parameters, &rank.parameters);
            assert!(far < 1e-5, "{layout} on {shape}: parameters differ by {far}");
        }
        for ((name, a), (_, b)) in one.metrics.iter().zip(&ranks[0].metrics) {
            assert!((a - b).abs() <= 1e-3 * a.abs().max(0.1), "{name}, {layout}: {a} and {b}");
        }
    }
}

/// An environment whose steps take this long.
struct Slow {
    step: Duration,
    observation_space: Space,
    action_space: Space,
}

impl Env for Slow {
    fn observation_space(&self) -> &Space {
        &self.observation_space
    }

    fn action_space(&self) -> &Space {
        &self.action_space
    }

    fn reset(&mut self, _: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        observation.f32()[0] = 1.0;
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        std::thread::sleep(self.step);
        observation.f32()[0] *= -1.0;
        Ok(Step { reward: action.discrete() as f32, episode: Episode::Running })
    }
}

/// The second rank takes 10 ms for a step of its four rows, and the first one finishes its 32 at once.
#[test]
fn ranks_that_are_late_cut_their_rollouts_short() {
    let port = free_port().unwrap();
    let mesh = MeshSettings { preempt: Some(0.5), ..MeshSettings::default() };
    let mut settings = settings(r#"{"hidden": [8]}"#);
    settings.ppo.minibatch = None;
    let on_rank = &|rank: usize| {
        let host = "127.0.0.1".to_owned();
        let place = Place { rank, size: 2, local_rank: rank, host, port, is_served: false, restarts: 0 };
        let options = JoinOptions { settings: mesh.clone(), identity: String::new() };
        let grid = Grid::new(&Mesh::join(&place, &options, &mut |_| ()).unwrap(), &mesh).unwrap();
        let step = Duration::from_micros(2_500 * rank as u64);
        let registry = Registry::new().with("slow", move |_| {
            let (observation_space, action_space) = (Space::unbounded(1), Space::Discrete { n: 2 });
            Ok(Box::new(Slow { step, observation_space, action_space }))
        });
        let make = |_: Option<&EnvSpec>, rows, steps, seeds| {
            let batch = LocalBatch::new(&registry, &EnvSpec::named("slow"), rows, steps, seeds)?;
            Ok(Box::new(batch) as Box<dyn BatchEnv>)
        };
        let mut trainer = Trainer::new(settings.clone(), &make, Arc::new(grid)).unwrap();
        let records: Vec<_> = (0..3).map(|_| trainer.iterate().unwrap()).collect();
        let checkpoint = trainer.save().unwrap();
        let Array::F32(_, parameters) = checkpoint.array("parameters").unwrap() else { panic!() };
        (records, parameters.clone())
    };
    let ranks: Vec<_> = std::thread::scope(|scope| {
        let ranks: Vec<_> = (0..2).map(|rank| scope.spawn(move || on_rank(rank))).collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    });
    assert_eq!(ranks[0].1, ranks[1].1);
    let mut before = 0;
    for record in &ranks[0].0 {
        assert_eq!(record.get("preempted_ranks"), Some(1.0));
        let steps = record.step - before;
        // All of the first rank's, and from a quarter of the second one's on.
        assert!((4 * 32 + 4 * 8..8 * 32).contains(&steps), "{steps}");
        before = record.step;
    }
}
