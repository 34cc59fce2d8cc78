//! An environment of one's own: trained, evaluated and checked by the same command line.

use phalanx::envs::{Action, Env, EnvError, Episode, Registry, Row, Space, Step};

/// Walk along a line from 0 to 5; −0.1 for each step, 1 for arriving.
struct Line {
    at: f32,
    observations: Space,
    actions: Space,
}

impl Env for Line {
    fn observation_space(&self) -> &Space {
        &self.observations
    }
    fn action_space(&self) -> &Space {
        &self.actions
    }
    fn reset(&mut self, _seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        self.at = 0.0;
        observation.f32()[0] = self.at;
        Ok(())
    }
    fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        self.at = (self.at + if action.discrete() == 1 { 1.0 } else { -1.0 }).max(-5.0);
        observation.f32()[0] = self.at;
        let arrived = self.at >= 5.0;
        let episode = if arrived { Episode::Terminated } else { Episode::Running };
        Ok(Step { reward: if arrived { 1.0 } else { -0.1 }, episode })
    }
}

fn main() -> std::process::ExitCode {
    phalanx::cli::main(Registry::standard().with("line", |_| {
        Ok(Box::new(Line {
            at: 0.0,
            observations: Space::boxed(&[-5.0], &[5.0]),
            actions: Space::Discrete { n: 2 },
        }))
    }))
}
