use phalanx_envs::Dtype;

use super::*;
use crate::{Convolution, MemorySettings};

fn names(settings: &NetworkSettings, observations: &Space, actions: &Space) -> Vec<String> {
    let graph = describe(settings, observations, actions).expect("a graph");
    graph.nodes.iter().map(|node| node.name.clone()).collect()
}

fn picture(shape: &[usize]) -> Space {
    let len = shape.iter().product();
    Space::Box { shape: shape.to_vec(), low: vec![0.0; len], high: vec![255.0; len], dtype: Dtype::U8 }
}

#[test]
fn layers_are_named_and_those_that_are_shared_come_once() {
    let mut settings = NetworkSettings { hidden: vec![8], ..NetworkSettings::default() };
    let (observations, actions) = (Space::unbounded(3), Space::unbounded(2));
    let critic = ["critic.hidden1", "critic.hidden1.tanh", "value"];
    let expected = [&["actor.hidden1", "actor.hidden1.tanh", "action"][..], &critic, &["log_std"]].concat();
    assert_eq!(names(&settings, &observations, &actions), expected);
    settings.shared = true;
    let choices = Space::Discrete { n: 2 };
    assert_eq!(names(&settings, &observations, &choices), ["hidden1", "hidden1.tanh", "action", "value"]);
    (settings.layer_norm, settings.memory) = (true, Some(MemorySettings::Gru(4)));
    let expected = ["hidden1", "hidden1.norm", "hidden1.tanh", "memory", "action", "value"];
    assert_eq!(names(&settings, &observations, &choices), expected);
}

#[test]
fn a_kernel_that_does_not_fit_is_named_with_both_sizes() {
    let convolutions = vec![Convolution::new(2, 3, 1); 2];
    let settings = NetworkSettings { convolutions, ..NetworkSettings::default() };
    let error = describe(&settings, &picture(&[4, 5]), &Space::Discrete { n: 2 }).expect_err("2 of 3 pixels");
    let fits = "make `kernel`, or the strides before it, smaller, or `padding` larger";
    let message = "actor.conv2 has windows of 3 pixels, and actor.conv1.tanh has a height of 2";
    assert_eq!(error.to_string(), format!("network.convolutions.1.kernel: {message}: {fits}"));
}

/// A picture, numbers, a choice, and a mask.
fn mixed() -> Space {
    Space::Dict(vec![
        ("eye".into(), picture(&[6, 5, 2])),
        ("joints".into(), Space::unbounded(3)),
        ("gear".into(), Space::Discrete { n: 4 }),
        ("action_mask".into(), Space::MultiBinary { n: 2 }),
    ])
}

#[test]
fn the_short_form_reads_all_parts_but_masks() {
    let convolutions = vec![Convolution::new(2, 3, 1)];
    let mut settings = NetworkSettings { convolutions, hidden: vec![8], ..NetworkSettings::default() };
    settings.shared = true;
    let graph = describe(&settings, &mixed(), &Space::Discrete { n: 2 }).expect("a graph");
    let inputs: Vec<&str> = graph.inputs.iter().map(|input| input.name.as_str()).collect();
    assert_eq!(inputs, ["observation.eye", "observation.joints", "observation.gear"]);
    let names: Vec<&str> = graph.nodes.iter().map(|node| node.name.as_str()).collect();
    let before = ["eye.conv1", "eye.conv1.tanh", "observation.gear.one_hot", "numbers"];
    let expected = [&before[..], &["hidden1", "hidden1.tanh", "action", "value"]].concat();
    assert_eq!(names, expected);
    // Windows of 4 × 3 of 2 filters, 3 numbers, 4 options.
    assert_eq!(phalanx_graph::len(&graph.nodes[3].dims), 24 + 3 + 4);
}

fn long(yaml: &str) -> NetworkSettings {
    serde_saphyr::from_str(yaml).expect("settings")
}

const LONG: &str = "
layers:
  eye:    {conv: [{filters: 4, kernel: 2, stride: 2}, {filters: 3, kernel: 2}], of: observation.eye, activation: relu}
  body:   {dense: [6, 5], of: observation.joints, activation: tanh, layer_norm: true}
  gear:   {embedding: 2, of: observation.gear}
  both:   {concat: [eye, body, gear]}
  memory: {gru: 7, of: both}
actor: memory
critic: [memory, observation.joints]
";

#[test]
fn the_long_form_names_layers_and_the_critic_may_read_more() {
    let graph = describe(&long(LONG), &mixed(), &Space::unbounded(2)).expect("a graph");
    let names: Vec<&str> = graph.nodes.iter().map(|node| node.name.as_str()).collect();
    let eye = ["eye.1", "eye.1.relu", "eye.2", "eye.2.relu"];
    let body = ["body.1", "body.1.norm", "body.1.tanh", "body.2", "body.2.norm", "body.2.tanh"];
    let rest = ["gear", "both", "memory", "critic.concat", "action", "value", "log_std"];
    assert_eq!(names, [&eye[..], &body, &rest].concat());
    assert_eq!(graph.state(), 7);
    // 3 gates of 7 × (13 + 7) weights and two biases: 3 × 2 pixels, then 2 × 1 of 3 filters; 5 and 2 numbers.
    let memory = &graph.nodes[12];
    assert_eq!((memory.name.as_str(), memory.parameters.len()), ("memory", 3 * 7 * (13 + 7 + 2)));
}

