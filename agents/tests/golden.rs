//! Every distribution against PyTorch's numbers. `golden/record.py` made them; the file has its version.

use phalanx_agents::{
    Actions, Agent, Channels, Checkpoint, Device, Distribution, Gradient, Head, InitFrom, Inputs,
    NetworkSettings, NormalizeSettings, Observations, Taken, TensorFile, Tower, Weights, stream,
};
use phalanx_envs::{ActionScale, ActionScaling, Dtype, Elements, Space};
use serde::Deserialize;

/// Sums of up to a dozen f32 terms against 64 bits.
const TOLERANCE: f64 = 1e-5;

#[derive(Deserialize)]
struct Golden {
    torch: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    space: Space,
    action_scaling: ActionScaling,
    network: NetworkSettings,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    outputs: Vec<f32>,
    log_std: Vec<f32>,
    mask: Option<Vec<u8>>,
    old_outputs: Vec<f32>,
    old_log_std: Vec<f32>,
    choices: Vec<i64>,
    numbers: Vec<f32>,
    mode_choices: Vec<i64>,
    mode_numbers: Vec<f32>,
    log_prob: f64,
    entropy: f64,
    kl: f64,
    d_log_prob: Vec<f64>,
    d_entropy: Vec<f64>,
    d_kl: Vec<f64>,
}

#[test]
fn distributions_agree_with_pytorch() {
    let golden: Golden =
        serde_json::from_str(include_str!("golden/distributions.json")).expect("a recording");
    assert!(golden.torch.starts_with("2.11"), "{}", golden.torch);
    for Case { space, action_scaling, network, rows } in golden.cases {
        let scale = ActionScale::new(&space, action_scaling).expect("finite bounds");
        let head = Head::new(&space, &network).expect("a space that has a distribution").scaled(&scale);
        for (i, row) in rows.iter().enumerate() {
            compare(&head, row, &format!("row {i} of {space}, {action_scaling:?}, {network:?}"));
        }
    }
}

fn compare(head: &Head, row: &Row, name: &str) {
    let mask = row.mask.as_deref();
    let distribution = Distribution { outputs: &row.outputs, log_std: &row.log_std, mask };
    let old = Some(Distribution { outputs: &row.old_outputs, log_std: &row.old_log_std, mask });
    let taken = Taken { choices: &row.choices, numbers: &row.numbers };
    let terms = head.evaluate(distribution, taken, old);
    near(&[terms.log_prob, terms.entropy, terms.kl], &[row.log_prob, row.entropy, row.kl], name);

    for (what, [log_prob, entropy, kl], expected) in [
        ("log probability", [1.0, 0.0, 0.0], &row.d_log_prob),
        ("entropy", [0.0, 1.0, 0.0], &row.d_entropy),
        ("KL divergence", [0.0, 0.0, 1.0], &row.d_kl),
    ] {
        let mut d = [vec![9.0; row.outputs.len()], vec![0.0; row.log_std.len()]];
        let [outputs, log_std] = &mut d;
        let (gradient, entropy) = (Gradient { outputs, log_std }, vec![entropy; head.parts().len()]);
        head.differentiate(distribution, taken, old, &entropy, |_| Weights { log_prob, kl }, gradient);
        near(&d.concat(), expected, &format!("gradient of the {what}, {name}"));
    }

    let (mut choices, mut numbers) = (vec![9; row.choices.len()], vec![9.0; row.numbers.len()]);
    let actions = Actions { choices: &mut choices, numbers: &mut numbers, log_prob: &mut [0.0] };
    head.act(distribution, None, actions);
    assert_eq!((&choices, &numbers), (&row.mode_choices, &row.mode_numbers), "mode, {name}");
}

fn near(found: &[f32], expected: &[f64], name: &str) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs() / expected.abs().max(1.0);
        assert!(error <= TOLERANCE, "number {i} of {name}: {found} and {expected}");
    }
}

#[derive(Deserialize)]
struct Recorded {
    torch: String,
    steps: Vec<Observed>,
}

/// Two rows of a step.
#[derive(Deserialize)]
struct Observed {
    picture: Vec<u8>,
    numbers: Vec<f32>,
    outputs: Vec<f32>,
    value: Vec<f32>,
}

