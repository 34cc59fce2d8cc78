//! N + N iterations equal 2N iterations to the bit; what went wrong leaves everything usable.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use phalanx_agents::{Checkpoint, Device, NetworkSettings, NormalizeSettings};
use phalanx_algorithms::{
    AgentPolicy, AlgorithmError, Checkpoints, EpisodesRollout, EvaluationSettings, KlPenaltySettings,
    Objective, Outcome, PpoSettings, Record, RolloutSettings, Schedule, StepsRollout, TrainSettings, Trainer,
    Which, checkpoint_step, evaluate,
};
use phalanx_envs::{
    Action, BatchEnv, Env, EnvError, EnvSpec, Episode, LocalBatch, Registry, Row, Space, Step,
};

/// Nothing here is replayed for so long.
const LIMIT: Duration = Duration::from_mins(1);

fn settings(rollout: RolloutSettings, objective: Objective) -> TrainSettings {
    TrainSettings {
        rows: 4,
        steps: 4 * 32 * 8,
        seed: 3,
        device: Device::Cpu,
        rollout,
        network: NetworkSettings { hidden: vec![8], ..NetworkSettings::default() },
        normalize: NormalizeSettings {
            observation: true,
            reward: true,
            value: true,
            ..NormalizeSettings::default()
        },
        ppo: PpoSettings { minibatch: Some(48), objective, ..PpoSettings::default() },
        evaluation: EvaluationSettings { every: 300, episodes: 3, env: None },
        checkpoint_every: 0,
        stop_at_return: None,
    }
}

fn trainer(registry: &Registry, spec: &EnvSpec, settings: &TrainSettings) -> Trainer {
    try_trainer(registry, spec, settings).unwrap()
}

fn try_trainer(
    registry: &Registry,
    spec: &EnvSpec,
    settings: &TrainSettings,
) -> Result<Trainer, AlgorithmError> {
    let make = |other: Option<&EnvSpec>, rows, steps, seed| {
        let batch = LocalBatch::new(registry, other.unwrap_or(spec), rows, steps, seed)?;
        Ok(Box::new(batch) as Box<dyn BatchEnv>)
    };
    Trainer::new(settings.clone(), &make, Arc::default())
}

/// The record without what depends on the clock.
fn timeless(record: &Record) -> Vec<(String, u64)> {
    let clock = |name: &str| name.starts_with("seconds") || name == "steps_per_second";
    record.values.iter().filter(|(name, _)| !clock(name)).map(|(n, v)| (n.to_string(), v.to_bits())).collect()
}

/// The checkpoint without what depends on the clock.
fn timeless_state(trainer: &Trainer) -> Checkpoint {
    let mut checkpoint = trainer.save().unwrap();
    let mut progress: serde_json::Value = checkpoint.state("progress").unwrap();
    progress["seconds"] = 0.into();
    checkpoint.put_state("progress", &progress);
    checkpoint
}

fn assert_resumes(spec: &EnvSpec, settings: &TrainSettings) {
    let registry = Registry::standard();
    let mut whole = trainer(&registry, spec, settings);
    let records: Vec<_> = (0..8).map(|_| timeless(&whole.iterate().unwrap())).collect();

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("half.safetensors");
    let mut first = trainer(&registry, spec, settings);
    let mut resumed: Vec<_> = (0..4).map(|_| timeless(&first.iterate().unwrap())).collect();
    first.save().unwrap().save(&path).unwrap();
    let mut second = trainer(&registry, spec, settings);
    assert_eq!(second.restore(&Checkpoint::load(&path).unwrap(), LIMIT, &mut |_| ()).unwrap(), []);
    resumed.extend((0..4).map(|_| timeless(&second.iterate().unwrap())));

    assert_eq!(records, resumed, "{}", spec.name);
    assert!(timeless_state(&whole) == timeless_state(&second), "{}: the states differ", spec.name);
}

