//! Lost workers that are replaced.

use phalanx_envs::{BatchEnv, Block, Episode, WorkerBatch, Zygote, episode_seed};
use serde_json::{Value, json};

use crate::life::kill;
use crate::loss::{once, process};
use crate::{act, batch, final_observation, observation, respawning};

/// Checks that the episode of `row` was cut off at time `t`.
pub fn assert_truncated(block: &Block, t: usize, row: usize) {
    assert_eq!(block.episode(t, row), Episode::Truncated, "row {row}");
    assert_eq!(block.reward(t, row), 0.0, "row {row}");
    assert_eq!(final_observation(block, t, row), observation(block, t, row), "row {row}");
}

/// Checks that the episodes of `row` were cut off at time `t`, and that its episode `next` began.
fn assert_cut_off(batch: &dyn BatchEnv, t: usize, row: usize, next: u64) {
    let block = batch.block();
    assert_truncated(block, t, row);
    let seed = episode_seed(7, row, next) % 1_000_000;
    assert_eq!(observation(block, t + 1, row)[1..], [0.0, seed as f32], "row {row} begins episode {next}");
}

/// One of two workers is lost in step 3, in its second row; steps continue.
pub fn after(zygote: &Zygote, fault: &str) {
    let params = json!({ "fault": fault, "phase": "step", "at": 3, "once": once() });
    let mut options = respawning(1);
    if fault == "hang" {
        options.step_deadline = 0.5;
    }
    let mut batch = batch(zygote, &params, 4, 2, &options);
    batch.reset(None).unwrap();
    for t in 0..10 {
        act(batch.block_mut(), t, 0);
        batch.step(t).unwrap();
    }
    assert_eq!(batch.losses().len(), 1, "{:?}", batch.losses());
    println!("loss: {}", batch.losses()[0]);
    // Whichever worker removed the file first was the one.
    let lost = if batch.block().episode(3, 0) == Episode::Truncated { 0..2 } else { 2..4 };
    for row in 0..4 {
        if lost.contains(&row) {
            assert_cut_off(&batch, 3, row, 1);
            assert_eq!(observation(batch.block(), 5, row)[1], 1.0, "row {row} goes on in its new episode");
        } else {
            assert_eq!(observation(batch.block(), 10, row)[1], 10.0, "row {row} notices nothing");
        }
    }
    batch.close().unwrap();
}

/// Workers are killed between steps, again and again, also after their rows have come far.
pub fn killed(zygote: &Zygote) {
    let mut batch = batch(zygote, &json!({ "limit": 2 }), 4, 2, &respawning(3));
    batch.reset(None).unwrap();
    for t in 0..9 {
        if t % 3 == 2 {
            kill(process(&mut batch, 2), "KILL");
        }
        act(batch.block_mut(), t, 0);
        batch.step(t).unwrap();
        for row in 2..4 {
            // Episodes end by their limit at 1, 4 and 7, and with the worker at 2, 5 and 8.
            let expected = if t % 3 == 0 { Episode::Running } else { Episode::Truncated };
            assert_eq!(batch.block().episode(t, row), expected, "time {t}, row {row}");
            if t % 3 == 2 {
                assert_cut_off(&batch, t, row, 2 * (t as u64 + 1) / 3);
            }
        }
    }
    assert_eq!(batch.losses().len(), 3);
    // A call does not replace a worker, the next step does.
    let lost = process(&mut batch, 0);
    kill(lost, "KILL");
    println!("call: {}", batch.call(0, "position", &Value::Null).unwrap_err());
    act(batch.block_mut(), 9, 0);
    println!("error: {}", batch.step(9).unwrap_err());
    assert_eq!(batch.losses().len(), 3, "the fourth loss was too many");
}

/// Every worker panics at its second step for ever: as many are replaced as allowed.
pub fn at_most(zygote: &Zygote) {
    let params = json!({ "fault": "panic", "phase": "step", "at": 1 });
    let mut batch = batch(zygote, &params, 2, 1, &respawning(2));
    batch.reset(None).unwrap();
    let mut ends = Vec::new();
    for t in 0..10 {
        act(batch.block_mut(), t, 0);
        match batch.step(t) {
            Ok(()) => ends.push(batch.block().episode(t, 0)),
            Err(e) => {
                println!("error: {e}");
                break;
            }
        }
    }
    let (running, cut) = (Episode::Running, Episode::Truncated);
    assert_eq!(ends, [running, cut, running, cut, running]);
    assert_eq!(batch.losses().len(), 2);
}

