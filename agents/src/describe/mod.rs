//! From settings to the graph of actor and critic.

mod builder;
mod fields;
mod long;
mod short;

use phalanx_envs::Space;
use phalanx_graph::{Dim, Graph, Node, Source};

pub use self::fields::input_name;
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
/// [`AgentError::Space`] when the observations are no pictures for the convolutions, or no distribution covers the actions;
/// [`AgentError::Graph`] when a layer does not fit; [`AgentError::Settings`] when layers contradict each other.
pub fn describe(
    settings: &NetworkSettings,
    observations: &Space,
    actions: &Space,
) -> Result<Graph, AgentError> {
    let head = Head::new(actions, settings)?;
    let parts = fields::parts(observations);
    let mut graph = Graph::default();
    let value = Dim::new("value", 1);
    // P8: separate, or with a common trunk.
    let (action, value) = if settings.layers.is_empty() {
        let mut short = short::Short::new(&mut graph, settings, &parts);
        let actor = short.tower(if settings.shared { "" } else { "actor." })?;
        let action = add_heads(&mut graph, actor, &head)?;
        let critic = if settings.shared {
            actor
        } else {
            short::Short::new(&mut graph, settings, &parts).tower("critic.")?
        };
        (action, graph.add_dense(VALUE, critic, value)?)
    } else {
        check_no_short_form(settings)?;
        let (Some(actor), Some(critic)) = (&settings.actor, &settings.critic) else {
            let message =
                "network.layers need network.actor and network.critic: the names of what each reads";
            return Err(AgentError::Settings(message.to_owned()));
        };
        let mut named = long::Named::new(&mut graph, settings, &parts);
        let reads = [named.all("actor", actor.list())?, named.all("critic", critic.list())?];
        named.check_all_are_read()?;
        (add_heads(&mut graph, reads[0], &head)?, graph.add_dense(VALUE, reads[1], value)?)
    };
    graph.add_output(ACTION, action);
    graph.add_output(VALUE, value);
    if head.log_std() > 0 {
        let log_std = graph.add_parameter(LOG_STD, vec![Dim::new("numbers", head.log_std())])?;
        graph.add_output(LOG_STD, log_std);
    }
    freeze(&mut graph.nodes, &settings.freeze)?;
    Ok(graph)
}

/// Adds the parameters of the action distribution: a dense layer, or one for each field of an action, `action.PATH`, one after the other.
fn add_heads(graph: &mut Graph, reads: Source, head: &Head) -> Result<Source, AgentError> {
    let dim = |part: &Part| Dim::new(part.unit(), part.outputs().len());
    if let [part] = head.parts() {
        return Ok(graph.add_dense(ACTION, reads, dim(part))?);
    }
    let add = |part: &Part| graph.add_dense(format!("{ACTION}.{}", part.path()), reads, dim(part));
    let heads = head.parts().iter().map(add).collect::<Result<Vec<_>, _>>()?;
    Ok(graph.add_concat(ACTION, &heads)?)
}

/// Fails where keys of the short form are set beside layers, which take their place.
fn check_no_short_form(settings: &NetworkSettings) -> Result<(), AgentError> {
    let fresh = NetworkSettings::default();
    let set = [
        ("convolutions", settings.convolutions != fresh.convolutions),
        ("hidden", settings.hidden != fresh.hidden),
        ("activation", settings.activation != fresh.activation),
        ("layer_norm", settings.layer_norm),
        ("memory", settings.memory.is_some()),
        ("shared", settings.shared),
    ];
    match set.iter().find(|(_, set)| *set) {
        Some((key, _)) => Err(AgentError::Settings(format!(
            "network.{key} has no effect beside network.layers: make it a layer, or remove it"
        ))),
        None => Ok(()),
    }
}

/// Freezes nodes by their names, or by what these begin with before a dot.
fn freeze(nodes: &mut [Node], names: &[String]) -> Result<(), AgentError> {
    for name in names {
        let mut found = false;
        for node in &mut *nodes {
            let rest = node.name.strip_prefix(name.as_str());
            if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                && !node.parameters.is_empty()
            {
                node.trainable = false;
                found = true;
            }
        }
        if !found {
            let with = nodes.iter().filter(|node| !node.parameters.is_empty());
            let known: Vec<&str> = with.map(|node| node.name.as_str()).collect();
            let message =
                format!("network.freeze has {name:?}, and nodes with parameters are {}", known.join(", "));
            return Err(AgentError::Settings(message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