#[test]
fn a_resumed_penalty_keeps_its_weight_and_takes_the_new_settings() {
    let rollout = RolloutSettings::Steps(StepsRollout { steps: 32 });
    let with = |target| {
        settings(rollout, Objective::KlPenalty(KlPenaltySettings { target, ..KlPenaltySettings::default() }))
    };
    let (registry, spec) = (Registry::standard(), EnvSpec::named("CartPole-v1"));
    let mut first = trainer(&registry, &spec, &with(0.01));
    let weight = first.iterate().unwrap().get("kl_penalty").unwrap();
    // No update goes as far as 1000 nats, and every one goes further than 1e-12.
    for (target, factor) in [(1e3, 1.0 / 1.5), (1e-12, 1.5)] {
        let mut resumed = trainer(&registry, &spec, &with(target));
        resumed.restore(&first.save().unwrap(), LIMIT, &mut |_| ()).unwrap();
        let adapted = resumed.iterate().unwrap().get("kl_penalty").unwrap();
        assert!((adapted / weight - factor).abs() < 1e-9, "{target}: {weight} became {adapted}");
    }
}

#[test]
fn resuming_changes_no_bit() {
    let steps = RolloutSettings::Steps(StepsRollout { steps: 32 });
    for name in ["CartPole-v1", "Pendulum-v1", "MountainCar-v0"] {
        assert_resumes(&EnvSpec::named(name), &settings(steps, Objective::default()));
    }
}

#[test]
fn resuming_whole_episodes_with_a_penalty_and_wrappers_changes_no_bit() {
    let episodes = RolloutSettings::Episodes(EpisodesRollout { episodes: 8, max_length: 200 });
    let spec: EnvSpec = serde_json::from_value(serde_json::json!({
        "name": "Pendulum-v1",
        "wrappers": [{"frame_history": {"past": [0, 1, 3]}}, {"random_start": {"max_steps": 5}}],
    }))
    .unwrap();
    assert_resumes(&spec, &settings(episodes, Objective::KlPenalty(KlPenaltySettings::default())));
}

#[test]
fn another_configurations_checkpoint_is_refused() {
    let registry = Registry::standard();
    let rollout = RolloutSettings::Steps(StepsRollout { steps: 32 });
    let settings = settings(rollout, Objective::default());
    let checkpoint = trainer(&registry, &EnvSpec::named("CartPole-v1"), &settings).save().unwrap();
    let mut other = trainer(&registry, &EnvSpec::named("Acrobot-v1"), &settings);
    let error = other.restore(&checkpoint, LIMIT, &mut |_| ()).unwrap_err().to_string();
    assert_eq!(error, "the policy was trained with actions Discrete(2), not Discrete(3)");
}

#[test]
fn a_resumed_normaliser_keeps_its_statistics_and_takes_the_new_settings() {
    let registry = Registry::standard();
    let mut settings = settings(RolloutSettings::Steps(StepsRollout { steps: 32 }), Objective::default());
    let spec = EnvSpec::named("CartPole-v1");
    let mut first = trainer(&registry, &spec, &settings);
    first.iterate().unwrap();
    let before = first.save().unwrap();
    settings.normalize.observation_clip = 1.5;
    settings.normalize.reward_clip = 2.5;
    settings.ppo.discount = 0.5;
    let mut resumed = trainer(&registry, &spec, &settings);
    resumed.restore(&before, LIMIT, &mut |_| ()).unwrap();
    let after = resumed.save().unwrap();
    for (name, expected) in
        [("normalizer", vec![("clip", 1.5)]), ("reward", vec![("clip", 2.5), ("discount", 0.5)])]
    {
        let mut state: serde_json::Value = before.state(name).unwrap();
        for (setting, value) in expected {
            assert_ne!(state[setting], value, "{name}.{setting}");
            state[setting] = value.into();
        }
        assert_eq!(after.state::<serde_json::Value>(name).unwrap(), state);
    }
}

