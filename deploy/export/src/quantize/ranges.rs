//! The least and largest number of each result, over recorded observations.

use phalanx_micro::Policy as Micro;

use crate::steps::{Form, steps};
use crate::write::assemble;
use crate::{ExportError, Policy, Record, Recorded, aligned};

/// Least and largest numbers.
pub struct Ranges {
    /// Of each input of the policy, as networks read it.
    pub inputs: Vec<[f32; 2]>,
    /// Of each step of the schedule, before its activation.
    pub before: Vec<[f32; 2]>,
    /// And after it.
    pub after: Vec<[f32; 2]>,
}

/// Those of a policy that acts for the observations of these records.
pub fn ranges(policy: &Policy<'_>, records: &[Record]) -> Result<Ranges, ExportError> {
    let plain = Policy { records: Vec::new(), ..policy.clone() };
    let kept = steps(&plain, Form::Kept)?;
    let schedule = policy.schedule();
    let lens = schedule.steps.iter().map(|step| step.len);
    let steps: Vec<([usize; 2], usize)> = kept.made.iter().copied().zip(lens).collect();
    let inputs: Vec<Option<usize>> = kept.inputs.clone();
    let bytes = assemble(&plain, kept)?;
    let mut memory = Vec::new();
    let file = aligned(&bytes, &mut memory);
    let mut arena = vec![0.0; Micro::arena(file)?];
    let mut micro = Micro::new(file, &mut arena)?;
    let mut action = vec![0.0; micro.action_len()];
    let nothing = |n: usize| vec![[0.0_f32; 2]; n];
    let mut ranges =
        Ranges { inputs: nothing(inputs.len()), before: nothing(steps.len()), after: nothing(steps.len()) };
    for (step, record) in records.iter().enumerate() {
        if record.begins {
            micro.reset();
        }
        let elements: Vec<_> = record.observation.iter().map(Recorded::elements).collect();
        micro.act(&elements, &mut action).map_err(|error| ExportError::Calibration { step, error })?;
        let widen = |range: &mut [f32; 2], at: usize, len: usize| {
            for x in &micro.results()[at..at + len] {
                *range = [range[0].min(*x), range[1].max(*x)];
            }
        };
        for (i, at) in inputs.iter().enumerate().filter_map(|(i, at)| Some((i, (*at)?))) {
            widen(&mut ranges.inputs[i], at, policy.inputs[i].size());
        }
        for (i, ([before, after], len)) in steps.iter().enumerate() {
            widen(&mut ranges.before[i], *before, *len);
            widen(&mut ranges.after[i], *after, *len);
        }
    }
    Ok(ranges)
}
