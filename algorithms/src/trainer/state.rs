//! What a training begins with and keeps: another one's parameters, and checkpoints.

use std::time::Duration;

use phalanx_agents::{Checkpoint, InitFrom, Matches, TensorFile};

use super::{Progress, Trainer};
use crate::AlgorithmError;
use crate::episodes::EpisodeLog;

impl Trainer {
    /// Starts with the parameters of `file`, and the statistics of a checkpoint's observations, rewards and values.
    ///
    /// # Errors
    /// [`AlgorithmError::Agent`] when nothing of it matches.
    pub fn init_from(&mut self, file: &TensorFile, from: &InitFrom) -> Result<Matches, AlgorithmError> {
        let mut matches = self.agent.init_from(file, from)?;
        if let Some(checkpoint) = file.checkpoint() {
            matches.statistics.extend(self.ppo.init_from(checkpoint));
        }
        Ok(matches)
    }

    /// Everything that the training needs to continue exactly.
    pub fn save(&self) -> Checkpoint {
        let mut checkpoint = Checkpoint::new();
        self.agent.save(&mut checkpoint);
        self.ppo.save(&mut checkpoint);
        self.collector.log().save(&mut checkpoint);
        self.collector.rollout().memory.save(&mut checkpoint);
        checkpoint.put_state("action", &self.action);
        checkpoint.put_state("progress", &self.progress);
        checkpoint
    }

    /// Continues from `checkpoint`. The episodes that were running are replayed within `limit`; `progress` gets the number of
    /// rows that are finished. The rows that begin their next episode instead are returned, each with the reason.
    ///
    /// # Errors
    /// [`AlgorithmError::Agent`] when it belongs to another configuration; [`AlgorithmError::Batch`] when an environment fails.
    pub fn restore(
        &mut self,
        checkpoint: &Checkpoint,
        limit: Duration,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<(usize, String)>, AlgorithmError> {
        self.change(|trainer| {
            trainer.agent.restore(checkpoint)?;
            trainer.ppo.restore(&trainer.agent, checkpoint)?;
            trainer.action = checkpoint.state("action")?;
            trainer.progress = checkpoint.state("progress")?;
            let log = EpisodeLog::restore(checkpoint, trainer.settings.rows)?;
            trainer.collector.parts_mut().1.memory.restore(checkpoint)?;
            let anew = trainer.collector.resume(log, limit, progress)?;
            for &(row, _) in &anew {
                trainer.ppo.begin_episode(row);
            }
            Ok(anew)
        })
    }

    /// Forgets the best evaluation so far, which was of another environment: the next one counts as the best.
    pub fn forget_best(&mut self) {
        self.progress.best = None;
    }
}

/// Steps taken before `checkpoint` was written.
///
/// # Errors
/// [`AlgorithmError::Agent`] when it is not a training's.
pub fn checkpoint_step(checkpoint: &Checkpoint) -> Result<u64, AlgorithmError> {
    Ok(checkpoint.state::<Progress>("progress")?.step)
}