#[test]
fn nodes_are_frozen_by_name() {
    let mut settings = long(LONG);
    settings.freeze = vec!["body".into(), "action".into()];
    let graph = describe(&settings, &mixed(), &Space::unbounded(2)).expect("a graph");
    let frozen = graph.nodes.iter().filter(|node| !node.trainable).map(|node| node.name.as_str());
    assert_eq!(frozen.collect::<Vec<_>>(), ["body.1", "body.1.norm", "body.2", "body.2.norm", "action"]);
    settings.freeze = vec!["bod".into()];
    let error = describe(&settings, &mixed(), &Space::unbounded(2)).expect_err("no such node").to_string();
    assert!(
        error.starts_with("network.freeze has \"bod\", and nodes with parameters are eye.1, eye.2, body.1"),
        "{error}"
    );
}

#[test]
fn presets_have_the_sizes_of_their_papers() {
    let sizes = |preset: &str, shape: &[usize]| {
        let yaml =
            format!("{{layers: {{eye: {{preset: {preset}, of: observation}}}}, actor: eye, critic: eye}}");
        let graph = describe(&long(&yaml), &picture(shape), &Space::Discrete { n: 2 }).expect("a graph");
        let shapes = graph.nodes.iter().map(|node| phalanx_graph::len(&node.dims)).collect::<Vec<_>>();
        (graph.parameters(), shapes)
    };
    // 84 × 84 × 4 → 20 × 20 × 32 → 9 × 9 × 64 → 7 × 7 × 64 → 512.
    let (parameters, shapes) = sizes("nature_cnn", &[84, 84, 4]);
    assert_eq!([shapes[0], shapes[2], shapes[4], shapes[6]], [12_800, 5184, 3136, 512]);
    let convolutions = (8 * 8 * 4 + 1) * 32 + (4 * 4 * 32 + 1) * 64 + (3 * 3 * 64 + 1) * 64;
    assert_eq!(parameters, convolutions + 3137 * 512 + 513 * 3);
    // 64 → 32 → 16 → 8 pixels of 32 filters.
    let (parameters, shapes) = sizes("impala_resnet", &[64, 64, 3]);
    assert!(shapes.contains(&(8 * 8 * 32)));
    let section = |from: usize, to: usize| (9 * from + 1) * to + 4 * (9 * to + 1) * to;
    let sections = section(3, 16) + section(16, 32) + section(32, 32);
    assert_eq!(parameters, sections + 2049 * 256 + 257 * 3);
}

#[test]
fn what_is_wrong_with_a_layer_is_said_with_its_name() {
    for (yaml, expected) in [
        (
            "{layers: {a: {dense: 4, gru: 3}}, actor: a, critic: a}",
            "network.layers.a has dense and gru; make each a layer of its own",
        ),
        ("{layers: {a: {of: b}}, actor: a, critic: a}", "network.layers.a needs one of dense, conv, "),
        (
            "{layers: {a: {dense: 4, of: b}}, actor: a, critic: a}",
            "network.layers.a reads \"b\", and there is no such layer; did you mean \"a\"?",
        ),
        (
            "{layers: {a: {dense: 4, of: b}, b: {dense: 4, of: a}}, actor: a, critic: a}",
            "network.layers.b reads \"a\", which is made of it",
        ),
        (
            "{layers: {a: {dense: 4}, b: {dense: 4}}, actor: a, critic: a}",
            "network.layers.b is read by nothing: ",
        ),
        (
            "{layers: {a: {dense: 4}}, actor: a, critic: a, hidden: [32]}",
            "network.hidden has no effect beside network.layers",
        ),
        (
            "{layers: {a: {dense: 4}}, actor: a, critic: a, activation: relu}",
            "network.activation has no effect beside network.layers",
        ),
        (
            "{layers: {a: {dense: 4}}, actor: a}",
            "network.layers need network.critic, which names what the critic reads: ",
        ),
        (
            "{layers: {a: {embedding: 4, of: observation.joints}}, actor: a, critic: a}",
            "network.layers.a.of: \"observation.joints\" is no observed choice, which an embedding needs",
        ),
        (
            "{layers: {a: {add: [observation.joints, observation.gear]}}, actor: a, critic: a}",
            "network.layers.a.add: a adds observation.joints of numbers 3 and observation.gear.one_hot of options 4: ",
        ),
        (
            "{layers: {a: {conv: [{filters: 2, kernel: 2}], of: observation.joints}}, actor: a, critic: a}",
            "network.layers.a.of: observation.joints has the shape [3]: convolutions and pools need pictures",
        ),
    ] {
        let error = describe(&long(yaml), &mixed(), &Space::Discrete { n: 2 }).expect_err(yaml).to_string();
        assert!(error.contains(expected), "{yaml}: {error}");
    }
}