/// A worker is lost in a reset of all rows, and another in an episode's end within a step.
pub fn in_reset(zygote: &Zygote) {
    for (fault, at, lost_in_step) in
        [("abort", 0, false), ("abort", 1, true), ("error", 0, false), ("error", 1, true)]
    {
        let params = json!({ "fault": fault, "phase": "reset", "at": at, "once": once(), "limit": 2 });
        let mut batch = batch(zygote, &params, 4, 2, &respawning(1));
        batch.reset(None).unwrap();
        assert_eq!(batch.losses().len(), usize::from(!lost_in_step));
        for row in 0..4 {
            let seed = episode_seed(7, row, 0) % 1_000_000;
            assert_eq!(observation(batch.block(), 0, row)[1..], [0.0, seed as f32]);
        }
        for t in 0..4 {
            act(batch.block_mut(), t, 0);
            batch.step(t).unwrap();
        }
        assert_eq!(batch.losses().len(), 1);
        println!("loss: {}", batch.losses()[0]);
        for row in 0..4 {
            // Both count episode 0 as ended once, at time 1, whether the limit or the loss ended it.
            let seed = episode_seed(7, row, 1) % 1_000_000;
            assert_eq!(batch.block().episode(1, row), Episode::Truncated);
            assert_eq!(observation(batch.block(), 2, row)[1..], [0.0, seed as f32]);
        }
    }
}

/// A worker is lost while its two rows are at different times; then when one has finished its step and the other has not. Of four
/// rows, 1 and 3 are its; each row is a group.
pub fn pipelined(zygote: &Zygote) {
    let mut batch = crate::equal::pipelined(zygote, &json!({}), 4, 2, &respawning(2));
    batch.reset(None).unwrap();
    let stop = |batch: &mut WorkerBatch| {
        let worker = process(batch, 1);
        kill(worker, "STOP");
        worker
    };
    for t in 0..3 {
        act(batch.block_mut(), t, 0);
    }
    // The first half of the rows, or the second.
    let begin = |batch: &mut WorkerBatch, half: usize, t: usize| {
        (2 * half..2 * half + 2).for_each(|group| batch.begin(group, t).unwrap());
    };
    let finish = |batch: &mut WorkerBatch, half: usize| {
        (2 * half..2 * half + 2).for_each(|group| batch.finish(group).unwrap());
    };
    batch.step(0).unwrap();
    batch.step(1).unwrap();
    begin(&mut batch, 0, 2);
    finish(&mut batch, 0);
    let worker = stop(&mut batch);
    act(batch.block_mut(), 3, 0);
    begin(&mut batch, 1, 2);
    begin(&mut batch, 0, 3);
    kill(worker, "KILL");
    finish(&mut batch, 0);
    finish(&mut batch, 1);
    assert_cut_off(&batch, 3, 1, 1);
    assert_cut_off(&batch, 2, 3, 1);
    assert_eq!(batch.block().episode(2, 2), Episode::Running, "the other worker's row goes on");

    begin(&mut batch, 1, 3);
    finish(&mut batch, 1);
    act(batch.block_mut(), 4, 0);
    begin(&mut batch, 0, 4);
    finish(&mut batch, 0);
    assert_eq!(observation(batch.block(), 5, 1)[1], 1.0, "row 1 goes on in its new episode");
    let worker = stop(&mut batch);
    begin(&mut batch, 1, 4);
    let (reached, reward) = (observation(batch.block(), 5, 1), batch.block().reward(4, 1));
    kill(worker, "KILL");
    finish(&mut batch, 1);
    assert_cut_off(&batch, 4, 3, 2);
    // The finished step counts, and is the last one of its episode.
    assert_eq!(batch.block().episode(4, 1), Episode::Truncated);
    assert_eq!(batch.block().reward(4, 1), reward);
    assert_eq!(final_observation(batch.block(), 4, 1), reached);
    let seed = episode_seed(7, 1, 2) % 1_000_000;
    assert_eq!(observation(batch.block(), 5, 1)[1..], [0.0, seed as f32]);
    println!("loss: {}", batch.losses()[1]);
}

/// A row that rests at the beginning of its episode is put back there, and no step is made up for it.
pub fn resting_rows(zygote: &Zygote) {
    let mut batch = batch(zygote, &json!({ "limit": 2 }), 2, 1, &respawning(1));
    batch.reset(None).unwrap();
    for t in 0..2 {
        act(batch.block_mut(), t, 0);
        batch.step(t).unwrap();
    }
    let resting = observation(batch.block(), 2, 1);
    batch.block_mut().set_active(1, false);
    batch.block_mut().set_outcome(2, 1, 5.0, Episode::Running);
    kill(process(&mut batch, 0), "KILL");
    act(batch.block_mut(), 2, 0);
    batch.step(2).unwrap();
    assert_cut_off(&batch, 2, 0, 2);
    assert_eq!(batch.block().episode(2, 1), Episode::Running);
    assert_eq!(batch.block().reward(2, 1), 5.0);
    assert_eq!(observation(batch.block(), 3, 1), resting);
    batch.block_mut().activate_all();
    for t in 3..5 {
        act(batch.block_mut(), t, 0);
        batch.step(t).unwrap();
    }
    let seed = episode_seed(7, 1, 2) % 1_000_000;
    assert_eq!(observation(batch.block(), 5, 1)[1..], [0.0, seed as f32]);
}
