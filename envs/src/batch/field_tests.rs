//! Observations and actions of several fields in a block.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::{Action, ActionScale, ActionScaling, Dtype, Elements, Episode, Role, Space, generator};

fn named(key: &str, space: Space) -> (String, Space) {
    (key.to_owned(), space)
}

fn boxed(len: usize, dtype: Dtype) -> Space {
    Space::Box { shape: vec![len], low: vec![0.0; len], high: vec![9.0; len], dtype }
}

/// A picture of three bytes, two f64, a choice, and a mask over three options.
fn observation() -> Space {
    Space::Dict(vec![
        named("eye", boxed(3, Dtype::U8)),
        named("arm", Space::Tuple(vec![boxed(2, Dtype::F64), Space::Discrete { n: 5 }])),
        named("action_mask", Space::MultiBinary { n: 3 }),
    ])
}

/// A choice of three, and two numbers in 0..9.
fn action() -> Space {
    Space::Dict(vec![named("gear", Space::Discrete { n: 3 }), named("force", boxed(2, Dtype::F32))])
}

fn block(rows: usize, steps: usize) -> Block {
    Block::local(Layout::new(rows, steps, observation(), action()).unwrap())
}

#[test]
fn fields_lie_one_after_the_other_at_multiples_of_eight_bytes() {
    let layout = Layout::new(1, 1, observation(), action()).unwrap();
    let fields: Vec<_> =
        layout.fields().iter().map(|f| (f.path.as_str(), f.dtype, f.offset, f.len, f.role)).collect();
    let seen = Role::Observation;
    let expected = [
        ("eye", Dtype::U8, 0, 3, seen),
        ("arm.0", Dtype::F64, 8, 2, seen),
        ("arm.1", Dtype::F32, 24, 1, seen),
        ("action_mask", Dtype::U8, 32, 3, Role::Mask),
    ];
    assert_eq!(fields, expected);
    assert_eq!(layout.observation_bytes(), 40);
    // One field alone has no gaps, whatever it is.
    for (space, bytes) in
        [(boxed(3, Dtype::U8), 3), (Space::Discrete { n: 7 }, 4), (Space::MultiBinary { n: 5 }, 5)]
    {
        let layout = Layout::new(1, 1, space, action()).unwrap();
        assert_eq!((layout.fields().len(), layout.observation_bytes()), (1, bytes));
    }
}

#[test]
fn a_mask_has_a_number_for_each_option_of_the_action() {
    let error = Layout::new(1, 1, observation(), Space::Discrete { n: 4 }).unwrap_err().to_string();
    assert!(
        error.ends_with("the mask `action_mask` has 3 numbers, and the action space Discrete(4) has 4 options to choose from"),
        "{error}"
    );
    // Two parts of one mask: 3 options of the one and 2 · 2 of the bits.
    let masks = Space::Tuple(vec![boxed(3, Dtype::F32), Space::MultiBinary { n: 4 }]);
    let observation = Space::Dict(vec![named("x", Space::unbounded(1)), named("action_mask", masks)]);
    let action = Space::Tuple(vec![Space::MultiDiscrete { n: vec![3] }, Space::MultiBinary { n: 2 }]);
    let mut block = Block::local(Layout::new(1, 1, observation, action).unwrap());
    let mut row = block.observation_row_mut(0, 0);
    row.field("action_mask.0").f32().copy_from_slice(&[0.0, 1.0, 0.0]);
    row.field("action_mask.1").u8().copy_from_slice(&[1, 0, 0, 1]);
    let mut generator = generator(1);
    for _ in 0..20 {
        block.sample_action(0, 0, &mut generator);
        assert_eq!(block.choices(0), [1, 0, 1], "each has one legal option");
    }
}

