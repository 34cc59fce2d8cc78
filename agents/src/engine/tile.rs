//! Forward and backward passes of some rows, in memory that one core keeps in its cache.

use std::mem::take;

use phalanx_envs::Elements;
use phalanx_graph::{Op, Origin, Read, Schedule, Step};

use super::Pass;
use super::batch::{Batch, Packed, Packing};
use super::matrix::BLOCK;
use super::ops::{Back, Below, Scratch, Way, Work, conv, dense, norm, own, pool, recurrent, select};
use super::vector::{activate, activation_backward, fractions};
use crate::observations::Inputs;
use crate::plan::Plan;

/// Rows of a tile where ranks sum what they have of it: the more, the fewer sums.
pub const DIVIDED: usize = 256;

/// The memory of a pass over at most `rows` rows, for one schedule.
pub struct Tile {
    rows: usize,
    /// Inputs as floats.
    inputs: Vec<Vec<f32>>,
    /// Buffers of results, as in the schedule.
    results: Vec<Vec<f32>>,
    /// What each step keeps for the way back beside its result.
    kept: Vec<Vec<f32>>,
    /// Buffers of gradients, as in the schedule.
    gradients: Vec<Vec<f32>>,
    scratch: Scratch,
    packing: Packing,
}

impl Tile {
    /// Rows of a tile: the activations of two 64-64 networks take 128 KiB for 128 rows. Those of pictures are larger than
    /// a cache however few there are; and the fewer rows, the more often are large weights read. A recurrent layer takes a
    /// product for each time, and wants many sequences in it.
    pub fn rows(plan: &Plan) -> usize {
        if plan.parts().is_some() {
            return DIVIDED;
        }
        match (plan.has_pictures, plan.graph.state()) {
            (true, _) => 64,
            (false, 0) => 128,
            (false, _) => 512,
        }
    }

    /// Rows whose forward pass is worth a thread: fewer cost less than starting one.
    pub fn least(plan: &Plan) -> usize {
        if plan.has_pictures { 2 } else { 128 }
    }

    /// Memory for `rows` rows of a schedule of `plan`.
    pub fn new(plan: &Plan, schedule: &Schedule, rows: usize) -> Self {
        // Products of whole blocks write into all of their rows.
        let rows = rows.next_multiple_of(BLOCK);
        let buffers = |sizes: &[usize]| sizes.iter().map(|size| vec![0.0; rows * size]).collect();
        let inputs: Vec<usize> = (0..plan.graph.inputs.len()).map(|i| plan.input(i)).collect();
        let kept: Vec<usize> =
            schedule.steps.iter().map(|step| kept(step, &plan.graph.nodes[step.node].op)).collect();
        Self {
            rows,
            inputs: buffers(&inputs),
            results: buffers(&schedule.slots),
            kept: buffers(&kept),
            gradients: buffers(&schedule.gradients),
            scratch: Scratch::new(plan, schedule),
            packing: Packing::default(),
        }
    }

    /// Makes room for at least `rows` rows.
    pub fn grow(&mut self, plan: &Plan, schedule: &Schedule, rows: usize) {
        if rows > self.rows {
            *self = Self::new(plan, schedule, rows);
        }
    }

