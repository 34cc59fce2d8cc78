//! Elements of an observation have ranges of their own: each is brought to ±1 before it is quantised, and the weights that read it undo that.

use phalanx_graph::{InputScale, Op, Origin};

use crate::steps::{columns, matrix};
use crate::{Policy, Record, Recorded};

/// How far beyond the recorded range an element may be.
const WIDER: f32 = 1.25;

/// Changes the scales of inputs that dense layers alone read, and their weights; returns which ones.
pub fn spread(policy: &mut Policy<'_>, records: &[Record]) -> Vec<usize> {
    let mut spread = Vec::new();
    let schedule = policy.schedule();
    for i in 0..policy.inputs.len() {
        let reads = |from: Origin| matches!(from, Origin::Input(input) if policy.input(input) == i);
        let readers: Vec<_> =
            schedule.steps.iter().filter(|step| step.reads.iter().any(|read| reads(read.from))).collect();
        let is_dense = |node: usize| policy.graph.nodes[node].op == Op::Dense;
        let is_mask = policy.parts.iter().any(|part| part.mask.is_some_and(|mask| mask.input == i));
        if readers.is_empty() || is_mask || !readers.iter().all(|step| is_dense(step.node)) {
            continue;
        }
        let Some(scale) = Spread::of(policy, i, records) else { continue };
        let parameters = policy.parameters.to_mut();
        for step in readers {
            let node = &policy.graph.nodes[step.node];
            let columns = columns(&node.op, step).expect("it is dense");
            let own = &mut parameters[node.parameters.clone()];
            let weights = matrix(own, columns).0.len();
            let (weight, bias) = own.split_at_mut(weights);
            for (row, bias) in weight.chunks_exact_mut(columns).zip(bias) {
                for (w, (centre, half)) in row.iter_mut().zip(scale.centre.iter().zip(&scale.half)) {
                    *bias += *w * centre;
                    *w *= half;
                }
            }
        }
        policy.inputs[i].scale = scale.applied(&policy.inputs[i].scale);
        spread.push(i);
    }
    spread
}

/// The middle of each element's range, and half of its width.
struct Spread {
    centre: Vec<f32>,
    half: Vec<f32>,
}

impl Spread {
    /// Of an input as networks read it; nothing of bytes.
    fn of(policy: &Policy<'_>, input: usize, records: &[Record]) -> Option<Self> {
        let mut range: Option<Vec<[f32; 2]>> = None;
        for record in records {
            let Recorded::F32(x) = &record.observation[input] else { return None };
            let read: Vec<f32> = match &policy.inputs[input].scale {
                InputScale::Same => x.clone(),
                InputScale::Normalize { mean, factor, bound } => {
                    let scaled =
                        x.iter().zip(mean).zip(factor).map(|((x, mean), factor)| (x - mean) * factor);
                    scaled.map(|x| x.clamp(-bound, *bound)).collect()
                }
                InputScale::Fraction { .. } => return None,
            };
            let range = range.get_or_insert_with(|| read.iter().map(|x| [*x; 2]).collect());
            range.iter_mut().zip(&read).for_each(|(range, x)| *range = [range[0].min(*x), range[1].max(*x)]);
        }
        let range = range?;
        let half = |[least, largest]: &[f32; 2]| 0.5 * WIDER * (largest - least);
        Some(Self {
            centre: range.iter().map(|[least, largest]| 0.5 * (least + largest)).collect(),
            // What never changes has any unit.
            half: range.iter().map(half).map(|half| if half > 0.0 { half } else { 1.0 }).collect(),
        })
    }

    /// The scale that gives elements within ±1.
    fn applied(&self, scale: &InputScale) -> InputScale {
        let n = self.centre.len();
        let (mean, factor) = match scale {
            InputScale::Normalize { mean, factor, .. } => (mean.clone(), factor.clone()),
            _ => (vec![0.0; n], vec![1.0; n]),
        };
        let all = mean.iter().zip(&factor).zip(self.centre.iter().zip(&self.half));
        InputScale::Normalize {
            // An element whose factor is 0 is 0, whatever is observed.
            mean: all.clone().map(|((m, f), (c, _))| if *f == 0.0 { *m } else { m + c / f }).collect(),
            factor: all.map(|((_, f), (_, half))| f / half).collect(),
            bound: 1.0,
        }
    }
}
