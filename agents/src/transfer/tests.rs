//! Trainings that start from a run: what the network computes must be the same for the same picture, however its axes lie.

use phalanx_envs::{ActionScale, ActionScaling, Dtype, Elements, Params, Space};
use serde_json::{Value, json};

use super::{InitFrom, Matches, TensorFile};
use crate::{
    Agent, AgentError, Backward, Checkpoint, Device, InputScale, Inputs, NetworkSettings, NormalizeSettings,
    Observations, Operation, Tower, register_operation, stream,
};

/// A picture of floats of 6 × 5 pixels and 2 channels, these on the first or on the last axis.
fn picture(first: bool) -> Space {
    let shape = if first { vec![2, 6, 5] } else { vec![6, 5, 2] };
    Space::Box { shape, low: vec![-9.0; 60], high: vec![9.0; 60], dtype: Dtype::F32 }
}

fn dict(parts: &[(&str, Space)]) -> Space {
    Space::Dict(parts.iter().map(|(name, space)| ((*name).to_owned(), space.clone())).collect())
}

fn agent(observations: &Space, network: Value, normalize: bool, seed: u64) -> Agent {
    let settings: NetworkSettings = serde_json::from_value(network).expect("settings");
    let normalize = NormalizeSettings { observation: normalize, ..NormalizeSettings::default() };
    let actions = Space::Discrete { n: 3 };
    let scale = ActionScale::new(&actions, ActionScaling::Clip).expect("choices have no bounds");
    let mut generator = stream(seed, "initialisation");
    Agent::new(observations, &actions, &settings, &normalize, &scale, &mut generator, Device::Cpu)
        .expect("an agent")
}

/// Starts `ours` from the checkpoint of `theirs`, which `change` may change.
fn start(
    ours: &mut Agent,
    theirs: &Agent,
    names: &Value,
    change: impl FnOnce(&mut Checkpoint),
) -> Result<Matches, AgentError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.safetensors");
    let mut checkpoint = Checkpoint::new();
    theirs.save(theirs.network().parameters(), &mut checkpoint);
    change(&mut checkpoint);
    checkpoint.save(&path).expect("a writable folder");
    let from: InitFrom = serde_json::from_value(json!({ "path": path, "names": names })).expect("a setting");
    let mut parameters = ours.network().parameters().to_vec();
    ours.init_from(&TensorFile::load(&path).expect("a checkpoint"), &from, &mut parameters)
}

/// The same picture with its channels first; it has them last.
fn planes(picture: &[f32]) -> Vec<f32> {
    [0, 1].iter().flat_map(|&channel| picture.iter().skip(channel).step_by(2).copied()).collect()
}

fn numbers(seed: usize) -> Vec<f32> {
    (0..60).map(|i| ((i * i * 7 + i * seed) % 251) as f32 / 100.0 - 1.0).collect()
}

/// What actor and critic compute for one row of `inputs`, which are normalised as the agent has it.
fn outputs(agent: &mut Agent, inputs: &[Vec<f32>]) -> Vec<f32> {
    let scales: Vec<InputScale> = agent.input_scales().into_iter().map(|(_, scale)| scale).collect();
    let mut seen = Observations::default();
    for (i, (input, scale)) in inputs.iter().zip(&scales).enumerate() {
        let mut input = input.clone();
        if let InputScale::Normalize { mean, factor, .. } = scale {
            let each = input.iter_mut().zip(mean).zip(factor);
            each.for_each(|((x, mean), factor)| *x = (*x - mean) * factor);
        }
        seen.add(i, Elements::F32(&input), None);
    }
    let (mut actor, mut critic) = (Vec::new(), Vec::new());
    let network = agent.network_mut();
    network.infer(Tower::Actor, Inputs::All(&seen), 0..1, &mut [], &mut actor).expect("outputs");
    network.infer(Tower::Critic, Inputs::All(&seen), 0..1, &mut [], &mut critic).expect("values");
    [actor, critic].concat()
}

fn assert_near(a: &[f32], b: &[f32]) {
    let far = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(a.len() == b.len() && far < 1e-5, "{a:?} {b:?}");
}

