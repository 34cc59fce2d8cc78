//! Some rows on their way through the networks and back, in memory that one core keeps in its cache.

use super::Pass;
use super::matrix::{Matrix, Store, product};
use super::vector::{activate, add_to_rows, deactivate, sum_rows};
use crate::Activation;
use crate::plan::{Layer, Plan, Tower};

/// Rows of a tile: the activations of two 64-64 networks take 128 KiB.
pub const ROWS: usize = 128;

/// The memory of a pass over at most [`ROWS`] rows.
pub struct Tile {
    input: Vec<f32>,
    /// Results of every layer, after its activation.
    trunk: Vec<Vec<f32>>,
    actor: Vec<Vec<f32>>,
    critic: Vec<Vec<f32>>,
    /// Gradients over the results of the layers at hand, before their activation.
    gradient: Vec<f32>,
    earlier: Vec<f32>,
    value_gradient: Vec<f32>,
    trunk_gradient: Vec<f32>,
}

impl Tile {
    /// Memory for the networks of `plan`.
    pub fn new(plan: &Plan) -> Self {
        let results = |layers: &[Layer]| layers.iter().map(|l| vec![0.0; ROWS * l.outputs]).collect();
        let layers = || plan.trunk.iter().chain(&plan.actor).chain(&plan.critic);
        let widest = layers().map(|l| l.outputs.max(l.inputs)).max().unwrap_or(0);
        Self {
            input: vec![0.0; ROWS * plan.inputs],
            trunk: results(&plan.trunk),
            actor: results(&plan.actor),
            critic: results(&plan.critic),
            gradient: vec![0.0; ROWS * widest],
            earlier: vec![0.0; ROWS * widest],
            value_gradient: vec![0.0; ROWS],
            trunk_gradient: vec![0.0; ROWS * plan.trunk.last().map_or(0, |l| l.outputs)],
        }
    }

    /// What `tower` gives for `x [B, inputs]`, B ≤ [`ROWS`].
    pub fn infer<'a>(&'a mut self, plan: &Plan, parameters: &[f32], tower: Tower, x: &'a [f32]) -> &'a [f32] {
        let rows = x.len() / plan.inputs;
        let network = Network { parameters, activation: plan.activation, rows };
        network.forward(&plan.trunk, x, &mut self.trunk, true);
        let common = last(&plan.trunk, &self.trunk, rows, x);
        let results = match tower {
            Tower::Actor => &mut self.actor,
            Tower::Critic => &mut self.critic,
        };
        network.forward(plan.tower(tower), common, results, false);
        last(plan.tower(tower), results, rows, common)
    }

    /// Adds the gradient of `loss` over the rows `index` of `x [M, inputs]` to `gradient`, at most [`ROWS`] of them.
    pub fn learn(
        &mut self,
        plan: &Plan,
        parameters: &[f32],
        x: &[f32],
        index: &[i64],
        gradient: &mut [f32],
        loss: impl FnOnce(Pass<'_>),
    ) {
        let (rows, width) = (index.len(), plan.inputs);
        for (row, &i) in self.input.chunks_exact_mut(width).zip(index) {
            row.copy_from_slice(&x[i as usize * width..][..width]);
        }
        let network = Network { parameters, activation: plan.activation, rows };
        let input = &self.input[..rows * width];
        network.forward(&plan.trunk, input, &mut self.trunk, true);
        let common = last(&plan.trunk, &self.trunk, rows, input);
        network.forward(&plan.actor, common, &mut self.actor, false);
        network.forward(&plan.critic, common, &mut self.critic, false);
        let outputs = last(&plan.actor, &self.actor, rows, common);
        let value = last(&plan.critic, &self.critic, rows, common);
        let d_value = &mut self.value_gradient[..rows];
        loss(Pass {
            index,
            outputs,
            value,
            d_outputs: &mut self.gradient[..outputs.len()],
            d_value,
            d_log_std: &mut gradient[plan.log_std.clone()],
        });
        let mut spare = Spare { gradient: &mut self.gradient, earlier: &mut self.earlier };
        let to_trunk = &mut self.trunk_gradient[..];
        network.backward(&plan.actor, common, &self.actor, gradient, &mut spare, (to_trunk, Store::Set));
        spare.gradient[..rows].copy_from_slice(&self.value_gradient[..rows]);
        network.backward(&plan.critic, common, &self.critic, gradient, &mut spare, (to_trunk, Store::Add));
        if let Some(last) = self.trunk.last() {
            let len = common.len();
            deactivate(&mut to_trunk[..len], &last[..len], plan.activation);
            spare.gradient[..len].copy_from_slice(&to_trunk[..len]);
            network.backward(&plan.trunk, input, &self.trunk, gradient, &mut spare, (&mut [], Store::Set));
        }
    }
}

/// The results of the last one of `layers` on `rows` rows of `x`; `x` itself when there is no layer.
fn last<'a>(layers: &[Layer], results: &'a [Vec<f32>], rows: usize, x: &'a [f32]) -> &'a [f32] {
    match (layers.last(), results.last()) {
        (Some(layer), Some(y)) => &y[..rows * layer.outputs],
        _ => x,
    }
}

/// Two buffers that gradients pass through.
struct Spare<'a> {
    gradient: &'a mut Vec<f32>,
    earlier: &'a mut Vec<f32>,
}

/// Layers at work on B rows.
struct Network<'a> {
    parameters: &'a [f32],
    activation: Activation,
    rows: usize,
}

impl Network<'_> {
    /// Fills the results of `layers` from `x`.
    fn forward(&self, layers: &[Layer], x: &[f32], results: &mut [Vec<f32>], activate_last: bool) {
        for (i, layer) in layers.iter().enumerate() {
            let (before, after) = results.split_at_mut(i);
            let x = before.last().map_or(x, |x| &x[..]);
            let y = &mut after[0][..self.rows * layer.outputs];
            let weight = Matrix::new(&self.parameters[layer.weight()], layer.outputs, layer.inputs);
            product(y, Matrix::new(x, self.rows, layer.inputs), weight.turned(), Store::Set);
            let bias = &self.parameters[layer.bias()];
            if activate_last || i + 1 < layers.len() {
                activate(y, bias, self.activation);
            } else {
                add_to_rows(y, bias);
            }
        }
    }

    /// Adds the gradients of `layers` to `sum`, from that of the last one's result in `spare.gradient`; puts that of the
    /// first one's input into `below`, when there is room for it.
    fn backward(
        &self,
        layers: &[Layer],
        x: &[f32],
        results: &[Vec<f32>],
        sum: &mut [f32],
        spare: &mut Spare<'_>,
        (below, store): (&mut [f32], Store),
    ) {
        for (i, layer) in layers.iter().enumerate().rev() {
            let x = if i == 0 { x } else { &results[i - 1] };
            let gradient = &spare.gradient[..self.rows * layer.outputs];
            let turned = Matrix::new(gradient, self.rows, layer.outputs).turned();
            product(&mut sum[layer.weight()], turned, Matrix::new(x, self.rows, layer.inputs), Store::Add);
            sum_rows(&mut sum[layer.bias()], gradient);
            let weight = Matrix::new(&self.parameters[layer.weight()], layer.outputs, layer.inputs);
            let len = self.rows * layer.inputs;
            if i > 0 {
                product(spare.earlier, turned.turned(), weight, Store::Set);
                deactivate(&mut spare.earlier[..len], &x[..len], self.activation);
                std::mem::swap(spare.gradient, spare.earlier);
            } else if !below.is_empty() {
                product(below, turned.turned(), weight, store);
            }
        }
    }
}
