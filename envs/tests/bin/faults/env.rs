//! An environment that fails when and how its parameters ask for.

use std::time::{Duration, Instant};

use phalanx_envs::{Action, Env, EnvError, Episode, Generator, Params, Row, Space, Step, generator};
use rand::RngExt;
use serde::Deserialize;
use serde_json::{Value, json};

/// What goes wrong, and where.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Faults {
    /// `panic`, `error`, `long error`, `exit`, `abort`, `hang` or nothing.
    fault: String,
    /// `new`, `reset`, `step` or `call`.
    phase: String,
    /// The how manieth reset or step, counted over the life of the environment from 0.
    at: u64,
    /// A file: only the environment that manages to remove it fails.
    once: Option<String>,
    /// Steps after which an episode is truncated; 0 for never.
    limit: u64,
    /// Positions further from zero end an episode.
    edge: Option<f32>,
    /// Microseconds that a step keeps its core busy.
    busy: f64,
    /// Environments whose seed is even are busy four times as long.
    uneven: bool,
}

impl Default for Faults {
    fn default() -> Self {
        let none = String::new();
        Self {
            fault: none.clone(),
            phase: none,
            at: 0,
            once: None,
            limit: 0,
            edge: None,
            busy: 0.0,
            uneven: false,
        }
    }
}

/// A random walk: observation [position, steps, seed's last digits], reward the action's closeness to the position.
pub struct Faulty {
    faults: Faults,
    observation_space: Space,
    action_space: Space,
    generator: Generator,
    position: f32,
    seed: u64,
    step: u64,
    resets: u64,
    steps: u64,
}

impl Faulty {
    pub fn new(params: &Params) -> Result<Self, EnvError> {
        let env = Self {
            faults: params.parse()?,
            observation_space: Space::unbounded(3),
            action_space: Space::boxed(&[-1.0], &[1.0]),
            generator: generator(0),
            position: 0.0,
            seed: 0,
            step: 0,
            resets: 0,
            steps: 0,
        };
        env.fail("new", 0)?;
        Ok(env)
    }

    fn fail(&self, phase: &str, count: u64) -> Result<(), EnvError> {
        let faults = &self.faults;
        if faults.phase != phase || faults.at != count {
            return Ok(());
        }
        if faults.once.as_ref().is_some_and(|file| std::fs::remove_file(file).is_err()) {
            return Ok(());
        }
        match faults.fault.as_str() {
            "panic" => panic!("the wheel came off"),
            "error" => Err(EnvError::failed("the wheel squeaks")),
            "long error" => Err(EnvError::failed("squeak ".repeat(300_000))),
            "exit" => std::process::exit(0),
            "abort" => std::process::abort(),
            "hang" => loop {
                std::hint::spin_loop();
            },
            _ => Ok(()),
        }
    }

    /// Microseconds of a step.
    fn busy(&self) -> f64 {
        self.faults.busy * if self.faults.uneven && self.seed.is_multiple_of(2) { 4.0 } else { 1.0 }
    }

    fn show(&self, observation: Row<'_>) {
        observation.f32().copy_from_slice(&[self.position, self.step as f32, (self.seed % 1_000_000) as f32]);
    }
}

impl Env for Faulty {
    fn observation_space(&self) -> &Space {
        &self.observation_space
    }

    fn action_space(&self) -> &Space {
        &self.action_space
    }

    fn reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        self.fail("reset", self.resets)?;
        self.resets += 1;
        if let Some(seed) = seed {
            self.seed = seed;
            self.generator = generator(seed);
        }
        self.step = 0;
        self.position = self.generator.random_range(-1.0..1.0);
        self.show(observation);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        self.fail("step", self.steps)?;
        self.steps += 1;
        self.step += 1;
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs_f64(self.busy() * 1e-6) {}
        self.position += 0.1 * action.continuous()[0] + self.generator.random_range(-0.1..0.1);
        self.show(observation);
        let episode = if self.faults.edge.is_some_and(|edge| self.position.abs() > edge) {
            Episode::Terminated
        } else if self.step == self.faults.limit {
            Episode::Truncated
        } else {
            Episode::Running
        };
        Ok(Step { reward: -(self.position - action.continuous()[0]).abs(), episode })
    }

    fn call(&mut self, name: &str, arguments: &Value) -> Result<Value, EnvError> {
        match name {
            "position" => Ok(json!(self.position)),
            "set_position" => {
                self.position =
                    arguments["to"].as_f64().ok_or_else(|| EnvError::failed("needs `to`"))? as f32;
                Ok(Value::Null)
            }
            "info" => Ok(json!({ "position": self.position, "long": self.step > 5, "pid": "a text" })),
            "busy" => Ok(json!(self.busy())),
            "pid" => Ok(json!(std::process::id())),
            "fall" => {
                self.fail("call", 0)?;
                Ok(Value::Null)
            }
            _ => Err(EnvError::NoMethod(name.to_owned())),
        }
    }
}
