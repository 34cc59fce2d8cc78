//! Wrappers around one field of several.

use super::*;

/// After t steps the picture `eyes.left` is full of 10·t and `arm` is `[t, 10·t]`; `eyes.right` is a picture where it is asked for.
struct Robot {
    observation_space: Space,
    action_space: Space,
    t: u8,
}

impl Robot {
    fn new(eyes: &[&str]) -> Self {
        let picture =
            Space::Box { shape: vec![2, 4, 3], low: vec![0.0; 24], high: vec![255.0; 24], dtype: Dtype::U8 };
        let eyes = eyes.iter().map(|key| ((*key).to_owned(), picture.clone())).collect();
        let arm =
            Space::Box { shape: vec![2], low: vec![0.0; 2], high: vec![10.0, 100.0], dtype: Dtype::F64 };
        let mask = Space::Box { shape: vec![2, 1], low: vec![0.0; 2], high: vec![1.0; 2], dtype: Dtype::U8 };
        let parts = [("action_mask", mask), ("arm", arm), ("eyes", Space::Dict(eyes))];
        Self {
            observation_space: Space::Dict(parts.map(|(key, space)| (key.to_owned(), space)).into()),
            action_space: Space::Discrete { n: 2 },
            t: 0,
        }
    }

    fn show(&self, mut observation: Row<'_>) {
        for (i, (path, _)) in self.observation_space.leaves().iter().enumerate() {
            match path.as_str() {
                "action_mask" => observation.field_at(i).u8().fill(1),
                "arm" => {
                    observation.field_at(i).f64().copy_from_slice(&[self.t.into(), f64::from(self.t) * 10.0]);
                }
                _ => observation.field_at(i).u8().fill(10 * self.t),
            }
        }
    }
}

impl Env for Robot {
    fn observation_space(&self) -> &Space {
        &self.observation_space
    }

    fn action_space(&self) -> &Space {
        &self.action_space
    }

    fn reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        self.t = seed.unwrap_or(0) as u8;
        self.show(observation);
        Ok(())
    }

    fn step(&mut self, _action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        self.t += 1;
        self.show(observation);
        Ok(Step { reward: 0.0, episode: Episode::Running })
    }
}

/// The robot in these wrappers.
fn robot(eyes: &[&str], specs: &[&str]) -> Result<Box<dyn Env>, EnvError> {
    let specs = specs.iter().map(|spec| serde_json::from_str::<WrapperSpec>(spec).unwrap());
    specs.into_iter().try_fold(Box::new(Robot::new(eyes)) as Box<dyn Env>, |env, spec| spec.wrap(env))
}

/// The fields of an observation after a reset with seed 1 and a step, as f32.
fn seen(env: &mut dyn Env) -> Vec<Vec<f32>> {
    let mut inside = crate::wrappers::inside::Inside::new(&env.observation_space().clone());
    env.reset(Some(1), inside.row()).unwrap();
    env.step(Action::Discrete(0), inside.row()).unwrap();
    let field = |i| {
        let numbers = inside.field(i);
        (0..numbers.len()).map(|j| numbers.number(j)).collect()
    };
    (0..inside.fields.all.len()).map(field).collect()
}

fn shapes(env: &dyn Env) -> Vec<Vec<usize>> {
    env.observation_space().leaves().iter().map(|(_, leaf)| leaf.shape().to_vec()).collect()
}

