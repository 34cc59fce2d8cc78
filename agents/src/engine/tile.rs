//! Forward and backward passes of some rows, in memory that one core keeps in its cache.

use phalanx_envs::Elements;

use super::Pass;
use super::matrix::{BLOCK, Matrix, Store, product, products};
use super::vector::{activate, activation_backward, add_to_rows, fractions, sum_rows};
use crate::Activation;
use crate::observations::len;
use crate::plan::{Layer, Plan, Tower};

/// The memory of a pass over at most [`Self::rows`] rows.
pub struct Tile {
    input: Vec<f32>,
    /// Results of every layer, after its activation.
    trunk: Vec<Vec<f32>>,
    actor: Vec<Vec<f32>>,
    critic: Vec<Vec<f32>>,
    /// Gradients over the results of the layers at hand, before their activation.
    workspace: Workspace,
    value_gradient: Vec<f32>,
    trunk_gradient: Vec<f32>,
}

/// Buffers that gradients and the windows of convolutions pass through.
struct Workspace {
    gradient: Vec<f32>,
    earlier: Vec<f32>,
    /// Numbers of all windows of one picture.
    windows: Vec<f32>,
}

impl Tile {
    /// Rows of a tile: the activations of two 64-64 networks take 128 KiB for 128 rows. Those of pictures are larger than
    /// a cache however few there are; and the fewer rows, the more often are large weights read.
    pub fn rows(plan: &Plan) -> usize {
        if plan.has_pictures() { 64 } else { 128 }
    }

    /// Rows whose forward pass is worth a thread: fewer cost less than starting one.
    pub fn least(plan: &Plan) -> usize {
        if plan.has_pictures() { 2 } else { 128 }
    }

    /// Memory for the networks of `plan`.
    pub fn new(plan: &Plan) -> Self {
        let rows = Self::rows(plan);
        let results = |layers: &[Layer]| layers.iter().map(|l| vec![0.0; rows * l.outputs]).collect();
        let widest = plan.layers().map(|l| l.outputs).max().unwrap_or(0);
        let windows = plan.layers().filter_map(|l| l.window.as_ref()).map(|w| w.count() * w.width()).max();
        Self {
            input: vec![0.0; rows * plan.inputs],
            trunk: results(&plan.trunk),
            actor: results(&plan.actor),
            critic: results(&plan.critic),
            workspace: Workspace {
                gradient: vec![0.0; rows * widest],
                earlier: vec![0.0; rows * widest],
                windows: vec![0.0; windows.unwrap_or(0)],
            },
            value_gradient: vec![0.0; rows],
            trunk_gradient: vec![0.0; rows * plan.trunk.last().map_or(0, |l| l.outputs)],
        }
    }

