//! Every wrapper around environments whose numbers can be followed by hand.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{RangeNormalize, WrapperSpec};
use crate::{Action, Dtype, Env, EnvError, Episode, Row, Space, Step};

/// Shows `[t, 10·t]` after t steps, rewards t and terminates at `end`. A reset with a seed shows `[seed, 0]`.
struct Clock {
    observation_space: Space,
    action_space: Space,
    t: u32,
    end: u32,
    /// The reward instead of t.
    reward: Option<f32>,
    taken: Vec<f32>,
}

impl Clock {
    fn new(end: u32) -> Self {
        Self {
            observation_space: Space::boxed(&[0.0, 0.0], &[10.0, 100.0]),
            action_space: Space::boxed(&[-2.0, 0.0], &[2.0, 1.0]),
            t: 0,
            end,
            reward: None,
            taken: Vec::new(),
        }
    }
}

impl Env for Clock {
    fn observation_space(&self) -> &Space {
        &self.observation_space
    }

    fn action_space(&self) -> &Space {
        &self.action_space
    }

    fn reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        self.t = 0;
        observation.f32().copy_from_slice(&[seed.unwrap_or(0) as f32, 0.0]);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        if let Action::Box(numbers) = action {
            self.taken = numbers.to_vec();
        }
        self.t += 1;
        let t = self.t as f32;
        observation.f32().copy_from_slice(&[t, 10.0 * t]);
        let episode = if self.t >= self.end { Episode::Terminated } else { Episode::Running };
        Ok(Step { reward: self.reward.unwrap_or(t), episode })
    }

    fn call(&mut self, name: &str, _arguments: &Value) -> Result<Value, EnvError> {
        match name {
            "taken" => Ok(json!(self.taken)),
            "t" => Ok(json!(self.t)),
            _ => Err(EnvError::NoMethod(name.to_owned())),
        }
    }
}

const ACTION: Action<'static> = Action::Box(&[0.0, 0.0]);

fn wrapped(env: impl Env + 'static, spec: &str) -> Result<Box<dyn Env>, EnvError> {
    serde_json::from_str::<WrapperSpec>(spec).unwrap().wrap(Box::new(env))
}

fn reset(env: &mut dyn Env, seed: u64) -> Vec<f32> {
    let mut row = vec![f32::NAN; env.observation_space().len()];
    env.reset(Some(seed), Row::F32(&mut row)).unwrap();
    row
}

fn step(env: &mut dyn Env, action: Action<'_>) -> (Vec<f32>, f32, Episode) {
    let mut row = vec![f32::NAN; env.observation_space().len()];
    let Step { reward, episode } = env.step(action, Row::F32(&mut row)).unwrap();
    (row, reward, episode)
}

fn refusal(result: Result<Box<dyn Env>, EnvError>) -> String {
    result.err().expect("a refusal").to_string()
}

