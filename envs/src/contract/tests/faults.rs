//! Each way to break the contract is found.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::contract::{Severity, check};
use crate::wrappers::Wrapper;
use crate::{Action, Dtype, Env, EnvError, EnvSpec, Episode, Frame, Registry, Row, Space, Step};

/// How to break the contract.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    NewPanics,
    EmptySpace,
    OneUnwritten,
    OutOfBounds,
    NotFinite,
    LastNotFinite,
    BadReward,
    Survives,
    Rounds,
    Shared,
    OneInstance,
    ResetPanics,
    StepFails,
    ChoiceFails,
    TornPicture,
    GrowingPicture,
    InfoFails,
    AnswersAll,
    SeedIgnored,
    StartRepeated,
}

/// A cart-pole with one fault.
struct Faulty {
    inner: Box<dyn Env>,
    fault: Fault,
    instance: u32,
    resets: u32,
    steps: u32,
    space: Space,
}

impl Wrapper for Faulty {
    fn inner(&self) -> &dyn Env {
        &*self.inner
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut *self.inner
    }

    fn outer_action_space(&self) -> &Space {
        if self.fault == Fault::EmptySpace { &self.space } else { self.inner.action_space() }
    }

    fn on_reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        self.resets += 1;
        self.steps = 0;
        assert!(self.fault != Fault::ResetPanics, "no start today");
        let seed = match self.fault {
            Fault::SeedIgnored => Some(1),
            Fault::StartRepeated => seed.or(Some(1)),
            _ => seed,
        };
        self.inner.reset(seed, observation)
    }

    fn on_step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        self.steps += 1;
        let row = observation.f32();
        let before = row[2];
        let mut step = self.inner.step(action, Row::F32(row))?;
        match self.fault {
            Fault::OneUnwritten => row[2] = before,
            Fault::OutOfBounds if self.steps == 3 => row[0] = 5.0,
            Fault::NotFinite if self.steps == 3 => row[1] = f32::INFINITY,
            Fault::BadReward if self.steps == 3 => step.reward = f32::NAN,
            Fault::LastNotFinite if step.episode == Episode::Terminated => row[1] = f32::NAN,
            Fault::Survives => row[1] = self.resets as f32,
            // Some 100 resets: far less than what counts as another result.
            Fault::Rounds => row[1] += self.resets as f32 * 1e-7,
            Fault::Shared => row[1] = self.instance as f32,
            Fault::StepFails if self.steps == 3 => return Err(EnvError::failed("a joint broke")),
            Fault::ChoiceFails if self.resets > 20 && action.discrete() == 1 => {
                return Err(EnvError::failed("to the right is a wall"));
            }
            _ => {}
        }
        Ok(step)
    }
}

impl Faulty {
    fn registry(fault: Fault) -> Registry {
        let instances = AtomicU32::new(0);
        Registry::new().with("faulty", move |_| {
            let instance = instances.fetch_add(1, Ordering::Relaxed);
            assert!(fault != Fault::NewPanics, "no memory for the track");
            if fault == Fault::OneInstance && instance > 0 {
                return Err(EnvError::failed("the simulator runs once"));
            }
            let inner =
                Registry::standard().build(&EnvSpec::named("CartPole-v1")).map_err(EnvError::failed)?;
            let space = Space::Discrete { n: 0 };
            let faulty = Faulty { inner, fault, instance, resets: 0, steps: 0, space };
            Ok(match fault {
                Fault::TornPicture | Fault::GrowingPicture | Fault::AnswersAll | Fault::InfoFails => {
                    Box::new(Outside(faulty))
                }
                _ => Box::new(faulty),
            })
        })
    }
}

/// Faults of what a wrapper only passes on.
struct Outside(Faulty);

impl Env for Outside {
    fn observation_space(&self) -> &Space {
        self.0.observation_space()
    }

    fn action_space(&self) -> &Space {
        self.0.action_space()
    }

    fn reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        self.0.reset(seed, observation)
    }

    fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        self.0.step(action, observation)
    }

    fn render(&mut self) -> Result<Frame, EnvError> {
        let side = if self.0.fault == Fault::GrowingPicture { 2 + self.0.resets } else { 2 };
        let missing = usize::from(self.0.fault == Fault::TornPicture);
        Ok(Frame { width: side, height: side, pixels: vec![0; (side * side * 3) as usize - missing] })
    }

    fn call(&mut self, name: &str, _arguments: &serde_json::Value) -> Result<serde_json::Value, EnvError> {
        match (self.0.fault, name) {
            (Fault::InfoFails, "info") => Err(EnvError::failed("the track is not to be seen")),
            (Fault::InfoFails, _) => Err(EnvError::NoMethod(name.to_owned())),
            _ => Ok(serde_json::Value::Null),
        }
    }
}