    /// Outputs of `tower` for `x [B, inputs]`, B ≤ [`Self::rows`]: for each row the same bits whatever rows are beside it.
    pub fn infer<'a>(
        &'a mut self,
        plan: &Plan,
        parameters: &[f32],
        tower: Tower,
        x: Elements<'a>,
    ) -> &'a [f32] {
        let rows = len(x) / plan.inputs;
        let whole = rows.next_multiple_of(BLOCK);
        let x = match x {
            Elements::F32(x) if rows == whole => x,
            Elements::F32(x) => {
                self.input[..x.len()].copy_from_slice(x);
                &self.input[..]
            }
            Elements::U8(x) => {
                fractions(x, &mut self.input, &plan.bytes);
                &self.input[..]
            }
        };
        let network = Network { parameters, activation: plan.activation, rows, row_invariant: true };
        network.forward(&plan.trunk, x, &mut self.trunk, true, &mut self.workspace);
        let common = self.trunk.last().map_or(x, |results| &results[..]);
        let results = match tower {
            Tower::Actor => &mut self.actor,
            Tower::Critic => &mut self.critic,
        };
        network.forward(plan.tower(tower), common, results, false, &mut self.workspace);
        last(plan.tower(tower), results, rows, common)
    }

    /// Adds the gradient of `loss` over the rows `index` of `x [M, inputs]` to `gradient`, at most [`Self::rows`] of them.
    pub fn learn(
        &mut self,
        plan: &Plan,
        parameters: &[f32],
        x: Elements<'_>,
        index: &[i64],
        gradient: &mut [f32],
        loss: impl FnOnce(Pass<'_>),
    ) {
        let (rows, width) = (index.len(), plan.inputs);
        for (row, &i) in self.input.chunks_exact_mut(width).zip(index) {
            let at = i as usize * width..(i as usize + 1) * width;
            match x {
                Elements::F32(x) => row.copy_from_slice(&x[at]),
                Elements::U8(x) => fractions(&x[at], row, &plan.bytes),
            }
        }
        let Self { trunk, actor, critic, workspace, value_gradient, trunk_gradient, .. } = self;
        let network = Network { parameters, activation: plan.activation, rows, row_invariant: false };
        let input = &self.input[..rows * width];
        network.forward(&plan.trunk, input, trunk, true, workspace);
        let common = last(&plan.trunk, trunk, rows, input);
        network.forward(&plan.actor, common, actor, false, workspace);
        network.forward(&plan.critic, common, critic, false, workspace);
        let outputs = last(&plan.actor, actor, rows, common);
        let value = last(&plan.critic, critic, rows, common);
        loss(Pass {
            index,
            outputs,
            value,
            d_outputs: &mut workspace.gradient[..outputs.len()],
            d_value: &mut value_gradient[..rows],
            d_log_std: &mut gradient[plan.log_std.clone()],
        });
        network.backward(&plan.actor, common, actor, gradient, workspace, (trunk_gradient, Store::Set));
        workspace.gradient[..rows].copy_from_slice(&value_gradient[..rows]);
        network.backward(&plan.critic, common, critic, gradient, workspace, (trunk_gradient, Store::Add));
        if let Some(last) = trunk.last() {
            let len = common.len();
            activation_backward(&mut trunk_gradient[..len], &last[..len], plan.activation);
            workspace.gradient[..len].copy_from_slice(&trunk_gradient[..len]);
            network.backward(&plan.trunk, input, trunk, gradient, workspace, (&mut [], Store::Set));
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

/// Layers at work on B rows.
struct Network<'a> {
    parameters: &'a [f32],
    activation: Activation,
    rows: usize,
    /// Whether a row's results are to be the same bits whatever rows are beside it: inputs and results then have room for
    /// whole [`BLOCK`]s of rows, of which the last ones mean nothing.
    row_invariant: bool,
}

impl Network<'_> {
    /// Fills the results of `layers` from `x`.
    fn forward(
        &self,
        layers: &[Layer],
        x: &[f32],
        results: &mut [Vec<f32>],
        activate_last: bool,
        workspace: &mut Workspace,
    ) {
        for (i, layer) in layers.iter().enumerate() {
            let (before, after) = results.split_at_mut(i);
            let x = before.last().map_or(x, |x| &x[..]);
            let (y, weight) = (&mut after[0][..], self.weight(layer).transpose());
            if self.row_invariant && layer.window.is_none() {
                products(y, Matrix::new(x, self.rows.next_multiple_of(BLOCK), layer.inputs), weight);
            } else {
                self.each_product(layer, x, &mut workspace.windows, |x, at| {
                    product(&mut y[at..], x, weight, Store::Set);
                });
            }
            let y = &mut y[..self.rows * layer.outputs];
            let bias = &self.parameters[layer.bias()];
            if activate_last || i + 1 < layers.len() {
                activate(y, bias, self.activation);
            } else {
                add_to_rows(y, bias);
            }
        }
    }

    /// Adds the gradients of `layers` to `sum`, from that of the last one's result in `workspace.gradient`; puts that of the
    /// first one's input into `below`, when there is room for it.
    fn backward(
        &self,
        layers: &[Layer],
        x: &[f32],
        results: &[Vec<f32>],
        sum: &mut [f32],
        workspace: &mut Workspace,
        (below, store): (&mut [f32], Store),
    ) {
        for (i, layer) in layers.iter().enumerate().rev() {
            let x = if i == 0 { x } else { &results[i - 1] };
            let Workspace { gradient, earlier, windows } = workspace;
            let gradient_at = |at: usize, rows: usize| Matrix::new(&gradient[at..], rows, layer.filters);
            let into = &mut sum[layer.weight()];
            self.each_product(layer, x, windows, |x, at| {
                product(into, gradient_at(at, x.rows()).transpose(), x, Store::Add);
            });
            sum_rows(&mut sum[layer.bias()], &gradient[..self.rows * layer.outputs]);
            if i > 0 {
                let earlier = &mut earlier[..self.rows * layer.inputs];
                self.input_gradient(layer, gradient, earlier, Store::Set, windows);
                activation_backward(earlier, &x[..earlier.len()], self.activation);
                std::mem::swap(&mut workspace.gradient, &mut workspace.earlier);
            } else if !below.is_empty() {
                self.input_gradient(layer, gradient, below, store, windows);
            }
        }
    }

    fn weight(&self, layer: &Layer) -> Matrix<'_> {
        Matrix::new(&self.parameters[layer.weight()], layer.filters, layer.width())
    }

    /// Calls `each` with the windows of `x` as rows of a matrix, and where their results lie: all rows at once for a
    /// fully connected layer, picture by picture for a convolution.
    fn each_product(
        &self,
        layer: &Layer,
        x: &[f32],
        windows: &mut [f32],
        mut each: impl FnMut(Matrix<'_>, usize),
    ) {
        let Some(window) = &layer.window else {
            return each(Matrix::new(x, self.rows, layer.inputs), 0);
        };
        for (i, x) in x.chunks_exact(layer.inputs).take(self.rows).enumerate() {
            window.gather(x, windows);
            each(Matrix::new(windows, window.count(), window.width()), i * layer.outputs);
        }
    }

    /// The gradient of a layer's input from that of its result.
    fn input_gradient(
        &self,
        layer: &Layer,
        gradient: &[f32],
        below: &mut [f32],
        store: Store,
        windows: &mut [f32],
    ) {
        let weight = self.weight(layer);
        let Some(window) = &layer.window else {
            return product(below, Matrix::new(gradient, self.rows, layer.outputs), weight, store);
        };
        if store == Store::Set {
            below.fill(0.0);
        }
        let pictures = below.chunks_exact_mut(layer.inputs).take(self.rows);
        for (picture, gradient) in pictures.zip(gradient.chunks_exact(layer.outputs)) {
            product(windows, Matrix::new(gradient, window.count(), layer.filters), weight, Store::Set);
            window.scatter(windows, picture);
        }
    }
}
