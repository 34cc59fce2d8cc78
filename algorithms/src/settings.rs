//! Settings of the algorithm and of the training loop, as in a configuration.

use std::collections::BTreeMap;

use phalanx_agents::{Head, Part};
use phalanx_envs::EnvSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Schedule;

/// Settings of `BatchPPO`. Each one is explained, with its source, in docs/ppo.md.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PpoSettings {
    /// Discount γ of a reward one environment step later, in [0, 1].
    #[schemars(range(min = 0.0, max = 1.0))]
    pub discount: f64,
    /// λ of the generalized advantage estimate, in [0, 1]; null takes Monte-Carlo returns.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub gae_lambda: Option<f64>,
    /// Passes over a rollout.
    #[schemars(range(min = 1))]
    pub epochs: usize,
    /// Transitions in one gradient step; null takes the whole rollout at once.
    #[schemars(range(min = 1))]
    pub minibatch: Option<usize>,
    /// Steps of a sequence that recurrent networks learn through; of no effect for others.
    #[schemars(range(min = 1))]
    pub sequence: usize,
    /// Steps before a sequence that its hidden state is computed through again with the present parameters, without learning from them; of no
    /// effect for other networks.
    pub burn_in: usize,
    /// Adam's learning rate.
    pub learning_rate: Schedule,
    /// Adam's ε.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub adam_epsilon: f64,
    /// What keeps the new policy close to the old one.
    pub objective: Objective,
    /// Weight of the value loss.
    pub value_coefficient: Schedule,
    /// Bound of a value's change in one update, in reward units, with `normalize.value` in standard deviations of value targets; null does not
    /// clip.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub value_clip: Option<f64>,
    /// Weight of the entropy bonus: one for all fields of an action, or `{fields: {PATH: …}}` with one for each.
    pub entropy_coefficient: EntropyCoefficient,
    /// Largest norm of the gradient, which is scaled down to it; null does not clip.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub max_gradient_norm: Option<f64>,
    /// Stops an update when the approximate KL divergence exceeds 1.5 times this, in nats; null never stops.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub target_kl: Option<f64>,
    /// Centre and scale the advantages of each minibatch.
    pub normalize_advantage: bool,
}

impl Default for PpoSettings {
    fn default() -> Self {
        Self {
            discount: 0.99,
            gae_lambda: Some(0.95),
            epochs: 4,
            minibatch: Some(256),
            sequence: 16,
            burn_in: 0,
            learning_rate: Schedule::Constant(3e-4),
            adam_epsilon: 1e-5,
            objective: Objective::default(),
            value_coefficient: Schedule::Constant(0.5),
            value_clip: None,
            entropy_coefficient: EntropyCoefficient::Same(Schedule::Constant(0.0)),
            max_gradient_norm: Some(0.5),
            target_kl: None,
            normalize_advantage: true,
        }
    }
}

impl PpoSettings {
    /// All schedules, each with its path in a configuration.
    pub fn schedules(&self) -> Vec<(String, &Schedule)> {
        const PPO: &str = "algorithm.ppo";
        let mut schedules = vec![
            (format!("{PPO}.learning_rate"), &self.learning_rate),
            (format!("{PPO}.value_coefficient"), &self.value_coefficient),
        ];
        if let Objective::Clip(clip) = &self.objective {
            schedules.push((format!("{PPO}.objective.clip.range"), &clip.range));
        }
        match &self.entropy_coefficient {
            EntropyCoefficient::Same(schedule) => {
                schedules.push((format!("{PPO}.entropy_coefficient"), schedule));
            }
            EntropyCoefficient::Fields(FieldCoefficients { fields }) => {
                let key = |path| format!("{PPO}.entropy_coefficient.fields.{path}");
                schedules.extend(fields.iter().map(|(path, schedule)| (key(path), schedule)));
            }
        }
        schedules
    }
}

/// Weight of the entropy bonus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum EntropyCoefficient {
    /// The same for all fields of an action.
    Same(Schedule),
    /// One for each field.
    Fields(FieldCoefficients),
}

/// Weights of the entropies of an action's fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldCoefficients {
    /// Weights by the paths of fields; that of a field that is not named is 0.
    pub fields: BTreeMap<String, Schedule>,
}

impl EntropyCoefficient {
    /// The weight of the field at `path` after a share `progress` of the training, in [0, 1].
    pub fn at(&self, path: &str, progress: f64) -> f64 {
        match self {
            Self::Same(schedule) => schedule.at(progress),
            Self::Fields(FieldCoefficients { fields }) => fields.get(path).map_or(0.0, |s| s.at(progress)),
        }
    }

