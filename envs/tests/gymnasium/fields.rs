//! Observations and actions of several fields, and masks.

use phalanx_envs::{Action, BatchEnv, LocalBatch, Registry, Role, Space};
use serde_json::{Value, json};

use super::{make, spec};

/// A batch of one row of the fixture `name`.
fn batch(name: &str, params: &Value) -> LocalBatch {
    let mut params = params.clone();
    params["disable_env_checker"] = json!(true);
    let spec = spec(&format!("tests.python.fixtures:{name}"), &params);
    LocalBatch::new(&Registry::standard(), &spec, 1, 1, 1).unwrap()
}

fn paths(batch: &LocalBatch) -> Vec<(&str, &Space)> {
    batch.block().layout().fields().iter().map(|field| (field.path.as_str(), &field.space)).collect()
}

#[test]
fn parts_of_an_observation_are_fields_of_their_own_type() {
    let value = json!({ "a": 1, "b": [0.5, 0.25], "c": [[1, 0], [0, 1]] });
    let mut whole = batch("Kinds-v0", &json!({ "observation": "dict", "value": value }));
    let expected = [
        ("a", &Space::Discrete { n: 3 }),
        ("b", &Space::boxed(&[-1.0; 2], &[1.0; 2])),
        ("c.0", &Space::MultiBinary { n: 2 }),
        ("c.1", &Space::MultiDiscrete { n: vec![2, 2] }),
    ];
    assert_eq!(paths(&whole), expected);
    whole.reset(None).unwrap();
    let row = whole.block().observation_row(0, 0);
    assert_eq!((row.field("a").f32(), row.field("b").f32()), (&[1.0][..], &[0.5, 0.25][..]));
    assert_eq!((row.field("c.0").u8(), row.field("c.1").f32()), (&[1, 0][..], &[0.0, 1.0][..]));
    // A number of 64 bits stays one, a choice is counted from 0.
    let mut numbers =
        batch("Kinds-v0", &json!({ "observation": "box", "value": [[0.1, 0, 0], [0, 0, 0.2]] }));
    numbers.reset(None).unwrap();
    assert_eq!(numbers.block().observation_row(0, 0).f64(), [0.1, 0.0, 0.0, 0.0, 0.0, 0.2]);
    let mut choice = batch("Kinds-v0", &json!({ "observation": "discrete", "value": -1 }));
    choice.reset(None).unwrap();
    assert_eq!(choice.block().observation_row(0, 0).f32(), [0.0]);
}

#[test]
fn the_numbers_of_first_options_are_known() {
    for (observation, action, expected) in [
        ("choices", "discrete", [vec![vec![], vec![], vec![5]], vec![vec![-1]]]),
        ("multi_discrete", "choices", [vec![vec![1, -2]], vec![vec![], vec![], vec![5]]]),
        ("grid", "mixed", [vec![vec![]], vec![vec![], vec![]]]),
    ] {
        let params = json!({ "observation": observation, "action": action, "disable_env_checker": true });
        let mut env = make("tests.python.fixtures:Kinds-v0", &params).unwrap();
        let labels = env.labels().unwrap();
        let found = [labels.observation, labels.action]
            .map(|labels| labels.into_iter().map(|label| label.start).collect::<Vec<_>>());
        assert_eq!(found, expected, "{observation}, {action}");
    }
    let params =
        json!({ "observation": "box", "action": "choices", "disable_env_checker": true, "flatten": true });
    let mut flat = make("tests.python.fixtures:Kinds-v0", &params).unwrap();
    // One MultiDiscrete: two bits, two choices, and the turn from 5 on.
    assert_eq!(flat.labels().unwrap().action[0].start, [0, 0, 0, 0, 5]);
}

#[test]
fn actions_of_several_fields_arrive_as_gymnasium_has_them() {
    for (name, choices, numbers, expected) in [
        ("mixed", &[1][..], &[0.5, -0.5][..], "(array([ 0.5, -0.5], dtype=float32), np.int64(1))"),
        (
            "choices",
            &[1, 0, 1, 2, 2],
            &[],
            "{'more': (array([1, 0], dtype=int8), array([1, 2])), 'turn': np.int64(7)}",
        ),
        ("multi_binary", &[1, 0, 0, 1], &[], "array([[1, 0],\n       [0, 1]], dtype=int8)"),
    ] {
        let mut batch = batch("Kinds-v0", &json!({ "action": name }));
        batch.reset(None).unwrap();
        batch.block_mut().choices_mut(0, 0..1).copy_from_slice(choices);
        batch.block_mut().numbers_mut(0, 0..1).copy_from_slice(numbers);
        batch.step(0).unwrap();
        assert_eq!(batch.call(0, "taken", &Value::Null).unwrap(), json!([expected, true]), "{name}");
    }
    let env = make("tests.python.fixtures:Kinds-v0", &json!({ "action": "mixed" })).unwrap();
    let Space::Tuple(parts) = env.action_space() else { panic!("a tuple") };
    assert_eq!(parts[1], Space::Discrete { n: 2 });
}