#[test]
fn a_layer_without_of_reads_the_whole_observation() {
    let settings = long("{layers: {a: {dense: 4}}, actor: a, critic: a}");
    let graph = describe(&settings, &mixed(), &Space::Discrete { n: 2 }).expect("a graph");
    assert_eq!(
        phalanx_graph::len(graph.dims(graph.find("observation").expect("a concatenation"))),
        60 + 3 + 4
    );
}

#[test]
fn each_field_of_an_action_has_a_head() {
    let actions = Space::Dict(vec![
        ("valve".into(), Space::Discrete { n: 3 }),
        ("opening".into(), Space::unbounded(2)),
        ("bits".into(), Space::MultiBinary { n: 4 }),
    ]);
    let settings = NetworkSettings {
        hidden: vec![8],
        shared: true,
        freeze: vec!["action.valve".into()],
        ..NetworkSettings::default()
    };
    let graph = describe(&settings, &Space::unbounded(3), &actions).expect("a graph");
    let heads: Vec<_> = graph.nodes[2..6]
        .iter()
        .map(|node| (node.name.as_str(), phalanx_graph::len(&node.dims), node.trainable))
        .collect();
    let expected = [
        ("action.valve", 3, false),
        ("action.opening", 2, true),
        ("action.bits", 4, true),
        ("action", 9, true),
    ];
    assert_eq!(heads, expected);
}

/// Paths of all mistakes, the setting to change first, and the first words of each.
fn mistakes(yaml: &str, unknown: &[&str]) -> Vec<(String, String)> {
    let unknown: Vec<String> = unknown.iter().map(ToString::to_string).collect();
    let found = network_mistakes(&long(yaml), &unknown, &mixed(), &Space::Discrete { n: 2 });
    found.into_iter().map(|Mistake { paths, message }| (paths[0].join("."), message)).collect()
}

#[test]
fn mistakes_that_do_not_follow_from_others_are_found_together() {
    let yaml = "
layers:
  eye:   {conv: [{filters: 4, kernel: 2}, {filters: 3, kernel: 9}], of: observation.eye}
  body:  {dense: [6, 5], of: observation.jonts, activation: tanh}
  seen:  {concat: [eye, body]}
  sum:   {add: [body, observation.joints]}
  gear:  {embedding: 2, of: observation.joints}
  two:   {dense: 4, gru: 4, of: sum}
  flat:  {max_pool: {kernel: 2, stride: 2}, of: body}
actor: [seen, sum, gear]
critic: [two, flat, nothing]
activation: relu
freeze: [eye.2, body.2, body.3]
";
    let found = mistakes(yaml, &[]);
    let mut paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    paths.sort_unstable();
    let expected = [
        "activation",
        "critic.2",
        "freeze.2",
        "layers.body.of",
        "layers.eye.conv.1.kernel",
        "layers.flat.of",
        "layers.gear.of",
        // What has no known shape is 5 numbers all the same.
        "layers.sum.add",
        "layers.two.gru",
    ];
    assert_eq!(paths, expected, "{found:#?}");
}

#[test]
fn nothing_is_reported_that_may_follow_from_an_unknown_layer() {
    let yaml = "
layers:
  norm: {layer_norm: true, of: eye}
  sum:  {add: [norm, observation.joints]}
  wide: {dense: 4, of: lost}
  far:  {dense: 4}
actor: [sum, wide]
critic: far
freeze: [lost.1, lots]
";
    let found = mistakes(yaml, &["eye", "lost"]);
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["freeze.1"], "{found:#?}");
}

/// A sum of pictures whose channels are along different axes would mix channels and pixels.
#[test]
fn sums_of_parts_are_of_one_layout() {
    let parts = [("a", picture(&[2, 3, 3])), ("b", picture(&[3, 3, 2])), ("c", Space::unbounded(18))];
    let observations = Space::Dict(parts.map(|(name, space)| (name.to_owned(), space)).into());
    let sum = |reads: &str| {
        let pool = "max_pool: {kernel: 2, stride: 1}";
        let layers = format!(
            "a: {{{pool}, of: observation.a}}, b: {{{pool}, of: observation.b}}, s: {{add: [{reads}]}}"
        );
        let settings = long(&format!("{{layers: {{{layers}}}, actor: [s, a, b], critic: s}}"));
        describe(&settings, &observations, &Space::Discrete { n: 2 }).map_err(|error| error.to_string())
    };
    let first = "observation.a of channels 2 × height 3 × width 3";
    for (other, shape) in [
        ("observation.b", "observation.b of height 3 × width 3 × channels 2"),
        ("observation.c", "observation.c of numbers 18"),
    ] {
        let error = sum(&format!("observation.a, {other}")).expect_err(other);
        assert!(error.contains(&format!("network.layers.s.add: s adds {first} and {shape}: ")), "{error}");
    }
    sum("observation.a, observation.a").expect("one picture");
    // What pools give has its channels last.
    sum("a, b").expect("one layout");
}
