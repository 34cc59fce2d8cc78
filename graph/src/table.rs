//! A graph as a table.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::Graph;
use crate::shape::text;

const HEAD: [&str; 5] = ["name", "op", "reads", "shape", "parameters"];

impl fmt::Display for Graph {
    /// A line for each input and node: name, op, what it reads, shape and parameters, and whether these are frozen; then their
    /// sum.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.rows();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths = [0, 1, 2, 3, 4].map(width);
        for row in &rows {
            let [name, op, reads, shape, parameters] = row;
            let [a, b, c, d, e] = widths;
            writeln!(f, "{name:a$}  {op:b$}  {reads:c$}  {shape:d$}  {parameters:>e$}")?;
        }
        let (total, trained) = (self.parameters(), self.trained_parameters());
        write!(f, "{total} parameters")?;
        if trained < total { write!(f, ", {} of them frozen", total - trained) } else { Ok(()) }
    }
}

impl Graph {
    fn rows(&self) -> Vec<[String; 5]> {
        let nothing = || String::from("–");
        let mut rows = Vec::from([HEAD.map(ToString::to_string)]);
        rows.extend(self.inputs.iter().map(|input| {
            let op = format!("input, {}", input.dtype);
            [input.name.clone(), op, nothing(), text(&input.dims), nothing()]
        }));
        rows.extend(self.nodes.iter().map(|node| {
            let reads: Vec<&str> = node.reads.iter().map(|&source| self.name(source)).collect();
            let reads = if reads.is_empty() { nothing() } else { reads.join(", ") };
            let parameters = match node.parameters.len() {
                0 => nothing(),
                some if node.trainable => some.to_string(),
                some => format!("{some} frozen"),
            };
            [node.name.clone(), node.op.to_string(), reads, text(&node.dims), parameters]
        }));
        rows
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use alloc::string::ToString;
    use alloc::vec;

    use crate::{Activation, Dim, Dtype, Graph};

    #[test]
    fn a_line_for_each_node_and_the_sum() {
        let mut graph = Graph::default();
        let x = graph.add_input("observation", vec![Dim::new("numbers", 4)], Dtype::F32).expect("new");
        let hidden = graph.add_dense("hidden1", x, Dim::new("units", 64)).expect("new");
        let hidden = graph.add_activation("hidden1.tanh", hidden, Activation::Tanh).expect("new");
        graph.add_dense("value", hidden, Dim::new("value", 1)).expect("new");
        let expected = "\
name          op          reads         shape      parameters
observation   input, f32  –             numbers 4           –
hidden1       dense       observation   units 64          320
hidden1.tanh  tanh        hidden1       units 64            –
value         dense       hidden1.tanh  value 1            65
385 parameters";
        assert_eq!(graph.to_string(), expected);
        graph.nodes[0].trainable = false;
        let expected = "\
name          op          reads         shape      parameters
observation   input, f32  –             numbers 4           –
hidden1       dense       observation   units 64   320 frozen
hidden1.tanh  tanh        hidden1       units 64            –
value         dense       hidden1.tanh  value 1            65
385 parameters, 320 of them frozen";
        assert_eq!(graph.to_string(), expected);
    }
}
