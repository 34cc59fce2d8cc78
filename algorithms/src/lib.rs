//! What learns: returns, `BatchPPO`, the trainer's loop, evaluation and loggers.

mod settings;

pub use settings::{
    CheckpointSettings, ClipSettings, EpisodesRollout, EvaluationSettings, KlPenaltySettings, LinearSchedule,
    Objective, PpoSettings, RolloutSettings, Schedule, StepsRollout,
};