const NETWORKS: [&str; 2] = [
    r#"{"hidden": [8]}"#,
    r#"{"layers": {
        "norm": {"layer_norm": true, "of": "observation"},
        "eye": {"conv": [{"filters": 4, "kernel": 3, "stride": 2}], "of": "norm", "activation": "relu"},
        "pool": {"average_pool": {"kernel": 2, "stride": 2}, "of": "observation"},
        "both": {"concat": ["pool", "norm"]},
        "body": {"dense": 8, "of": "both", "activation": "tanh"}
    }, "actor": ["eye", "body"], "critic": "body"}"#,
];

/// Dense layers alone, too, and with statistics of the picture.
#[test]
fn a_run_goes_on_with_the_channels_on_another_axis() {
    let (theirs, moments) = (numbers(3), numbers(5));
    for (network, (there, here)) in
        NETWORKS.iter().flat_map(|n| [(false, true), (true, false), (true, true)].map(|axes| (n, axes)))
    {
        let network: Value = serde_json::from_str(network).expect("JSON");
        let mut first = agent(&picture(there), network.clone(), true, 1);
        let mut second = agent(&picture(here), network, true, 2);
        let lie = |picture: &[f32], first: bool| if first { planes(picture) } else { picture.to_vec() };
        let mean = lie(&moments, there);
        let squares: Vec<f32> = mean.iter().map(|x| x * x + 0.5).collect();
        let moments = json!({ "count": 2.0, "mean": mean, "squares": squares });
        let statistics = |checkpoint: &mut Checkpoint| {
            checkpoint.put_state("normalizer", &json!({ "moments": moments, "clip": 10.0 }));
        };
        let matches = start(&mut second, &first, &json!({}), statistics).expect("the same names");
        assert_eq!(
            (matches.parameters[0], &matches.statistics[..]),
            (matches.parameters[1], &["observations"][..])
        );
        let mut checkpoint = Checkpoint::new();
        first.save(first.network().parameters(), &mut checkpoint);
        statistics(&mut checkpoint);
        first.restore(&checkpoint).expect("its own");
        let [a, b] = [(&mut first, there), (&mut second, here)]
            .map(|(agent, first)| outputs(agent, &[lie(&theirs, first)]));
        assert_near(&a, &b);
    }
}

/// The file has how each tensor reads its picture: parts may have other names, and each its own order.
#[test]
fn pictures_of_other_names_and_mixed_orders_go_on() {
    let network = |eye: &str, extra: &str| {
        json!({"layers": {
            "eye": {"conv": [{"filters": 4, "kernel": 3}], "of": format!("observation.{eye}"), "activation": "relu"},
            "extra": {"conv": [{"filters": 2, "kernel": 2}], "of": format!("observation.{extra}"), "activation": "tanh"}
        }, "actor": ["eye", "extra"], "critic": "extra"})
    };
    let theirs = dict(&[("left", picture(true)), ("right", picture(false))]);
    let ours = dict(&[("near", picture(false)), ("far", picture(true))]);
    let mut first = agent(&theirs, network("left", "right"), false, 1);
    let mut second = agent(&ours, network("near", "far"), false, 2);
    let matches = start(&mut second, &first, &json!({}), |_| {}).expect("the same names");
    assert_eq!(matches.parameters[0], matches.parameters[1]);
    let (a, b) = (numbers(3), numbers(4));
    assert_near(&outputs(&mut first, &[planes(&a), b.clone()]), &outputs(&mut second, &[a, planes(&b)]));
}

/// A checkpoint of before tensors had their pictures has where the channels of the first one are.
#[test]
fn an_earlier_checkpoint_is_converted() {
    let network: Value = serde_json::from_str(NETWORKS[1]).expect("JSON");
    let mut first = agent(&picture(true), network.clone(), true, 1);
    let mut second = agent(&picture(false), network, true, 2);
    let earlier = |checkpoint: &mut Checkpoint| {
        let mut tensors: Vec<Value> = checkpoint.state("tensors").expect("a list");
        for tensor in &mut tensors {
            tensor.as_object_mut().expect("an entry").remove("pictures").expect("pictures");
        }
        checkpoint.put_state("tensors", &tensors);
        checkpoint.put_state("normalized_pictures", &Value::Null);
    };
    start(&mut second, &first, &json!({}), earlier).expect("the same names");
    let seen = numbers(3);
    assert_near(&outputs(&mut first, &[planes(&seen)]), &outputs(&mut second, &[seen]));
}

