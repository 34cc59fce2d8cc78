//! How the tensors of others lie: those of `PyTorch`, whose pictures have their channels first, and those of runs whose pictures have theirs
//! elsewhere than here.

use std::collections::BTreeMap;

use phalanx_graph::{Graph, Op, Source, Tensor, Window, len};

use crate::{AgentError, Checkpoint};

/// Where each picture among the inputs of a network has its channels, by its name: whether first.
pub type Pictures = BTreeMap<String, bool>;

/// The entry of a checkpoint that has them.
pub const PICTURES: &str = "pictures";

/// Those of a graph.
pub fn pictures(graph: &Graph) -> Pictures {
    let channels = |i: usize| graph.inputs[i].dims.iter().position(|dim| dim.name == "channels");
    let pictures = (0..graph.inputs.len()).filter_map(|i| Some((i, channels(i)?)));
    pictures.map(|(i, axis)| (graph.inputs[i].name.clone(), axis == 0)).collect()
}

/// Whose tensors they are.
pub enum Theirs {
    /// A network of `PyTorch`.
    PyTorch,
    /// A run of this program. For each input here, whether it is a picture that has its channels elsewhere there.
    Run(Vec<bool>),
}

impl Theirs {
    /// Those of a checkpoint.
    pub fn of_run(checkpoint: &Checkpoint, graph: &Graph) -> Self {
        let ours = pictures(graph);
        let theirs = of_checkpoint(checkpoint, &ours);
        let only = |all: &Pictures| if all.len() == 1 { all.values().next().copied() } else { None };
        let other = |name: &String, own: bool| {
            // A picture of another name is the same where there is one alone.
            let there = theirs.get(name).copied().or(only(&ours).and(only(&theirs)));
            there.is_some_and(|there| there != own)
        };
        let is_other = |name| ours.get(name).is_some_and(|&own| other(name, own));
        Self::Run(graph.inputs.iter().map(|input| is_other(&input.name)).collect())
    }

    /// The shape that they have for a tensor of a graph.
    pub fn shape(&self, graph: &Graph, tensor: &Tensor) -> Vec<usize> {
        match (self, &graph.nodes[tensor.node].op, &tensor.shape[..]) {
            (Self::PyTorch, Op::Conv(window), [filters, _]) => {
                vec![*filters, window.picture[2], window.kernel, window.kernel]
            }
            _ => tensor.shape.clone(),
        }
    }

    /// The numbers of a tensor of theirs as they lie in a graph.
    ///
    /// # Errors
    /// [`AgentError::Settings`] for an operation of one's own over a picture that lies otherwise there: only it knows how its parameters lie.
    pub fn convert(&self, graph: &Graph, tensor: &Tensor, theirs: &[f32]) -> Result<Vec<f32>, AgentError> {
        let node = &graph.nodes[tensor.node];
        let order = match (&node.op, &tensor.shape[..]) {
            (Op::Conv(window), [_, _]) => self.window_order(window, graph, node.reads[0]),
            // The weight over what it reads; that over its own state lies the same.
            (Op::Dense | Op::Recurrent(_), [_, columns])
                if *columns == len(graph.dims(node.reads[0])) && !tensor.name.ends_with("weight_hh_l0") =>
            {
                self.order(graph, node.reads[0])
            }
            (Op::LayerNorm, _) => self.order(graph, node.reads[0]),
            (Op::Own(_), _) if matches!(self, Self::Run(_)) => {
                let order = self.order(graph, node.reads[0]);
                if !order.is_sorted() {
                    return Err(AgentError::Settings(format!(
                        "network.init_from: {} is an operation of one's own over a picture whose channels lie on another axis in that run: \
                         `network.channels` must be the same",
                        tensor.name
                    )));
                }
                return Ok(theirs.to_vec());
            }
            _ => return Ok(theirs.to_vec()),
        };
        Ok(theirs.chunks_exact(order.len()).flat_map(|row| order.iter().map(|&i| row[i])).collect())
    }

    /// For each number of a window over a source, its index there.
    fn window_order(&self, window: &Window, graph: &Graph, source: Source) -> Vec<usize> {
        let [.., channels] = window.picture;
        let there = match self {
            Self::PyTorch => true,
            Self::Run(_) if self.order(graph, source).is_sorted() => window.channels_first,
            Self::Run(_) => !window.channels_first,
        };
        picture_order([window.kernel, window.kernel, channels], window.channels_first, there)
    }

    /// For each number of a source, its index there: what convolutions and pools give has its channels first in `PyTorch`, and its observations are as
    /// they are.
    fn order(&self, graph: &Graph, source: Source) -> Vec<usize> {
        let numbers = len(graph.dims(source));
        let node = match source {
            Source::Input(i) => {
                let dims = &graph.inputs[i].dims;
                return match (self, &dims[..]) {
                    (Self::Run(other), [a, b, c]) if other[i] && a.name == "channels" => {
                        picture_order([b.size, c.size, a.size], true, false)
                    }
                    (Self::Run(other), [a, b, c]) if other[i] => {
                        picture_order([a.size, b.size, c.size], false, true)
                    }
                    _ => (0..numbers).collect(),
                };
            }
            Source::Node(i) => &graph.nodes[i],
        };
        match &node.op {
            Op::Conv(_) | Op::MaxPool(_) | Op::AveragePool(_) if matches!(self, Self::PyTorch) => {
                let [height, width, channels] = [0, 1, 2].map(|axis| node.dims[axis].size);
                picture_order([height, width, channels], false, true)
            }
            Op::Activation(_) | Op::LayerNorm | Op::Add => self.order(graph, node.reads[0]),
            Op::Concat => {
                let mut start = 0;
                let mut all = Vec::with_capacity(numbers);
                for &read in &node.reads {
                    let part = self.order(graph, read);
                    all.extend(part.iter().map(|i| start + i));
                    start += part.len();
                }
                all
            }
            _ => (0..numbers).collect(),
        }
    }
}

/// Where the pictures of a checkpoint have their channels. Earlier ones say it of the first picture, which is that of all.
fn of_checkpoint(checkpoint: &Checkpoint, ours: &Pictures) -> Pictures {
    checkpoint.state(PICTURES).unwrap_or_else(|_| {
        let form: serde_json::Value = checkpoint.state("form").unwrap_or_default();
        let first = match form["network.channels"].as_str() {
            Some("first") => true,
            Some(_) => false,
            None => return Pictures::new(),
        };
        ours.keys().map(|name| (name.clone(), first)).collect()
    })
}

/// For each number of a picture whose channels are first or last here, its index where they are first or last there.
fn picture_order([height, width, channels]: [usize; 3], here: bool, there: bool) -> Vec<usize> {
    let pixels = height * width;
    match (here, there) {
        (false, true) => {
            (0..pixels).flat_map(|pixel| (0..channels).map(move |channel| channel * pixels + pixel)).collect()
        }
        (true, false) => (0..channels)
            .flat_map(|channel| (0..pixels).map(move |pixel| pixel * channels + channel))
            .collect(),
        _ => (0..pixels * channels).collect(),
    }
}