#[test]
fn every_fault_is_found() {
    let expected = [
        (Fault::InfoFails, "call(\"info\") after the episode failed: the track is not to be seen"),
        (Fault::NewPanics, "it cannot be made: panicked: no memory for the track"),
        (Fault::EmptySpace, "the action space Discrete(0) is invalid"),
        (Fault::OneUnwritten, "seed 1, episode 0, step 1: observation[2] was not written"),
        (Fault::NotFinite, "seed 1, episode 0, step 3: observation[1] is inf: not a finite number"),
        (Fault::BadReward, "seed 1, episode 0, step 3: the reward is NaN"),
        (Fault::ResetPanics, "seed 1, episode 0, step 0: reset failed: panicked: no start today"),
        (Fault::StepFails, "seed 1, episode 0, step 3: step failed with action"),
        (Fault::ChoiceFails, "to the right is a wall"),
    ];
    assert_found(&expected, Severity::Error);
}

fn assert_found(expected: &[(Fault, &str)], severity: Severity) {
    for &(fault, message) in expected {
        let report = check(&Faulty::registry(fault), &EnvSpec::named("faulty"));
        assert_eq!(report.passed(), severity != Severity::Error, "{fault:?}: {report}");
        let found = report.findings.iter().any(|f| f.severity == severity && f.message.contains(message));
        assert!(found, "{fault:?}: {report}");
    }
}

#[test]
fn what_costs_something_and_can_be_trained_is_a_warning() {
    let expected = [
        (
            Fault::OutOfBounds,
            "the farthest one: observation[0] is 5 at seed 1, episode 0, step 3, outside its bounds -4.8..4.8 by 2.0e-1",
        ),
        (Fault::LastNotFinite, "observation[1] is NaN after the last step of a terminated episode"),
        (
            Fault::Survives,
            "observation[1]: another number than the last time, with the same seed and actions",
        ),
        (Fault::Survives, "a resumed training begins such episodes anew"),
        (
            Fault::Rounds,
            "another number than the last time, with the same seed and actions, in the last bits",
        ),
        (Fault::Shared, "observation[1]: another number than in a second environment"),
        (
            Fault::OneInstance,
            "it cannot be made a second time in one process; set `workers` to the number of `rows`",
        ),
        (Fault::OneInstance, "so that each has a process of its own: the simulator runs once"),
        (Fault::SeedIgnored, "seeds 1 and 2 bring the same episodes"),
        (Fault::StartRepeated, "a reset without a seed brings the same start again"),
    ];
    assert_found(&expected, Severity::Warning);
}

#[test]
fn what_costs_nothing_in_training_is_a_note() {
    let expected = [
        (Fault::TornPicture, "seed 1, episode 0, step 0: a picture of 2×2 has 11 bytes, not 12"),
        (Fault::GrowingPicture, "seed 1, episode 1, step 0: a picture of 4×4 after one of 3×3"),
        (Fault::AnswersAll, "EnvError::NoMethod is expected"),
    ];
    assert_found(&expected, Severity::Note);
}

/// Bytes, of which one is written by nobody.
struct Half(Space, Space);

impl Env for Half {
    fn observation_space(&self) -> &Space {
        &self.0
    }

    fn action_space(&self) -> &Space {
        &self.1
    }

    fn reset(&mut self, _seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        observation.u8()[0] = 3;
        Ok(())
    }

    fn step(&mut self, _action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        observation.u8()[0] = 4;
        Ok(Step { reward: 0.0, episode: Episode::Terminated })
    }
}

#[test]
fn an_unwritten_byte_is_found() {
    let registry = Registry::new().with("half", |_| {
        let pixels = Space::Box { shape: vec![2], low: vec![0.0; 2], high: vec![255.0; 2], dtype: Dtype::U8 };
        Ok(Box::new(Half(pixels, Space::MultiDiscrete { n: vec![2, 3] })))
    });
    let report = check(&registry, &EnvSpec::named("half"));
    let text = report.to_string();
    assert!(text.contains("error: seed 1, episode 0, step 0, observation[1] was not written"), "{text}");
    assert!(text.contains("warning: every episode ended with its first step"), "{text}");
    assert!(text.contains("does not draw itself"), "{text}");
}

/// Shows one number, which is 0, and takes an action of its box.
struct Far(Space, Space);

impl Env for Far {
    fn observation_space(&self) -> &Space {
        &self.0
    }

    fn action_space(&self) -> &Space {
        &self.1
    }

    fn reset(&mut self, _seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        observation.f32()[0] = 0.0;
        Ok(())
    }

    fn step(&mut self, _action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        observation.f32()[0] = 0.0;
        Ok(Step { reward: 0.0, episode: Episode::Terminated })
    }
}

#[test]
fn an_action_box_far_from_a_unit_is_warned_about_where_it_cannot_be_scaled() {
    let report = |high: f32| {
        let far =
            move |_: &_| Ok(Box::new(Far(Space::unbounded(1), Space::boxed(&[10.0], &[high]))) as Box<_>);
        check(&Registry::new().with("far", far), &EnvSpec::named("far")).to_string()
    };
    let warned = report(f32::INFINITY);
    assert!(
        warned.contains("warning: the action space Box([1], 10..inf, F32) is far from -1..1"),
        "{warned}"
    );
    let scaled = report(20.0);
    assert!(!scaled.contains("far from"), "{scaled}");
}
