//! `mesh.layout: auto`: the legal layout whose iterations take least by a cost model.

use anyhow::Context;
use phalanx_agents::{Graph, matching};
use phalanx_envs::Registry;
use phalanx_mesh::{Axis, ENV, Layout, Mesh, MeshSettings, Rule, Shape};

use super::{Pieces, networks, plan_of};
use crate::config::Config;

/// Dimensions of a network that are tried at most.
const MOST: usize = 6;

/// Whether the layout is yet to be chosen.
pub fn is_automatic(config: &Config) -> bool {
    config.mesh.layout == Layout::Auto
}

/// The layout for the ranks of `mesh`, which all call, with the seconds of an iteration that it is reckoned to take and those of the next best one.
///
/// # Errors
/// When no layout is legal; those of the environment and the mesh.
pub fn choose(config: &Config, registry: &Registry, mesh: &Mesh) -> anyhow::Result<(Layout, String)> {
    let axes = config.mesh.shape.axes(mesh.size());
    let settings =
        MeshSettings { shape: Shape(axes.clone()), layout: Layout::default(), ..config.mesh.clone() };
    if mesh.is_alone() {
        return Ok((Layout::default(), "one rank has all".into()));
    }
    let graph = networks(config, registry)?;
    let pieces = Pieces::measure(config, registry, mesh)?;
    let mut found: Vec<(f64, Layout)> = Vec::new();
    for layout in candidates(&graph, &axes) {
        let settings = MeshSettings { layout: layout.clone(), ..settings.clone() };
        if let Ok(plan) = plan_of(config, &graph, &settings) {
            found.push((pieces.seconds(&plan, config.rollout.steps(config.rows)), layout));
        }
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    let reckoned = |(seconds, layout): &(f64, Layout)| format!("{layout}: {:.1} ms", 1e3 * seconds);
    let text: Vec<String> = found.iter().take(3).map(reckoned).collect();
    let best = found.into_iter().next();
    let (_, layout) = best.with_context(|| format!("no layout is legal on {}", settings.shape))?;
    // Measurements differ; rank 0's decide.
    let mut bytes = layout.to_string().into_bytes();
    mesh.broadcast(&mut bytes)?;
    let layout = String::from_utf8_lossy(&bytes).parse().map_err(anyhow::Error::msg)?;
    Ok((layout, text.join(", ")))
}

/// Layouts with something along each axis, legal or not.
fn candidates(graph: &Graph, axes: &[Axis]) -> Vec<Layout> {
    let dimensions = dimensions(graph);
    // What may be along an axis: the rows, or some dimensions of the network.
    let mut choices: Vec<Vec<&str>> = vec![vec![ENV]];
    for bits in 1..1_usize << dimensions.len() {
        let some = dimensions.iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1);
        choices.push(some.map(|(_, name)| name.as_str()).collect());
    }
    let mut layouts: Vec<Vec<Rule>> = vec![Vec::new()];
    for Axis { name, size } in axes {
        if *size == 1 {
            continue;
        }
        let along = |before: &Vec<Rule>, choice: &Vec<&str>| {
            let new =
                choice.iter().map(|dimension| Rule { dimension: (*dimension).into(), axis: name.clone() });
            before.iter().cloned().chain(new).collect::<Vec<_>>()
        };
        layouts = layouts
            .iter()
            .flat_map(|before| choices.iter().map(move |choice| along(before, choice)))
            .collect();
    }
    layouts.into_iter().filter(|rules| is_once(rules)).map(Layout::Rules).collect()
}

/// Whether no dimension is divided twice.
fn is_once(rules: &[Rule]) -> bool {
    (0..rules.len()).all(|i| rules[..i].iter().all(|rule| rule.dimension != rules[i].dimension))
}

/// Dimensions of a network that could be divided: hidden layers, otherwise dense layers that another one reads.
fn dimensions(graph: &Graph) -> Vec<String> {
    let hidden = (1..=MOST).map(|k| format!("h{k}")).filter(|name| !matching(graph, name).is_empty());
    let hidden: Vec<String> = hidden.collect();
    if !hidden.is_empty() {
        return hidden;
    }
    let dense = graph.nodes.iter().filter(|node| node.op == phalanx_agents::Op::Dense);
    dense.map(|node| node.name.clone()).take(MOST).collect()
}
