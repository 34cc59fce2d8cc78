//! Ours pass, and each way to break the contract is found.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::wrappers::Wrapper;
use crate::{Action, Env, Episode, Frame, Row, Step, WrapperSpec};

#[test]
fn native_environments_keep_the_contract() {
    let registry = Registry::standard();
    for name in registry.names() {
        let report = check(&registry, &EnvSpec::named(name));
        assert_eq!(report.findings, [], "{report}");
        assert!(report.frame.is_some(), "{report}");
        // Four records and two tries of an action; an episode may last as long as a record.
        assert!(report.steps > 3 * STEPS && report.episodes >= 6, "{report}");
    }
}

#[test]
fn probes_keep_the_contract() {
    let registry = Registry::probes();
    for name in registry.names() {
        let report = check(&registry, &EnvSpec::named(name));
        assert!(report.passed(), "{report}");
    }
}

#[test]
fn wrapped_environments_keep_the_contract() {
    let registry = Registry::standard();
    // Wrappers do not see what they wrap: of the costly environments of MuJoCo one is enough.
    for name in registry.names().filter(|name| !name.ends_with("-v5") || *name == "Hopper-v5") {
        let info = registry.info(name).unwrap();
        let continuous = matches!(info.action_space, Space::Box { .. });
        let bounded = info.observation_space.is_bounded();
        for wrapper in WrapperSpec::examples() {
            let fits = match wrapper {
                WrapperSpec::ClipAction => continuous,
                WrapperSpec::RangeNormalize { .. } => bounded,
                WrapperSpec::FireStart { .. } => !continuous,
                // These need pixels, or lives.
                WrapperSpec::Grayscale
                | WrapperSpec::Resize { .. }
                | WrapperSpec::EpisodicLife
                | WrapperSpec::Atari(_) => false,
                _ => true,
            };
            if fits {
                let report =
                    check(&registry, &EnvSpec { wrappers: vec![wrapper.clone()], ..EnvSpec::named(name) });
                assert!(report.passed(), "{wrapper:?}: {report}");
            }
        }
    }
}

#[test]
fn an_environment_without_end_is_warned_about() {
    let spec = EnvSpec { time_limit: Some(0), ..EnvSpec::named("Pendulum-v1") };
    let report = check(&Registry::standard(), &spec);
    assert!(report.passed());
    assert!(report.to_string().contains("warning: no end within 10000 random steps"), "{report}");
}

/// How to break the contract.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    NewPanics,
    EmptySpace,
    OneUnwritten,
    OutOfBounds,
    NotFinite,
    BadReward,
    Survives,
    Shared,
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
            Fault::Survives => row[1] = self.resets as f32,
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
            let inner = Registry::standard().build(&EnvSpec::named("CartPole-v1"))?;
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
        (Fault::EmptySpace, "the action space Discrete(0) is none"),
        (Fault::OneUnwritten, "seed 1, episode 0, step 1: observation[2] was not written"),
        (Fault::OutOfBounds, "seed 1, episode 0, step 3: observation[0] is 5, outside its bounds -4.8..4.8"),
        (Fault::NotFinite, "seed 1, episode 0, step 3: observation[1] is inf: not a finite number"),
        (Fault::BadReward, "seed 1, episode 0, step 3: the reward is NaN"),
        (Fault::Survives, "seed 1, episode 0, step 1, observation[1]: another number than the last time"),
        (Fault::Shared, "observation[1]: another number than in a second environment"),
        (Fault::ResetPanics, "seed 1, episode 0, step 0: reset failed: panicked: no start today"),
        (Fault::StepFails, "seed 1, episode 0, step 3: step failed with action"),
        (Fault::ChoiceFails, "to the right is a wall"),
    ];
    for (fault, message) in expected {
        let report = check(&Faulty::registry(fault), &EnvSpec::named("faulty"));
        assert!(!report.passed(), "{fault:?}: {report}");
        let found =
            report.findings.iter().any(|f| f.severity == Severity::Error && f.message.contains(message));
        assert!(found, "{fault:?}: {report}");
    }
}

#[test]
fn what_may_be_meant_is_a_warning() {
    let expected = [
        (Fault::AnswersAll, "EnvError::NoMethod is expected"),
        (Fault::SeedIgnored, "seeds 1 and 2 bring the same episodes"),
        (Fault::StartRepeated, "a reset without a seed brings the same start again"),
        (Fault::TornPicture, "seed 1, episode 0, step 0: a picture of 2×2 has 11 bytes, not 12"),
        (Fault::GrowingPicture, "seed 1, episode 1, step 0: a picture of 4×4 after one of 3×3"),
    ];
    for (fault, message) in expected {
        let report = check(&Faulty::registry(fault), &EnvSpec::named("faulty"));
        assert!(report.passed(), "{fault:?}: {report}");
        let found =
            report.findings.iter().any(|f| f.severity == Severity::Warning && f.message.contains(message));
        assert!(found, "{fault:?}: {report}");
    }
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
