//! What an iteration reports.

use std::time::Duration;

use phalanx_envs::Infos;
use phalanx_mesh::Mesh;
use serde::{Deserialize, Serialize};

use super::Trainer;
use crate::ranks::exchange;
use crate::{AlgorithmError, Record, UpdateMetrics};

/// Times of one iteration.
pub(super) struct Times {
    pub stepping: Duration,
    pub inferring: Duration,
    pub updating: Duration,
}

/// What ranks tell each other of an iteration.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Told {
    pub transitions: usize,
    /// Ranks whose rollout was cut short.
    pub preempted: usize,
    pub infos: Infos,
    pub losses: Vec<String>,
}

impl Told {
    /// That of all ranks together.
    pub fn of_all(mesh: &Mesh, own: Self) -> Result<Self, AlgorithmError> {
        let mut all = Self::default();
        for told in exchange(mesh, own)? {
            all.transitions += told.transitions;
            all.preempted += told.preempted;
            all.infos.merge(told.infos);
            all.losses.extend(told.losses);
        }
        Ok(all)
    }
}

impl Trainer {
    /// The record of an iteration that took `took`.
    pub(super) fn record(
        &self,
        transitions: usize,
        metrics: &UpdateMetrics,
        times: &Times,
        took: Duration,
    ) -> Record {
        let log = self.collector.log();
        let (return_mean, length_mean) = log.means();
        let mut record = Record::new(self.progress.step);
        for (name, value) in [
            ("iteration", self.progress.iteration as f64),
            ("episodes", log.finished as f64),
            ("episode_return_mean", return_mean),
            ("episode_length_mean", length_mean),
            ("steps_per_second", transitions as f64 / took.as_secs_f64()),
            ("policy_loss", metrics.policy_loss),
            ("value_loss", metrics.value_loss),
            ("entropy", metrics.entropy),
            ("approx_kl", metrics.approx_kl),
            ("clip_fraction", metrics.clip_fraction),
            ("kl_penalty", metrics.penalty),
            ("gradient_norm", metrics.gradient_norm),
            ("gradient_steps", metrics.gradient_steps as f64),
            ("explained_variance", metrics.explained_variance),
            ("learning_rate", metrics.learning_rate),
            ("seconds", self.progress.seconds),
            ("seconds_stepping", times.stepping.as_secs_f64()),
            ("seconds_inferring", times.inferring.as_secs_f64()),
            ("seconds_advantage", metrics.seconds_advantage),
            ("seconds_updating", times.updating.as_secs_f64() - metrics.seconds_advantage),
        ] {
            record.push(name, value);
        }
        if let Some((mean, largest)) = metrics.action_std {
            record.push("action_std_mean", mean);
            record.push("action_std_max", largest);
        }
        record
    }
}