#[test]
fn episodes_of_an_evaluation_that_do_not_end_are_cut_off_and_counted() {
    let registry = Registry::standard();
    let settings = settings(RolloutSettings::Steps(StepsRollout { steps: 32 }), Objective::default());
    // No policy gets a torque from a new network that ends Pendulum before its 200 steps.
    let spec = EnvSpec::named("Pendulum-v1");
    let mut trainer = trainer(&registry, &spec, &settings);
    for (max_steps, length, cut_off) in [(5, 5, 3), (200, 200, 0)] {
        let mut batch = LocalBatch::new(&registry, &spec, 3, 1, 0).unwrap();
        let agent = trainer.agent_mut();
        let played =
            evaluate(&mut AgentPolicy::new(agent, None), &mut batch, (3, max_steps), |_| {}, &|| false)
                .unwrap()
                .unwrap();
        assert_eq!((played.lengths, played.cut_off), (vec![length; 3], cut_off), "{max_steps}");
    }
}

#[test]
fn a_policy_is_tried_out_on_an_environment_of_the_same_spaces() {
    let registry = Registry::standard();
    let rollout = RolloutSettings::Steps(StepsRollout { steps: 32 });
    let mut settings = settings(rollout, Objective::default());
    let spec = EnvSpec::named("CartPole-v1");
    // Whatever the policy does, an episode of 5 steps has a return of 5.
    settings.evaluation.env = Some(EnvSpec { time_limit: Some(5), ..spec.clone() });
    let evaluation = trainer(&registry, &spec, &settings).evaluate(&|| false).unwrap().unwrap();
    assert_eq!(evaluation.returns, [5.0; 3]);
    settings.evaluation.env = Some(EnvSpec::named("Acrobot-v1"));
    let error = try_trainer(&registry, &spec, &settings).err().unwrap().to_string();
    assert!(error.starts_with("evaluation.env has the observation space Box([6]"), "{error}");
}

/// Rewards 1 until the `at`-th step of its life, then `reward`, or fails if that is `None`. Every tenth step ends an episode as `end` says.
struct Spoiler {
    steps: u32,
    at: u32,
    reward: Option<f32>,
    shown: f32,
    end: Episode,
    observation_space: Space,
    action_space: Space,
}

impl Env for Spoiler {
    fn observation_space(&self) -> &Space {
        &self.observation_space
    }

    fn action_space(&self) -> &Space {
        &self.action_space
    }

    fn reset(&mut self, _seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        observation.f32()[0] = 0.5;
        Ok(())
    }

    fn step(&mut self, _action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        self.steps += 1;
        observation.f32()[0] = if self.steps < self.at { 0.5 } else { self.shown };
        let reward = if self.steps < self.at { Some(1.0) } else { self.reward };
        let reward = reward.ok_or_else(|| EnvError::failed("the bearing is worn out"))?;
        let episode = if self.steps.is_multiple_of(10) { self.end } else { Episode::Running };
        Ok(Step { reward, episode })
    }
}

fn spoiled(at: u32, reward: Option<f32>, shown: f32) -> (tempfile::TempDir, Checkpoints, AlgorithmError) {
    spoiled_with(at, reward, shown, Episode::Terminated)
}

fn spoiled_with(
    at: u32,
    reward: Option<f32>,
    shown: f32,
    end: Episode,
) -> (tempfile::TempDir, Checkpoints, AlgorithmError) {
    let registry = Registry::new().with("spoiler", move |_| {
        Ok(Box::new(Spoiler {
            steps: 0,
            at,
            reward,
            shown,
            end,
            observation_space: Space::unbounded(1),
            action_space: Space::Discrete { n: 2 },
        }))
    });
    let rollout = RolloutSettings::Steps(StepsRollout { steps: 32 });
    let mut settings = settings(rollout, Objective::default());
    settings.evaluation.episodes = 0;
    let mut trainer = trainer(&registry, &EnvSpec::named("spoiler"), &settings);
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::new(folder.path(), 2);
    let error = trainer.run(&checkpoints, &mut |_| Ok(()), &|| false).unwrap_err();
    (folder, checkpoints, error)
}

