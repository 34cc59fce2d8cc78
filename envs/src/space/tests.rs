#![allow(clippy::unwrap_used)]

use super::*;
use crate::{Action, generator};

#[test]
fn an_action_is_within_all_its_bounds_or_not_in_the_space() {
    let space = Space::boxed(&[-1.0, 0.0], &[1.0, f32::INFINITY]);
    assert!(space.contains(Action::Box(&[1.0, 1e30])));
    assert!(!space.contains(Action::Box(&[1.1, 0.0])));
    assert!(!space.contains(Action::Box(&[0.0, f32::NAN])));
    assert!(!space.contains(Action::Box(&[0.0])));
    assert!(!space.contains(Action::Discrete(0)));
    let space = Space::MultiDiscrete { n: vec![2, 3] };
    assert!(space.contains(Action::MultiDiscrete(&[1, 2])));
    assert!(!space.contains(Action::MultiDiscrete(&[2, 2])));
    assert!(!space.contains(Action::MultiDiscrete(&[-1, 2])));
    assert!(!Space::Discrete { n: 2 }.contains(Action::Discrete(2)));
    assert!(!Space::unbounded(1).is_bounded() && Space::boxed(&[-1.0], &[1.0]).is_bounded());
}

#[test]
fn samples_are_in_the_space() {
    let mut generator = generator(3);
    let (mut discrete, mut continuous) = ([0; 2], [0.0; 2]);
    for _ in 0..200 {
        let space = Space::MultiDiscrete { n: vec![2, 3] };
        space.sample(&mut generator, &mut discrete, &mut continuous);
        assert!(space.contains(Action::MultiDiscrete(&discrete)));
        for space in [
            Space::boxed(&[-1.0, 0.0], &[1.0, f32::INFINITY]),
            Space::boxed(&[f32::MIN; 2], &[f32::MAX; 2]),
            Space::boxed(&[2.0; 2], &[2.0; 2]),
        ] {
            space.sample(&mut generator, &mut discrete, &mut continuous);
            assert!(space.contains(Action::Box(&continuous)), "{continuous:?} in {space}");
        }
    }
}

#[test]
fn a_space_that_cannot_be_says_why() {
    let reason = |space: Space| space.check().unwrap_err().to_string();
    assert!(reason(Space::Discrete { n: 0 }).contains("something to choose"));
    assert!(reason(Space::MultiDiscrete { n: vec![2, 0] }).contains("something to choose"));
    assert!(reason(Space::boxed(&[0.0, 1.0], &[0.0, 0.5])).contains("element 1 are 1..0.5"));
    assert!(reason(Space::boxed(&[f32::NAN], &[0.0])).contains("element 0"));
    assert!(reason(Space::boxed(&[], &[])).contains("at least one"));
    let low = vec![0.0; 3];
    let torn = Space::Box { shape: vec![2, 2], low: low.clone(), high: low, dtype: Dtype::F32 };
    assert!(reason(torn).contains("there are 3 and 3"));
    let low = vec![0.0; 3];
    let vast = Space::Box { shape: vec![usize::MAX, 2], low: low.clone(), high: low, dtype: Dtype::F32 };
    assert!(vast.check().is_err());
    assert!(reason(Space::Discrete { n: 1 << 21 }).contains("1048576 choices are possible"));
    assert!(
        reason(Space::MultiDiscrete { n: vec![1 << 20, 1] }).contains("1048576 choices are possible in all")
    );
}

/// A Dict with every kind of leaf, nested.
fn nested() -> Space {
    let named = |key: &str, space| (key.to_owned(), space);
    Space::Dict(vec![
        named(
            "camera",
            Space::Dict(vec![named("left", Space::unbounded(3)), named("on", Space::Discrete { n: 2 })]),
        ),
        named(
            "joints",
            Space::Tuple(vec![Space::MultiDiscrete { n: vec![2, 3] }, Space::boxed(&[0.0], &[1.0])]),
        ),
        named("lamps", Space::MultiBinary { n: 4 }),
    ])
}

#[test]
fn leaves_have_paths_in_the_order_of_parts() {
    let space = nested();
    let paths: Vec<_> = space.leaves().into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["camera.left", "camera.on", "joints.0", "joints.1", "lamps"]);
    // 3 + 1 + 2 + 1 + 4, of which 1 + 2 + 4 are choices.
    assert_eq!((space.len(), space.choices_len(), space.numbers_len()), (11, 7, 4));
    assert!(space.shape().is_empty() && !space.is_bounded());
    assert_eq!(Space::MultiBinary { n: 4 }.shape(), [4]);
    let leaf = Space::Discrete { n: 2 };
    assert_eq!(leaf.leaves(), [(String::new(), &leaf)]);
    let text = Space::Tuple(vec![Space::MultiBinary { n: 4 }, Space::Dict(vec![("a".to_owned(), leaf)])]);
    assert_eq!(text.to_string(), "Tuple(MultiBinary(4), Dict(a: Discrete(2)))");
}

#[test]
fn an_action_of_several_fields_is_in_the_space_when_every_field_is() {
    let space = nested();
    let (choices, numbers) = ([1, 1, 2, 0, 1, 0, 1], [9.0, 9.0, 9.0, 0.5]);
    let contains = |choices: &[i64], numbers: &[f32]| space.contains(Action::of(&space, choices, numbers));
    assert!(contains(&choices, &numbers));
    for (i, wrong) in [(0, 2), (1, 2), (2, 3), (3, 2), (6, -1)] {
        let mut choices = choices;
        choices[i] = wrong;
        assert!(!contains(&choices, &numbers), "choice {i}");
    }
    assert!(!contains(&choices, &[9.0, 9.0, 9.0, 1.5]));
    assert!(!contains(&choices, &numbers[..3]) && !contains(&choices[..6], &numbers));
    assert!(!space.contains(Action::Box(&numbers)));
    let (mut generator, mut choices, mut numbers) = (generator(1), [0; 7], [0.0; 4]);
    for _ in 0..100 {
        space.sample(&mut generator, &mut choices, &mut numbers);
        assert!(contains(&choices, &numbers), "{choices:?} {numbers:?}");
    }
}

#[test]
fn a_part_that_cannot_be_is_named() {
    let reason = |space: Space| space.check().unwrap_err().to_string();
    let dict = |key: &str, space| Space::Dict(vec![(key.to_owned(), space)]);
    assert!(nested().check().is_ok());
    assert!(
        reason(dict("a", Space::Tuple(vec![Space::Discrete { n: 0 }])))
            .ends_with("`a.0`: there must be something to choose")
    );
    assert!(reason(Space::Tuple(vec![])).ends_with("it has no parts"));
    assert!(reason(dict("", Space::unbounded(1))).contains("empty name"));
    assert!(reason(Space::MultiBinary { n: 0 }).contains("at least one bit"));
    let twice = Space::Dict(vec![
        ("a.b".to_owned(), Space::unbounded(1)),
        ("a".to_owned(), dict("b", Space::unbounded(1))),
    ]);
    assert!(reason(twice).ends_with("two parts have the path `a.b`"));
}
