//! Notices a Gaussian policy whose standard deviation runs away.

use phalanx_agents::NetworkSettings;
use phalanx_envs::{ActionScaling, Space};

use crate::{PpoSettings, Record};

/// A deviation runs away when it is so many times what its start or the actions' box would make of it.
const TOO_MANY: f64 = 10.0;

/// Looks at the records of one training, and warns once.
pub struct DeviationWatch {
    /// Deviation from which on nearly all actions are noise, in units of the action.
    limit: f64,
    initial_std: f64,
    /// The largest of the fields' at the start.
    entropy_coefficient: f64,
    warned: bool,
}

impl DeviationWatch {
    /// A watch over a training on `actions`.
    ///
    /// It warns from ten times `initial_std` on, or ten times half the widest finite range of the box if that is more; where numbers are scaled
    /// to their range, half of it is 1.
    pub fn new(
        actions: &Space,
        scaling: ActionScaling,
        network: &NetworkSettings,
        ppo: &PpoSettings,
    ) -> Self {
        let half = |(low, high): (&f32, &f32)| match 0.5 * (f64::from(*high) - f64::from(*low)) {
            half if half.is_finite() && scaling != ActionScaling::Clip => 1.0,
            half => half,
        };
        let leaves = actions.leaves();
        let bounds = leaves.iter().filter_map(|(_, leaf)| match leaf {
            Space::Box { low, high, .. } => Some(low.iter().zip(high)),
            _ => None,
        });
        let widest =
            bounds.flatten().map(half).filter(|half| half.is_finite()).fold(network.initial_std, f64::max);
        let entropy_coefficients = leaves.iter().map(|(path, _)| ppo.entropy_coefficient.at(path, 0.0));
        Self {
            limit: TOO_MANY * widest,
            initial_std: network.initial_std,
            entropy_coefficient: entropy_coefficients.fold(0.0, f64::max),
            warned: false,
        }
    }

    /// The warning, with the first record whose `action_std_max` is too large.
    pub fn warning(&mut self, record: &Record) -> Option<String> {
        let std = record.get("action_std_max").filter(|&std| std >= self.limit && !self.warned)?;
        self.warned = true;
        let cause = if self.entropy_coefficient > 0.0 {
            format!("algorithm.ppo.entropy_coefficient ({})", self.entropy_coefficient)
        } else {
            "algorithm.ppo.learning_rate".to_owned()
        };
        Some(format!(
            "the policy's standard deviation runs away: it is {std:.3} after {} steps (action_std_max) and was {} at the start \
             (network.initial_std), so that actions are mostly noise. {cause} is probably too large: lower it, or bound the \
             deviation by network.max_std",
            record.step, self.initial_std
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EntropyCoefficient, Schedule};

    fn watch(bound: f32, initial_std: f64, entropy_coefficient: f64) -> DeviationWatch {
        scaled_watch(bound, ActionScaling::Clip, initial_std, entropy_coefficient)
    }

    fn scaled_watch(
        bound: f32,
        scaling: ActionScaling,
        initial_std: f64,
        entropy_coefficient: f64,
    ) -> DeviationWatch {
        let network = NetworkSettings { initial_std, ..NetworkSettings::default() };
        let entropy_coefficient = EntropyCoefficient::Same(Schedule::Constant(entropy_coefficient));
        let ppo = PpoSettings { entropy_coefficient, ..PpoSettings::default() };
        DeviationWatch::new(&Space::boxed(&[-1.0, -bound], &[1.0, bound]), scaling, &network, &ppo)
    }

    fn record(std: f64) -> Record {
        let mut record = Record::new(640);
        record.push("action_std_max", std);
        record
    }

    #[test]
    fn a_deviation_that_runs_away_is_warned_about_once() {
        let mut watch = watch(1.0, 1.0, 0.5);
        assert_eq!(watch.warning(&record(9.9)), None);
        let warning = watch.warning(&record(12.5)).expect("a warning");
        for part in ["is 12.500 after 640 steps", "was 1 at", "entropy_coefficient (0.5)", "network.max_std"]
        {
            assert!(warning.contains(part), "{part} is not in {warning}");
        }
        assert_eq!(watch.warning(&record(100.0)), None);
    }

    #[test]
    fn wide_boxes_and_wide_starts_are_given_more_room() {
        assert_eq!(watch(4.0, 1.0, 0.5).warning(&record(39.0)), None);
        assert!(watch(4.0, 1.0, 0.5).warning(&record(41.0)).is_some());
        assert!(scaled_watch(4.0, ActionScaling::Rescale, 1.0, 0.5).warning(&record(11.0)).is_some());
        assert_eq!(watch(f32::INFINITY, 5.0, 0.5).warning(&record(49.0)), None);
        assert!(watch(1.0, 0.1, 0.0).warning(&record(11.0)).expect("a warning").contains("learning_rate is"));
        assert_eq!(watch(1.0, 1.0, 0.5).warning(&Record::new(1)), None);
    }
}
