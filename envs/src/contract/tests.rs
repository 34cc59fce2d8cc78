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

#[test]
fn the_summary_counts_and_the_worst_comes_first() {
    let mut report = Report { env: "gymnasium:X".to_owned(), ..Report::default() };
    report.add(Severity::Note, "c");
    report.add(Severity::Warning, "b");
    report.add(Severity::Warning, "b");
    assert_eq!(report.summary(), "gymnasium:X can be trained: 0 errors, 2 warnings, 1 note");
    report.add(Severity::Error, "a");
    let lines = report.to_string();
    let lines: Vec<_> = lines.lines().collect();
    assert!(
        lines[0].starts_with("gymnasium:X cannot be trained: 1 error, 2 warnings, 1 note (0 steps"),
        "{lines:?}"
    );
    assert_eq!(lines[1..], ["  error: a", "  warning: b", "  warning: b", "  note: c"]);
}

#[test]
fn what_there_was_no_time_for_is_a_note() {
    let (registry, spec) = (Registry::standard(), EnvSpec::named("CartPole-v1"));
    let (report, _) = check_within(&registry, &spec, Some(Duration::ZERO), &|_| {}).unwrap();
    assert_eq!((report.steps, report.count(Severity::Note)), (1, 1), "{report}");
    let missed = "in 0ns there was no time for: a second environment; 2 of 2 actions at the edge of the action space; 999 of the 1000 steps that are compared; the \
                  same seed again; another seed; an end within 10000 steps";
    assert!(report.findings[0].message.contains(missed), "{report}");
    let (report, shown) = check_within(&registry, &spec, Some(Duration::from_hours(1)), &|_| {}).unwrap();
    assert_eq!(shown.unwrap().steps(), 1000);
    assert_eq!(report.findings, [], "{report}");
}

#[test]
fn a_difference_has_a_place_and_a_size() {
    let record = |numbers: [f32; 2], episode| Record {
        places: vec![super::trial::Position::default(); 2],
        shown: numbers.map(|x| vec![0.0_f32.to_bits(), x.to_bits()]).to_vec(),
        rewards: vec![None, Some((0, episode))],
        filling: 0,
        bytes: false,
        starts: Vec::new(),
        ends: 0,
    };
    let run = record([1.0, 4.0], Episode::Running);
    assert!(run.difference(&record([1.0, 4.0], Episode::Running)).is_none());
    // |1 − 1.00001| / 1.00001, then |4 − 5| / 5.
    let difference = run.difference(&record([1.000_01, 5.0], Episode::Running)).unwrap();
    assert!(difference.is_rounding() && (difference.first - 1e-5).abs() < 1e-7 && difference.largest == 0.2);
    assert!(difference.place.ends_with("observation[1]"), "{}", difference.place);
    let difference = run.difference(&record([1.0, 4.0], Episode::Terminated)).unwrap();
    assert!(!difference.is_rounding() && difference.first.is_infinite());
    let difference = run.difference(&record([f32::NAN, 4.0], Episode::Running)).unwrap();
    assert!(!difference.is_rounding());
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
fn an_action_box_far_from_a_unit_is_warned_about_and_its_cure_cures() {
    let registry = Registry::new()
        .with("far", |_| Ok(Box::new(Far(Space::unbounded(1), Space::boxed(&[10.0], &[20.0])))));
    let report = check(&registry, &EnvSpec::named("far"));
    assert!(
        report.to_string().contains("warning: the action space Box([1], 10..20, F32) is far from -1..1"),
        "{report}"
    );
    let cure = serde_json::json!({ "range_normalize": { "action": true, "observation": false } });
    let wrappers = vec![serde_json::from_value(cure).unwrap()];
    let report = check(&registry, &EnvSpec { wrappers, ..EnvSpec::named("far") });
    assert!(!report.to_string().contains("far from"), "{report}");
}

#[test]
fn a_close_that_fails_or_takes_long_is_a_warning() {
    let message = |closed, seconds| closing(&closed, Duration::from_secs(seconds)).unwrap_or_default();
    assert_eq!(message(Ok(()), 5), "");
    assert!(
        message(Ok(()), 6)
            .starts_with("close took 6.0 s: at the end of a training a worker is killed 5s after")
    );
    let failed = message(Err(EnvError::failed("no")), 0);
    assert_eq!(failed, "close failed, which a training reports at its end: no");
}
