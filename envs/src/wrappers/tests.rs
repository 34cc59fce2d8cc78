//! Every wrapper around environments whose numbers can be followed by hand.
#![allow(clippy::unwrap_used)]

mod fields;
mod games;
mod labels;
mod numbers;
mod one_field;
mod pictures;
mod steps;

use serde_json::{Value, json};

use super::WrapperSpec;
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
            "units" => Ok(json!({"observation": ["s", "ds"], "action": "N"})),
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
fn specs_refuse_what_they_do_not_know() {
    let error = |json: &str| serde_json::from_str::<WrapperSpec>(json).unwrap_err().to_string();
    assert!(
        error(r#"{"action_repeat": {"amount": 2}}"#).contains("unknown field `amount`, expected `times`")
    );
    assert!(error(r#""action_repaet""#).contains("unknown variant `action_repaet`"));
}
