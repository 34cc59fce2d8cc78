//! Games of Atari in the wrappers that prepare them.

use phalanx_envs::{Action, BatchEnv, Env, EnvSpec, Episode, LocalBatch, Registry, Row, Step, episode_seed};
use serde::Deserialize;
use serde_json::{Value, json};

use super::spec;

/// Breakout as it is played here: no random start, and the scores as they are.
fn breakout(atari: &Value) -> EnvSpec {
    let params = json!({ "frameskip": 1, "repeat_action_probability": 0.0, "obs_type": "grayscale" });
    let wrappers = serde_json::from_value(json!([{ "atari": atari }])).unwrap();
    EnvSpec { wrappers, ..spec("ALE/Breakout-v5", &params) }
}

/// A stack of pictures.
fn stack(work: impl FnOnce(Row<'_>)) -> Vec<u8> {
    let mut row = vec![0; 4 * 84 * 84];
    work(Row::U8(&mut row));
    row
}

/// What `golden/atari/record.py` wrote down; pixels are runs of a length and a value.
#[derive(Deserialize)]
struct Recorded {
    seed: u64,
    actions: Vec<usize>,
    rewards: Vec<f32>,
    lost: Vec<bool>,
    shown: Vec<(usize, Vec<(usize, u8)>)>,
}

#[test]
fn breakout_is_seen_as_gymnasiums_own_wrappers_show_it() {
    let recorded: Recorded = serde_json::from_str(include_str!("../golden/atari/breakout.json")).unwrap();
    let settings = json!({ "random_start": 0, "clip_reward": false });
    let mut env = Registry::standard().build(&breakout(&settings)).unwrap();
    assert_eq!(env.observation_space().shape(), [4, 84, 84]);
    let mut row = stack(|row| env.reset(Some(recorded.seed), row).unwrap());
    let (mut shown, last) = (recorded.shown.iter().peekable(), recorded.actions.len() - 1);
    for (t, &action) in recorded.actions.iter().enumerate() {
        if let Some((_, runs)) = shown.next_if(|(at, _)| *at == t) {
            let expected: Vec<u8> = runs.iter().flat_map(|&(count, value)| vec![value; count]).collect();
            assert_eq!(row.len(), expected.len());
            // A mean just beside a half may be rounded to either side.
            assert!(row.iter().zip(&expected).all(|(a, b)| a.abs_diff(*b) <= 1), "step {t} looks different");
        }
        let mut step = None;
        row = stack(|row| step = Some(env.step(Action::Discrete(action), row).unwrap()));
        let step = step.unwrap();
        let episode = match recorded.lost[t] {
            _ if t == last => Episode::Terminated,
            true => Episode::LifeLost,
            false => Episode::Running,
        };
        assert_eq!((step.reward, step.episode), (recorded.rewards[t], episode), "step {t}");
    }
    assert!(shown.next().is_none() && recorded.lost.contains(&true));
}

#[test]
fn rows_of_breakout_are_those_that_play_alone() {
    let spec = breakout(&json!({}));
    let (rows, steps) = (3, 60);
    let mut batch = LocalBatch::new(&Registry::standard(), &spec, rows, steps, 7).unwrap();
    batch.reset(None).unwrap();
    let actions: Vec<i64> = (0..rows * steps).map(|i| (i * i / 5 % 4) as i64).collect();
    for (t, actions) in actions.chunks_exact(rows).enumerate() {
        batch.block_mut().choices_mut(t, 0..rows).copy_from_slice(actions);
        batch.step(t).unwrap();
    }
    let mut lost = 0;
    for row in 0..rows {
        let mut env = Registry::standard().build(&spec).unwrap();
        let mut episode = 0..;
        let mut start = |env: &mut dyn Env| {
            let seed = episode_seed(7, row, episode.next().unwrap());
            stack(|shown| env.reset(Some(seed), shown).unwrap())
        };
        let mut shown = start(&mut *env);
        assert_eq!(env.lives().unwrap(), Some(5));
        for (t, actions) in actions.chunks_exact(rows).enumerate() {
            assert!(batch.block().observation_row(t, row).u8() == shown, "row {row}, step {t}");
            let action = Action::Discrete(actions[row] as usize);
            let mut step = None;
            shown = stack(|shown| step = Some(env.step(action, shown).unwrap()));
            let Step { reward, episode } = step.unwrap();
            assert_eq!((batch.block().reward(t, row), batch.block().episode(t, row)), (reward, episode));
            lost += usize::from(episode == Episode::LifeLost);
            if episode.is_over() {
                assert!(batch.block().final_observation_row(t, row).u8() == shown);
                shown = start(&mut *env);
            }
        }
    }
    assert!(lost > rows, "{lost} lives");
}

#[test]
fn games_that_skip_frames_themselves_are_refused() {
    let mut twice = breakout(&json!({}));
    twice.params.0.remove("frameskip");
    let error = Registry::standard().build(&twice).err().unwrap().to_string();
    assert!(error.contains("frameskip: 4") && error.contains("`params: {frameskip: 1}`"), "{error}");
}
