//! A policy file beside what was recorded of the run.

use std::fmt;

use phalanx_export::{ExportError, Policy, Record, Recorded};
use phalanx_micro as micro;

use super::PolicyError;

/// What a file does for recorded observations.
pub struct Replay {
    /// Outputs of its network for each.
    outputs: Vec<Vec<f32>>,
    /// Which of the trained network's each of them is, and its field.
    read: Vec<(usize, String)>,
    /// The field of each number of an action.
    fields: Vec<String>,
    /// Its actions.
    pub actions: Vec<Vec<f32>>,
}

/// Where a file and a run differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The recorded step.
    pub record: usize,
    /// The output of the network, or the number of the action, in words.
    pub what: String,
    /// The number of the file and that of the run.
    pub numbers: [f32; 2],
    /// How far apart they are, as a part of `largest`.
    pub share: f32,
    /// The largest number, at least 1.
    pub largest: f32,
    /// Bound of the share.
    pub bound: f32,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { record, what, numbers: [here, there], share, largest, bound } = self;
        write!(
            f,
            "of record {record}, {what} is {here} and was {there}; this is {share:e} of the largest one, {largest}, and \
             {bound:e} may be lost by rounding. Observations of thousands of units lose more: `normalize.observation: true` \
             trains without this; another checkpoint (--checkpoint STEP) may pass, too. Otherwise it is a fault of phalanx, \
             to be reported with config.yaml and the checkpoint"
        )
    }
}

impl Replay {
    /// Of the file with these bytes.
    ///
    /// # Errors
    /// [`PolicyError`] where there is no action.
    pub fn new(bytes: &[u8], policy: &Policy<'_>, records: &[Record]) -> Result<Self, PolicyError> {
        let mut memory = Vec::new();
        let file = phalanx_export::aligned(bytes, &mut memory);
        let mut arena = vec![0.0; micro::Policy::arena(file).map_err(ExportError::from)?];
        let mut micro = micro::Policy::new(file, &mut arena).map_err(ExportError::from)?;
        let mut action = vec![0.0; micro.action_len()];
        let (mut outputs, mut actions) = (Vec::new(), Vec::new());
        for (record, step) in records.iter().enumerate() {
            if step.begins {
                micro.reset();
            }
            let elements: Vec<_> = step.observation.iter().map(Recorded::elements).collect();
            micro.act(&elements, &mut action).map_err(|reason| PolicyError::NoAction { record, reason })?;
            outputs.push(micro.outputs().collect());
            actions.push(action.clone());
        }
        let of =
            |field: &phalanx_export::Field| vec![field.name.clone(); field.shape.iter().product::<usize>()];
        let fields: Vec<String> = policy.action.iter().flat_map(of).collect();
        // The file has the outputs of one part of an action after the other, and no deviations.
        let of = |part: &phalanx_export::Part| {
            let name = fields[part.action].clone();
            (part.outputs..part.outputs + part.len).map(move |output| (output, name.clone()))
        };
        Ok(Self { outputs, read: policy.parts.iter().flat_map(of).collect(), fields, actions })
    }

    /// Fails unless outputs are within `tolerance` of the largest one of the trained network's, and actions are the recorded ones.
    ///
    /// # Errors
    /// [`PolicyError::Differs`].
    pub fn check(&self, records: &[Record], trained: &[Vec<f32>], tolerance: f32) -> Result<(), PolicyError> {
        let differs = self.difference(trained, tolerance).filter(|difference| difference.share > tolerance);
        if let Some(difference) = differs {
            return Err(PolicyError::Differs(difference));
        }
        let bound = 1e-5;
        for (record, (here, step)) in self.actions.iter().zip(records).enumerate() {
            for (i, (&here, &there)) in here.iter().zip(&step.action).enumerate() {
                let largest = there.abs().max(1.0);
                let share = (here - there).abs() / largest;
                if share > bound {
                    let (what, numbers) =
                        (format!("number {i} of the action, {},", self.fields[i]), [here, there]);
                    let difference = Difference { record, what, numbers, share, largest, bound };
                    return Err(PolicyError::Differs(difference));
                }
            }
        }
        Ok(())
    }

    /// The output that differs most from that of the trained network, as a part of the largest one; `None` without records.
    pub fn difference(&self, trained: &[Vec<f32>], bound: f32) -> Option<Difference> {
        let steps = || {
            let steps = self.outputs.iter().zip(trained).enumerate();
            steps.flat_map(|(record, (here, there))| {
                let all = here.iter().zip(&self.read);
                all.map(move |(&here, (output, name))| (record, *output, name, [here, there[*output]]))
            })
        };
        let largest = steps().fold(1.0, |most: f32, (.., [_, there])| most.max(there.abs()));
        let share = |[here, there]: [f32; 2]| {
            let share = (here - there).abs() / largest;
            // NaN is as far away as can be.
            if share.is_nan() { f32::INFINITY } else { share }
        };
        let worst = steps().max_by(|(.., a), (.., b)| share(*a).total_cmp(&share(*b)));
        worst.map(|(record, output, name, numbers)| Difference {
            record,
            what: format!("output {output} of the network, of {name},"),
            numbers,
            share: share(numbers),
            largest,
            bound,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_difference_is_named_with_both_numbers_and_the_bound() {
        let replay = Replay {
            outputs: vec![vec![1.0, 2.0], vec![1.0, -3.75]],
            read: vec![(0, "action.valve".into()), (2, "action.opening".into())],
            fields: vec!["action.valve".into(), "action.opening".into()],
            actions: vec![vec![0.0, 2.0], vec![1.0, 5.0]],
        };
        let trained = [vec![1.0, 9.0, 2.0], vec![1.0, 9.0, -4.0]];
        let record = |action: [f32; 2]| Record { begins: true, observation: vec![], action: action.to_vec() };
        let records = [record([0.0, 2.0]), record([2.0, 5.0])];
        let message = |tolerance| replay.check(&records, &trained, tolerance).unwrap_err().to_string();
        let printed = message(1e-6);
        // A quarter of 4, the largest of the outputs that are read.
        let expected = "of record 1, output 2 of the network, of action.opening, is -3.75 and was -4; this is 6.25e-2 of the \
                        largest one, 4, and 1e-6 may be lost";
        assert!(printed.contains(expected), "{printed}");
        let printed = message(0.1);
        let expected = "of record 1, number 0 of the action, action.valve, is 1 and was 2; this is 5e-1";
        assert!(printed.contains(expected), "{printed}");
    }
}
