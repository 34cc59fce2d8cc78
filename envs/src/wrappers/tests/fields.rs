//! Wrappers of observations and actions that have several fields.

use super::*;

/// Shows the choice 2 of 3, the bits 0 and 1, and the 64-bit number 0.1; the reward is the number of the action.
struct Mixed {
    observation_space: Space,
    action_space: Space,
}

impl Mixed {
    fn new(action: Space) -> Self {
        let number = Space::Box { shape: vec![1, 1], low: vec![-1.0], high: vec![1.0], dtype: Dtype::F64 };
        let parts = [
            ("choice", Space::Discrete { n: 3 }),
            ("part", Space::Tuple(vec![Space::MultiBinary { n: 2 }, number])),
        ];
        let observation_space = Space::Dict(parts.map(|(key, space)| (key.to_owned(), space)).into());
        Self { observation_space, action_space: action }
    }
}

impl Env for Mixed {
    fn observation_space(&self) -> &Space {
        &self.observation_space
    }

    fn action_space(&self) -> &Space {
        &self.action_space
    }

    fn reset(&mut self, _seed: Option<u64>, mut observation: Row<'_>) -> Result<(), EnvError> {
        observation.field("choice").f32()[0] = 2.0;
        observation.field("part.0").u8().copy_from_slice(&[0, 1]);
        observation.field("part.1").f64()[0] = 0.1;
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        self.reset(None, observation)?;
        let reward = match action {
            Action::Fields(fields) if fields.numbers.is_empty() => action.field("1").choices()[1] as f32,
            Action::Fields(_) => action.field("1").continuous()[0],
            other => panic!("{other}"),
        };
        Ok(Step { reward, episode: Episode::Running })
    }
}

#[test]
fn fields_are_flattened_one_after_the_other() {
    let choices = Space::Tuple(vec![Space::Discrete { n: 3 }, Space::MultiBinary { n: 2 }]);
    let mut env = wrapped(Mixed::new(choices), r#""flatten""#).unwrap();
    let space = Space::boxed(&[0.0, 0.0, 0.0, 0.0, 0.0, -1.0], &[1.0; 6]);
    assert_eq!(*env.observation_space(), space);
    assert_eq!(reset(&mut *env, 1), [0.0, 0.0, 1.0, 0.0, 1.0, 0.1]);
    assert_eq!(*env.action_space(), Space::MultiDiscrete { n: vec![3, 2, 2] });
    let mut row = [0.0; 6];
    let step = env.step(Action::MultiDiscrete(&[2, 0, 1]), Row::F32(&mut row)).unwrap();
    assert_eq!((step.reward, row), (1.0, [0.0, 0.0, 1.0, 0.0, 1.0, 0.1]));
    let boxes = Space::Tuple(vec![Space::unbounded(2), Space::boxed(&[0.0], &[1.0])]);
    let mut env = wrapped(Mixed::new(boxes), r#""flatten""#).unwrap();
    assert_eq!(env.action_space().len(), 3);
    assert_eq!(env.step(Action::Box(&[7.0, 8.0, 0.5]), Row::F32(&mut row)).unwrap().reward, 0.5);
    // Both kinds cannot be one array; one array stays.
    let both = Space::Tuple(vec![Space::Discrete { n: 2 }, Space::unbounded(1)]);
    assert_eq!(*wrapped(Mixed::new(both.clone()), r#""flatten""#).unwrap().action_space(), both);
    let mut env = wrapped(Clock::new(5), r#""flatten""#).unwrap();
    assert_eq!(reset(&mut *env, 4), [4.0, 0.0]);
}

#[test]
fn numbers_and_fields_are_selected() {
    let mut env = wrapped(Clock::new(5), r#"{"select": [1]}"#).unwrap();
    assert_eq!(*env.observation_space(), Space::boxed(&[0.0], &[100.0]));
    let mut row = [f32::NAN];
    env.step(ACTION, Row::F32(&mut row)).unwrap();
    assert_eq!(row, [10.0]);
    let mixed = || Mixed::new(Space::Discrete { n: 1 });
    // One field is shown as it is.
    let mut env = wrapped(mixed(), r#"{"select": ["part.1"]}"#).unwrap();
    let mut row = [0.0];
    env.reset(None, Row::F64(&mut row)).unwrap();
    assert_eq!((row, env.observation_space().shape()), ([0.1], &[1, 1][..]));
    let env = wrapped(mixed(), r#"{"select": ["part"]}"#).unwrap();
    let paths: Vec<_> = env.observation_space().leaves().into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["part.0", "part.1"]);
    let mut env = wrapped(wrapped_fields(), r#""flatten""#).unwrap();
    assert_eq!(reset(&mut *env, 1), [0.0, 0.0, 1.0, 0.1]);
    for (selection, reason) in [
        (
            r#"{"select": ["eye"]}"#,
            "it has no field `eye`; its fields are [\"choice\", \"part.0\", \"part.1\"]",
        ),
        (r#"{"select": [0]}"#, "it has no field `0`; its fields are"),
    ] {
        let error = wrapped(mixed(), selection).err().unwrap().to_string();
        assert!(error.contains(reason), "{error}");
    }
    let error = wrapped(Clock::new(5), r#"{"select": [0, 2]}"#).err().unwrap().to_string();
    assert!(error.ends_with("there is no number 2: it has 2"), "{error}");
}

/// The choice and the number of [`Mixed`].
fn wrapped_fields() -> impl Env {
    let env = Mixed::new(Space::Discrete { n: 1 });
    super::super::Boxed(wrapped(env, r#"{"select": ["part.1", "choice"]}"#).unwrap())
}
