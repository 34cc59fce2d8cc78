//! Environments that make settings visible, beside the standard ones.

use phalanx::envs::{Action, Dtype, Env, EnvError, EnvSpec, Episode, Registry, Row, Space, Step};
use serde_json::{Value, json};

/// The standard environments and these:
///
/// - `heavy`: Pendulum-v1 with twice the gravity.
/// - `short`: episodes of one step, whose reward is higher the closer a number is to another: the deviation shrinks.
/// - `hollow`: the last observation of each episode is not a number, and stops nothing.
/// - `game`: pictures, three lives, frames for which Atari's preprocessing is made.
/// - `cameras`: the game with two pictures, `left` and `right`.
pub fn registry() -> Registry {
    let heavy = |_: &_| {
        let params = serde_json::from_value(json!({"g": 20.0})).map_err(EnvError::failed)?;
        built(&Registry::standard(), &EnvSpec { params, ..EnvSpec::named("Pendulum-v1") })
    };
    Registry::standard()
        .with("heavy", heavy)
        .with("short", |_| built(&Registry::probes(), &EnvSpec::named("probe/continuous-action")))
        .with("hollow", |_| Ok(Box::new(Hollow { steps: 0, space: Space::unbounded(1), actions: CHOICES })))
        .with("game", |_| Ok(Box::new(Game { at: 0, steps: 0, space: picture(), actions: CHOICES })))
        .with("cameras", |_| {
            let space = Space::Dict(["left", "right"].map(|key| (key.to_owned(), picture())).into());
            Ok(Box::new(Game { at: 0, steps: 0, space, actions: CHOICES }))
        })
}

fn picture() -> Space {
    let (shape, len) = (vec![8, 8, 3], 8 * 8 * 3);
    Space::Box { shape, low: vec![0.0; len], high: vec![255.0; len], dtype: Dtype::U8 }
}

fn built(registry: &Registry, spec: &EnvSpec) -> Result<Box<dyn Env>, EnvError> {
    registry.build(spec).map_err(EnvError::failed)
}

const CHOICES: Space = Space::Discrete { n: 3 };

struct Hollow {
    steps: u32,
    space: Space,
    actions: Space,
}

impl Env for Hollow {
    fn observation_space(&self) -> &Space {
        &self.space
    }

    fn action_space(&self) -> &Space {
        &self.actions
    }

    fn reset(&mut self, _seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        self.steps = 0;
        observation.f32()[0] = 0.0;
        Ok(())
    }

    fn step(&mut self, _action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        self.steps += 1;
        let over = self.steps == 3;
        observation.f32()[0] = if over { f32::NAN } else { 1.0 };
        Ok(Step { reward: 1.0, episode: if over { Episode::Terminated } else { Episode::Running } })
    }
}

/// Twelve frames, every fourth of which costs a life. The picture shows a number that depends on all actions.
struct Game {
    at: u64,
    steps: u64,
    space: Space,
    actions: Space,
}

impl Game {
    fn show(&self, mut observation: Row<'_>) {
        if matches!(observation, Row::Fields { .. }) {
            self.paint(observation.field("left"));
            self.paint(observation.field("right"));
        } else {
            self.paint(observation);
        }
    }

    fn paint(&self, picture: Row<'_>) {
        for (i, pixel) in picture.u8().iter_mut().enumerate() {
            *pixel = (self.at.wrapping_mul(0x9e37_79b9 + i as u64) >> 8) as u8;
        }
    }
}

impl Env for Game {
    fn observation_space(&self) -> &Space {
        &self.space
    }

    fn action_space(&self) -> &Space {
        &self.actions
    }

    fn reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        (self.at, self.steps) = (seed.unwrap_or(self.at) % 1000, 0);
        self.show(observation);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        let choice = action.discrete() as u64;
        self.at = (self.at * 3 + choice + 1) % 1000;
        self.steps += 1;
        self.show(observation);
        let episode = if self.steps == 12 { Episode::Terminated } else { Episode::Running };
        Ok(Step { reward: 3.0 * choice as f32, episode })
    }

    fn call(&mut self, name: &str, _arguments: &Value) -> Result<Value, EnvError> {
        match name {
            "info" => Ok(json!({"lives": 3 - self.steps / 4})),
            _ => Err(EnvError::NoMethod(name.to_owned())),
        }
    }
}
