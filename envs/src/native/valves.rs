//! Valves-v0: open the fullest valve that is free, by as much as it is full. A choice and a number at once, with illegal choices.

use rand::RngExt;
use serde_json::{Value, json};

use super::{UNSEEDED, lit};
use crate::{Action, Env, EnvError, Episode, Frame, Generator, Row, Space, Step, generator};

/// Valves.
const VALVES: usize = 4;
/// Steps of an episode.
const LENGTH: u32 = 16;
/// How likely each valve is free.
const FREE: f64 = 0.6;

/// Valves-v0.
///
/// Observation: `levels`, how full each valve is, `[4]` in −1..1; `action_mask`, which of them are free, `[4]` bits, at least one. Both are
/// drawn anew at each step. Action: `valve`, one of four; `opening`, a number in −1..1. Reward: (half if no free valve is fuller, plus half of
/// 1 − |opening − level of the valve|/2)/16. An episode has 16 steps, so that returns lie in [0, 1], and 1 is the optimum. A
/// valve that is not free is an error.
pub struct Valves {
    levels: [f32; VALVES],
    free: [u8; VALVES],
    step: u32,
    generator: Generator,
    observation_space: Space,
    action_space: Space,
}

impl Valves {
    /// The task, to be reset.
    pub fn new() -> Self {
        let dict =
            |parts: [(&str, Space); 2]| Space::Dict(parts.map(|(key, space)| (key.to_owned(), space)).into());
        Self {
            levels: [0.0; VALVES],
            free: [1; VALVES],
            step: 0,
            generator: generator(UNSEEDED),
            observation_space: dict([
                ("levels", Space::boxed(&[-1.0; VALVES], &[1.0; VALVES])),
                ("action_mask", Space::MultiBinary { n: VALVES }),
            ]),
            action_space: dict([
                ("valve", Space::Discrete { n: VALVES }),
                ("opening", Space::boxed(&[-1.0], &[1.0])),
            ]),
        }
    }

    fn draw_next(&mut self) {
        let generator = &mut self.generator;
        self.levels.fill_with(|| generator.random_range(-1.0..=1.0));
        self.free.fill_with(|| generator.random_bool(FREE).into());
        self.free[generator.random_range(0..VALVES)] = 1;
    }

    fn observe(&self, mut observation: Row<'_>) {
        observation.field("levels").f32().copy_from_slice(&self.levels);
        observation.field("action_mask").u8().copy_from_slice(&self.free);
    }
}

impl Default for Valves {
    fn default() -> Self {
        Self::new()
    }
}

impl Env for Valves {
    fn observation_space(&self) -> &Space {
        &self.observation_space
    }

    fn action_space(&self) -> &Space {
        &self.action_space
    }

    fn reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        if let Some(seed) = seed {
            self.generator = generator(seed);
        }
        self.step = 0;
        self.draw_next();
        self.observe(observation);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        let (valve, opening) = (action.field("valve").discrete(), action.field("opening").continuous()[0]);
        let Self { levels, free, .. } = self;
        if free[valve] == 0 {
            return Err(EnvError::failed(format!("valve {valve} is not free: the mask is {free:?}")));
        }
        let fuller = (0..VALVES).any(|other| free[other] != 0 && levels[other] > levels[valve]);
        let choice = if fuller { 0.0 } else { 0.5 };
        let closeness = 0.5 * (1.0 - (opening - levels[valve]).abs() / 2.0);
        self.step += 1;
        self.draw_next();
        self.observe(observation);
        let episode = if self.step == LENGTH { Episode::Terminated } else { Episode::Running };
        Ok(Step { reward: (choice + closeness) / LENGTH as f32, episode })
    }

    fn call(&mut self, name: &str, _: &Value) -> Result<Value, EnvError> {
        match name {
            "units" => Ok(json!({"observation.levels": "1", "action.opening": "1"})),
            _ => Err(EnvError::NoMethod(name.to_owned())),
        }
    }

    /// A square for each valve: the fuller, the lighter; black where it is not free.
    fn render(&mut self) -> Result<Frame, EnvError> {
        let shade = |(level, free): (&f32, &u8)| if *free == 0 { 0 } else { (155.0 + 100.0 * level) as u8 };
        Ok(lit(self.levels.iter().zip(&self.free).map(shade)))
    }
}