/// Twice what it reads.
struct Double(Vec<usize>);

impl Operation for Double {
    fn shape(&self) -> Vec<usize> {
        vec![self.0.iter().product()]
    }

    fn forward(&self, x: &[f32], _parameters: &[f32], y: &mut [f32]) {
        x.iter().zip(y).for_each(|(x, y)| *y = 2.0 * x);
    }

    fn backward(&self, _: Backward<'_>) {}
}

#[test]
fn an_operation_of_ones_own_over_a_picture_needs_the_same_order() {
    register_operation("double", |shape: &[usize], _: &Params| {
        Ok::<_, String>(Box::new(Double(shape.to_vec())) as Box<dyn Operation>)
    });
    let network = json!({"layers": {"twice": {"op": "double"}}, "actor": "twice", "critic": "twice"});
    let theirs = agent(&picture(true), network.clone(), false, 1);
    let start =
        |first| start(&mut agent(&picture(first), network.clone(), false, 2), &theirs, &json!({}), |_| {});
    start(true).expect("the same order");
    let error = start(false).expect_err("another order").to_string();
    let expected =
        "network.init_from: action.weight reads numbers of shape [6, 5, 2] here and [2, 6, 5] in the file";
    assert!(error.starts_with(expected), "{error}");
}

/// 3 × 3 pixels of 2 channels have as many numbers as 1 pixel of 18.
#[test]
fn kernels_of_another_size_are_not_taken() {
    let space = |shape: [usize; 3]| {
        let len = shape.iter().product();
        Space::Box { shape: shape.to_vec(), low: vec![0.0; len], high: vec![1.0; len], dtype: Dtype::F32 }
    };
    let network = |kernel: usize| json!({"convolutions": [{"filters": 2, "kernel": kernel}], "channels": "last", "hidden": [], "shared": false});
    let theirs = agent(&space([5, 5, 2]), network(3), false, 1);
    let mut ours = agent(&space([3, 3, 18]), network(1), false, 2);
    let matches = start(&mut ours, &theirs, &json!({}), |_| {}).expect("other tensors");
    let shapes = [vec![2, 1, 1, 18], vec![2, 3, 3, 2]];
    assert!(matches.other_shape.contains(&("actor.conv1.weight".into(), shapes)), "{matches}");
    assert!(
        matches.to_string().contains("actor.conv1.weight [2, 1, 1, 18] (there [2, 3, 3, 2])"),
        "{matches}"
    );
}

#[test]
fn what_is_not_taken_is_named() {
    let space = Space::unbounded(4);
    let theirs = agent(&space, json!({"hidden": [8]}), true, 1);
    let started = |hidden: usize, names: Value| {
        start(&mut agent(&space, json!({"hidden": [hidden]}), false, 2), &theirs, &names, |_| {})
    };
    let matches = started(6, json!({})).expect("biases of actor and critic");
    assert!(matches.other_shape.contains(&("action.weight".into(), [vec![3, 6], vec![3, 8]])), "{matches}");
    assert_eq!(matches.unused, ["statistics of observations"]);
    for (names, expected) in [
        (json!({"action": "acton"}), "names has \"acton\", and the tensors of "),
        (json!({"action": "acton"}), "; did you mean `action`?"),
        (json!({"actor.hiden1": "actor.hidden1"}), "; did you mean `actor.hidden1`?"),
        (json!({"action": "elsewhere.entirely"}), "are action.bias, action.weight, "),
    ] {
        let error = started(8, names).expect_err("a wrong name").to_string();
        assert!(error.contains(expected), "{error}");
    }
    let names = json!({"action": "value", "value": "action", "critic": "value", "actor": "value"});
    let error = started(6, names).expect_err("nothing fits").to_string();
    assert!(error.contains("; of another shape are action.weight [3, 6] (there [1, 8]), "), "{error}");
}
