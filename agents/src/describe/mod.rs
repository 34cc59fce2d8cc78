//! From settings to the graph of actor and critic.

mod builder;
mod check;
mod fields;
mod long;
mod mistakes;
mod short;

use phalanx_envs::Space;
use phalanx_graph::{Dim, Graph, GraphError, Node, Source};

use self::check::begins;
pub use self::check::check as check_network;
pub use self::fields::input_name;
pub use self::mistakes::{Mistake, Mistakes};
use crate::{AgentError, Head, NetworkSettings, Part};

/// The output with the parameters of the action distribution.
pub const ACTION: &str = "action";

/// The output with the value, in reward units.
pub(crate) const VALUE: &str = "value";

/// The output with the log standard deviations of a Gaussian policy.
pub(crate) const LOG_STD: &str = "log_std";

/// The graph of the networks that `settings` describe: layers of the actor, then of the critic, or those that both share before
/// both; then the log standard deviations of a Gaussian policy.
///
/// # Errors
/// All that is wrong: layers that contradict each other, that do not fit, or that read what is not there; observations that are no pictures
/// for convolutions; actions that no distribution covers.
pub fn describe(
    settings: &NetworkSettings,
    observations: &Space,
    actions: &Space,
) -> Result<Graph, Mistakes> {
    let (graph, mistakes) = described(settings, &[], observations, actions);
    if mistakes.is_empty() { Ok(graph) } else { Err(Mistakes(mistakes)) }
}

/// What is wrong with the networks that `settings` describe, for a checker that could not read the layers `unknown`: nothing is reported
/// that may follow from it.
pub fn network_mistakes(
    settings: &NetworkSettings,
    unknown: &[String],
    observations: &Space,
    actions: &Space,
) -> Vec<Mistake> {
    described(settings, unknown, observations, actions).1
}

/// The graph, and what is wrong: with mistakes it has something else in place of what is not known.
fn described(
    settings: &NetworkSettings,
    unknown: &[String],
    observations: &Space,
    actions: &Space,
) -> (Graph, Vec<Mistake>) {
    let mut mistakes = check::check(settings, unknown);
    let head = match Head::new(actions, settings) {
        Ok(head) => Some(head),
        // Reported by the check of the settings.
        Err(AgentError::Settings(_)) => None,
        Err(error) => {
            mistakes.push(Mistake { paths: Vec::new(), message: error.to_string() });
            None
        }
    };
    let parts = fields::parts(observations);
    let mut graph = Graph::default();
    let mut failed = unknown.to_vec();
    let add = if check::is_short(settings, unknown) { add_short } else { add_long };
    match add(&mut graph, settings, &parts, head.as_ref(), &mut mistakes) {
        Ok(more) => failed.extend(more),
        Err(error) => mistakes.push(Mistake::new(&["layers"], error.to_string())),
    }
    if head.is_none() {
        failed.extend([ACTION, LOG_STD].map(str::to_owned));
    }
    mistakes.extend(freeze(&mut graph.nodes, &settings.freeze, &failed));
    (graph, mistakes)
}

/// Adds the short form and its outputs; what the names of nodes begin with that could not be added.
fn add_short(
    graph: &mut Graph,
    settings: &NetworkSettings,
    parts: &[fields::Part<'_>],
    head: Option<&Head>,
    mistakes: &mut Vec<Mistake>,
) -> Result<Vec<String>, GraphError> {
    let mut actor = short::Short::new(graph, settings, parts);
    // P8: separate, or with a common trunk.
    let read = actor.tower(if settings.shared { "" } else { "actor." })?;
    let mut failed = actor.failed;
    mistakes.extend(actor.mistakes);
    let action = head.map(|head| add_heads(graph, read, head)).transpose()?;
    let critic = if settings.shared {
        read
    } else {
        // Its mistakes are those of the actor.
        let mut critic = short::Short::new(graph, settings, parts);
        let read = critic.tower("critic.")?;
        failed.extend(critic.failed);
        read
    };
    add_outputs(graph, head.zip(action), critic)?;
    Ok(failed)
}

/// As [`add_short`], of the long form.
fn add_long(
    graph: &mut Graph,
    settings: &NetworkSettings,
    parts: &[fields::Part<'_>],
    head: Option<&Head>,
    mistakes: &mut Vec<Mistake>,
) -> Result<Vec<String>, GraphError> {
    let mut named = long::Named::new(graph, settings, parts);
    let [actor, critic] = [("actor", &settings.actor), ("critic", &settings.critic)]
        .map(|(key, names)| named.tower(key, names.as_ref()));
    let (more, failed) = named.finish();
    mistakes.extend(more);
    let [actor, critic] = [actor, critic].map(|read| read.unwrap_or_else(|| stand_in(graph)));
    let action = head.map(|head| add_heads(graph, actor, head)).transpose()?;
    add_outputs(graph, head.zip(action), critic)?;
    Ok(failed)
}

/// Adds the value, what is read of the result, and the log standard deviations of a Gaussian policy.
fn add_outputs(graph: &mut Graph, action: Option<(&Head, Source)>, critic: Source) -> Result<(), GraphError> {
    let value = graph.add_dense(VALUE, critic, Dim::new("value", 1))?;
    let Some((head, action)) = action else { return Ok(()) };
    graph.add_output(ACTION, action);
    graph.add_output(VALUE, value);
    if head.log_std() > 0 {
        let log_std = graph.add_parameter(LOG_STD, vec![Dim::new("numbers", head.log_std())])?;
        graph.add_output(LOG_STD, log_std);
    }
    Ok(())
}

/// An input in place of what is not known because of a mistake: what reads it can be added, and the graph is not used.
fn stand_in(graph: &mut Graph) -> Source {
    const NAME: &str = "";
    let found = graph.find(NAME);
    found.unwrap_or_else(|| graph.add_input(NAME, Vec::new(), phalanx_graph::Dtype::F32).expect("a new name"))
}

/// Adds the parameters of the action distribution: a dense layer, or one for each field of an action, `action.PATH`, one after the other.
fn add_heads(graph: &mut Graph, reads: Source, head: &Head) -> Result<Source, GraphError> {
    let dim = |part: &Part| Dim::new(part.unit(), part.outputs().len());
    if let [part] = head.parts() {
        return graph.add_dense(ACTION, reads, dim(part));
    }
    let add = |part: &Part| graph.add_dense(format!("{ACTION}.{}", part.path()), reads, dim(part));
    let heads = head.parts().iter().map(add).collect::<Result<Vec<_>, _>>()?;
    graph.add_concat(ACTION, &heads)
}

/// Freezes nodes by their names, or by what these begin with before a dot; names of nothing, unless they may be among those that could not
/// be added.
fn freeze(nodes: &mut [Node], names: &[String], failed: &[String]) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (i, name) in names.iter().enumerate() {
        let mut found = failed.iter().any(|failed| name.starts_with(failed) || begins(failed, name));
        for node in nodes.iter_mut().filter(|node| begins(&node.name, name) && !node.parameters.is_empty()) {
            node.trainable = false;
            found = true;
        }
        if !found {
            let with = nodes.iter().filter(|node| !node.parameters.is_empty());
            let known: Vec<&str> = with.map(|node| node.name.as_str()).collect();
            let message =
                format!("network.freeze has {name:?}, and nodes with parameters are {}", known.join(", "));
            mistakes.push(Mistake::new(&["freeze", &i.to_string()], message));
        }
    }
    mistakes
}

#[cfg(test)]
mod tests;
