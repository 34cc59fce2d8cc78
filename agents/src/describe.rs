//! From settings to the graph of actor and critic.

use phalanx_envs::{Dtype, Space};
use phalanx_graph::{self as graph, Dim, Graph, Source};

use crate::picture::Picture;
use crate::{AgentError, Channels, Head, NetworkSettings};

/// The output with the parameters of the action distribution.
pub(crate) const ACTION: &str = "action";

/// The output with the value, in reward units.
pub(crate) const VALUE: &str = "value";

/// The output with the log standard deviations of a Gaussian policy.
pub(crate) const LOG_STD: &str = "log_std";

/// The graph of the networks that `settings` describe: layers of the actor, then of the critic, or those that both share before
/// both; then the log standard deviations of a Gaussian policy.
///
/// # Errors
/// [`AgentError::Space`] when the observations are no pictures for the convolutions, or no distribution covers the actions;
/// [`AgentError::Graph`] when a convolution does not fit.
pub fn describe(
    settings: &NetworkSettings,
    observations: &Space,
    actions: &Space,
) -> Result<Graph, AgentError> {
    let head = Head::new(actions)?;
    let mut graph = Graph::default();
    let (dims, dtype) = input(settings, observations)?;
    let input = graph.add_input("observation", dims, dtype)?;
    // P8: separate, or with a common trunk.
    let (action, value) = if settings.shared {
        let trunk = hidden(&mut graph, "", settings, input)?;
        (add_action(&mut graph, trunk, &head)?, graph.add_dense(VALUE, trunk, Dim::new("value", 1))?)
    } else {
        let actor = hidden(&mut graph, "actor.", settings, input)?;
        let action = add_action(&mut graph, actor, &head)?;
        let critic = hidden(&mut graph, "critic.", settings, input)?;
        (action, graph.add_dense(VALUE, critic, Dim::new("value", 1))?)
    };
    graph.add_output(ACTION, action);
    graph.add_output(VALUE, value);
    if head.is_gaussian() {
        let log_std = graph.add_parameter(LOG_STD, vec![Dim::new("numbers", head.outputs())])?;
        graph.add_output(LOG_STD, log_std);
    }
    Ok(graph)
}

/// Shape and type of observations; those of pictures where convolutions read them.
fn input(settings: &NetworkSettings, space: &Space) -> Result<(Vec<Dim>, graph::Dtype), AgentError> {
    let flat = vec![Dim::new("numbers", space.len())];
    let Space::Box { shape, dtype, .. } = space else { return Ok((flat, graph::Dtype::F32)) };
    let dtype = match dtype {
        Dtype::F32 => graph::Dtype::F32,
        Dtype::U8 => graph::Dtype::U8,
    };
    if settings.convolutions.is_empty() {
        return Ok((flat, dtype));
    }
    let Picture { size: [height, width, channels], channels: axis } = Picture::new(shape, settings.channels)?;
    let [height, width] = [("height", height), ("width", width)].map(|(name, size)| Dim::new(name, size));
    let channels = Dim::new("channels", channels);
    let dims = match axis {
        Channels::First => vec![channels, height, width],
        Channels::Last => vec![height, width, channels],
    };
    Ok((dims, dtype))
}

/// Convolutions and hidden layers, each followed by the activation.
fn hidden(
    graph: &mut Graph,
    prefix: &str,
    settings: &NetworkSettings,
    input: Source,
) -> Result<Source, AgentError> {
    let activation = settings.activation;
    let mut at = input;
    for (i, &convolution) in (1..).zip(&settings.convolutions) {
        at = graph.add_conv(format!("{prefix}conv{i}"), at, convolution)?;
        at = graph.add_activation(format!("{prefix}conv{i}.{activation}"), at, activation)?;
    }
    for (i, &width) in (1..).zip(&settings.hidden) {
        at = graph.add_dense(format!("{prefix}hidden{i}"), at, Dim::new("units", width))?;
        at = graph.add_activation(format!("{prefix}hidden{i}.{activation}"), at, activation)?;
    }
    Ok(at)
}

fn add_action(graph: &mut Graph, reads: Source, head: &Head) -> Result<Source, AgentError> {
    let dim = if head.is_gaussian() { "means" } else { "logits" };
    Ok(graph.add_dense(ACTION, reads, Dim::new(dim, head.outputs()))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Convolution;

    fn names(settings: &NetworkSettings, observations: &Space, actions: &Space) -> Vec<String> {
        let graph = describe(settings, observations, actions).expect("a graph");
        graph.nodes.iter().map(|node| node.name.clone()).collect()
    }

    #[test]
    fn layers_are_named_and_those_that_are_shared_come_once() {
        let mut settings = NetworkSettings { hidden: vec![8], ..NetworkSettings::default() };
        let (observations, actions) = (Space::unbounded(3), Space::unbounded(2));
        let critic = ["critic.hidden1", "critic.hidden1.tanh", "value"];
        let expected =
            [&["actor.hidden1", "actor.hidden1.tanh", "action"][..], &critic, &["log_std"]].concat();
        assert_eq!(names(&settings, &observations, &actions), expected);
        settings.shared = true;
        let choices = Space::Discrete { n: 2 };
        assert_eq!(names(&settings, &observations, &choices), ["hidden1", "hidden1.tanh", "action", "value"]);
    }

    #[test]
    fn a_kernel_that_does_not_fit_is_named_with_both_sizes() {
        let convolutions = vec![Convolution::new(2, 3, 1); 2];
        let settings = NetworkSettings { convolutions, ..NetworkSettings::default() };
        let picture =
            Space::Box { shape: vec![4, 5], low: vec![0.0; 20], high: vec![1.0; 20], dtype: Dtype::F32 };
        let error = describe(&settings, &picture, &Space::Discrete { n: 2 }).expect_err("2 of 3 pixels");
        let expected = "actor.conv2 has a kernel of 3 pixels, and height is 2";
        assert_eq!(error.to_string(), expected);
    }
}
