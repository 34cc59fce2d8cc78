//! What learns: returns, `BatchPPO`, the trainer's loop, evaluation and loggers.
