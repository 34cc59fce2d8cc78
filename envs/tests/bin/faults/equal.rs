//! Whatever the number of workers, a batch is the same batch.

use phalanx_envs::{
    BatchEnv, EnvSpec, Episode, LocalBatch, Registry, Replayed, RunningEpisode, WorkerBatch, WorkerOptions,
    Zygote, episode_seed,
};
use serde_json::{Value, json};

use crate::loss::once;
use crate::{act, final_observation, observation, spec, within};

const ROWS: usize = 11;
const STEPS: usize = 40;

/// The batch with these parameters, in this process for 0 workers.
fn make(zygote: &Zygote, registry: &Registry, params: &Value, workers: usize) -> Box<dyn BatchEnv> {
    if workers == 0 {
        Box::new(LocalBatch::new(registry, &spec(params), ROWS, STEPS, 7).unwrap())
    } else {
        Box::new(WorkerBatch::new(zygote, &spec(params), ROWS, STEPS, 7, workers, &within(30.0)).unwrap())
    }
}

/// A batch whose workers do not wait for each other.
pub fn pipelined(
    zygote: &Zygote,
    params: &Value,
    rows: usize,
    workers: usize,
    options: &WorkerOptions,
) -> WorkerBatch {
    let options = WorkerOptions { pipelined: Some(true), ..options.clone() };
    WorkerBatch::new(zygote, &spec(params), rows, STEPS, 7, workers, &options).unwrap()
}

/// Everything that three rollouts bring, as bits, with a reset of some rows and a resting row in between.
fn bits(batch: &mut dyn BatchEnv) -> Vec<u32> {
    let mut bits = Vec::new();
    batch.reset(None).unwrap();
    for round in 0..3 {
        if round == 1 {
            batch.reset(Some(&[0, 3, 10])).unwrap();
            batch.block_mut().set_active(5, false);
        } else {
            batch.block_mut().activate_all();
        }
        (0..STEPS).for_each(|t| act(batch.block_mut(), t, round));
        batch.step_through(STEPS).unwrap();
        let block = batch.block();
        for t in 0..STEPS {
            for row in (0..ROWS).filter(|&row| block.active(row)) {
                let episode = block.episode(t, row);
                bits.push(episode as u32);
                bits.push(block.reward(t, row).to_bits());
                bits.extend(observation(block, t + 1, row).iter().map(|x| x.to_bits()));
                if episode.is_over() {
                    bits.extend(final_observation(block, t, row).iter().map(|x| x.to_bits()));
                }
            }
        }
        batch.block_mut().carry_over(STEPS);
    }
    bits
}

/// 0, 1, 2 and 8 workers bring the same bits, with and without a time limit.
pub fn same_bits(zygote: &Zygote, registry: &Registry) {
    for limit in [0, 7] {
        let params = json!({ "limit": limit, "edge": 1.2 });
        let expected = bits(&mut *make(zygote, registry, &params, 0));
        for workers in [1, 2, 8, ROWS] {
            let found = bits(&mut *make(zygote, registry, &params, workers));
            assert!(expected == found, "{workers} workers differ with limit {limit}");
        }
        for workers in [1, 2, 5] {
            let found = bits(&mut pipelined(zygote, &params, ROWS, workers, &within(30.0)));
            assert!(expected == found, "{workers} workers differ when pipelined with limit {limit}");
        }
    }
}

/// Rows whose replay ends elsewhere, under a shorter time limit here, are the same in any number of workers, and so is what follows.
pub fn replay_elsewhere(zygote: &Zygote, registry: &Registry) {
    let running = vec![RunningEpisode { numbers: vec![0.01; 6], ..RunningEpisode::default() }; ROWS];
    let mut batches = [0, 2, 8].map(|workers| {
        let limit = json!({ "limit": 4, "edge": 1.2 });
        let mut batch = make(zygote, registry, &limit, workers);
        let replayed = batch.replay(&running, std::time::Duration::from_mins(1), &mut |_| ()).unwrap();
        assert!(
            replayed
                .iter()
                .all(|replayed| matches!(replayed, Replayed::BeganAnew(why) if why.contains("step 4 of 6")))
        );
        batch
    });
    for t in 0..STEPS {
        for batch in &mut batches {
            act(batch.block_mut(), t, 1);
            batch.step(t).unwrap();
        }
        for row in 0..ROWS {
            let shown = |i: usize| observation(batches[i].block(), t, row);
            assert_eq!([shown(1), shown(2)], [shown(0), shown(0)], "row {row}, time {t}");
        }
    }
}

/// A replayed batch stands where the first one stood, and continues as it does.
pub fn replay(zygote: &Zygote, registry: &Registry) {
    for (from, to) in [(0, 2), (2, 0), (8, 2)] {
        let mut first = make(zygote, registry, &json!({ "limit": 9, "edge": 1.2 }), from);
        let mut running = vec![RunningEpisode::default(); ROWS];
        first.reset(None).unwrap();
        for t in 0..STEPS {
            act(first.block_mut(), t, 0);
            first.step(t).unwrap();
            for (row, running) in running.iter_mut().enumerate() {
                running.numbers.push(first.block().action(t, row).continuous()[0]);
                if first.block().episode(t, row).is_over() {
                    *running = RunningEpisode { episode: running.episode + 1, ..RunningEpisode::default() };
                }
            }
        }
        first.block_mut().carry_over(STEPS);
        let mut second = make(zygote, registry, &json!({ "limit": 9, "edge": 1.2 }), to);
        second.replay(&running, std::time::Duration::from_mins(1), &mut |_| ()).unwrap();
        for t in 0..STEPS {
            for row in 0..ROWS {
                assert_eq!(observation(first.block(), t, row), observation(second.block(), t, row));
            }
            for batch in [&mut first, &mut second] {
                act(batch.block_mut(), t, 1);
                batch.step(t).unwrap();
            }
        }
    }
}

