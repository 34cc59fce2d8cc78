//! Chains of layers, as both forms of a network have them.

use phalanx_graph::{Activation, Convolution, Dim, Graph, GraphError, Pool, Source};

use crate::Preset;

/// What follows each layer.
#[derive(Clone, Copy, Default)]
pub struct After {
    /// A layer normalisation.
    pub layer_norm: bool,
    /// Then an activation function.
    pub activation: Option<Activation>,
}

/// Adds what follows the layer `name`.
///
/// # Errors
/// Those of the graph, as in all that follows.
pub fn follow(graph: &mut Graph, name: &str, mut at: Source, after: After) -> Result<Source, GraphError> {
    if after.layer_norm {
        at = graph.add_layer_norm(format!("{name}.norm"), at)?;
    }
    if let Some(activation) = after.activation {
        at = graph.add_activation(format!("{name}.{activation}"), at, activation)?;
    }
    Ok(at)
}

/// Adds a dense layer with what follows it.
pub fn dense(
    graph: &mut Graph,
    name: &str,
    of: Source,
    width: usize,
    after: After,
) -> Result<Source, GraphError> {
    let at = graph.add_dense(name, of, Dim::new("units", width))?;
    follow(graph, name, at, after)
}

/// Adds a convolution with what follows it.
pub fn conv(
    graph: &mut Graph,
    name: &str,
    of: Source,
    convolution: Convolution,
    after: After,
) -> Result<Source, GraphError> {
    let at = graph.add_conv(name, of, convolution)?;
    follow(graph, name, at, after)
}

/// Adds a known network.
pub fn preset(graph: &mut Graph, name: &str, of: Source, preset: Preset) -> Result<Source, GraphError> {
    let relu = After { layer_norm: false, activation: Some(Activation::Relu) };
    let mut at = of;
    match preset {
        Preset::NatureCnn => {
            for (i, [filters, kernel, stride]) in (1..).zip([[32, 8, 4], [64, 4, 2], [64, 3, 1]]) {
                at = conv(
                    graph,
                    &format!("{name}.conv{i}"),
                    at,
                    Convolution::new(filters, kernel, stride),
                    relu,
                )?;
            }
            dense(graph, &format!("{name}.dense"), at, 512, relu)
        }
        Preset::ImpalaResnet => {
            for (i, filters) in (1..).zip([16, 32, 32]) {
                at = section(graph, &format!("{name}.section{i}"), at, filters)?;
            }
            at = follow(graph, &format!("{name}.sections"), at, relu)?;
            dense(graph, &format!("{name}.dense"), at, 256, relu)
        }
    }
}

/// A convolution, a pool and two residual blocks.
fn section(graph: &mut Graph, name: &str, of: Source, filters: usize) -> Result<Source, GraphError> {
    let same = Convolution { padding: 1, ..Convolution::new(filters, 3, 1) };
    let at = graph.add_conv(format!("{name}.conv"), of, same)?;
    let mut at = graph.add_pool(format!("{name}.pool"), at, Pool::Max, Convolution { stride: 2, ..same })?;
    for block in ["a", "b"] {
        let name = format!("{name}.{block}");
        let mut inner = at;
        for i in 1..=2 {
            inner = graph.add_activation(format!("{name}.relu{i}"), inner, Activation::Relu)?;
            inner = graph.add_conv(format!("{name}.conv{i}"), inner, same)?;
        }
        at = graph.add_sum(format!("{name}.sum"), &[at, inner])?;
    }
    Ok(at)
}
