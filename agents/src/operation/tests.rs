use phalanx_graph::{Activation, Dtype, Graph, Source};

use super::*;
use crate::bytes::ByteScale;
use crate::engine::{Batch, Cpu, Pass};
use crate::observations::{Inputs, Observations};
use crate::plan::{Plan, Tower};
use crate::{NetworkSettings, describe};

/// A dense layer and its hyperbolic tangent, as one operation.
struct Squashed {
    inputs: usize,
    outputs: usize,
}

impl Operation for Squashed {
    fn shape(&self) -> Vec<usize> {
        vec![self.outputs]
    }

    fn parameters(&self) -> usize {
        (self.inputs + 1) * self.outputs
    }

    fn forward(&self, x: &[f32], parameters: &[f32], y: &mut [f32]) {
        let (weight, bias) = parameters.split_at(self.inputs * self.outputs);
        for (x, y) in x.chunks_exact(self.inputs).zip(y.chunks_exact_mut(self.outputs)) {
            for (j, y) in y.iter_mut().enumerate() {
                let row = &weight[j * self.inputs..][..self.inputs];
                *y = (x.iter().zip(row).map(|(x, w)| x * w).sum::<f32>() + bias[j]).tanh();
            }
        }
    }

    fn backward(&self, back: Backward<'_>) {
        let Backward { x, y, parameters, d_y, mut d_x, mut d_parameters } = back;
        for (at, (d, y)) in d_y.iter().zip(y).enumerate() {
            let (row, j, slope) = (at / self.outputs, at % self.outputs, d * (1.0 - y * y));
            for i in 0..self.inputs {
                if let Some(d_x) = &mut d_x {
                    d_x[row * self.inputs + i] += slope * parameters[j * self.inputs + i];
                }
                if let Some(sum) = &mut d_parameters {
                    sum[j * self.inputs + i] += slope * x[row * self.inputs + i];
                }
            }
            if let Some(sum) = &mut d_parameters {
                sum[self.inputs * self.outputs + j] += slope;
            }
        }
    }
}

fn register() {
    register_operation("squashed", |shape: &[usize], params: &Params| match params.0.get("units") {
        Some(units) => {
            let outputs = units.as_u64().unwrap_or_default() as usize;
            Ok(Box::new(Squashed { inputs: shape.iter().product(), outputs }) as Box<dyn Operation>)
        }
        None => Err("it needs `units`"),
    });
}

const ROWS: usize = 300;

/// Two layers, and heads that read both; `layer` adds one.
fn plan(layer: impl Fn(&mut Graph, &str, Source) -> Source) -> Plan {
    let mut graph = Graph::default();
    let x = graph.add_input("x", dims(&[6]), Dtype::F32).expect("new");
    let first = layer(&mut graph, "first", x);
    let second = layer(&mut graph, "second", first);
    let both = graph.add_sum("both", &[first, second]).expect("one shape");
    for (name, width) in [("action", 3), ("value", 1)] {
        let head = graph.add_dense(name, both, Dim::new("numbers", width)).expect("new");
        graph.add_output(name, head);
    }
    Plan::new(graph, vec![ByteScale::All { low: 0.0, range: 1.0 }], Arc::default()).expect("a plan")
}

/// Outputs and gradient of a loss.
fn computed(plan: &Plan) -> (Vec<f32>, Vec<f32>) {
    let numbers = |n: usize| (0..n).map(|i| ((i * i) as f32 * 0.37).sin()).collect::<Vec<f32>>();
    let (parameters, mut x, mut cpu) = (numbers(plan.len()), Observations::default(), Cpu::default());
    x.add(0, phalanx_envs::Elements::F32(&numbers(ROWS * 6)), None);
    let mut outputs = vec![0.0; ROWS * 3];
    cpu.infer((plan, &parameters), Tower::Actor, Inputs::All(&x), 0..ROWS, &mut [], &mut outputs);
    let (index, mut gradient): (Vec<i64>, _) = ((0..ROWS as i64).collect(), vec![0.0; plan.len()]);
    let loss = |(): &mut (), pass: Pass<'_>| {
        pass.d_outputs.iter_mut().zip(pass.outputs).for_each(|(d, y)| *d = y.cos());
        pass.d_value.copy_from_slice(pass.value);
    };
    cpu.learn((plan, &parameters), Inputs::All(&x), Batch::Transitions(&index), &mut gradient, loss);
    (outputs, gradient)
}

/// Below, above and beside operations that are built in.
#[test]
fn a_registered_operation_computes_what_the_same_layers_do() {
    register();
    let own = |graph: &mut Graph, name: &str, of: Source| {
        let own = Own { name: "squashed".into(), params: "{\"units\":5}".into() };
        let operation = operation(&own, graph.dims(of)).expect("registered");
        graph.add_own(name, of, own, dims(&operation.shape()), operation.parameters()).expect("new")
    };
    let built_in = |graph: &mut Graph, name: &str, of: Source| {
        let dense = graph.add_dense(name, of, Dim::new("units", 5)).expect("new");
        graph.add_activation(format!("{name}.tanh"), dense, Activation::Tanh).expect("new")
    };
    let (ours, theirs) = (computed(&plan(own)), computed(&plan(built_in)));
    for (a, b) in [(&ours.0, &theirs.0), (&ours.1, &theirs.1)] {
        let largest = b.iter().fold(0.0, |most: f32, x| most.max(x.abs()));
        assert!(a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5 * largest));
    }
    check_operation(&Squashed { inputs: 4, outputs: 3 }, 4).expect("a right gradient");
}

#[test]
fn what_is_wrong_with_its_use_is_named() {
    register();
    for (layer, expected) in [
        (
            "{op: squeezed}",
            "network.layers.a.op: operation squeezed: no operation of this name is registered in this program (there is ",
        ),
        ("{op: squashed}", "network.layers.a.op: operation squashed: it needs `units`"),
        ("{dense: 3, params: {units: 3}}", "network.layers.a has `params`, which are those of `op`"),
        ("{op: squashed, dense: 3}", "network.layers.a has dense and op; make each a layer of its own"),
    ] {
        let settings: NetworkSettings =
            serde_saphyr::from_str(&format!("{{layers: {{a: {layer}}}, actor: a, critic: a}}"))
                .expect("settings");
        let (observations, actions) =
            (phalanx_envs::Space::unbounded(2), phalanx_envs::Space::Discrete { n: 2 });
        let error = describe(&settings, &observations, &actions).expect_err(layer).to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}