const NETWORK: &str = r#"{
    "layers": {
        "eye": {"conv": [{"filters": 4, "kernel": 3, "padding": 1}], "of": "observation.picture", "activation": "relu"},
        "pool": {"max_pool": {"kernel": 2, "stride": 2}, "of": "eye"},
        "both": {"concat": ["pool", "observation.numbers"]},
        "body": {"dense": 8, "of": "both", "activation": "tanh", "layer_norm": true},
        "memory": {"lstm": 5, "of": "body"}
    },
    "actor": "memory",
    "critic": "body",
    "init_from": {
        "path": "tests/golden/state_dict.safetensors",
        "names": {"eye": "eye.0", "body": "body.0", "body.norm": "body.1"}
    }
}"#;

/// A network that starts from a `state_dict` computes what `PyTorch` did with it: pictures of either arrangement, layer norm, memory.
#[test]
fn a_network_of_pytorch_goes_on_here() {
    let recorded: Recorded =
        serde_json::from_str(include_str!("golden/state_dict.json")).expect("a recording");
    assert!(recorded.torch.starts_with("2.11"), "{}", recorded.torch);
    for channels_first in [false, true] {
        let shape = if channels_first { vec![2, 6, 5] } else { vec![6, 5, 2] };
        let picture = Space::Box { shape, low: vec![0.0; 60], high: vec![255.0; 60], dtype: Dtype::U8 };
        let observations =
            Space::Dict(vec![("picture".into(), picture), ("numbers".into(), Space::unbounded(3))]);
        let mut settings: NetworkSettings = serde_json::from_str(NETWORK).expect("settings");
        settings.channels = Some(if channels_first { Channels::First } else { Channels::Last });
        let actions = Space::Discrete { n: 3 };
        let (normalize, scale) =
            (NormalizeSettings::default(), ActionScale::new(&actions, ActionScaling::Clip));
        let scale = scale.expect("choices have no bounds");
        let mut generator = stream(1, "initialisation");
        let mut agent =
            Agent::new(&observations, &actions, &settings, &normalize, &scale, &mut generator, Device::Cpu)
                .expect("an agent");
        let from = settings.init_from.as_ref().expect("a file");
        let file = TensorFile::load(from.path()).expect("a file");
        let mut parameters = agent.network().parameters().to_vec();
        let matches = agent.init_from(&file, from, &mut parameters).expect("names that match");
        assert_eq!((&matches.missing[..], &matches.other_shape[..]), (&[][..], &[][..]));
        assert_eq!(matches.unused, ["unused.bias", "unused.weight"]);
        assert_eq!(matches.parameters[0], matches.parameters[1]);
        let (network, mut states) = (agent.network_mut(), vec![0.0; 2 * 10]);
        for Observed { picture, numbers, outputs, value } in &recorded.steps {
            let mut seen = Observations::default();
            let picture = if channels_first { planes(picture) } else { picture.clone() };
            seen.add(0, Elements::U8(&picture), None);
            seen.add(1, Elements::F32(numbers), None);
            let (mut actor, mut critic) = (Vec::new(), Vec::new());
            let seen = || Inputs::All(&seen);
            network.infer(Tower::Critic, seen(), 0..2, &mut states.clone(), &mut critic).expect("values");
            network.infer(Tower::Actor, seen(), 0..2, &mut states, &mut actor).expect("outputs");
            for (ours, theirs) in actor.iter().chain(&critic).zip(outputs.iter().chain(value)) {
                assert!((ours - theirs).abs() < 1e-5, "{ours} here, {theirs} there");
            }
        }
    }
}