#[test]
fn action_repeat_adds_rewards_and_stops_with_the_episode() {
    let mut env = wrapped(Clock::new(5), r#"{"action_repeat": {"times": 3}}"#).unwrap();
    reset(&mut *env, 0);
    // 1 + 2 + 3, then 4 + 5 and the end.
    assert_eq!(step(&mut *env, ACTION), (vec![3.0, 30.0], 6.0, Episode::Running));
    assert_eq!(step(&mut *env, ACTION), (vec![5.0, 50.0], 9.0, Episode::Terminated));
    // One picture stands for three steps.
    assert_eq!(env.frames_per_second(), 10.0);
    assert!(refusal(wrapped(Clock::new(5), r#"{"action_repeat": {"times": 0}}"#)).contains("at least 1"));
}

#[test]
fn limit_duration_truncates_unless_the_task_ends_first() {
    let mut env = wrapped(Clock::new(9), r#"{"limit_duration": {"steps": 2}}"#).unwrap();
    let mut row = [0.0; 2];
    assert!(env.step(ACTION, Row::F32(&mut row)).unwrap_err().to_string().contains("reset"));
    reset(&mut *env, 0);
    assert_eq!(step(&mut *env, ACTION).2, Episode::Running);
    assert_eq!(env.call("elapsed_steps", &Value::Null).unwrap(), json!(1));
    assert_eq!(step(&mut *env, ACTION).2, Episode::Truncated);
    assert!(env.step(ACTION, Row::F32(&mut row)).unwrap_err().to_string().contains("reset"));
    reset(&mut *env, 0);
    assert_eq!(step(&mut *env, ACTION).2, Episode::Running);

    let mut env = wrapped(Clock::new(2), r#"{"limit_duration": {"steps": 2}}"#).unwrap();
    reset(&mut *env, 0);
    step(&mut *env, ACTION);
    assert_eq!(step(&mut *env, ACTION).2, Episode::Terminated);
}

#[test]
fn frame_history_shows_times_in_their_order() {
    let mut env = wrapped(Clock::new(9), r#"{"frame_history": {"past": [2, 0, 1]}}"#).unwrap();
    assert_eq!(env.observation_space().shape(), [3, 2]);
    assert_eq!(reset(&mut *env, 7), [7.0, 0.0, 7.0, 0.0, 7.0, 0.0]);
    assert_eq!(step(&mut *env, ACTION).0, [7.0, 0.0, 1.0, 10.0, 7.0, 0.0]);
    assert_eq!(step(&mut *env, ACTION).0, [7.0, 0.0, 2.0, 20.0, 1.0, 10.0]);
    assert_eq!(step(&mut *env, ACTION).0, [1.0, 10.0, 3.0, 30.0, 2.0, 20.0]);
    // A new episode knows nothing of the one before.
    assert_eq!(reset(&mut *env, 8), [8.0, 0.0, 8.0, 0.0, 8.0, 0.0]);
}

#[test]
fn frame_history_flattens_and_refuses() {
    let env = wrapped(Clock::new(9), r#"{"frame_history": {"past": [0, 1], "flatten": true}}"#).unwrap();
    let bounds = (vec![0.0; 4], vec![10.0, 100.0, 10.0, 100.0]);
    let (low, high) = bounds;
    assert_eq!(*env.observation_space(), Space::Box { shape: vec![4], low, high, dtype: Dtype::F32 });
    assert!(refusal(wrapped(Clock::new(9), r#"{"frame_history": {"past": [1]}}"#)).contains("contain 0"));
    let vast = r#"{"frame_history": {"past": [0, 18446744073709551615]}}"#;
    assert!(refusal(wrapped(Clock::new(9), vast)).contains("nothing above"));
}

#[test]
fn frame_delta_shows_differences_within_its_space() {
    let mut clock = Clock::new(9);
    clock.observation_space = Space::boxed(&[2.0, f32::NEG_INFINITY], &[9.0, 100.0]);
    let mut env = wrapped(clock, r#""frame_delta""#).unwrap();
    // −7..7, widened to show a first observation up to 9.
    let wide = Space::boxed(&[-7.0, f32::NEG_INFINITY], &[9.0, f32::INFINITY]);
    assert_eq!(*env.observation_space(), wide);
    assert_eq!(reset(&mut *env, 3), [3.0, 0.0]);
    assert_eq!(step(&mut *env, ACTION).0, [-2.0, 10.0]);
    assert_eq!(step(&mut *env, ACTION).0, [1.0, 10.0]);
}

#[test]
fn range_normalize_maps_bounds_to_ones() {
    let mut env = wrapped(Clock::new(9), r#"{"range_normalize": {}}"#).unwrap();
    assert_eq!(*env.observation_space(), Space::boxed(&[-1.0; 2], &[1.0; 2]));
    assert_eq!(*env.action_space(), Space::boxed(&[-1.0; 2], &[1.0; 2]));
    // 2·(10 − 0)/10 − 1 and 2·0/100 − 1.
    assert_eq!(reset(&mut *env, 10), [1.0, -1.0]);
    assert_eq!(
        step(&mut *env, Action::Box(&[0.5, 1.0])).0,
        [2.0 * 1.0 / 10.0 - 1.0, 2.0 * 10.0 / 100.0 - 1.0]
    );
    // (0.5 + 1)/2·4 − 2 and (1 + 1)/2·1 + 0.
    assert_eq!(env.call("taken", &Value::Null).unwrap(), json!([1.0, 1.0]));
}

#[test]
fn range_normalize_does_what_it_is_told() {
    let unbounded = || {
        let mut clock = Clock::new(9);
        clock.observation_space = Space::unbounded(2);
        clock
    };
    let mut env = wrapped(unbounded(), r#"{"range_normalize": {"action": false}}"#).unwrap();
    assert_eq!(*env.observation_space(), Space::unbounded(2));
    assert_eq!(*env.action_space(), Clock::new(9).action_space);
    assert_eq!(reset(&mut *env, 10), [10.0, 0.0]);
    let told = r#"{"range_normalize": {"observation": true}}"#;
    assert!(refusal(wrapped(unbounded(), told)).contains("finite and apart"));
    let mut flat = Clock::new(9);
    flat.observation_space = Space::boxed(&[1.0, 0.0], &[1.0, 1.0]);
    assert!(refusal(wrapped(flat, told)).contains("finite and apart"));
    let mut choice = Clock::new(9);
    choice.action_space = Space::Discrete { n: 2 };
    assert!(refusal(wrapped(choice, r#"{"range_normalize": {"action": true}}"#)).contains("choice"));
}

#[test]
fn clip_action_takes_anything() {
    let mut env = wrapped(Clock::new(9), r#""clip_action""#).unwrap();
    assert_eq!(*env.action_space(), Space::unbounded(2));
    reset(&mut *env, 0);
    step(&mut *env, Action::Box(&[-3.0, 0.5]));
    assert_eq!(env.call("taken", &Value::Null).unwrap(), json!([-2.0, 0.5]));
    let mut choice = Clock::new(9);
    choice.action_space = Space::Discrete { n: 2 };
    assert!(refusal(wrapped(choice, r#""clip_action""#)).contains("choice"));
}

#[test]
fn finite_check_names_what_is_not() {
    let mut clock = Clock::new(9);
    clock.reward = Some(f32::NAN);
    let mut env = wrapped(clock, r#""finite_check""#).unwrap();
    let mut row = [0.0; 2];
    env.reset(None, Row::F32(&mut row)).unwrap();
    let message = env.step(ACTION, Row::F32(&mut row)).unwrap_err().to_string();
    assert_eq!(message, "the reward is NaN: not a finite number");

    // One step makes a delta of −∞ from infinity.
    let mut env = wrapped(Broken(Clock::new(9)), r#""finite_check""#).unwrap();
    let message = env.reset(None, Row::F32(&mut row)).unwrap_err().to_string();
    assert_eq!(message, "observation[1] is inf: not a finite number");
}

/// A clock that starts at infinity.
struct Broken(Clock);

impl super::Wrapper for Broken {
    fn inner(&self) -> &dyn Env {
        &self.0
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut self.0
    }

    fn on_reset(&mut self, _seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        observation.f32().copy_from_slice(&[0.0, f32::INFINITY]);
        Ok(())
    }
}

#[test]
fn random_start_takes_its_own_steps() {
    let start = |seed| {
        let mut env = wrapped(Clock::new(9), r#"{"random_start": {"max_steps": 4}}"#).unwrap();
        let row = reset(&mut *env, seed);
        (
            row,
            env.call("t", &Value::Null).unwrap().as_u64().unwrap(),
            env.call("taken", &Value::Null).unwrap(),
        )
    };
    let starts: Vec<_> = (0..40).map(start).collect();
    for steps in 0..4 {
        assert!(starts.iter().any(|s| s.1 == steps), "never {steps} steps");
    }
    assert!(starts.iter().all(|s| s.1 < 4));
    assert!(starts.iter().filter(|s| s.1 > 0).all(|s| s.0 == [s.1 as f32, 10.0 * s.1 as f32]));
    assert_eq!(starts, (0..40).map(start).collect::<Vec<_>>(), "a seed starts the same way");
    let taken: std::collections::BTreeSet<_> = starts.iter().map(|s| s.2.to_string()).collect();
    assert!(taken.len() > 20, "seeds act differently");
}

#[test]
fn random_start_begins_again_after_an_end_but_not_for_ever() {
    let mut env = wrapped(Clock::new(2), r#"{"random_start": {"max_steps": 9}}"#).unwrap();
    for seed in 0..20 {
        reset(&mut *env, seed);
        assert!(env.call("t", &Value::Null).unwrap().as_u64().unwrap() < 2);
    }
    let mut env = wrapped(Clock::new(1), r#"{"random_start": {"max_steps": 1000000}}"#).unwrap();
    let mut row = [0.0; 2];
    let message = env.reset(Some(1), Row::F32(&mut row)).unwrap_err().to_string();
    assert!(message.contains("smaller max_steps"), "{message}");
}

/// Shows as many bytes as it has steps behind it, all alike.
struct Pixels {
    observation_space: Space,
    action_space: Space,
    t: u8,
}

impl Env for Pixels {
    fn observation_space(&self) -> &Space {
        &self.observation_space
    }

    fn action_space(&self) -> &Space {
        &self.action_space
    }

    fn reset(&mut self, _seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        self.t = 0;
        observation.u8().fill(0);
        Ok(())
    }

    fn step(&mut self, _action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        self.t += 1;
        observation.u8().fill(self.t);
        Ok(Step { reward: 0.0, episode: Episode::Running })
    }
}

fn pixels() -> Pixels {
    Pixels {
        observation_space: Space::Box {
            shape: vec![1, 2],
            low: vec![0.0; 2],
            high: vec![255.0; 2],
            dtype: Dtype::U8,
        },
        action_space: Space::Discrete { n: 2 },
        t: 0,
    }
}

#[test]
fn bytes_are_shown_or_refused() {
    let mut env = wrapped(pixels(), r#"{"frame_history": {"past": [0, 1], "flatten": true}}"#).unwrap();
    assert_eq!(env.observation_space().shape(), [2, 2]);
    let mut row = [9; 4];
    env.reset(None, Row::U8(&mut row)).unwrap();
    for _ in 0..2 {
        env.step(Action::Discrete(0), Row::U8(&mut row)).unwrap();
    }
    assert_eq!(row, [2, 2, 1, 1]);
    assert!(refusal(wrapped(pixels(), r#""frame_delta""#)).contains("bytes"));
    assert!(refusal(wrapped(pixels(), r#"{"range_normalize": {"observation": true}}"#)).contains("bytes"));
    for spec in [r#"{"range_normalize": {}}"#, r#""finite_check""#, r#"{"action_repeat": {"times": 2}}"#] {
        let mut env = wrapped(pixels(), spec).unwrap();
        env.reset(None, Row::U8(&mut row[..2])).unwrap();
        env.step(Action::Discrete(0), Row::U8(&mut row[..2])).unwrap();
    }
}

/// A game of two lives that shows its frame number in colours, `[10, 8, 3]`. Every fifth frame costs a life, and nothing
/// moves then, nor at the start with a seed other than 9, before action 1.
struct Game {
    observation_space: Space,
    action_space: Space,
    lives: u64,
    frame: u8,
    fired: bool,
    frame_skip: u32,
}

impl Game {
    fn new() -> Self {
        let shape = vec![10, 8, 3];
        let (low, high) = (vec![0.0; 240], vec![255.0; 240]);
        Self {
            observation_space: Space::Box { shape, low, high, dtype: Dtype::U8 },
            action_space: Space::Discrete { n: 3 },
            lives: 0,
            frame: 0,
            fired: false,
            frame_skip: 1,
        }
    }

    /// Red is ten times the frame's number; frames 3 and 7 are green, too.
    fn show(&self, observation: Row<'_>) {
        for pixel in observation.u8().as_chunks_mut::<3>().0 {
            *pixel = [10 * self.frame, if self.frame % 4 == 3 { 200 } else { 0 }, 0];
        }
    }
}

impl Env for Game {
    fn observation_space(&self) -> &Space {
        &self.observation_space
    }

    fn action_space(&self) -> &Space {
        &self.action_space
    }

    fn reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        (self.lives, self.frame, self.fired) = (2, 0, seed == Some(9));
        self.show(observation);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        self.fired |= action.discrete() == 1;
        self.frame += u8::from(self.fired);
        if self.fired && self.frame.is_multiple_of(5) {
            self.lives -= 1;
            self.fired = false;
        }
        self.show(observation);
        let episode = if self.lives == 0 { Episode::Terminated } else { Episode::Running };
        Ok(Step { reward: f32::from(u8::from(self.fired)) * 7.0, episode })
    }

    fn call(&mut self, name: &str, _arguments: &Value) -> Result<Value, EnvError> {
        match name {
            "info" => Ok(json!({ "lives": self.lives })),
            "_frameskip" => Ok(json!(self.frame_skip)),
            "get_action_meanings" => Ok(json!(["NOOP", "FIRE", "RIGHT"])),
            _ => Err(EnvError::NoMethod(name.to_owned())),
        }
    }
}

fn reset_pixels(env: &mut dyn Env, seed: u64) -> Vec<u8> {
    let mut row = vec![0; env.observation_space().len()];
    env.reset(Some(seed), Row::U8(&mut row)).unwrap();
    row
}

fn step_pixels(env: &mut dyn Env, choice: usize) -> (Vec<u8>, f32, Episode) {
    let mut row = vec![0; env.observation_space().len()];
    let Step { reward, episode } = env.step(Action::Discrete(choice), Row::U8(&mut row)).unwrap();
    (row, reward, episode)
}

#[test]
fn max_pool_shows_the_larger_of_the_last_two() {
    let mut env = wrapped(Game::new(), r#"{"action_repeat": {"times": 4, "max_pool": true}}"#).unwrap();
    assert_eq!(reset_pixels(&mut *env, 9)[..3], [0, 0, 0]);
    // Frames 3 and 4: red of the later, green of the earlier.
    assert_eq!(step_pixels(&mut *env, 1).0[..3], [40, 200, 0]);
    // Of f32, too: the last of three steps and the one before.
    let mut env = wrapped(Clock::new(9), r#"{"action_repeat": {"times": 3, "max_pool": true}}"#).unwrap();
    reset(&mut *env, 0);
    assert_eq!(step(&mut *env, ACTION).0, [3.0, 30.0]);
    // A single step, to a lost life, is shown as it is, whatever was kept before.
    let lives = wrapped(Game::new(), r#""episodic_life""#).unwrap();
    let mut env = WrapperSpec::ActionRepeat { times: 4, max_pool: true }.wrap(lives).unwrap();
    reset_pixels(&mut *env, 9);
    step_pixels(&mut *env, 0);
    assert_eq!(step_pixels(&mut *env, 0).0[..3], [50, 0, 0]);
}

#[test]
fn grayscale_is_the_luma_of_bt_601() {
    let mut env = wrapped(Game::new(), r#""grayscale""#).unwrap();
    assert_eq!(env.observation_space().shape(), [10, 8]);
    assert_eq!(reset_pixels(&mut *env, 9), [0; 80]);
    // 2.99, 5.98 and then 8.97 + 0.587·200 = 126.37.
    for expected in [3, 6, 126] {
        assert_eq!(step_pixels(&mut *env, 1).0, [expected; 80]);
    }
    assert!(refusal(wrapped(pixels(), r#""grayscale""#)).contains("three colours"));
    assert!(refusal(wrapped(Clock::new(9), r#""grayscale""#)).contains("a box of bytes"));
}

/// Shows one picture.
struct Picture {
    shown: Vec<u8>,
    observation_space: Space,
    action_space: Space,
}

impl Picture {
    fn new(shape: &[usize], shown: Vec<u8>) -> Self {
        let (low, high) = (vec![0.0; shown.len()], vec![255.0; shown.len()]);
        let observation_space = Space::Box { shape: shape.to_vec(), low, high, dtype: Dtype::U8 };
        Self { shown, observation_space, action_space: Space::Discrete { n: 2 } }
    }
}

impl Env for Picture {
    fn observation_space(&self) -> &Space {
        &self.observation_space
    }

    fn action_space(&self) -> &Space {
        &self.action_space
    }

    fn reset(&mut self, _seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        observation.u8().copy_from_slice(&self.shown);
        Ok(())
    }

    fn step(&mut self, _action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        observation.u8().copy_from_slice(&self.shown);
        Ok(Step { reward: 0.0, episode: Episode::Running })
    }
}

#[test]
fn resize_averages_areas() {
    // Three lines become two: the middle one counts half for each. (0 + 30/2)/1.5 = 10 and (30/2 + 90)/1.5 = 70.
    let mut env = wrapped(Picture::new(&[3, 1], vec![0, 30, 90]), r#"{"resize": {"height": 2, "width": 1}}"#);
    assert_eq!(reset_pixels(&mut **env.as_mut().unwrap(), 0), [10, 70]);
    let spec = r#"{"resize": {"height": 0, "width": 4}}"#;
    assert!(refusal(wrapped(pixels(), spec)).contains("at least 1"));
    let flat = Picture::new(&[4], vec![0; 4]);
    assert!(refusal(wrapped(flat, r#"{"resize": {"height": 1, "width": 4}}"#)).contains("[H, W]"));
    assert!(refusal(wrapped(Clock::new(9), r#"{"resize": {"height": 1, "width": 4}}"#)).contains("bytes"));
}

#[test]
fn resize_does_as_opencv() {
    #[derive(serde::Deserialize)]
    struct Recorded {
        shape: Vec<usize>,
        size: [usize; 2],
        shown: Vec<u8>,
    }
    let recorded: Vec<Recorded> =
        serde_json::from_str(include_str!("../../tests/golden/atari/resize.json")).unwrap();
    for Recorded { shape, size: [height, width], shown } in recorded {
        let pattern = (0..shape.iter().product()).map(|i: usize| (i * i / 7 % 256) as u8).collect();
        let spec = WrapperSpec::Resize { height, width };
        let mut env = spec.wrap(Box::new(Picture::new(&shape, pattern))).unwrap();
        assert_eq!(env.observation_space().shape(), [&[height, width], &shape[2..]].concat());
        let found = reset_pixels(&mut *env, 0);
        // A mean just beside a half may be rounded to either side.
        assert!(found.iter().zip(&shown).all(|(a, b)| a.abs_diff(*b) <= 1), "{shape:?} to {height}×{width}");
        let equal = found.iter().zip(&shown).filter(|(a, b)| a == b).count();
        assert!(equal * 100 >= shown.len() * 99, "{shape:?}: {equal} of {} pixels are equal", shown.len());
    }
}

#[test]
fn a_lost_life_is_told_and_the_game_goes_on() {
    let mut env = wrapped(Game::new(), r#""episodic_life""#).unwrap();
    reset_pixels(&mut *env, 9);
    let mut ends = || (0..5).map(|_| step_pixels(&mut *env, 1).2).collect::<Vec<_>>();
    let (running, lost) = (Episode::Running, Episode::LifeLost);
    assert_eq!(ends(), [running, running, running, running, lost]);
    assert!(!lost.is_over() && Episode::from_byte(lost as u8) == lost);
    assert_eq!(ends(), [running, running, running, running, Episode::Terminated]);
    // The next game has its own lives.
    reset_pixels(&mut *env, 9);
    assert_eq!(step_pixels(&mut *env, 1).2, running);

    let mut env = wrapped(Clock::new(9), r#""episodic_life""#).unwrap();
    let message = env.reset(Some(1), Row::F32(&mut [0.0; 2])).unwrap_err().to_string();
    assert!(message.contains("no `lives` in its info"), "{message}");
}

#[test]
fn a_repeated_action_and_a_time_limit_know_lost_lives() {
    let lives = || wrapped(Game::new(), r#""episodic_life""#).unwrap();
    // Frames 1 to 4, the fifth alone, frames 6 to 9, the tenth.
    let spec = WrapperSpec::ActionRepeat { times: 4, max_pool: true };
    let mut env = spec.wrap(lives()).unwrap();
    reset_pixels(&mut *env, 9);
    let ends: Vec<_> = (0..4).map(|_| step_pixels(&mut *env, 1).2).collect();
    assert_eq!(ends, [Episode::Running, Episode::LifeLost, Episode::Running, Episode::Terminated]);
    // A life that is lost ends no limit's count, and goes under where the limit ends the episode.
    for (steps, end) in [(5, Episode::Truncated), (6, Episode::LifeLost)] {
        let mut env = WrapperSpec::LimitDuration { steps }.wrap(lives()).unwrap();
        reset_pixels(&mut *env, 9);
        let ends: Vec<_> = (0..5).map(|_| step_pixels(&mut *env, 1).2).collect();
        assert_eq!(ends[4], end);
        if steps == 6 {
            assert_eq!(step_pixels(&mut *env, 1).2, Episode::Truncated);
        }
    }
}

#[test]
fn fire_starts_episodes_and_lives() {
    let lives = wrapped(Game::new(), r#""episodic_life""#).unwrap();
    let mut env = WrapperSpec::FireStart { action: 1 }.wrap(lives).unwrap();
    // One frame has passed.
    assert_eq!(reset_pixels(&mut *env, 0)[..3], [10, 0, 0]);
    for _ in 2..5 {
        assert_eq!(step_pixels(&mut *env, 0).1, 7.0);
    }
    // Frame 5 loses the life and brings nothing, frame 6 is FIRE's and brings 7.
    let (shown, reward, episode) = step_pixels(&mut *env, 0);
    assert_eq!((&shown[..3], reward, episode), (&[60, 0, 0][..], 7.0, Episode::LifeLost));
    let ends: Vec<_> = (0..4).map(|_| step_pixels(&mut *env, 0).2).collect();
    assert_eq!(ends[2..], [Episode::Running, Episode::Terminated]);
    // An episode that this action ends at once is begun without it.
    let mut clock = Clock::new(1);
    clock.action_space = Space::Discrete { n: 2 };
    let mut env = wrapped(clock, r#"{"fire_start": {"action": 1}}"#).unwrap();
    assert_eq!(reset(&mut *env, 3), [0.0, 0.0]);
    assert!(refusal(wrapped(pixels(), r#"{"fire_start": {"action": 2}}"#)).contains("action 2 is not in"));
    assert!(refusal(wrapped(Clock::new(9), r#"{"fire_start": {"action": 0}}"#)).contains("is not in"));
}

#[test]
fn rewards_are_clipped() {
    for (reward, clipped) in [(-5.0, -0.5), (0.25, 0.25), (3.0, 0.5)] {
        let mut clock = Clock::new(9);
        clock.reward = Some(reward);
        let mut env = wrapped(clock, r#"{"clip_reward": {"limit": 0.5}}"#).unwrap();
        reset(&mut *env, 0);
        assert_eq!(step(&mut *env, ACTION).1, clipped);
    }
    assert!(refusal(wrapped(Clock::new(9), r#"{"clip_reward": {"limit": 0}}"#)).contains("positive"));
}

#[test]
fn atari_is_made_of_the_others() {
    let mut env =
        wrapped(Game::new(), r#"{"atari": {"random_start": 0, "frame_skip": 2, "size": 4, "stack": 2}}"#)
            .unwrap();
    assert_eq!(env.observation_space().shape(), [2, 4, 4]);
    // FIRE: frames 1 and 2, a red of 20, whose luma is 5.98.
    assert_eq!(reset_pixels(&mut *env, 0), [6; 32]);
    // Frames 3 and 4: 11.96 + 117.4; the older picture comes first. The reward of 14 is clipped.
    let (shown, reward, episode) = step_pixels(&mut *env, 0);
    assert_eq!((shown, reward, episode), ([[6; 16], [129; 16]].concat(), 1.0, Episode::Running));
    // Frame 5 loses the life, twice over, and FIRE brings frames 6 and 7: 20.93 + 117.4.
    let (shown, reward, episode) = step_pixels(&mut *env, 0);
    assert_eq!((shown, reward, episode), ([[129; 16], [138; 16]].concat(), 1.0, Episode::LifeLost));
    assert_eq!(env.frames_per_second(), 15.0);

    let whole = r#"{"atari": {"random_start": 0, "episodic_life": false, "clip_reward": false, "size": 4}}"#;
    let mut env = wrapped(Game::new(), whole).unwrap();
    // Frames 3 and 4 stand for all before them.
    assert_eq!(reset_pixels(&mut *env, 0), [129; 64]);
    // The game stands still at frame 5: 14.95.
    let (shown, reward, episode) = step_pixels(&mut *env, 0);
    assert_eq!((&shown[..48], &shown[48..]), (&[129; 48][..], &[15; 16][..]));
    assert_eq!((reward, episode), (0.0, Episode::Running));
    assert_eq!(step_pixels(&mut *env, 1).1, 28.0);
}

#[test]
fn atari_refuses_what_skips_frames_or_shows_none() {
    let mut game = Game::new();
    game.frame_skip = 4;
    let message = refusal(wrapped(game, r#"{"atari": {}}"#));
    assert!(message.contains("frameskip: 4") && message.contains("`params: {frameskip: 1}`"), "{message}");
    assert!(refusal(wrapped(Clock::new(9), r#"{"atari": {}}"#)).contains("a box of bytes is needed"));
    assert!(refusal(wrapped(Game::new(), r#"{"atari": {"stack": 0}}"#)).contains("stack must be at least 1"));
}

#[test]
fn games_keep_the_contract_in_all_wrappers() {
    let registry = crate::Registry::new().with("game", |_| Ok(Box::new(Game::new())));
    for wrapper in WrapperSpec::examples() {
        let floats = ["frame_delta", "range_normalize", "clip_action"];
        let name = serde_json::to_value(&wrapper).unwrap();
        if floats.iter().all(|float| name != *float && name.get(float).is_none()) {
            let spec = crate::EnvSpec { wrappers: vec![wrapper], ..crate::EnvSpec::named("game") };
            let report = crate::contract::check(&registry, &spec);
            assert!(report.passed(), "{spec:?}: {report}");
        }
    }
}

#[test]
fn specs_refuse_what_they_do_not_know() {
    let error = |json: &str| serde_json::from_str::<WrapperSpec>(json).unwrap_err().to_string();
    assert!(
        error(r#"{"action_repeat": {"amount": 2}}"#).contains("unknown field `amount`, expected `times`")
    );
    assert!(error(r#""action_repaet""#).contains("unknown variant `action_repaet`"));
}

proptest! {
    #[test]
    fn a_normalized_action_is_the_one_that_was_meant(
        low in -1e3_f32..1e3, width in 0.1_f32..1e3, part in 0.0_f32..=1.0,
    ) {
        let high = low + width;
        let meant = (low + part * (high - low)).clamp(low, high);
        let mut clock = Clock::new(9);
        clock.action_space = Space::boxed(&[low, low], &[high, high]);
        let mut env = RangeNormalize::new(Box::new(clock), None, None).unwrap();
        reset(&mut env, 0);
        let normal = 2.0 * (meant - low) / (high - low) - 1.0;
        step(&mut env, Action::Box(&[normal, normal]));
        let taken: Vec<f32> = serde_json::from_value(env.call("taken", &Value::Null).unwrap()).unwrap();
        // Each of the five operations rounds by at most 2⁻²⁴ of numbers up to 2000.
        prop_assert!((taken[0] - meant).abs() <= 1e-3, "{} is not {meant}", taken[0]);
        prop_assert!(taken[0] >= low && taken[0] <= high);
    }

    #[test]
    fn a_history_is_what_was_shown(past in prop::collection::vec(0_usize..6, 0..4), steps in 1_usize..12) {
        let past = [past, vec![0]].concat();
        let mut env = WrapperSpec::FrameHistory { past: past.clone(), flatten: false }
            .wrap(Box::new(Clock::new(99)))
            .unwrap();
        reset(&mut *env, 0);
        let mut shown = Vec::new();
        for _ in 0..steps {
            shown = step(&mut *env, ACTION).0;
        }
        let expected: Vec<f32> = past
            .iter()
            .map(|&age| steps.saturating_sub(age) as f32)
            .flat_map(|t| [t, 10.0 * t])
            .collect();
        prop_assert_eq!(shown, expected);
    }
}