#[test]
fn the_one_picture_needs_no_name() {
    let specs = [r#"{"grayscale": {}}"#, r#"{"resize": {"height": 1, "width": 2}}"#];
    let mut env = robot(&["left"], &specs).unwrap();
    assert_eq!(shapes(&*env), [vec![2, 1], vec![2], vec![1, 2]]);
    assert_eq!(seen(&mut *env), [vec![1.0; 2], vec![2.0, 20.0], vec![20.0; 2]]);
}

#[test]
fn a_field_is_named_by_its_path() {
    let specs = [
        r#"{"resize": {"height": 1, "width": 1, "field": "eyes.right"}}"#,
        r#"{"frame_history": {"past": [1, 0], "field": "arm"}}"#,
        r#"{"frame_history": {"past": [0, 1], "flatten": true, "field": "eyes.right"}}"#,
    ];
    let mut env = robot(&["left", "right"], &specs).unwrap();
    assert_eq!(shapes(&*env), [vec![2, 1], vec![2, 2], vec![2, 4, 3], vec![2, 1, 3]]);
    let right = vec![20.0, 20.0, 20.0, 10.0, 10.0, 10.0];
    assert_eq!(seen(&mut *env), [vec![1.0; 2], vec![1.0, 10.0, 2.0, 20.0], vec![20.0; 24], right]);
    // A part with one field is as good as that field.
    assert!(robot(&["left"], &[r#"{"grayscale": {"field": "eyes"}}"#]).is_ok());
}

#[test]
fn what_does_not_fit_is_named_with_its_field() {
    for (eyes, spec, reason) in [
        (
            &["left", "right"][..],
            r#"{"grayscale": {}}"#,
            "the fields [\"eyes.left\", \"eyes.right\"] are pictures: name one of them, as in `field: eyes.left`",
        ),
        (
            &["left"],
            r#"{"resize": {"height": 1, "width": 1, "field": "eye"}}"#,
            "it has no field `eye`; its fields are [\"action_mask\", \"arm\", \"eyes.left\"]",
        ),
        (
            &["left"],
            r#"{"resize": {"height": 1, "width": 1, "field": "arm"}}"#,
            "resize cannot work with the field `arm`, Box([2], 0..100, F64): a box of bytes is needed",
        ),
        (
            &["left", "right"],
            r#"{"grayscale": {"field": "eyes"}}"#,
            "`eyes` has several fields; the fields are [\"action_mask\", \"arm\", \"eyes.left\", \"eyes.right\"]",
        ),
        (
            &["left"],
            r#"{"frame_history": {"past": [0]}}"#,
            "it has the fields [\"action_mask\", \"arm\", \"eyes.left\"]: name one of them with `field`",
        ),
        (&["left"], r#""frame_delta""#, "which the wrapper `flatten` makes of others"),
        (
            &["left"],
            r#"{"action_repeat": {"times": 2, "max_pool": true}}"#,
            "which the wrappers `select` and `flatten` make of several fields",
        ),
    ] {
        let message = refusal(robot(eyes, &[spec]));
        assert!(message.contains(reason), "{message}");
    }
    let message = refusal(robot(&["left"], &[r#"{"select": ["arm"]}"#, r#"{"grayscale": {}}"#]));
    assert!(message.contains("a box of bytes is needed"), "{message}");
    let message =
        refusal(robot(&["left"], &[r#"{"select": ["arm", "action_mask"]}"#, r#"{"grayscale": {}}"#]));
    assert!(message.contains("none of its fields [\"action_mask\", \"arm\"] is one"), "{message}");
    let message = refusal(wrapped(pixels(), r#"{"grayscale": {"field": "eye"}}"#));
    assert!(message.contains("it has no field `eye`: it is one array"), "{message}");
}

/// 2·2/10 − 1 and 2·20/100 − 1; neither bytes nor masks are normalized.
#[test]
fn fields_of_floats_are_normalized() {
    let mut env = robot(&["left"], &[r#"{"range_normalize": {"observation": true}}"#]).unwrap();
    let leaves: Vec<_> = env.observation_space().leaves().into_iter().map(|(_, leaf)| leaf.clone()).collect();
    let Space::Box { low, high, dtype: Dtype::F64, .. } = &leaves[1] else { panic!("{:?}", leaves[1]) };
    assert_eq!((low.as_slice(), high.as_slice()), (&[-1.0; 2][..], &[1.0; 2][..]));
    assert_eq!(seen(&mut *env), [vec![1.0; 2], vec![-0.6; 2], vec![20.0; 24]]);
    let specs = [r#"{"select": ["eyes", "action_mask"]}"#, r#"{"range_normalize": {"observation": true}}"#];
    let message = refusal(robot(&["left"], &specs));
    assert!(message.ends_with("none of its fields is a box of floats"), "{message}");
}

/// Numbers of 64 bits in one array are rounded by the wrappers that keep them.
#[test]
fn an_array_of_another_dtype_is_kept_as_f32() {
    for (spec, expected) in [
        (r#"{"frame_history": {"past": [1, 0]}}"#, vec![1.0, 10.0, 2.0, 20.0]),
        (r#""frame_delta""#, vec![1.0, 10.0]),
        (r#"{"action_repeat": {"times": 2, "max_pool": true}}"#, vec![3.0, 30.0]),
    ] {
        let mut env = robot(&["left"], &[r#"{"select": ["arm"]}"#, spec]).unwrap();
        assert_eq!(seen(&mut *env), [expected], "{spec}");
    }
}
