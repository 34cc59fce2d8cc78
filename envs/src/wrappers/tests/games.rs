//! Wrappers for games: lives, skipped frames, and what Atari games need.

use serde_json::{Value, json};

use super::{ACTION, Clock, pixels, refusal, reset, reset_pixels, step, step_pixels, wrapped};
use crate::wrappers::WrapperSpec;
use crate::{Action, Dtype, Env, EnvError, Episode, Row, Space, Step};

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
    let mut env = wrapped(Game::new(), r#"{"grayscale": {}}"#).unwrap();
    assert_eq!(env.observation_space().shape(), [10, 8]);
    assert_eq!(reset_pixels(&mut *env, 9), [0; 80]);
    // 2.99, 5.98 and then 8.97 + 0.587·200 = 126.37.
    for expected in [3, 6, 126] {
        assert_eq!(step_pixels(&mut *env, 1).0, [expected; 80]);
    }
    assert!(refusal(wrapped(pixels(), r#"{"grayscale": {}}"#)).contains("three colours"));
    assert!(refusal(wrapped(Clock::new(9), r#"{"grayscale": {}}"#)).contains("a box of bytes"));
}

#[test]
fn a_lost_life_is_reported_and_the_game_continues() {
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
