//! What distributions read and write of rows, and which part of it belongs to which field.

use std::ops::Range;

/// The distributions of some rows, or of one.
///
/// # Shapes
/// B rows, with P, S and K as in [`Head`](crate::Head).
#[derive(Clone, Copy)]
pub struct Distribution<'a> {
    /// Outputs of the network, `[B, P]`.
    pub outputs: &'a [f32],
    /// Log standard deviations that are parameters, `[S]`.
    pub log_std: &'a [f32],
    /// Which options are legal, `[B, K]`, other than 0 where they are; without it all are.
    pub mask: Option<&'a [u8]>,
}

/// The action that was taken in a row.
#[derive(Clone, Copy)]
pub struct Taken<'a> {
    /// Choices, `[D]`.
    pub choices: &'a [i64],
    /// Numbers, `[C]`.
    pub numbers: &'a [f32],
}

/// Where the actions of some rows go.
pub struct Actions<'a> {
    /// Choices, `[B, D]`.
    pub choices: &'a mut [i64],
    /// Numbers, `[B, C]`.
    pub numbers: &'a mut [f32],
    /// Log probability of each action, in nats, `[B]`.
    pub log_prob: &'a mut [f32],
}

/// Where the gradient of one row goes.
pub struct Gradient<'a> {
    /// Over the outputs of the network, `[P]`, to be written.
    pub outputs: &'a mut [f32],
    /// Over the log standard deviations that are parameters, `[S]`, to be added to.
    pub log_std: &'a mut [f32],
}

/// How much of each kind a row of a distribution has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Widths {
    pub outputs: usize,
    pub choices: usize,
    pub numbers: usize,
    pub options: usize,
    pub log_std: usize,
}

/// Which of it belongs to one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spans {
    pub outputs: Range<usize>,
    pub choices: Range<usize>,
    pub numbers: Range<usize>,
    pub options: Range<usize>,
    pub log_std: Range<usize>,
}

impl Widths {
    /// Those of both together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            outputs: self.outputs + other.outputs,
            choices: self.choices + other.choices,
            numbers: self.numbers + other.numbers,
            options: self.options + other.options,
            log_std: self.log_std + other.log_std,
        }
    }
}

impl Spans {
    /// Those of the part that comes after `before`, and ends at `after`.
    pub fn between(before: Widths, after: Widths) -> Self {
        Self {
            outputs: before.outputs..after.outputs,
            choices: before.choices..after.choices,
            numbers: before.numbers..after.numbers,
            options: before.options..after.options,
            log_std: before.log_std..after.log_std,
        }
    }

    /// Where its noise lies.
    pub fn noise(&self) -> Range<usize> {
        self.choices.start + self.numbers.start..self.choices.end + self.numbers.end
    }
}

impl Distribution<'_> {
    /// That of one of the rows.
    pub(super) fn row(self, row: usize, widths: Widths) -> Self {
        Self {
            outputs: &self.outputs[row * widths.outputs..][..widths.outputs],
            mask: self.mask.map(|mask| &mask[row * widths.options..][..widths.options]),
            ..self
        }
    }

    /// That of a part.
    pub(super) fn part(self, spans: &Spans) -> Self {
        Self {
            outputs: &self.outputs[spans.outputs.clone()],
            log_std: &self.log_std[spans.log_std.clone()],
            mask: self.mask.map(|mask| &mask[spans.options.clone()]),
        }
    }
}

impl Taken<'_> {
    /// The action of a part.
    pub(super) fn part(self, spans: &Spans) -> Self {
        Self { choices: &self.choices[spans.choices.clone()], numbers: &self.numbers[spans.numbers.clone()] }
    }
}

impl Gradient<'_> {
    /// The gradient of a part.
    pub(super) fn part(&mut self, spans: &Spans) -> Gradient<'_> {
        Gradient {
            outputs: &mut self.outputs[spans.outputs.clone()],
            log_std: &mut self.log_std[spans.log_std.clone()],
        }
    }
}
