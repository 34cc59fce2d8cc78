//! Environments of the crate gym-rs, as one of ours.
//!
//! Any `gym_rs::core::Env` fits into [`GymRs`]; the two that gym-rs 0.3.0 brings are registered. Their windows are not
//! supported: the workspace puts a stub in the place of SDL, and pictures are drawn by [`crate::draw`]. Every reset gets a
//! seed, because theirs is taken from the operating system otherwise.
//!
//! Known faults of gym-rs 0.3.0:
//! - `gym-rs/CartPole` adds the pole's mass to its half length where they are to be multiplied: 0.6 kg·m instead of 0.05.
//!   It is another task than `CartPole-v1`.
//! - It starts within ±0.5 of zero instead of ±0.05, so that more than half of its episodes end with their first step. Its
//!   observation space is widened here, as its own does not hold these starts.
//! - Neither truncates; the registry does, after 500 and 200 steps.
//! - An observation of theirs is an allocated vector, so a step allocates.
//!
//! The dynamics of `gym-rs/MountainCar` are those of `MountainCar-v0`, bit for bit.

use gym_rs::core::{ActionReward, Env as TheirEnv, EnvProperties};
use gym_rs::envs::classical_control::cartpole::CartPoleEnv;
use gym_rs::envs::classical_control::mountain_car::MountainCarEnv;
use gym_rs::spaces::{BoxR, Discrete};
use gym_rs::utils::custom::traits::Sample;
use gym_rs::utils::renderer::RenderMode;
use rand::RngExt;

use crate::{
    Action, Entry, Env, EnvError, Episode, Frame, Generator, Registry, Row, Space, Step, draw, generator,
};

/// One of theirs as one of ours.
pub struct GymRs<E: TheirEnv>
where
    E::Observation: Sample + Into<Vec<f64>>,
{
    env: E,
    observation_space: Space,
    action_space: Space,
    action: fn(Action<'_>) -> E::Action,
    draw: Option<fn(&[f64]) -> Frame>,
    /// The last observation.
    observation: Vec<f64>,
    generator: Generator,
}

impl<E: TheirEnv> GymRs<E>
where
    E::Observation: Sample + Into<Vec<f64>>,
{
    /// `env` with spaces of ours; `action` turns an action of `action_space` into one of theirs.
    pub fn new(
        env: E,
        observation_space: Space,
        action_space: Space,
        action: fn(Action<'_>) -> E::Action,
    ) -> Self {
        let generator = generator(0);
        Self { env, observation_space, action_space, action, draw: None, observation: Vec::new(), generator }
    }

    /// Draws it from its observation.
    #[must_use]
    pub fn drawn_by(mut self, draw: fn(&[f64]) -> Frame) -> Self {
        self.draw = Some(draw);
        self
    }

    /// Theirs.
    pub fn inner_mut(&mut self) -> &mut E {
        &mut self.env
    }

    fn show(&mut self, theirs: E::Observation, row: Row<'_>) -> Result<(), EnvError> {
        self.observation = theirs.into();
        let row = row.f32();
        if self.observation.len() != row.len() {
            return Err(EnvError::failed(format!(
                "an observation of {} numbers, where the space has {}",
                self.observation.len(),
                row.len()
            )));
        }
        for (ours, theirs) in row.iter_mut().zip(&self.observation) {
            *ours = *theirs as f32;
        }
        Ok(())
    }
}

impl<E> GymRs<E>
where
    E: TheirEnv<Action = usize>
        + EnvProperties<ActionSpace = Discrete, ObservationSpace = BoxR<<E as TheirEnv>::Observation>>,
    E::Observation: Sample + Into<Vec<f64>> + Clone,
{
    /// `env` with its own spaces: discrete actions, and observations between two bounds.
    pub fn discrete(env: E) -> Self {
        let bounds = |bound: &E::Observation| -> Vec<f32> {
            let numbers: Vec<f64> = bound.clone().into();
            numbers.into_iter().map(|x| x as f32).collect()
        };
        let BoxR { low, high } = env.observation_space();
        let observation_space = Space::boxed(&bounds(low), &bounds(high));
        let action_space = Space::Discrete { n: env.action_space().0 };
        // The method itself would be bound to one lifetime.
        #[allow(clippy::redundant_closure_for_method_calls)]
        let choice = |action: Action<'_>| action.discrete();
        Self::new(env, observation_space, action_space, choice)
    }
}

impl<E: TheirEnv> Env for GymRs<E>
where
    E::Observation: Sample + Into<Vec<f64>>,
{
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
        let (theirs, _) = self.env.reset(Some(self.generator.random()), false, None);
        self.show(theirs, observation)
    }

    fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        let ActionReward { observation: theirs, reward, done: terminated, truncated, .. } =
            self.env.step((self.action)(action));
        self.show(theirs, observation)?;
        let episode = match (terminated, truncated) {
            (true, _) => Episode::Terminated,
            (false, true) => Episode::Truncated,
            (false, false) => Episode::Running,
        };
        Ok(Step { reward: reward.into_inner() as f32, episode })
    }

    fn render(&mut self) -> Result<Frame, EnvError> {
        let draw = self.draw.ok_or_else(|| EnvError::NoRender("gym-rs has no picture of it".to_owned()))?;
        if self.observation.is_empty() { Err(EnvError::NoPicture) } else { Ok(draw(&self.observation)) }
    }
}