/// The agent of [`NETWORK`] for pictures of one arrangement, over all kinds of layers that read one.
fn picture_agent(channels_first: bool, seed: u64) -> Agent {
    let shape = if channels_first { vec![2, 6, 5] } else { vec![6, 5, 2] };
    let picture = Space::Box { shape, low: vec![0.0; 60], high: vec![255.0; 60], dtype: Dtype::U8 };
    let observations =
        Space::Dict(vec![("picture".into(), picture), ("numbers".into(), Space::unbounded(3))]);
    let network = r#"{"layers": {
        "eye": {"conv": [{"filters": 4, "kernel": 3, "stride": 2}], "of": "observation.picture", "activation": "relu"},
        "all": {"concat": ["observation.numbers", "observation.picture"]},
        "flat": {"dense": 6, "of": "all", "layer_norm": true},
        "both": {"concat": ["eye", "flat"]},
        "body": {"dense": 8, "of": "both", "activation": "tanh"}
    }, "actor": "body", "critic": "flat"}"#;
    let mut settings: NetworkSettings = serde_json::from_str(network).expect("settings");
    settings.channels = Some(if channels_first { Channels::First } else { Channels::Last });
    let (actions, normalize) = (Space::Discrete { n: 3 }, NormalizeSettings::default());
    let scale = ActionScale::new(&actions, ActionScaling::Clip).expect("choices have no bounds");
    let mut generator = stream(seed, "initialisation");
    Agent::new(&observations, &actions, &settings, &normalize, &scale, &mut generator, Device::Cpu)
        .expect("an agent")
}

/// A run whose pictures have their channels on another axis goes on with the same outputs for the same pictures.
#[test]
fn a_run_with_pictures_of_another_arrangement_goes_on_here() {
    let folder = tempfile::tempdir().expect("a folder");
    let pictures: Vec<u8> = (0..120u32).map(|i| (i * i * 7 % 251) as u8).collect();
    let numbers = [0.3, -1.0, 2.0, 0.1, 0.2, -0.4];
    let outputs = |agent: &mut Agent, channels_first: bool| {
        let mut seen = Observations::default();
        let pictures = if channels_first { planes(&pictures) } else { pictures.clone() };
        seen.add(0, Elements::U8(&pictures), None);
        seen.add(1, Elements::F32(&numbers), None);
        let (mut actor, mut critic) = (Vec::new(), Vec::new());
        let network = agent.network_mut();
        network.infer(Tower::Actor, Inputs::All(&seen), 0..2, &mut [], &mut actor).expect("outputs");
        network.infer(Tower::Critic, Inputs::All(&seen), 0..2, &mut [], &mut critic).expect("values");
        [actor, critic].concat()
    };
    for there in [false, true] {
        for here in [false, true] {
            let (mut theirs, mut ours) = (picture_agent(there, 1), picture_agent(here, 2));
            let mut checkpoint = Checkpoint::new();
            theirs.save(theirs.network().parameters(), &mut checkpoint);
            let path = folder.path().join("run.safetensors");
            checkpoint.save(&path).expect("a writable folder");
            let file = TensorFile::load(&path).expect("a checkpoint");
            let mut parameters = ours.network().parameters().to_vec();
            let matches =
                ours.init_from(&file, &InitFrom::Path(path), &mut parameters).expect("the same names");
            assert_eq!(matches.parameters[0], matches.parameters[1]);
            let (a, b) = (outputs(&mut theirs, there), outputs(&mut ours, here));
            let far = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(far < 1e-5, "{there} there, {here} here: {a:?} {b:?}");
        }
    }
}

#[test]
fn a_file_with_a_number_that_is_not_finite_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("nan.safetensors");
    let header = r#"{"value.bias":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &f32::NAN.to_le_bytes()].concat();
    std::fs::write(&path, bytes).expect("a file");
    let (observations, actions) = (Space::unbounded(2), Space::Discrete { n: 3 });
    let (settings, normalize) = (NetworkSettings::default(), NormalizeSettings::default());
    let scale = ActionScale::new(&actions, ActionScaling::Clip).expect("choices have no bounds");
    let mut generator = stream(1, "initialisation");
    let mut agent =
        Agent::new(&observations, &actions, &settings, &normalize, &scale, &mut generator, Device::Cpu)
            .expect("an agent");
    let file = TensorFile::load(&path).expect("a file");
    let mut parameters = agent.network().parameters().to_vec();
    let error =
        agent.init_from(&file, &InitFrom::Path(path), &mut parameters).expect_err("not a number").to_string();
    assert!(error.ends_with("value.bias holds NaN: not a finite number"), "{error}");
}

/// Two pictures `[6, 5, 2]` with their channels first.
fn planes(pictures: &[u8]) -> Vec<u8> {
    let plane =
        |picture: &[u8], channel: usize| picture.iter().skip(channel).step_by(2).copied().collect::<Vec<_>>();
    pictures.chunks_exact(60).flat_map(|picture| [plane(picture, 0), plane(picture, 1)].concat()).collect()
}
