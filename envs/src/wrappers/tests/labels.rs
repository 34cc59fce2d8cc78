//! Units of the numbers that wrappers show.

use super::*;
use crate::{EnvSpec, Label, Labels, Registry};

/// Units of a `Clock`, `[s, ds]` and actions in N, through a wrapper.
fn clock(spec: &str) -> [Vec<String>; 2] {
    let Labels { observation, action } = wrapped(Clock::new(9), spec).unwrap().labels().unwrap();
    [observation, action].map(|labels| labels[0].unit.clone())
}

/// Labels on observations of an environment of the registry with wrappers.
fn observed(name: &str, wrappers: &str) -> Vec<Label> {
    let wrappers = serde_json::from_str(wrappers).unwrap();
    let spec = EnvSpec { wrappers, ..EnvSpec::named(name) };
    Registry::standard().info_of(&spec).unwrap().labels.observation
}

#[test]
fn wrappers_show_the_units_of_what_they_show() {
    for (spec, observation, action) in [
        (r#"{"action_repeat": {"times": 2}}"#, &["s", "ds"][..], "N"),
        (r#"{"select": [1]}"#, &["ds"], "N"),
        (r#"{"frame_history": {"past": [0, 2]}}"#, &["s", "ds", "s", "ds"], "N"),
        (r#"{"frame_history": {"past": [0, 2], "flatten": true}}"#, &["s", "ds", "s", "ds"], "N"),
        (r#""frame_delta""#, &["s", "ds"], "N"),
        (r#"{"range_normalize": {}}"#, &["1"], "1"),
        (r#"{"range_normalize": {"action": false}}"#, &["1"], "N"),
        (r#""flatten""#, &["s", "ds"], "N"),
    ] {
        assert_eq!(clock(spec), [observation.to_vec(), vec![action]], "{spec}");
    }
}

#[test]
fn wrappers_of_fields_keep_the_units_of_the_others() {
    let unit = |units: &[&str]| Label::units(units.iter().map(ToString::to_string).collect());
    assert_eq!(observed("Valves-v0", "[]"), [unit(&["1"]), unit(&[])]);
    assert_eq!(observed("Valves-v0", r#"["flatten"]"#), [unit(&["1"; 8])]);
    assert_eq!(observed("Valves-v0", r#"[{"select": ["levels"]}]"#), [unit(&["1"])]);
    let history = r#"[{"frame_history": {"past": [0, 1], "field": "levels"}}]"#;
    assert_eq!(observed("Valves-v0", history), [unit(&["1"]), unit(&[])]);
    // The units of some boxes alone are none of one array.
    assert_eq!(observed("PictureAndNumbers-v0", r#"["flatten"]"#), [unit(&[])]);
}
