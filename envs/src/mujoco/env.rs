//! The one environment that all tasks share.

use serde_json::{Value, json};

use super::params::ModelParams;
use super::picture::Picture;
use super::simulator::Simulator;
use crate::{Action, Env, EnvError, Episode, Frame, Generator, Row, Space, Step, generator};

/// What makes a task of a model: where it starts, what is seen of it, and what it is worth.
pub trait Task {
    /// The fewest positions and velocities that a model must have.
    const NEEDS: [usize; 2];
    /// Whether the forces from outside, `cfrc_ext`, are computed after each step.
    const CONTACT_FORCES: bool = false;

    /// Moves the model from its initial state to the start of an episode.
    fn start(&self, simulator: &mut Simulator, generator: &mut Generator);

    /// Appends what is observed: always as many numbers.
    fn observe(&self, simulator: &Simulator, observation: &mut Vec<f64>);

    /// The unit of each of these numbers; none where they are not known.
    fn units(&self, _simulator: &Simulator) -> Vec<&'static str> {
        Vec::new()
    }

    /// How far along the way the model is, in m; [`Self::judge`] gets the rate at which this changed.
    fn progress(&self, _simulator: &Simulator) -> f64 {
        0.0
    }

    /// Reward of a step, and whether it terminated the episode.
    ///
    /// `velocity` is the change of [`Self::progress`] in m/s.
    fn judge(&self, simulator: &Simulator, action: &[f32], velocity: f64) -> (f64, bool);
}

/// A task as an environment.
///
/// Besides `state` and `set_state` (positions, then velocities), `call` answers `observation` and `reward`: the last ones
/// in 64 bits, which the rows round to 32.
pub struct Mujoco<T> {
    task: T,
    simulator: Simulator,
    generator: Generator,
    observation: Vec<f64>,
    reward: f64,
    observation_space: Space,
    action_space: Space,
    picture: Picture,
}

impl<T: Task> Mujoco<T> {
    /// `task` on a model, to be reset. The task may read from the simulator what its rewards need.
    ///
    /// # Errors
    /// [`EnvError::Params`] when the model cannot be read or does not fit the task, or the error of `task`.
    pub fn new(
        model: &ModelParams,
        task: impl FnOnce(&Simulator) -> Result<T, EnvError>,
    ) -> Result<Self, EnvError> {
        let simulator = Simulator::new(model, T::CONTACT_FORCES)?;
        let has = [simulator.qpos().len(), simulator.qvel().len()];
        if has[0] < T::NEEDS[0] || has[1] < T::NEEDS[1] {
            let message = format!(
                "xml_file {:?}: the model has {} positions and {} velocities, and the task needs {} and {}",
                model.xml_file,
                has[0],
                has[1],
                T::NEEDS[0],
                T::NEEDS[1]
            );
            return Err(EnvError::Params { name: String::new(), message });
        }
        let task = task(&simulator)?;
        let mut observation = Vec::new();
        task.observe(&simulator, &mut observation);
        Ok(Self {
            generator: generator(0),
            reward: 0.0,
            observation_space: Space::unbounded(observation.len()),
            action_space: simulator.action_space(),
            picture: Picture::new(&model.picture, &simulator)?,
            observation,
            task,
            simulator,
        })
    }

    fn observe(&mut self) {
        self.observation.clear();
        self.task.observe(&self.simulator, &mut self.observation);
    }

    fn show(&self, row: Row<'_>) {
        for (shown, &number) in row.f32().iter_mut().zip(&self.observation) {
            *shown = number as f32;
        }
    }

    fn set_state(&mut self, state: &[f64]) -> Result<(), EnvError> {
        let positions = self.simulator.qpos().len();
        let len = positions + self.simulator.qvel().len();
        if state.len() != len {
            return Err(EnvError::failed(format!("set_state wants {len} numbers, not {}", state.len())));
        }
        self.simulator.reset();
        self.simulator.qpos_mut().copy_from_slice(&state[..positions]);
        self.simulator.qvel_mut().copy_from_slice(&state[positions..]);
        self.simulator.forward();
        self.observe();
        Ok(())
    }
}

impl<T: Task> Env for Mujoco<T> {
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
        self.simulator.reset();
        self.task.start(&mut self.simulator, &mut self.generator);
        self.simulator.forward();
        self.reward = 0.0;
        self.observe();
        self.show(observation);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        let action = action.continuous();
        let before = self.task.progress(&self.simulator);
        self.simulator.advance(action);
        let velocity = (self.task.progress(&self.simulator) - before) / self.simulator.dt();
        self.observe();
        self.show(observation);
        let (reward, terminated) = self.task.judge(&self.simulator, action, velocity);
        self.reward = reward;
        let episode = if terminated { Episode::Terminated } else { Episode::Running };
        Ok(Step { reward: reward as f32, episode })
    }

    fn render(&mut self) -> Result<Frame, EnvError> {
        Ok(self.picture.draw(&mut self.simulator))
    }

    fn frames_per_second(&self) -> f64 {
        (1.0 / self.simulator.dt()).round()
    }

    fn call(&mut self, name: &str, arguments: &Value) -> Result<Value, EnvError> {
        match name {
            "state" => Ok(json!([self.simulator.qpos(), self.simulator.qvel()].concat())),
            "set_state" => {
                let state: Vec<f64> = serde_json::from_value(arguments.clone())
                    .map_err(|e| EnvError::failed(format!("set_state wants an array of numbers: {e}")))?;
                self.set_state(&state)?;
                Ok(Value::Null)
            }
            "observation" => Ok(json!(self.observation)),
            "units" => match self.task.units(&self.simulator) {
                units if units.is_empty() => Ok(Value::Null),
                units => Ok(json!({"observation": units})),
            },
            "reward" => Ok(json!(self.reward)),
            _ => Err(EnvError::NoMethod(name.to_owned())),
        }
    }
}