#[test]
fn a_reward_that_is_not_finite_stops_before_learning_and_leaves_the_rollout() {
    let (_folder, checkpoints, error) = spoiled(40, Some(f32::NAN), 0.5);
    let AlgorithmError::Stopped { path, source } = error else { panic!("{error}") };
    // Step 40 of a row is time 7 of its second rollout of 32.
    assert!(source.to_string().contains("reward is not finite (NaN) at row 0, time 7"), "{source}");
    assert!(Checkpoint::load(&path).unwrap().array("rollout.observation").is_ok());
    assert!(checkpoints.load(Which::Latest).is_err(), "a spoiled state is no checkpoint to go on from");
}

/// The loss is finite for the first gradient step, which moves the parameters so far that it is not for the second.
#[test]
fn an_update_that_fails_after_a_gradient_step_leaves_no_checkpoint_to_go_on_from() {
    let mut settings = settings(RolloutSettings::Steps(StepsRollout { steps: 32 }), Objective::default());
    settings.ppo.learning_rate = Schedule::Constant(1e30);
    let mut trainer = trainer(&Registry::standard(), &EnvSpec::named("CartPole-v1"), &settings);
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::new(folder.path(), 2);
    let error = trainer.run(&checkpoints, &mut |_| Ok(()), &|| false).unwrap_err();
    let AlgorithmError::Stopped { source, .. } = error else { panic!("{error}") };
    assert!(source.to_string().contains("at gradient step 2"), "{source}");
    assert!(checkpoints.load(Which::Latest).is_err() && checkpoints.load(Which::Best).is_err());
}

#[test]
fn a_stop_cuts_an_evaluation_short() {
    let registry = Registry::standard();
    let rollout = RolloutSettings::Steps(StepsRollout { steps: 32 });
    let mut settings = settings(rollout, Objective::default());
    settings.evaluation.every = 1;
    let folder = tempfile::tempdir().unwrap();
    for stopped in [true, false] {
        let asked = std::cell::Cell::new(0);
        let stop = || {
            asked.set(asked.get() + 1);
            // The first step of the first evaluation, or never before it is over.
            stopped || asked.get() > 3 * 500
        };
        let mut evaluations = Vec::new();
        let mut log = |record: &Record| {
            evaluations.push(record.get("evaluation_return_mean"));
            Ok(())
        };
        let mut trainer = trainer(&registry, &EnvSpec::named("CartPole-v1"), &settings);
        let checkpoints = Checkpoints::new(folder.path(), 2);
        let outcome = trainer.run(&checkpoints, &mut log, &stop).unwrap();
        if stopped {
            assert_eq!((outcome, trainer.step(), evaluations), (Outcome::Stopped, 128, vec![None]));
            assert_eq!(checkpoint_step(&checkpoints.load(Which::Latest).unwrap().checkpoint).unwrap(), 128);
        } else {
            assert!(evaluations[0].is_some());
        }
    }
}

#[test]
fn an_observation_that_is_not_finite_is_named() {
    // What step 41 of a row showed is observation 9 of its second rollout; what step 40 showed, the last of an episode, is final, and
    // only learned from where the episode was truncated.
    for (at, end, what, time) in [
        (41, Episode::Terminated, "observation[0]", 9),
        (40, Episode::Terminated, "observation[0]", 9),
        (40, Episode::Truncated, "final observation[0]", 7),
    ] {
        let (_folder, _, error) = spoiled_with(at, Some(1.0), f32::INFINITY, end);
        let AlgorithmError::Stopped { source, .. } = error else { panic!("{error}") };
        let expected = format!("{what} is not finite (inf) at row 0, time {time} of the rollout");
        assert!(source.to_string().contains(&expected), "{source}");
    }
}

#[test]
fn a_failing_environment_leaves_the_last_whole_iteration() {
    let (_folder, checkpoints, error) = spoiled(40, None, 0.5);
    let message = error.to_string();
    assert!(message.contains("row 0: step failed") && message.contains("worn out"), "{message}");
    let found = checkpoints.load(Which::Latest).unwrap();
    assert_eq!(checkpoint_step(&found.checkpoint).unwrap(), 4 * 32);
}