#[test]
fn masks_are_found_in_a_method_an_info_and_an_observation() {
    for (source, beside) in [("method", 1), ("info", 1), ("observation", 1), ("mask alone", 0)] {
        let mut batch = batch("Masked-v0", &json!({ "source": source }));
        let others = paths(&batch).len() - 1;
        let fields = batch.block().layout().fields();
        let mask = fields.iter().find(|field| field.role == Role::Mask).unwrap();
        assert_eq!((mask.path.as_str(), mask.len, others), ("action_mask", 3, beside), "{source}");
        batch.reset(None).unwrap();
        let mut random = phalanx_envs::generator(1);
        for step in 0..20 {
            // Of three options the one that is as old as the episode is illegal.
            let row = batch.block().observation_row(0, 0);
            let legal: Vec<_> = (0..3).map(|option| row.is_legal(option)).collect();
            let expected: Vec<_> = (0..3).map(|option| option != step % 4 % 3).collect();
            assert_eq!(legal, expected, "{source}, step {step}");
            batch.block_mut().sample_action(0, 0, &mut random);
            let Action::Discrete(choice) = batch.block().action(0, 0) else { panic!("a choice") };
            assert!(legal[choice]);
            batch.step(0).unwrap();
            batch.block_mut().carry_over(1);
        }
    }
    let spec = spec("tests.python.fixtures:Masked-v0", &json!({ "source": "observation", "options": 4 }));
    let error = LocalBatch::new(&Registry::standard(), &spec, 1, 1, 1).err().unwrap().to_string();
    assert!(
        error.contains("the mask `action_mask` has 3 numbers, and the action space Discrete(4)"),
        "{error}"
    );
}

#[test]
fn a_mask_has_zeros_and_ones() {
    for source in ["method", "info", "observation"] {
        for (legal, value) in [(json!(null), "nan"), (json!(2), "2"), (json!(-1), "-1")] {
            if source == "observation" && legal.is_null() {
                continue; // bits are whole numbers
            }
            let mut batch = batch("Masked-v0", &json!({ "source": source, "legal": legal }));
            batch.reset(None).unwrap();
            batch.block_mut().choices_mut(0, 0..1).fill(1);
            batch.step(0).unwrap();
            batch.block_mut().choices_mut(0, 0..1).fill(0);
            let error = batch.step(0).unwrap_err().to_string();
            assert!(error.starts_with("row 0: step failed at step 1 of episode 0 (seed"), "{error}");
            let found = if source == "observation" {
                format!("observation['action_mask'][0] is {value}, which lies outside MultiBinary(3)")
            } else {
                format!(
                    "the action mask has {value} for option 0, where 0 or False forbids an option and 1 or"
                )
            };
            assert!(error.to_lowercase().contains(&found.to_lowercase()), "{error}");
        }
    }
    let mut truths = batch("Masked-v0", &json!({ "source": "method", "legal": 1.0 }));
    truths.reset(None).unwrap();
}

#[test]
fn masks_beside_an_observation_can_be_ignored() {
    for source in ["method", "info", "first info"] {
        let without = batch("Masked-v0", &json!({ "source": source, "masks": false }));
        assert_eq!(paths(&without), [("", &Space::boxed(&[0.0], &[4.0]))], "{source}");
        assert!(!without.block().layout().has_mask());
    }
    // Each step needs one where the first reset had one, and one of the right length.
    let mut first = batch("Masked-v0", &json!({ "source": "first info" }));
    first.reset(None).unwrap();
    first.block_mut().choices_mut(0, 0..1).fill(1);
    let error = first.step(0).unwrap_err().to_string();
    assert!(error.ends_with("which that of a reset has; `masks: false` trains without masks"), "{error}");
    let mut short = batch("Masked-v0", &json!({ "source": "method", "options": 4 }));
    let error = short.reset(None).unwrap_err().to_string();
    let expected =
        "the action mask has 3 numbers, and the actions have 4 options to choose from; `masks: false`";
    assert!(error.contains(expected), "{error}");
}
