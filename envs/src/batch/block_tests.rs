//! The block, without an environment: every number in its own place, every borrow within its rows. Miri runs these (`.ci/run`).
#![allow(clippy::unwrap_used)]

use super::*;
use crate::{Action, BatchError, Dtype, Elements, Episode, Row, Space, generator};

fn pixels() -> Space {
    Space::Box { shape: vec![3], low: vec![0.0; 3], high: vec![255.0; 3], dtype: Dtype::U8 }
}

/// Two numbers in [0, 1] an action.
fn numbers() -> Space {
    Space::boxed(&[0.0; 2], &[1.0; 2])
}

fn block(rows: usize, steps: usize, observations: Space, actions: Space) -> Block {
    Block::local(Layout::new(rows, steps, observations, actions).unwrap())
}

/// The observation of a row at a time in these tests.
fn values(t: usize, row: usize) -> [f32; 5] {
    std::array::from_fn(|i| (100 * t + 10 * row + i) as f32)
}

#[test]
fn every_part_of_a_block_has_its_own_place() {
    let mut block = block(3, 2, Space::unbounded(5), Space::MultiDiscrete { n: vec![4, 4] });
    // Every number of every part is written once with its own value…
    for (t, row) in (0..=2).flat_map(|t| (0..3).map(move |row| (t, row))) {
        block.observation_row_mut(t, row).f32().copy_from_slice(&values(t, row));
    }
    for t in 0..2 {
        for (i, action) in block.choices_mut(t, 0..3).iter_mut().enumerate() {
            *action = (1000 * (t + 1) + i) as i64;
        }
        for row in 0..3 {
            block.keep_final_observation(t + 1, t, row);
            block.set_outcome(t, row, (t * 3 + row) as f32 + 0.5, Episode::from_byte((t + row) as u8 % 4));
            block.set_active(row, row != 1);
        }
    }
    // … and is still there.
    let all: Vec<f32> = (0..9).flat_map(|i| values(i / 3, i % 3)).collect();
    assert_eq!(block.observations(0..3), Elements::F32(&all));
    assert_eq!(block.observations(1..2), Elements::F32(&all[15..30]));
    assert_eq!(block.observation_rows(2, 1..3), Elements::F32(&all[35..45]));
    assert_eq!(block.rewards(0..2), [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]);
    for (t, row) in (0..2).flat_map(|t| (0..3).map(move |row| (t, row))) {
        assert_eq!(block.observation_row(t, row).f32(), values(t, row));
        assert_eq!(block.final_observation_row(t, row).f32(), values(t + 1, row));
        let first = (1000 * (t + 1) + 2 * row) as i64;
        assert_eq!(block.action(t, row), Action::MultiDiscrete(&[first, first + 1]));
        assert_eq!(block.choices(t * 3 + row), [first, first + 1]);
        assert!(block.numbers(t * 3 + row).is_empty());
        assert_eq!(block.reward(t, row), (t * 3 + row) as f32 + 0.5);
        assert_eq!(block.episode(t, row), Episode::from_byte((t + row) as u8 % 4));
        assert_eq!(block.active(row), row != 1);
    }
    let parts =
        [block.observation_row(0, 0), block.final_observation_row(0, 0)].map(|row| row.f32().as_ptr());
    assert!(parts.iter().all(|part| part.addr().is_multiple_of(64)));
    assert!(block.action(0, 0).choices().as_ptr().addr().is_multiple_of(64));
    // (3·3·5 + 2·3·5) floats, 2·3·2 choices, 2·3 rewards, 2·3 ends, 3 active: each rounded up to 64 bytes.
    assert_eq!(block.layout().bytes(), 192 + 128 + 128 + 64 + 64 + 64);
}

#[test]
fn a_step_reads_and_writes_its_own_rows_and_time() {
    for (observations, last) in
        [(pixels(), Elements::U8(&[7; 3])), (Space::unbounded(3), Elements::F32(&[7.0; 3]))]
    {
        let mut block = block(4, 2, observations, numbers());
        block.numbers_mut(1, 2..4).copy_from_slice(&[0.1, 0.2, 0.3, 0.4]);
        block.set_active(3, false);
        let mut view = block.step_view(1, 1..4);
        assert_eq!([1, 2, 3].map(|row| view.active(row)), [true, true, false]);
        // What a step reads stays while its results are written.
        let action = view.action(2);
        match view.observation(2) {
            Row::F32(row) => row.fill(7.0),
            Row::U8(row) => row.fill(7),
            row => panic!("{row:?}"),
        }
        view.set_outcome(2, 1.5, Episode::Truncated);
        view.keep_final_observation(2);
        assert_eq!((action, view.action(3)), (Action::Box(&[0.1, 0.2]), Action::Box(&[0.3, 0.4])));
        assert_eq!(view.episode(2), Episode::Truncated);
        assert_eq!((block.observation_row(2, 2), block.final_observation_row(1, 2)), (last, last));
        assert_eq!((block.reward(1, 2), block.episode(1, 2)), (1.5, Episode::Truncated));
        // Nothing else has changed.
        let of_one =
            |t, row| (block.observation_row(t + 1, row), block.reward(t, row), block.episode(t, row));
        let untouched = of_one(0, 0);
        assert!((0..8).filter(|&i| i != 6).all(|i| of_one(i / 4, i % 4) == untouched));
    }
    let mut choice = block(2, 1, Space::unbounded(1), Space::Discrete { n: 9 });
    choice.choices_mut(0, 0..2).copy_from_slice(&[4, -1]);
    assert_eq!(choice.choices(0), [4]);
    let view = choice.step_view(0, 0..2);
    assert_eq!(view.action(0), Action::Discrete(4));
    assert!(!view.action_space().contains(view.action(1)), "a negative choice is outside of every space");
}