/// Adds the environments of gym-rs.
pub(crate) fn register(registry: Registry) -> Registry {
    registry
        .with_entry(
            "gym-rs/CartPole",
            Entry::new(|_| {
                // A step from the edge of its starts, ±0.5, or of its limits stays within these.
                let high = [4.8, f32::INFINITY, 1.0, f32::INFINITY];
                let mut env = GymRs::discrete(CartPoleEnv::new(RenderMode::None))
                    .drawn_by(|state| draw::cart_pole(state[0], state[2]));
                env.observation_space = Space::boxed(&high.map(|h| -h), &high);
                Ok(Box::new(env))
            })
            .summary("the cart-pole of gym-rs, whose physics and starts are wrong: prefer CartPole-v1")
            .time_limit(500),
        )
        .with_entry(
            "gym-rs/MountainCar",
            Entry::new(|_| {
                let env = GymRs::discrete(MountainCarEnv::new(RenderMode::None))
                    .drawn_by(|state| draw::mountain_car(state[0], 0.5));
                Ok(Box::new(env))
            })
            .summary("the mountain car of gym-rs, the same task as MountainCar-v0")
            .time_limit(200),
        )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use gym_rs::envs::classical_control::cartpole::CartPoleObservation;

    use super::*;
    use crate::native::{MountainCar, MountainCarParams};
    use crate::{EnvSpec, contract};

    #[test]
    fn their_mountain_car_is_ours_bit_for_bit() {
        let mut theirs = GymRs::discrete(MountainCarEnv::new(RenderMode::None));
        let mut ours = MountainCar::new(MountainCarParams::default());
        let (mut their_row, mut our_row) = ([0.0; 2], [0.0; 2]);
        let mut choices = generator(5);
        for seed in 0..20 {
            theirs.reset(Some(seed), Row::F32(&mut their_row)).unwrap();
            ours.reset(None, Row::F32(&mut our_row)).unwrap();
            ours.state = [theirs.env.state.position.into_inner(), theirs.env.state.velocity.into_inner()];
            for _ in 0..300 {
                // Held for a while, so that the car gets somewhere.
                let action = Action::Discrete(choices.random_range(0..3));
                for _ in 0..20 {
                    let their_step = theirs.step(action, Row::F32(&mut their_row)).unwrap();
                    assert_eq!(ours.step(action, Row::F32(&mut our_row)).unwrap(), their_step);
                    let state = theirs.inner_mut().state;
                    assert_eq!(ours.state, [state.position.into_inner(), state.velocity.into_inner()]);
                    assert_eq!(our_row, their_row);
                }
            }
        }
    }

    #[test]
    fn both_keep_the_contract() {
        for name in ["gym-rs/CartPole", "gym-rs/MountainCar"] {
            let report = contract::check(&Registry::standard(), &EnvSpec::named(name));
            assert_eq!(report.findings, [], "{report}");
            assert!(report.frame.is_some(), "{report}");
        }
    }

    #[test]
    fn their_cart_pole_has_its_known_faults() {
        let mut env = CartPoleEnv::new(RenderMode::None);
        let zero = Default::default;
        env.state = CartPoleObservation::new(zero(), zero(), zero(), zero());
        let numbers: Vec<f64> = env.step(1).observation.into();
        // A push of 10 N from rest: push/mass = 10/1.1, theta_acc = −(10/1.1)/(0.5·(4/3 − 0.1/1.1)) = −14.634…,
        // x_acc = 10/1.1 + 0.6·14.634…/1.1 = 17.073…, where it should be 10/1.1 + 0.05·14.634…/1.1 = 9.756….
        assert!((numbers[1] / 0.02 - 17.073_170_731_707_32).abs() < 1e-9, "{numbers:?}");
        // Starts beyond the angle at which the pole has fallen.
        let starts = (0..100).map(|seed| Vec::<f64>::from(env.reset(Some(seed), false, None).0)[2].abs());
        assert!(starts.filter(|angle| *angle > 0.21).count() > 30);
    }
}
