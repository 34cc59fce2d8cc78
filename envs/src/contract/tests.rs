//! Ours keep the contract, and reports count what was found.
#![allow(clippy::unwrap_used)]

mod faults;

use super::*;
use crate::{Episode, WrapperSpec};

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
                WrapperSpec::RandomStart { .. }
                | WrapperSpec::LimitDuration { .. }
                | WrapperSpec::FiniteCheck
                | WrapperSpec::ClipReward { .. } => true,
                _ if info.observation_space.is_composite() => false,
                WrapperSpec::ClipAction => continuous,
                WrapperSpec::RangeNormalize { .. } => bounded,
                WrapperSpec::FireStart { .. } => !continuous,
                // These need pixels, or lives.
                WrapperSpec::Grayscale { .. }
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
        parts: crate::field::Fields::of(&Space::unbounded(2))
            .all
            .iter()
            .map(super::record::RecordField::of)
            .collect(),
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