    /// The first output of `schedule` for the rows `first..first + rows` of `x`: for each row the same bits whatever rows are beside
    /// it. Hidden states `[rows, S]` are replaced by those after it.
    pub fn infer<'a>(
        &'a mut self,
        way: Way<'_>,
        x: Inputs<'a>,
        first: usize,
        rows: usize,
        states: &mut [f32],
    ) -> &'a [f32] {
        let whole = rows.next_multiple_of(BLOCK);
        for (i, into) in self.inputs.iter_mut().enumerate() {
            let len = way.plan.input(i);
            match x.part(i, first * len..(first + rows) * len) {
                Elements::F32(_) if rows == whole => {}
                x => convert(way.plan, i, x, into),
            }
        }
        let Self { inputs, results, kept, scratch, packing, .. } = self;
        let input = |i: usize| {
            let len = way.plan.input(i);
            match x.part(i, first * len..(first + rows) * len) {
                Elements::F32(x) if rows == whole => x,
                _ => &inputs[i][..],
            }
        };
        let packed = Packed { rows, counts: packing.one_step(rows), states };
        forward(Way { row_invariant: true, ..way }, packed, &input, (results, kept), scratch);
        let output = &way.schedule.steps[way.schedule.outputs[0]];
        &results[output.slot][..rows * output.len]
    }

    /// Adds the gradient of `loss` over the transitions `batch` of `x [M, …]` to `sum`, at most as many as there are rows.
    pub fn learn(
        &mut self,
        way: Way<'_>,
        x: Inputs<'_>,
        batch: Batch<'_>,
        sum: &mut [f32],
        loss: impl FnOnce(Pass<'_>),
    ) {
        let Self { inputs, results, kept, gradients, scratch, packing, .. } = self;
        let index = packing.pack(batch, way.plan.graph.state());
        let rows = index.len();
        assert!(rows <= self.rows, "{rows} rows in a tile for {}", self.rows);
        for (i, into) in inputs.iter_mut().enumerate() {
            let width = way.plan.input(i);
            for (row, &at) in into.chunks_exact_mut(width).zip(&index) {
                convert(way.plan, i, x.part(i, at as usize * width..(at as usize + 1) * width), row);
            }
        }
        let input = |i: usize| &inputs[i][..rows * way.plan.input(i)];
        forward(way, packing.packed(), &input, (results, kept), scratch);
        let steps = &way.schedule.steps;
        let [value, action] = [0, 1].map(|i| &steps[way.schedule.outputs[i]]);
        let place = |step: &Step| step.gradient.expect("outputs have gradients");
        let [mut d_value, mut d_outputs] = [value, action].map(|step| take(&mut gradients[place(step)]));
        loss(Pass {
            index: &index,
            outputs: &results[action.slot][..rows * action.len],
            value: &results[value.slot][..rows],
            d_outputs: &mut d_outputs[..rows * action.len],
            d_value: &mut d_value[..rows],
            d_log_std: &mut sum[way.plan.log_std.clone()],
        });
        gradients[place(value)] = d_value;
        gradients[place(action)] = d_outputs;
        backward(way, packing.counts(), &input, (results, [kept, gradients]), sum, scratch);
        packing.take_back(index);
    }
}

/// The numbers of an input as floats: bytes as fractions of their bounds.
fn convert(plan: &Plan, input: usize, x: Elements<'_>, into: &mut [f32]) {
    match x {
        Elements::F32(x) => into[..x.len()].copy_from_slice(x),
        Elements::U8(x) => fractions(x, &mut into[..x.len()], &plan.bytes[input]),
        other => unreachable!("agents refuse {other:?}"),
    }
}

/// Numbers of a row that a step keeps beside its result.
fn kept(step: &Step, op: &Op) -> usize {
    match op {
        Op::Recurrent(layer) => recurrent::kept(*layer) * step.len,
        _ => 0,
    }
}

