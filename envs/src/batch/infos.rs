//! The infos that environments return for episodes that have ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Means, by name, of the numbers in what environments answer to `call("info", null)` after the last step of an episode.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Infos(BTreeMap<String, Mean>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Mean {
    sum: f64,
    count: u64,
}

impl Infos {
    /// Counts an episode's info in: its numbers, also as arrays of one, and truth values as 0 and 1. The rest is left out. A name
    /// that some episodes lack has the mean of those that have it.
    pub fn count(&mut self, info: &Value) {
        for (name, mut value) in info.as_object().into_iter().flatten() {
            while let Some([one]) = value.as_array().map(Vec::as_slice) {
                value = one;
            }
            if let Some(number) = value.as_f64().or_else(|| value.as_bool().map(f64::from)) {
                self.add(name.clone(), Mean { sum: number, count: 1 });
            }
        }
    }

    /// Counts in what others have counted.
    pub fn merge(&mut self, other: Self) {
        for (name, mean) in other.0 {
            self.add(name, mean);
        }
    }

    fn add(&mut self, name: String, Mean { sum, count }: Mean) {
        let mean = self.0.entry(name).or_default();
        mean.sum += sum;
        mean.count += count;
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and means, in the order of the alphabet.
    pub fn means(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, mean)| (&**name, mean.sum / mean.count as f64))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_and_truth_values_have_means() {
        let (mut infos, mut others) = (Infos::default(), Infos::default());
        assert!(infos.is_empty());
        infos.count(&json!({"success": true, "distance": 1.5, "name": "a", "pose": [1.0, 2.0], "goal": [[3]], "angle": null}));
        infos.count(&json!({"success": false, "distance": 2}));
        others.count(&json!({"success": false, "laps": 3}));
        others.count(&json!(null));
        infos.merge(others);
        let means: Vec<_> = infos.means().collect();
        assert_eq!(means, [("distance", 1.75), ("goal", 3.0), ("laps", 3.0), ("success", 1.0 / 3.0)]);
    }
}
