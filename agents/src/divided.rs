//! A network and the part of it that this rank has.

use std::ops::Range;
use std::sync::Arc;

use phalanx_envs::nearest;
use phalanx_graph::{Dim, Graph, Op};
use phalanx_mesh::{Axis, Grid, Layout, MeshError, Parts, Rule, coordinates};
use tch::Device;

use crate::AgentError;

/// Where networks are computed: on which device, and by the ranks of which grid.
#[derive(Clone)]
pub struct Compute {
    /// The device.
    pub device: Device,
    /// The ranks, among which networks may be divided.
    pub grid: Arc<Grid>,
}

impl From<Device> for Compute {
    fn from(device: Device) -> Self {
        Self { device, grid: Arc::default() }
    }
}

/// A graph and how its parameters are divided.
pub struct Divided {
    whole: Graph,
    part: Graph,
    grid: Arc<Grid>,
}

impl Divided {
    /// A graph as the rules of a layout divide it.
    ///
    /// # Errors
    /// [`AgentError::Mesh`] when the layout is illegal for it.
    pub fn new(whole: Graph, grid: Arc<Grid>) -> Result<Self, AgentError> {
        let part = divide(&whole, &grid.parts.axes, &grid.parts.rules)?;
        Ok(Self { whole, part, grid })
    }

    /// All of it.
    pub fn whole(&self) -> &Graph {
        &self.whole
    }

    /// This rank's part.
    pub fn part(&self) -> &Graph {
        &self.part
    }

    /// The ranks that have the parts.
    pub fn parts(&self) -> &Parts {
        &self.grid.parts
    }

    /// Copies this rank's part of the numbers of all parameters.
    pub fn take_part(&self, whole: &[f32], part: &mut [f32]) {
        self.whole.each_run(&self.part, &self.parts().place, |from, to| {
            part[to].copy_from_slice(&whole[from]);
        });
    }

    /// Copies this rank's part of the numbers of a node's parameters.
    pub fn take_node(&self, node: usize, whole: &[f32], part: &mut [f32]) {
        let start = self.whole.nodes[node].parameters.start;
        self.whole.each_run_of(node, &self.part, &self.parts().place, &mut |from: Range<usize>, to| {
            part[to].copy_from_slice(&whole[from.start - start..from.end - start]);
        });
    }

    /// Some of the numbers of all parameters, of which `part` are this rank's; each rank that has a part calls.
    ///
    /// # Errors
    /// Those of the mesh.
    pub fn gather(&self, part: &[f32], range: Range<usize>) -> Result<Vec<f32>, MeshError> {
        let Parts { all, axes, place, .. } = self.parts();
        if all.is_alone() {
            return Ok(part[range].to_vec());
        }
        // What a run of the whole has in the range: where among the numbers that are asked for, and where in the part.
        let within = |whole: Range<usize>, own: Range<usize>| {
            let (start, end) = (whole.start.max(range.start), whole.end.min(range.end));
            let own = own.start + start.saturating_sub(whole.start);
            (start < end).then(|| (start - range.start..end - range.start, own..own + (end - start)))
        };
        let mut sent: Vec<f32> = Vec::new();
        self.whole.each_run(&self.part, place, |whole, own| {
            sent.extend(within(whole, own).iter().flat_map(|(_, own)| &part[own.clone()]));
        });
        let mut found = vec![0.0; range.len()];
        for (rank, bytes) in all.gather(bytemuck::cast_slice(&sent))?.iter().enumerate() {
            let mut numbers = bytes.chunks_exact(size_of::<f32>()).map(bytemuck::pod_read_unaligned::<f32>);
            self.whole.each_run(&self.part, &coordinates(axes, rank), |whole, own| {
                if let Some((to, _)) = within(whole, own) {
                    found[to].iter_mut().zip(&mut numbers).for_each(|(to, number)| *to = number);
                }
            });
        }
        Ok(found)
    }

    /// Ranges of this rank's parameters that it counts in a sum over all of the network, to which all ranks with parts contribute.
    pub fn counted(&self) -> Vec<Range<usize>> {
        self.part.counted(&self.parts().place)
    }
}

/// The part of a network that each rank has, where these dimensions are divided along these axes: `hK`, the units of hidden layer K, or a
/// layer's name.
///
/// # Errors
/// [`AgentError::Mesh`] with the rule, the layer or tensor and the axis.
pub fn divide(graph: &Graph, axes: &[Axis], rules: &[Rule]) -> Result<Graph, AgentError> {
    let dims: Vec<Dim> = axes.iter().map(|axis| Dim::new(&axis.name, axis.size)).collect();
    let mut nodes = Vec::new();
    for Rule { dimension, axis } in rules {
        let found = matching(graph, dimension);
        if found.is_empty() {
            return Err(unknown(graph, dimension));
        }
        let axis = axes.iter().position(|known| known.name == *axis);
        nodes.extend(
            found.into_iter().zip(std::iter::repeat(axis)).filter_map(|(node, axis)| Some((node, axis?))),
        );
    }
    graph.divide(&nodes, &dims).map_err(|error| {
        let layout = Layout::Rules(rules.to_vec());
        MeshError::Layout(format!("mesh.layout {layout}: {error}")).into()
    })
}

/// The nodes whose outputs a dimension is: that of its name, or hidden layer K of actor and critic for `hK`.
pub fn matching(graph: &Graph, dimension: &str) -> Vec<usize> {
    let of = |is: &dyn Fn(&str) -> bool| -> Vec<usize> {
        (0..graph.nodes.len()).filter(|&i| is(&graph.nodes[i].name)).collect()
    };
    let named = of(&|name| name == dimension);
    let hidden = dimension.strip_prefix('h').and_then(|number| number.parse::<usize>().ok());
    match hidden {
        Some(number) if named.is_empty() => {
            let hidden = format!("hidden{number}");
            of(&|name| name.rsplit('.').next() == Some(&hidden))
        }
        _ => named,
    }
}

fn unknown(graph: &Graph, dimension: &str) -> AgentError {
    let dense = graph.nodes.iter().filter(|node| node.op == Op::Dense).map(|node| node.name.as_str());
    let names: Vec<&str> = dense.collect();
    let near = nearest(dimension, names.iter().copied());
    let near = near.map_or(String::new(), |near| format!("; did you mean {near:?}?"));
    let names = names.join(", ");
    MeshError::Layout(format!(
        "mesh.layout divides {dimension:?}, and dimensions are env, the hidden layers h1, h2 … and the dense layers {names}{near}"
    ))
    .into()
}