/// Fills the results of all steps.
fn forward<'a>(
    way: Way<'_>,
    mut packed: Packed<'_>,
    input: &dyn Fn(usize) -> &'a [f32],
    (results, kept): (&mut [Vec<f32>], &mut [Vec<f32>]),
    scratch: &mut Scratch,
) {
    let steps = &way.schedule.steps;
    for (i, step) in steps.iter().enumerate() {
        let mut y = take(&mut results[step.slot]);
        let read = |read: &Read| match read.from {
            Origin::Input(i) => input(i),
            Origin::Step(below) => &results[steps[below].slot][..],
        };
        let work = Work { way, step, rows: packed.rows };
        let (x, len) = (read(&step.reads[0]), work.rows * step.len);
        match work.op() {
            Op::Dense => dense::forward(work, x, &mut y),
            Op::Conv(window) => conv::forward(work, window, x, &mut y, scratch),
            Op::MaxPool(window) => pool::forward(work, window, pool::Kind::Max, x, &mut y, scratch),
            Op::AveragePool(window) => pool::forward(work, window, pool::Kind::Mean, x, &mut y, scratch),
            Op::LayerNorm => norm::forward(work, x, &mut y),
            Op::Activation(activation) => {
                y[..len].copy_from_slice(&x[..len]);
                activate(&mut y[..len], *activation);
            }
            Op::Recurrent(layer) => {
                recurrent::forward(work, *layer, &mut packed, x, &mut y, &mut kept[i]);
            }
            Op::Concat => select::concat(work, step.reads.iter().map(|part| (read(part), part.len)), &mut y),
            Op::Add => select::add(step.reads.iter().map(read), &mut y[..len]),
            Op::OneHot(options) => select::one_hot(work, options, x, &mut y),
            Op::Embedding(options) => select::embed(work, *options, x, &mut y),
            Op::Own(_) => own::forward(work, x, &mut y[..len]),
            Op::Parameter => unreachable!("no step"),
        }
        results[step.slot] = y;
    }
}

/// Adds the gradients of all parameters to `sum`, from those of the outputs.
fn backward<'a>(
    way: Way<'_>,
    counts: &[usize],
    input: &dyn Fn(usize) -> &'a [f32],
    (results, [kept, gradients]): (&[Vec<f32>], [&mut [Vec<f32>]; 2]),
    sum: &mut [f32],
    scratch: &mut Scratch,
) {
    let (steps, rows) = (&way.schedule.steps, counts.iter().sum());
    for (i, step) in steps.iter().enumerate().rev() {
        let Some(own) = step.gradient else { continue };
        let work = Work { way, step, rows };
        let mut gradient = take(&mut gradients[own]);
        let (g, y) = (&mut gradient[..rows * step.len], &results[step.slot][..rows * step.len]);
        if let Some(activation) = step.activation {
            activation_backward(g, y, y, activation);
        }
        let mut at = 0;
        for (r, read) in step.reads.iter().enumerate() {
            let x = match read.from {
                Origin::Input(i) => input(i),
                Origin::Step(below) => &results[steps[below].slot][..],
            };
            let node = &way.plan.graph.nodes[step.node];
            let mut down = read.gradient.map(|(slot, first)| (slot, take(&mut gradients[slot]), first));
            let below = down
                .as_mut()
                .map(|(_, g, first)| Below { gradient: &mut g[..rows * read.len], first: *first });
            let sum = node.trainable.then(|| &mut sum[node.parameters.clone()]).filter(|_| r == 0);
            let mut back = Back { x, gradient: g, sum, below };
            match &node.op {
                Op::Dense => dense::backward(work, back),
                Op::Conv(window) => conv::backward(work, window, back, scratch),
                Op::MaxPool(window) => pool::backward(work, window, pool::Kind::Max, back, scratch),
                Op::AveragePool(window) => pool::backward(work, window, pool::Kind::Mean, back, scratch),
                Op::LayerNorm => norm::backward(work, back),
                Op::Activation(activation) => {
                    activation_backward(back.gradient, &x[..y.len()], y, *activation);
                    back.pass_on();
                }
                Op::Recurrent(layer) => recurrent::backward(work, *layer, counts, back, &mut kept[i]),
                Op::Concat => back.pass_part(step.len, at..at + read.len),
                Op::Add => back.pass_on(),
                Op::OneHot(_) => {}
                Op::Embedding(options) => select::embed_backward(*options, step.len, back),
                Op::Own(_) => own::backward(work, y, back),
                Op::Parameter => unreachable!("no step"),
            }
            at += read.len;
            if let Some((slot, g, _)) = down {
                gradients[slot] = g;
            }
        }
        gradients[own] = gradient;
    }
}