#[test]
fn fields_are_written_and_read_by_path_and_by_number() {
    let mut block = block(2, 2);
    for (t, row) in (0..=2).flat_map(|t| (0..2).map(move |row| (t, row))) {
        let number = (10 * t + row) as u8;
        let mut shown = block.observation_row_mut(t, row);
        shown.field("eye").u8().fill(number);
        shown.field("arm.0").f64().copy_from_slice(&[f64::from(number) + 0.1, 0.2]);
        shown.field_at(2).f32()[0] = 4.0;
        shown.field("action_mask").u8().copy_from_slice(&[0, 1, 1]);
    }
    block.keep_final_observation(2, 1, 1);
    assert_eq!(block.observation_row(1, 1).field("arm.0").f64(), [11.1, 0.2]);
    assert_eq!(block.observation_row(1, 1).field_at(0).u8(), [11; 3]);
    let eyes = block.observation_field(0, 0..3);
    assert_eq!((eyes.rows(), eyes.row(4).u8(), eyes.contiguous()), (6, &[20; 3][..], None));
    assert_eq!(block.observation_field_rows(1, 1, 1..2).row(0).f64(), [11.1, 0.2]);
    // Index t·N + row = 1·2 + 1.
    assert_eq!(block.final_observation_field(0, 0..2).row(3).u8(), [21; 3]);
    assert!(!block.observation_row(0, 0).is_legal(0) && block.observation_row(0, 0).is_legal(2));
    let same = block.observation_row(2, 1).checksum();
    assert_eq!(block.final_observation_row(1, 1).checksum(), same);
    block.observation_row_mut(2, 1).field("arm.1").f32()[0] = 3.0;
    assert_ne!(block.observation_row(2, 1).checksum(), same);
    block.carry_over(2);
    assert_eq!(block.observation_row(0, 1), block.observation_row(2, 1));
    block.observation_row_mut(0, 0).field("arm.0").f64()[1] = f64::NAN;
    assert_eq!(block.observation_row(0, 0).non_finite().unwrap().0, ".arm.0[1]");
    let single = Block::local(Layout::new(2, 1, Space::unbounded(2), action()).unwrap());
    assert_eq!(single.observation_field(0, 0..2).contiguous(), Some(Elements::F32(&[0.0; 8])));
}

#[test]
fn an_action_has_choices_and_numbers() {
    let mut block = block(2, 2);
    let (choices, numbers) = block.actions_mut(1, 0..2);
    choices.copy_from_slice(&[2, 1]);
    numbers.copy_from_slice(&[0.5, 1.5, 2.5, 3.5]);
    let mut view = block.step_view(1, 0..2);
    let action = view.action(1);
    assert_eq!(
        (action.field("gear"), action.field("force")),
        (Action::Discrete(1), Action::Box(&[2.5, 3.5]))
    );
    view.observation(1).field("eye").u8().fill(7);
    view.set_outcome(1, 2.0, Episode::Terminated);
    view.keep_final_observation(1);
    assert_eq!(block.final_observation_row(1, 1).field("eye").u8(), [7; 3]);
    assert_eq!((block.choices(3), block.numbers(3)), (&[1][..], &[2.5, 3.5][..]));
    assert_eq!(block.action(1, 0).to_string(), "{gear: 2, force: [0.5, 1.5]}");
    block.choices_mut(0, 1..2)[0] = 2;
    block.numbers_mut(0, 1..2).fill(4.0);
    assert_eq!((block.choices(1), block.numbers(1)), (&[2][..], &[4.0; 2][..]));
}

/// Numbers beyond the bounds of a box among several fields are clipped to them, as those of a box alone.
#[test]
fn numbers_of_a_field_are_clipped_to_its_bounds() {
    let clip = |space: &Space, numbers: &[f32], clipped: &mut [f32]| {
        ActionScale::new(space, ActionScaling::Clip).expect("a scale").apply(numbers, clipped);
    };
    let mut clipped = [0.0; 2];
    clip(&action(), &[-3.0, 12.0], &mut clipped);
    assert_eq!(clipped, [0.0, 9.0]);
    let nested = Space::Tuple(vec![Space::boxed(&[0.0], &[1.0]), Space::Discrete { n: 2 }, action()]);
    let mut clipped = [0.0; 3];
    clip(&nested, &[5.0, -1.0, 3.0], &mut clipped);
    assert_eq!(clipped, [1.0, 0.0, 3.0]);
}
