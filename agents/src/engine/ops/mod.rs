//! Operations on the rows of a tile, each forward and backward.

pub mod conv;
pub mod dense;
pub mod norm;
pub mod own;
pub mod pool;
pub mod recurrent;
pub mod select;

use std::ops::Range;

use phalanx_graph::{Division, Node, Op, Schedule, Step};

use super::matrix::Store;
use crate::plan::Plan;

/// What is executed, with which parameters.
#[derive(Clone, Copy)]
pub struct Way<'a> {
    /// The networks.
    pub plan: &'a Plan,
    /// One of its schedules.
    pub schedule: &'a Schedule,
    /// All parameters `[P]`.
    pub parameters: &'a [f32],
    /// Whether a row's results are to be the same bits whatever rows are beside it: inputs and results then have room for
    /// whole blocks of rows, of which the last ones mean nothing.
    pub row_invariant: bool,
}

/// One step for some rows.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    /// What is executed.
    pub way: Way<'a>,
    /// The step.
    pub step: &'a Step,
    /// Rows B.
    pub rows: usize,
}

impl<'a> Work<'a> {
    fn node(self) -> &'a Node {
        &self.way.plan.graph.nodes[self.step.node]
    }

    /// How its parameters are divided among ranks.
    pub fn division(self) -> Division {
        self.node().division
    }

    /// The operation.
    pub fn op(self) -> &'a Op {
        &self.node().op
    }

    /// The step's own parameters.
    pub fn parameters(self) -> &'a [f32] {
        &self.way.parameters[self.node().parameters.clone()]
    }

    /// Numbers of a row that it reads.
    pub fn inputs(self) -> usize {
        self.step.reads[0].len
    }
}

/// What the way back through a step reads and writes.
pub struct Back<'a> {
    /// What the step read.
    pub x: &'a [f32],
    /// Gradient of its result `[B, len]`, which may be overwritten.
    pub gradient: &'a mut [f32],
    /// Where those of its own parameters are added; none where they are frozen.
    pub sum: Option<&'a mut [f32]>,
    /// Where that of what it read goes; none where it is not needed.
    pub below: Option<Below<'a>>,
}

/// Where the gradient of what a step reads goes.
pub struct Below<'a> {
    /// `[B, inputs]`.
    pub gradient: &'a mut [f32],
    /// Whether nothing is there yet: it is overwritten, not added to.
    pub first: bool,
}

impl Below<'_> {
    /// As a product stores it.
    pub fn store(&self) -> Store {
        if self.first { Store::Set } else { Store::Add }
    }

    /// Makes it ready to be added to.
    pub fn start(&mut self) {
        if self.first {
            self.gradient.fill(0.0);
        }
    }

    /// Adds these numbers, or overwrites what is there.
    pub fn put<'b>(&mut self, numbers: impl Iterator<Item = &'b f32>) {
        let pairs = self.gradient.iter_mut().zip(numbers);
        if self.first {
            pairs.for_each(|(to, from)| *to = *from);
        } else {
            pairs.for_each(|(to, from)| *to += *from);
        }
    }
}

impl Back<'_> {
    /// Passes the gradient on as it is.
    pub fn pass_on(&mut self) {
        if let Some(below) = &mut self.below {
            below.put(self.gradient.iter());
        }
    }

    /// Passes on some of the `len` numbers of each row.
    pub fn pass_part(&mut self, len: usize, part: Range<usize>) {
        if let Some(below) = &mut self.below {
            below.put(self.gradient.chunks_exact(len).flat_map(|row| &row[part.clone()]));
        }
    }
}

/// Buffers that the windows of one picture pass through.
pub struct Scratch {
    /// Numbers of all windows.
    windows: Vec<f32>,
    /// A padded picture.
    padded: Vec<f32>,
}

impl Scratch {
    /// Large enough for every step of `schedule`.
    pub fn new(plan: &Plan, schedule: &Schedule) -> Self {
        let windows = schedule.steps.iter().filter_map(|step| match &plan.graph.nodes[step.node].op {
            Op::Conv(window) | Op::MaxPool(window) | Op::AveragePool(window) => Some(window),
            _ => None,
        });
        let largest =
            |size: fn(&phalanx_graph::Window) -> usize| windows.clone().map(size).max().unwrap_or(0);
        Self {
            windows: vec![0.0; largest(|window| window.count() * window.width())],
            padded: vec![0.0; largest(phalanx_graph::Window::padded)],
        }
    }

    /// Room for the windows of one picture, and for the padded picture.
    pub fn of(&mut self, window: &phalanx_graph::Window) -> (&mut [f32], &mut [f32]) {
        (&mut self.windows[..window.count() * window.width()], &mut self.padded[..window.padded()])
    }
}
