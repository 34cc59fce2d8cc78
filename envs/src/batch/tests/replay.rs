//! Running episodes that are restored by replaying their actions.

use std::time::Duration;

use super::{informers, shown};
use crate::batch::shortest_first;
use crate::{
    BatchEnv, Elements, EnvSpec, LocalBatch, Registry, Replayed, RunningEpisode, WrapperSpec, episode_seed,
    generator,
};

#[test]
fn a_replayed_episode_continues_as_it_would_have() {
    let (rows, steps) = (4, 150);
    for name in Registry::standard().names() {
        let mut wrappers = vec![WrapperSpec::RandomStart { max_steps: 5 }];
        if !Registry::standard().info(name).unwrap().observation_space.is_composite() {
            wrappers.push(WrapperSpec::FrameHistory { past: vec![0, 2], flatten: true, field: None });
        }
        let spec = EnvSpec { wrappers, time_limit: Some(60), ..EnvSpec::named(name) };
        let make = || LocalBatch::new(&Registry::standard(), &spec, rows, steps, 3).unwrap();
        let (mut batch, mut generator) = (make(), generator(1));
        batch.reset(None).unwrap();
        let mut running = vec![RunningEpisode::default(); rows];
        // What is replayed is the episode that runs at time 100.
        let cut = 100;
        for t in 0..steps {
            (0..rows).for_each(|row| batch.block_mut().sample_action(t, row, &mut generator));
            batch.step(t).unwrap();
            for (row, running) in running.iter_mut().enumerate().filter(|_| t < cut) {
                running.choices.extend(batch.block().choices(t * rows + row));
                running.numbers.extend(batch.block().numbers(t * rows + row));
                if batch.block().episode(t, row).is_over() {
                    *running = RunningEpisode { episode: running.episode + 1, ..RunningEpisode::default() };
                }
            }
        }
        assert!(running.iter().all(|r| r.episode > 0), "{name}");
        let mut again = make();
        again.replay(&running, Duration::from_mins(1), &mut |_| ()).unwrap();
        for t in cut..steps {
            for row in 0..rows {
                assert_eq!(
                    again.block().observation_row(t - cut, row),
                    batch.block().observation_row(t, row),
                    "{name}, {t}"
                );
                let (again, t, one) = (again.block_mut(), t - cut, row..row + 1);
                let index = (cut + t) * rows + row;
                again.choices_mut(t, one.clone()).copy_from_slice(batch.block().choices(index));
                again.numbers_mut(t, one).copy_from_slice(batch.block().numbers(index));
            }
            again.step(t - cut).unwrap();
        }
    }
}

/// A running episode of choices, at an observation with this checksum.
fn chosen(choices: &[i64], observation: Option<u64>) -> RunningEpisode {
    RunningEpisode { choices: choices.to_vec(), observation, ..RunningEpisode::default() }
}

#[test]
fn a_replay_that_ends_elsewhere_begins_the_next_episode() {
    // An episode of three steps.
    let run_seed = (0..99).find(|&seed| episode_seed(seed, 0, 0) % 1000 % 3 == 2).unwrap();
    let seeds = [0, 1].map(|episode| (episode_seed(run_seed, 0, episode) % 1000) as f32);
    let there = Elements::F32(&[seeds[0], 2.0]).checksum();
    let minute = Duration::from_mins(1);
    let replay = |running, limit| {
        let mut batch = LocalBatch::new(&informers(), &EnvSpec::named("informer"), 1, 1, run_seed).unwrap();
        let replayed = batch.replay(&[running], limit, &mut |_| ()).unwrap();
        (replayed[0].clone(), shown(batch.block(), 0, 0))
    };
    for observation in [None, Some(there)] {
        assert_eq!(replay(chosen(&[0; 2], observation), minute), (Replayed::Restored, vec![seeds[0], 2.0]));
    }
    for (running, limit, expected) in [
        (chosen(&[0; 9], None), minute, "its replay ended at step 3 of 9"),
        (chosen(&[0, 5], None), minute, "a wheel came off"),
        (chosen(&[0; 2], Some(there + 1)), minute, "its replay of 2 steps led to another observation"),
        (chosen(&[0; 2], Some(there)), Duration::ZERO, "its replay reached step 0 of 2 within"),
    ] {
        let (replayed, shown) = replay(running, limit);
        let Replayed::BeganAnew(reason) = replayed else { panic!("{expected}: restored") };
        assert!(reason.contains(expected), "{reason}");
        assert_eq!(shown, [seeds[1], 0.0], "{expected}");
    }
}

#[test]
fn the_longest_episodes_are_replayed_last() {
    let running =
        [3, 0, 7, 1].map(|steps| RunningEpisode { choices: vec![0; steps], ..RunningEpisode::default() });
    assert_eq!(shortest_first([0, 2, 3].into_iter(), &running), [3, 0, 2]);
}

#[test]
fn a_replay_of_other_actions_or_rows_is_an_error() {
    let mut batch = LocalBatch::new(&informers(), &EnvSpec::named("informer"), 1, 1, 0).unwrap();
    let numbers = RunningEpisode { numbers: vec![0.5], ..RunningEpisode::default() };
    assert!(
        batch.replay(&[numbers], Duration::ZERO, &mut |_| ()).is_err(),
        "numbers for an environment that takes choices"
    );
    let error = batch.replay(&[], Duration::ZERO, &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("0 running episodes do not fit 1 rows"), "{error}");
}
