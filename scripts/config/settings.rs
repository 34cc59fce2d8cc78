//! The settings of a run, as in its YAML.

use std::fmt;
use std::str::FromStr;

use phalanx_agents::{NetworkSettings, NormalizeSettings};
use phalanx_algorithms::{
    CheckpointSettings, EvaluationSettings, PpoSettings, ResumeSettings, RolloutSettings,
};
use phalanx_envs::{ActionScaling, EnvSpec, WorkerOptions, Workers};
use phalanx_mesh::MeshSettings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Configuration of a run; only `env` has no default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The environment: its name, or a mapping with `name`, `params`, `time_limit` and `wrappers`.
    pub env: EnvSpec,
    /// Number of environments that are stepped together, the rows of the batch.
    #[serde(default = "defaults::rows")]
    #[schemars(range(min = 1, max = 65536))]
    pub rows: usize,
    /// Processes that step the environments: `auto`, or a number; 0 steps them in the learner's own process.
    #[serde(default)]
    pub workers: Workers,
    /// Whether workers continue as soon as the policy has acted for their rows, half of them at a time, rather than wait for each other
    /// at every step; null: where there are workers. Results do not depend on it.
    #[serde(default)]
    pub pipelined: Option<bool>,
    /// Environment steps of the whole training, those of all rows together; the last rollout is taken whole.
    #[serde(default = "defaults::steps")]
    #[schemars(range(min = 1))]
    pub steps: u64,
    /// Ends the training when the latest 100 episodes have this mean return; null: after all steps.
    #[serde(default)]
    pub stop_at_return: Option<f64>,
    /// Seed of all random numbers of the run.
    #[serde(default)]
    pub seed: u64,
    /// Where networks are evaluated and trained: `cpu`, `cuda` or `cuda:N`.
    #[serde(default)]
    pub device: DeviceSetting,
    /// Threads for the networks; null: one for each core. Results do not depend on it.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1024))]
    pub threads: Option<usize>,
    /// How the numbers that a policy takes become those of a bounded action: clipped to its bounds, rescaled from -1..1 to its range, or
    /// squashed to it by tanh.
    #[serde(default = "defaults::action_scaling")]
    pub action_scaling: ActionScaling,
    /// The length of a rollout: a number of steps of every row, or whole episodes.
    #[serde(default)]
    pub rollout: RolloutSettings,
    /// Shape of actor and critic.
    #[serde(default)]
    pub network: NetworkSettings,
    /// Normalisation of observations and rewards.
    #[serde(default)]
    pub normalize: NormalizeSettings,
    /// The learning algorithm and its settings.
    #[serde(default)]
    pub algorithm: AlgorithmSettings,
    /// When, how and on which environment the policy is evaluated during the training.
    #[serde(default)]
    pub evaluation: EvaluationSettings,
    /// When checkpoints are written and how many are kept.
    #[serde(default)]
    pub checkpoint: CheckpointSettings,
    /// How a resumed run continues.
    #[serde(default)]
    pub resume: ResumeSettings,
    /// Deadlines, and what to do when an environment hangs or a worker dies.
    #[serde(default)]
    pub faults: WorkerOptions,
    /// How ranks work together where the training runs in several processes; docs/mesh.md.
    #[serde(default)]
    pub mesh: MeshSettings,
}

impl Config {
    /// The environment that policies are evaluated on.
    pub fn evaluation_env(&self) -> &EnvSpec {
        self.evaluation.env.as_ref().unwrap_or(&self.env)
    }

    /// Where the configuration has it.
    pub fn evaluation_env_path(&self) -> &'static str {
        if self.evaluation.env.is_some() { "evaluation.env" } else { "env" }
    }

    /// How the environments are spread over workers, and what happens when one is lost.
    pub fn worker_options(&self) -> WorkerOptions {
        let Self { workers, pipelined, action_scaling, .. } = *self;
        WorkerOptions { workers, pipelined, action_scaling, ..self.faults.clone() }
    }
}

mod defaults {
    use phalanx_envs::ActionScaling;

    pub fn action_scaling() -> ActionScaling {
        ActionScaling::Rescale
    }

    pub fn rows() -> usize {
        8
    }

    pub fn steps() -> u64 {
        100_000
    }
}

/// The learning algorithm and its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlgorithmSettings {
    /// Proximal policy optimisation on the batch of rows.
    Ppo(PpoSettings),
}

impl Default for AlgorithmSettings {
    fn default() -> Self {
        Self::Ppo(PpoSettings::default())
    }
}

/// Device of the networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^(cpu|cuda(:[0-9]+)?)$"))]
pub enum DeviceSetting {
    /// The processor.
    #[default]
    Cpu,
    /// A CUDA device by its index; `cuda` alone is the first.
    Cuda(usize),
}

impl FromStr for DeviceSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let index = match text {
            "cpu" => return Ok(Self::Cpu),
            "cuda" => Some(0),
            _ => text.strip_prefix("cuda:").and_then(|index| index.parse().ok()),
        };
        index.map(Self::Cuda).ok_or_else(|| format!("no device `{text}`: expected `cpu`, `cuda` or `cuda:N`"))
    }
}

impl TryFrom<String> for DeviceSetting {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<DeviceSetting> for String {
    fn from(device: DeviceSetting) -> Self {
        device.to_string()
    }
}

impl fmt::Display for DeviceSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}