#[test]
fn the_last_observation_is_carried_to_the_first() {
    let mut block = block(2, 3, pixels(), numbers());
    for (t, row) in (0..=3).flat_map(|t| (0..2).map(move |row| (t, row))) {
        block.observation_row_mut(t, row).u8().fill((10 * t + row) as u8);
    }
    block.carry_over(3);
    assert_eq!(block.observation_rows(0, 0..2).u8(), [30, 30, 30, 31, 31, 31]);
    block.carry_over_rows(2, 1..2);
    assert_eq!(block.observation_rows(0, 0..2).u8(), [30, 30, 30, 21, 21, 21]);
    block.carry_over(0);
    assert_eq!(block.observation_row(0, 1).u8(), [21; 3]);
}

#[test]
fn sampled_actions_are_in_the_space() {
    for space in [numbers(), Space::Discrete { n: 3 }, Space::MultiDiscrete { n: vec![2, 5] }] {
        let mut block = block(3, 2, pixels(), space.clone());
        let mut generator = generator(1);
        for (t, row) in (0..2).flat_map(|t| (0..3).map(move |row| (t, row))) {
            block.sample_action(t, row, &mut generator);
        }
        assert!((0..6).all(|i| space.contains(block.action(i / 3, i % 3))), "{space}");
        let first = (block.choices(0), block.numbers(0));
        assert!(
            (1..6).any(|i| (block.choices(i), block.numbers(i)) != first),
            "{space}: each has one of its own"
        );
    }
}

#[test]
fn a_layout_that_cannot_be_is_refused() {
    let layout = |rows, steps| Layout::new(rows, steps, Space::unbounded(4), Space::Discrete { n: 2 });
    for (rows, steps) in [(0, 1), (1, 0)] {
        assert!(layout(rows, steps).unwrap_err().to_string().ends_with("at least 1"), "{rows} {steps}");
    }
    for (rows, steps) in [(usize::MAX, 1), (1, usize::MAX), (1 << 40, 1 << 40), (1 << 61, 1)] {
        let error = layout(rows, steps).unwrap_err();
        assert!(matches!(error, BatchError::Memory { .. }), "{rows} {steps}: {error}");
        assert!(error.to_string().contains("16.0 EiB of memory"), "{error}");
    }
    let choice = Space::Discrete { n: 2 };
    assert!(
        Layout::new(1, 1, Space::boxed(&[1.0], &[0.0]), choice).unwrap_err().to_string().contains("1..0")
    );
}

/// What lies outside is refused wherever it is asked for, also where a neighbouring part of the block lies there.
#[test]
fn what_lies_outside_the_block_is_refused() {
    let refused = |access: fn(&mut Block)| {
        let mut block = block(2, 3, pixels(), numbers());
        let panic =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| access(&mut block))).unwrap_err();
        let message = panic_message(&*panic);
        assert!(message.contains("outside the block"), "{message}");
    };
    refused(|block| block.set_outcome(0, 2, 0.0, Episode::Running));
    refused(|block| block.set_outcome(3, 0, 0.0, Episode::Running));
    refused(|block| block.set_active(2, true));
    refused(|block| _ = block.observation_row_mut(4, 0));
    refused(|block| _ = block.observations(0..5));
    #[allow(clippy::reversed_empty_ranges)] // the fault
    refused(|block| _ = block.observation_rows(0, 2..1));
    refused(|block| _ = block.choices(6));
    refused(|block| _ = block.numbers(6));
    refused(|block| _ = block.numbers_mut(0, 1..3));
    refused(|block| _ = block.step_view(3, 0..2));
    refused(|block| block.keep_final_observation(1, 3, 0));
    refused(|block| block.carry_over(4));
}

#[test]
fn memory_that_is_too_small_is_refused() {
    let layout = Layout::new(2, 3, pixels(), numbers()).unwrap();
    let too_small = super::memory::heap(layout.bytes() - 1);
    // Whole cache lines: one byte less is none less.
    drop(Block::shared(layout.clone(), Box::new(too_small)));
    let too_small = super::memory::heap(layout.bytes() - 64);
    let refused = std::panic::catch_unwind(|| drop(Block::shared(layout, Box::new(too_small))));
    assert!(panic_message(&*refused.unwrap_err()).contains("does not fit into"));
}
