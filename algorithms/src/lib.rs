//! Learning: returns, `BatchPPO`, the training loop, evaluation and loggers.

mod checkpoints;
mod collect;
mod deviation;
mod digits;
mod episodes;
mod error;
mod evaluate;
mod finite;
mod held;
mod logger;
mod loss;
mod memory;
mod metrics;
mod mirror;
mod objective;
mod ppo;
mod ranks;
mod record;
mod returns;
mod schedule;
mod sequences;
mod settings;
mod trainer;
mod values;

pub use checkpoints::{Checkpoints, Found, Which};
pub use collect::{Collected, Collector};
pub use deviation::DeviationWatch;
pub use digits::digits;
pub use episodes::EpisodeLog;
pub use error::AlgorithmError;
pub use evaluate::{AgentPolicy, Evaluation, Policy, evaluate, evaluation_shape};
pub use logger::{Console, JsonLines, LogError, Logger, TensorBoard};
pub use memory::TrainingMemory;
pub use metrics::UpdateMetrics;
pub use ppo::BatchPpo;
pub use record::Record;
pub use returns::{Transitions, advantages};
pub use schedule::{CosineSchedule, PiecewiseSchedule, Point, Range, Schedule};
pub use settings::{
    CheckpointSettings, ClipSettings, EntropyCoefficient, EpisodesRollout, EvaluationSettings,
    FieldCoefficients, KlPenaltySettings, Objective, PpoSettings, ResumeSettings, RolloutSettings,
    StepsRollout,
};
pub use trainer::{
    MakeBatch, Outcome, TrainSettings, Trainer, checkpoint_step, evaluation_seed, same_spaces,
};
