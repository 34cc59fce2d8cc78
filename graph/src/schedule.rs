//! The order in which a graph is executed, and the memory that it takes.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use crate::{Activation, Graph, Op, Source, len};

/// The steps that give some outputs of a graph, each after those that it reads, and the buffers that they write.
///
/// A dense layer or convolution and the activation that alone reads it are one step. Buffers hold numbers for each row; how many
/// rows there are is up to the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// In the order of execution.
    pub steps: Vec<Step>,
    /// Numbers of a row that each buffer of results holds.
    pub slots: Vec<usize>,
    /// Numbers of a row that each buffer of gradients holds; none without training.
    pub gradients: Vec<usize>,
    /// The step that gives each output, in the order in which they were asked for.
    pub outputs: Vec<usize>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The node whose operation it computes.
    pub node: usize,
    /// The activation that follows in place.
    pub activation: Option<Activation>,
    /// What it reads.
    pub reads: Vec<Read>,
    /// Numbers of a row that it gives.
    pub len: usize,
    /// The buffer of results that it writes.
    pub slot: usize,
    /// Where its hidden state lies among those of all nodes.
    pub state: Range<usize>,
    /// The buffer with the gradient of its result; none where nothing below has a gradient, or without training.
    pub gradient: Option<usize>,
}

/// One thing that a step reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// Which one.
    pub from: Origin,
    /// Numbers of a row in it.
    pub len: usize,
    /// Where its gradient goes and whether it is the first one there, which overwrites instead of adding; none where it needs no gradient.
    pub gradient: Option<(usize, bool)>,
}

/// Where a step reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The input of this index.
    Input(usize),
    /// The result of the step of this index.
    Step(usize),
}

/// What a schedule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Results alone: a buffer is used again as soon as its result has been read.
    Inference,
    /// Gradients, too: results are kept for the way back.
    Training,
}

impl Graph {
    /// The steps that give `outputs`, those of the first one first. Parameters that depend on no input are no steps.
    pub fn schedule(&self, outputs: &[Source], purpose: Purpose) -> Schedule {
        let order = self.order(outputs);
        // Readers of each node; an output has one more.
        let mut readers = vec![0_usize; self.nodes.len()];
        let reads = order.iter().flat_map(|&i| &self.nodes[i].reads);
        for source in reads.chain(outputs) {
            if let Source::Node(i) = *source {
                readers[i] += 1;
            }
        }
        let (mut steps, mut step_of) = (Vec::<Step>::new(), vec![usize::MAX; self.nodes.len()]);
        for &i in &order {
            let node = &self.nodes[i];
            if let (Op::Activation(activation), [Source::Node(below)]) = (&node.op, &node.reads[..])
                && readers[*below] == 1
                && matches!(self.nodes[*below].op, Op::Dense | Op::Conv(_))
                && (purpose == Purpose::Inference || activation.slope_from_result())
            {
                step_of[i] = step_of[*below];
                steps[step_of[i]].activation = Some(*activation);
                continue;
            }
            if node.op == Op::Parameter {
                continue;
            }
            let read = |&source: &Source| {
                let from = match source {
                    Source::Input(i) => Origin::Input(i),
                    Source::Node(i) => Origin::Step(step_of[i]),
                };
                Read { from, len: len(self.dims(source)), gradient: None }
            };
            let reads = node.reads.iter().map(read).collect();
            step_of[i] = steps.len();
            let (len, state) = (len(&node.dims), self.state_of(i));
            steps.push(Step { node: i, activation: None, reads, len, slot: 0, state, gradient: None });
        }
        let outputs: Vec<usize> = outputs
            .iter()
            .filter_map(|source| match *source {
                Source::Node(i) => Some(step_of[i]).filter(|&step| step != usize::MAX),
                Source::Input(_) => None,
            })
            .collect();
        let slots = place_results(&mut steps, &outputs, purpose);
        let gradients = match purpose {
            Purpose::Inference => Vec::new(),
            Purpose::Training => self.place_gradients(&mut steps, &outputs),
        };
        Schedule { steps, slots, gradients, outputs }
    }

    /// Gives every step and read whose gradient is needed a buffer for it, in the order of the way back.
    fn place_gradients(&self, steps: &mut [Step], outputs: &[usize]) -> Vec<usize> {
        let mut needs: Vec<bool> = Vec::new();
        for step in &*steps {
            let node = &self.nodes[step.node];
            let below = step.reads.iter().any(|read| matches!(read.from, Origin::Step(i) if needs[i]));
            needs.push(below || node.trainable && !node.parameters.is_empty());
        }
        let mut slots = Slots::default();
        for &i in outputs {
            // The loss writes it, needed or not.
            if steps[i].gradient.is_none() {
                steps[i].gradient = Some(slots.take(steps[i].len));
            }
        }
        for i in (0..steps.len()).rev() {
            let Some(own) = steps[i].gradient else { continue };
            for r in 0..steps[i].reads.len() {
                let Origin::Step(below) = steps[i].reads[r].from else { continue };
                if !needs[below] {
                    continue;
                }
                let first = steps[below].gradient.is_none();
                let len = steps[below].len;
                let slot = *steps[below].gradient.get_or_insert_with(|| slots.take(len));
                steps[i].reads[r].gradient = Some((slot, first));
            }
            slots.free.push(own);
        }
        slots.sizes
    }
}

/// Gives every step the buffer that it writes.
fn place_results(steps: &mut [Step], outputs: &[usize], purpose: Purpose) -> Vec<usize> {
    let mut last: Vec<usize> = (0..steps.len()).collect();
    for (i, step) in steps.iter().enumerate() {
        for read in &step.reads {
            if let Origin::Step(below) = read.from {
                last[below] = i;
            }
        }
    }
    for &i in outputs {
        last[i] = usize::MAX;
    }
    let mut slots = Slots::default();
    for i in 0..steps.len() {
        steps[i].slot = slots.take(steps[i].len);
        if purpose == Purpose::Inference {
            let over = (0..=i).filter(|&below| last[below] == i).map(|below| steps[below].slot);
            slots.free.extend(over);
        }
    }
    slots.sizes
}

/// Buffers, of which some are free.
#[derive(Default)]
struct Slots {
    sizes: Vec<usize>,
    free: Vec<usize>,
}

impl Slots {
    /// A buffer of at least `size` numbers: the smallest free one that is large enough, the largest free one, which grows, or a new one.
    fn take(&mut self, size: usize) -> usize {
        let fits = |&i: &usize| (self.sizes[self.free[i]] < size, self.sizes[self.free[i]].abs_diff(size));
        let Some(best) = (0..self.free.len()).min_by_key(fits) else {
            self.sizes.push(size);
            return self.sizes.len() - 1;
        };
        let slot = self.free.swap_remove(best);
        self.sizes[slot] = self.sizes[slot].max(size);
        slot
    }
}

#[cfg(test)]
mod tests;
