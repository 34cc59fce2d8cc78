//! Tasks for memory, several fields and masks: rewards by hand, and what a policy reaches that knows the rule.
#![allow(clippy::unwrap_used)]

use crate::{BatchEnv, EnvSpec, Generator, LocalBatch, Params, Registry, generator};

fn make(name: &str, params: &str) -> LocalBatch {
    let params = Params(serde_json::from_str(params).unwrap());
    let spec = EnvSpec { params, ..EnvSpec::named(name) };
    LocalBatch::new(&Registry::standard(), &spec, 1, 1, 7).unwrap()
}

/// Mean return of `episodes` episodes of a policy that writes its action into the block.
fn mean_return(batch: &mut LocalBatch, episodes: u32, mut act: impl FnMut(&mut LocalBatch)) -> f32 {
    let (mut sum, mut ended) = (0.0, 0);
    batch.reset(None).unwrap();
    while ended < episodes {
        act(batch);
        batch.step(0).unwrap();
        sum += batch.block().reward(0, 0);
        ended += u32::from(batch.block().episode(0, 0).is_over());
        batch.block_mut().carry_over(1);
    }
    sum / episodes as f32
}

fn at_random(generator: &mut Generator) -> impl FnMut(&mut LocalBatch) {
    |batch| batch.block_mut().sample_action(0, 0, generator)
}

fn about(x: f32, y: f32, by: f32) -> bool {
    (x - y).abs() < by
}

#[test]
fn recall_is_solved_by_memory_alone() {
    let mut batch = make("Recall-v0", r#"{"choices": 3, "delay": 2, "length": 6}"#);
    let (mut seen, mut step) = (vec![], 0);
    let remembered = mean_return(&mut batch, 20, |batch| {
        let cue = batch.block().observation_row(0, 0).f32().iter().position(|&x| x == 1.0).unwrap();
        seen.push(cue);
        batch.block_mut().choices_mut(0, 0..1)[0] = if step < 2 { 0 } else { seen[step - 2] as i64 };
        step += 1;
        if step == 6 {
            (step, seen) = (0, vec![]);
        }
    });
    assert!(about(remembered, 1.0, 1e-6), "{remembered}");
    // A third of the actions is right by chance; over 300 episodes of 4 scored steps the mean deviates by 0.014.
    let chance = mean_return(&mut batch, 300, at_random(&mut generator(1)));
    assert!(about(chance, 1.0 / 3.0, 0.06), "{chance}");
    let impossible = EnvSpec {
        params: Params(serde_json::from_str(r#"{"delay": 9, "length": 9}"#).unwrap()),
        ..EnvSpec::named("Recall-v0")
    };
    assert!(Registry::standard().build(&impossible).is_err());
}

#[test]
fn picture_and_numbers_needs_both() {
    let mut batch = make("PictureAndNumbers-v0", "{}");
    let place_of = |batch: &LocalBatch| {
        let shown = batch.block().observation_row(0, 0);
        let first = shown.field("picture").u8().iter().position(|&x| x > 0).unwrap();
        // Lines and columns of 42 pixels a quadrant; the square's first line begins at its left.
        2 * (first / 84 / 42) + first % 84 / 42
    };
    let number_of = |batch: &LocalBatch| {
        batch.block().observation_row(0, 0).field("numbers").f32().iter().position(|&x| x == 1.0).unwrap()
    };
    let both = mean_return(&mut batch, 20, |batch| {
        let right = (place_of(batch) + number_of(batch)) % 4;
        batch.block_mut().choices_mut(0, 0..1)[0] = right as i64;
    });
    assert!(about(both, 1.0, 1e-6), "{both}");
    for alone in [&place_of as &dyn Fn(&LocalBatch) -> usize, &number_of] {
        // Over 200 episodes of 16 steps the mean of a quarter deviates by 0.008.
        let mean = mean_return(&mut batch, 200, |batch| {
            let guess = alone(batch);
            batch.block_mut().choices_mut(0, 0..1)[0] = guess as i64;
        });
        assert!(about(mean, 0.25, 0.04), "{mean}");
    }
}

#[test]
fn valves_has_a_known_optimum_and_refuses_what_is_illegal() {
    let mut batch = make("Valves-v0", "{}");
    let fullest = |batch: &LocalBatch| {
        let shown = batch.block().observation_row(0, 0);
        let levels = shown.field("levels").f32();
        let free = (0..4).filter(|&i| shown.is_legal(i));
        free.max_by(|&a, &b| levels[a].total_cmp(&levels[b])).map(|i| (i, levels[i])).unwrap()
    };
    let best = mean_return(&mut batch, 20, |batch| {
        let (valve, level) = fullest(batch);
        let (choices, numbers) = batch.block_mut().actions_mut(0, 0..1);
        (choices[0], numbers[0]) = (valve as i64, level);
    });
    assert!(about(best, 1.0, 1e-5), "{best}");
    // With the right valve and an opening that is off by 0.5: 16 · (0.5 + 0.5 · (1 − 0.25))/16 = 0.875.
    let off = mean_return(&mut batch, 20, |batch| {
        let (valve, level) = fullest(batch);
        let (choices, numbers) = batch.block_mut().actions_mut(0, 0..1);
        (choices[0], numbers[0]) = (valve as i64, if level < 0.0 { level + 0.5 } else { level - 0.5 });
    });
    assert!(about(off, 0.875, 1e-5), "{off}");
    // Random actions are legal: 1 M of them in the learning tests, 32,000 here.
    let random = mean_return(&mut batch, 2000, at_random(&mut generator(1)));
    assert!((0.3..0.8).contains(&random), "{random}");
    let error = loop {
        let shown = batch.block().observation_row(0, 0);
        if let Some(illegal) = (0..4).find(|&i| !shown.is_legal(i)) {
            batch.block_mut().choices_mut(0, 0..1)[0] = illegal as i64;
            break batch.step(0).unwrap_err().to_string();
        }
        batch.block_mut().sample_action(0, 0, &mut generator(2));
        batch.step(0).unwrap();
        batch.block_mut().carry_over(1);
    };
    assert!(error.contains("is not free: the mask is ["), "{error}");
}