    /// Fields that are named and are none of the policy's, each with a message.
    pub fn unknown_fields(&self, head: &Head) -> Vec<(&str, String)> {
        let Self::Fields(FieldCoefficients { fields }) = self else { return Vec::new() };
        let known: Vec<&str> = head.parts().iter().map(Part::path).collect();
        let message = |path: &str| {
            let has = format!("algorithm.ppo.entropy_coefficient.fields has {path:?}, and");
            match known[..] {
                [""] => format!(
                    "{has} an action is a single field: write `entropy_coefficient: 0.01` without `fields`"
                ),
                _ => format!("{has} the fields of an action are {}", known.join(", ")),
            }
        };
        let unknown = fields.keys().map(String::as_str).filter(|path| !known.contains(path));
        unknown.map(|path| (path, message(path))).collect()
    }
}

/// What keeps the new policy close to the old one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// The clipped surrogate.
    Clip(ClipSettings),
    /// An adaptive penalty on the KL divergence with a cut-off: the original BatchPPO.
    KlPenalty(KlPenaltySettings),
}

impl Default for Objective {
    fn default() -> Self {
        Self::Clip(ClipSettings::default())
    }
}

/// Settings of the clipped surrogate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClipSettings {
    /// ε: the ratio of new to old probability counts between 1 − ε and 1 + ε.
    pub range: Schedule,
}

impl Default for ClipSettings {
    fn default() -> Self {
        Self { range: Schedule::Constant(0.2) }
    }
}

/// Settings of the adaptive KL penalty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KlPenaltySettings {
    /// Wanted KL divergence of an update, in nats.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub target: f64,
    /// Penalty at the start.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub initial_penalty: f64,
    /// The cut-off as a multiple of `target`.
    #[schemars(range(min = 0.0))]
    pub cutoff_factor: f64,
    /// Weight of the squared KL divergence above the cut-off.
    #[schemars(range(min = 0.0))]
    pub cutoff_coefficient: f64,
}

impl Default for KlPenaltySettings {
    fn default() -> Self {
        Self { target: 0.01, initial_penalty: 1.0, cutoff_factor: 2.0, cutoff_coefficient: 1000.0 }
    }
}

/// The length of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RolloutSettings {
    /// The same number of steps in every row; episodes continue from one rollout to the next.
    Steps(StepsRollout),
    /// Whole episodes, the same number in every row, as the original BatchPPO.
    Episodes(EpisodesRollout),
}

/// Fixed-length rollouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepsRollout {
    /// Steps of every row in a rollout.
    #[schemars(range(min = 1))]
    pub steps: usize,
}

/// Whole-episode rollouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EpisodesRollout {
    /// Episodes of all rows together: a multiple of the rows.
    #[schemars(range(min = 1))]
    pub episodes: usize,
    /// Most steps of an episode: the environment's time limit.
    #[schemars(range(min = 1))]
    pub max_length: usize,
}

impl Default for RolloutSettings {
    fn default() -> Self {
        Self::Steps(StepsRollout { steps: 128 })
    }
}

impl RolloutSettings {
    /// Steps that a block of `rows` rows needs; `usize::MAX` where there are more than fit into a number.
    pub fn steps(self, rows: usize) -> usize {
        match self {
            Self::Steps(StepsRollout { steps }) => steps,
            Self::Episodes(EpisodesRollout { episodes, max_length }) => {
                episodes.div_ceil(rows).saturating_mul(max_length)
            }
        }
    }
}

/// When and how the policy is evaluated, with its most probable actions, during the training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluationSettings {
    /// Environment steps of the training between two evaluations; 0: only one, at the end.
    pub every: u64,
    /// Episodes of one evaluation; 0 never evaluates.
    pub episodes: usize,
    /// The environment that policies are evaluated on, `phalanx evaluate` and `phalanx visualize` included, with the
    /// spaces of the training's; null: the training's.
    pub env: Option<EnvSpec>,
}

impl Default for EvaluationSettings {
    fn default() -> Self {
        Self { every: 25_000, episodes: 20, env: None }
    }
}

/// How a resumed run continues.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ResumeSettings {
    /// Seconds for restoring the running episodes by replaying their actions, all rows together. Rows that are not
    /// ready by then begin their next episode; 0 replays nothing.
    #[schemars(range(min = 0.0, max = 3.2e7))]
    pub replay_deadline: f64,
}

impl Default for ResumeSettings {
    fn default() -> Self {
        Self { replay_deadline: 60.0 }
    }
}

/// When checkpoints are written and how many are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CheckpointSettings {
    /// Environment steps between two checkpoints; 0: only one, at the end.
    pub every: u64,
    /// Number of newest checkpoints that are kept, besides the best one.
    #[schemars(range(min = 1))]
    pub keep: usize,
}

impl Default for CheckpointSettings {
    fn default() -> Self {
        Self { every: 50_000, keep: 3 }
    }
}
