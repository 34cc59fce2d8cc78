//! How tensors of `PyTorch` lie, whose pictures have their channels first.

use phalanx_graph::{Graph, Op, Source, Tensor, Window, len};

/// The shape that `PyTorch` has for a tensor of a graph.
pub fn shape(graph: &Graph, tensor: &Tensor) -> Vec<usize> {
    match (&graph.nodes[tensor.node].op, &tensor.shape[..]) {
        (Op::Conv(window), [filters, _]) => {
            vec![*filters, window.picture[2], window.kernel, window.kernel]
        }
        _ => tensor.shape.clone(),
    }
}

/// The numbers of a tensor of `PyTorch` as they lie in a graph.
pub fn convert(graph: &Graph, tensor: &Tensor, theirs: &[f32]) -> Vec<f32> {
    let node = &graph.nodes[tensor.node];
    let order = match (&node.op, &tensor.shape[..]) {
        (Op::Conv(window), [_, _]) => window_order(window),
        // The weight over what it reads; that over its own state lies the same.
        (Op::Dense | Op::Recurrent(_), [_, columns])
            if *columns == len(graph.dims(node.reads[0])) && !tensor.name.ends_with("weight_hh_l0") =>
        {
            order(graph, node.reads[0])
        }
        (Op::LayerNorm, _) => order(graph, node.reads[0]),
        _ => return theirs.to_vec(),
    };
    theirs.chunks_exact(order.len()).flat_map(|row| order.iter().map(|&i| row[i])).collect()
}

/// For each number of a window, its index where channels are first.
fn window_order(window: &Window) -> Vec<usize> {
    let [.., channels] = window.picture;
    picture_order([window.kernel, window.kernel, channels], window.channels_first)
}

/// For each number of a picture, its index where channels are first.
fn picture_order([height, width, channels]: [usize; 3], channels_first: bool) -> Vec<usize> {
    let pixels = height * width;
    if channels_first {
        return (0..pixels * channels).collect();
    }
    (0..pixels).flat_map(|pixel| (0..channels).map(move |channel| channel * pixels + pixel)).collect()
}

/// For each number of a source, its index in what a network of `PyTorch` has there: what convolutions and pools give is flattened with
/// the channels first, and observations are as they are.
fn order(graph: &Graph, source: Source) -> Vec<usize> {
    let numbers = len(graph.dims(source));
    let Source::Node(i) = source else { return (0..numbers).collect() };
    let node = &graph.nodes[i];
    match &node.op {
        Op::Conv(_) | Op::MaxPool(_) | Op::AveragePool(_) => {
            let [height, width, channels] = [0, 1, 2].map(|axis| node.dims[axis].size);
            picture_order([height, width, channels], false)
        }
        Op::Activation(_) | Op::LayerNorm | Op::Add => order(graph, node.reads[0]),
        Op::Concat => {
            let mut start = 0;
            let mut all = Vec::with_capacity(numbers);
            for &read in &node.reads {
                let part = order(graph, read);
                all.extend(part.iter().map(|i| start + i));
                start += part.len();
            }
            all
        }
        _ => (0..numbers).collect(),
    }
}