/// The worker of one of four rows is lost in the replay, or its environment fails: this row begins its next episode, the others are
/// restored, under a policy that replaces no workers.
pub fn replay_lost(zygote: &Zygote, fault: &str) {
    const ROWS: usize = 4;
    let running = vec![RunningEpisode { numbers: vec![0.5; 6], ..RunningEpisode::default() }; ROWS];
    let mut options = within(30.0);
    if fault == "hang" {
        options.command_deadline = 0.2;
    }
    let params = json!({ "fault": fault, "phase": "step", "at": 3, "once": once() });
    let mut batch = crate::batch(zygote, &params, ROWS, 2, &options);
    let mut counts = Vec::new();
    let limit = std::time::Duration::from_secs(8);
    let replayed = batch.replay(&running, limit, &mut |rows| counts.push(rows)).unwrap();
    assert_eq!(counts.last(), Some(&ROWS), "{counts:?}");
    for t in 0..2 {
        for (row, replayed) in replayed.iter().enumerate() {
            let (episode, step) = match replayed {
                Replayed::Restored => (0, 6 + t),
                Replayed::BeganAnew(_) => (1, t),
            };
            let seed = episode_seed(7, row, episode) % 1_000_000;
            assert_eq!(observation(batch.block(), t, row)[1..], [step as f32, seed as f32], "row {row}");
        }
        act(batch.block_mut(), t, 0);
        batch.step(t).unwrap();
    }
    let anew: Vec<_> = replayed.iter().filter(|replayed| **replayed != Replayed::Restored).collect();
    assert_eq!(anew.len(), 1, "{replayed:?}");
    println!("{anew:?}");
    batch.close().unwrap();
}

/// Infos of episodes are returned once, and are the same for any number of workers.
pub fn infos(zygote: &Zygote, registry: &Registry) {
    let mut told = Vec::new();
    for workers in [0, 1, 3] {
        let mut batch = make(zygote, registry, &json!({"edge": 0.8, "limit": 9}), workers);
        batch.reset(None).unwrap();
        for t in 0..STEPS {
            act(batch.block_mut(), t, 0);
            batch.step(t).unwrap();
        }
        let infos = batch.take_infos().unwrap();
        let means: Vec<_> = infos.means().map(|(name, mean)| (name.to_owned(), mean)).collect();
        let ends = || (0..STEPS * ROWS).filter(|&i| batch.block().episode(i / ROWS, i % ROWS).is_over());
        let last = |i: usize| f64::from(final_observation(batch.block(), i / ROWS, i % ROWS)[0]);
        let (count, sum) = (ends().count() as f64, ends().map(last).sum::<f64>());
        assert_eq!(means[1].0, "position");
        assert!((means[1].1 - sum / count).abs() < 1e-6, "{means:?}");
        assert!(batch.take_infos().unwrap().is_empty());
        told.push(means);
    }
    for means in &told {
        assert_eq!(means.len(), 2);
        for ((name, mean), (first, expected)) in means.iter().zip(&told[0]) {
            // Workers add up in another order.
            assert!(name == first && (mean - expected).abs() < 1e-9, "{means:?}");
        }
    }
}

/// Pictures of a worker and of this process, of `MuJoCo`'s environments where they are there.
pub fn pictures(zygote: &Zygote, registry: &Registry) {
    for name in ["CartPole-v1", "HalfCheetah-v5"].into_iter().filter(|name| registry.info(name).is_ok()) {
        let spec = EnvSpec::named(name);
        let mut workers = WorkerBatch::new(zygote, &spec, 4, 1, 7, 2, &within(30.0)).unwrap();
        let mut local = LocalBatch::new(registry, &spec, 4, 1, 7).unwrap();
        for row in [0, 3] {
            let [shown, expected] = [&mut workers as &mut dyn BatchEnv, &mut local].map(|batch| {
                batch.reset(None).unwrap();
                batch.render(row).unwrap()
            });
            assert_eq!(shown, expected, "{name}, row {row}");
        }
        workers.close().unwrap();
    }
}

/// Methods and attributes of one row and of all, and what goes wrong with them without ending the batch.
pub fn calls(zygote: &Zygote, registry: &Registry) {
    let mut answers = Vec::new();
    for workers in [0, 3] {
        let mut batch = make(zygote, registry, &json!({}), workers);
        batch.reset(None).unwrap();
        batch.call(4, "set_position", &json!({ "to": 0.25 })).unwrap();
        assert_eq!(batch.call(4, "position", &Value::Null).unwrap(), json!(0.25));
        let all = batch.call_all("position", &Value::Null).unwrap();
        assert_eq!(all.len(), ROWS);
        assert_eq!(all[4], json!(0.25));
        for (row, position) in all.iter().enumerate().filter(|(row, _)| *row != 4) {
            let shown = observation(batch.block(), 0, row)[0];
            assert_eq!(position.as_f64().unwrap() as f32, shown);
        }
        answers.push(batch.call(2, "wings", &Value::Null).unwrap_err().to_string());
        answers.push(batch.call(4, "set_position", &json!({})).unwrap_err().to_string());
        answers.push(batch.call_all("wings", &Value::Null).unwrap_err().to_string());
        answers.push(batch.render(10).unwrap_err().to_string());
        assert!(batch.call(ROWS, "position", &Value::Null).is_err(), "there is no such row");
        act(batch.block_mut(), 0, 0);
        batch.step(0).unwrap();
        assert_eq!(batch.block().episode(0, 4), Episode::Running);
    }
    let (local, workers) = answers.split_at(answers.len() / 2);
    assert_eq!(local, workers);
    println!("{}", local.join("\n"));
}
