extern crate std;
use super::*;
use crate::{Dim, Dtype};

/// Two branches over a common layer: x → a (tanh) → { b → y, c → z }.
fn branches() -> (Graph, [Source; 2]) {
    let mut graph = Graph::default();
    let x = graph.add_input("x", vec![Dim::new("numbers", 4)], Dtype::F32).expect("new");
    let mut dense =
        |name: &str, reads, size| graph.add_dense(name, reads, Dim::new("units", size)).expect("new");
    let a = dense("a", x, 8);
    let a = graph.add_activation("a.tanh", a, Activation::Tanh).expect("new");
    let mut dense =
        |name: &str, reads, size| graph.add_dense(name, reads, Dim::new("units", size)).expect("new");
    let (b, c) = (dense("b", a, 16), dense("c", a, 6));
    let (y, z) = (dense("y", b, 2), dense("z", c, 1));
    (graph, [y, z])
}

fn names<'a>(graph: &'a Graph, schedule: &Schedule) -> Vec<&'a str> {
    schedule.steps.iter().map(|step| graph.nodes[step.node].name.as_str()).collect()
}

#[test]
fn activations_are_fused_and_each_output_needs_its_own_steps_alone() {
    let (graph, [y, z]) = branches();
    let both = graph.schedule(&[y, z], Purpose::Training);
    assert_eq!(names(&graph, &both), ["a", "b", "y", "c", "z"]);
    assert_eq!(both.steps[0].activation, Some(Activation::Tanh));
    assert_eq!(both.outputs, [2, 4]);
    assert_eq!(names(&graph, &graph.schedule(&[z], Purpose::Inference)), ["a", "c", "z"]);
    // An output that something else reads, too, keeps its numbers before the activation.
    let before = graph.schedule(&[z, Source::Node(0)], Purpose::Training);
    assert_eq!(names(&graph, &before), ["a", "a.tanh", "c", "z"]);
}

#[test]
fn results_are_kept_for_training_and_overwritten_otherwise() {
    let (graph, [y, z]) = branches();
    assert_eq!(graph.schedule(&[y, z], Purpose::Training).slots, [8, 16, 2, 6, 1]);
    // a, b; y takes the place of no other, as a is still read; c in that of b, z in that of a.
    let schedule = graph.schedule(&[y, z], Purpose::Inference);
    let slots: Vec<usize> = schedule.steps.iter().map(|step| step.slot).collect();
    assert_eq!((slots, schedule.slots), (vec![0, 1, 2, 1, 0], vec![8, 16, 2]));
}

#[test]
fn the_first_gradient_of_a_result_overwrites_and_the_next_one_adds() {
    let (graph, [y, z]) = branches();
    let schedule = graph.schedule(&[y, z], Purpose::Training);
    let reads = |i: usize| schedule.steps[i].reads[0].gradient;
    let own = |i: usize| schedule.steps[i].gradient.expect("all have one");
    // The way back: z, c, y, b, a.
    assert_eq!(reads(4), Some((own(3), true)));
    assert_eq!(reads(3), Some((own(0), true)));
    assert_eq!(reads(1), Some((own(0), false)));
    assert_eq!(reads(0), None);
    assert_ne!(own(0), own(1));
}

#[test]
fn nothing_goes_back_below_what_is_frozen() {
    let (mut graph, [y, z]) = branches();
    graph.nodes[0].trainable = false;
    let schedule = graph.schedule(&[y, z], Purpose::Training);
    assert_eq!((schedule.steps[0].gradient, schedule.steps[1].reads[0].gradient), (None, None));
    assert!(schedule.steps[2].reads[0].gradient.is_some());
}
