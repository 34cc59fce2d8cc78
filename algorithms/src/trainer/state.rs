//! What a training begins with and keeps: another one's parameters, and checkpoints.

use std::ops::Range;
use std::time::Duration;

use phalanx_agents::{AgentError, Checkpoint, Fetch, InitFrom, Matches, Memory, TensorFile};

use super::{Progress, Trainer};
use crate::AlgorithmError;
use crate::episodes::EpisodeLog;
use crate::ranks::gather_all;

/// Whose rows a checkpoint has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// Those of all ranks, each of which calls.
    All,
    /// This rank's; the episodes of the others begin anew.
    Own,
}

/// What an update changes, as it was before.
pub(super) struct Before {
    learner: Checkpoint,
    memory: Memory,
}

impl Trainer {
    /// Starts with the parameters of `file`, and the statistics of a checkpoint's observations, rewards and values. All ranks call it; they take what
    /// rank 0 has of its file, and the others need none.
    ///
    /// # Errors
    /// [`AlgorithmError::Agent`] when nothing of it matches; [`AlgorithmError::Mesh`].
    pub fn init_from(
        &mut self,
        file: Option<&TensorFile>,
        from: &InitFrom,
    ) -> Result<Option<Matches>, AlgorithmError> {
        let network = self.agent.network();
        let divided = network.divided();
        let mut parameters = divided.gather(network.parameters(), 0..divided.whole().parameters())?;
        let mut taken = None;
        if let Some(file) = file {
            let mut matches = self.agent.init_from(file, from, &mut parameters)?;
            self.ppo.init_from(file.checkpoint(), &mut matches);
            taken = Some(matches);
        }
        self.share_start(parameters)?;
        Ok(taken)
    }

    /// Everything that the training needs to continue exactly, on any mesh; each rank calls it and gets the same.
    ///
    /// # Errors
    /// [`AlgorithmError::Mesh`].
    pub fn save(&self) -> Result<Checkpoint, AlgorithmError> {
        self.save_rows(Rows::All)
    }

    /// Everything that the training needs to continue, with these rows.
    pub(super) fn save_rows(&self, rows: Rows) -> Result<Checkpoint, AlgorithmError> {
        let mut checkpoint = self.save_around(rows)?;
        for (name, part) in self.vectors() {
            let divided = self.agent.network().divided();
            checkpoint.put_vector(name, divided.gather(part, 0..divided.whole().parameters())?);
        }
        Ok(checkpoint)
    }

    /// The vectors that have a number for each parameter, by their names in checkpoints: this rank's part of them.
    fn vectors(&self) -> [(&'static str, &[f32]); 3] {
        let [mean, square] = self.ppo.moments();
        [("adam.mean", mean), ("adam.square", square), ("parameters", self.agent.network().parameters())]
    }

    /// Has rank 0 write everything that the training needs, with `write`; each rank calls it. Ranks that have parts of the network send them a piece at a
    /// time, so that none needs memory for all.
    pub(super) fn write(
        &self,
        write: impl FnOnce(&Checkpoint, &mut Fetch<'_>) -> Result<(), AgentError>,
    ) -> Result<(), AlgorithmError> {
        let mut checkpoint = self.save_around(Rows::All)?;
        let (divided, vectors) = (self.agent.network().divided(), self.vectors());
        for (name, _) in vectors {
            checkpoint.put_elsewhere(name, divided.whole().parameters());
        }
        let fetch = &mut |name: &str, range: Range<usize>| {
            let part = vectors.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, part)| part);
            Ok(divided.gather(part, range)?)
        };
        if self.grid.all.rank() == 0 {
            write(&checkpoint, fetch)?;
        } else if self.grid.data.rank() == 0 {
            checkpoint.fetch_all(fetch)?;
        }
        Ok(())
    }

    /// Everything that the training needs to continue but what there is of each parameter, with these rows.
    fn save_around(&self, rows: Rows) -> Result<Checkpoint, AlgorithmError> {
        let mut checkpoint = Checkpoint::new();
        self.agent.save_around(&mut checkpoint);
        self.ppo.save_around(&self.of_all(self.ppo.returns(), rows)?, &mut checkpoint);
        let memory = &self.collector.rollout().memory;
        memory.save(self.of_all(memory.states(), rows)?, &mut checkpoint);
        self.log(rows)?.save(&mut checkpoint);
        checkpoint.put_state("action", &self.action);
        checkpoint.put_state("progress", &self.progress);
        Ok(checkpoint)
    }

    /// Numbers of all rows, of which `own` are this rank's; without the others' theirs are 0.
    fn of_all(&self, own: &[f32], rows: Rows) -> Result<Vec<f32>, AlgorithmError> {
        let mesh = &self.grid.data;
        if rows == Rows::All {
            return Ok(if mesh.is_alone() { own.to_vec() } else { gather_all(mesh, own)? });
        }
        let mut all = vec![0.0; own.len() * mesh.size()];
        all[own.len() * mesh.rank()..][..own.len()].copy_from_slice(own);
        Ok(all)
    }

    /// The log of these rows.
    fn log(&self, rows: Rows) -> Result<EpisodeLog, AlgorithmError> {
        let mut log = self.collector.log().clone();
        let mesh = &self.grid.data;
        if rows == Rows::All && !mesh.is_alone() {
            let mut own = Checkpoint::new();
            log.save(&mut own);
            let damaged = |reason| AlgorithmError::Settings(format!("a rank sent a log that {reason}"));
            for (rank, bytes) in mesh.gather(&own.to_bytes())?.iter().enumerate() {
                let other = Checkpoint::from_bytes(bytes).map_err(damaged)?;
                let rows = rank * self.share.rows..(rank + 1) * self.share.rows;
                log.take_rows(EpisodeLog::restore(&other, self.share)?, rows);
            }
        }
        Ok(log)
    }

    /// Continues from `checkpoint`. The episodes that were running are replayed within `limit`; `progress` gets the number of
    /// rows that are finished. The rows of this rank that begin their next episode instead are returned, each with the reason.
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
            let (rows, all) = (trainer.share.range(), trainer.share.all);
            trainer.agent.restore(checkpoint)?;
            trainer.ppo.restore(&trainer.agent, checkpoint, rows.clone())?;
            trainer.action = checkpoint.state("action")?;
            trainer.progress = checkpoint.state("progress")?;
            let log = EpisodeLog::restore(checkpoint, trainer.share)?;
            trainer.collector.parts_mut().1.memory.restore(checkpoint, rows.clone(), all)?;
            let anew = trainer.collector.resume(log, limit, progress)?;
            for &(row, _) in &anew {
                trainer.ppo.begin_episode(row);
            }
            Ok(anew.into_iter().map(|(row, reason)| (rows.start + row, reason)).collect())
        })
    }

    /// What an update will change, where another rank can interrupt it and this one could save it.
    pub(super) fn before_update(&self) -> Option<Before> {
        if self.grid.all.is_alone() || self.grid.parts.is_divided() {
            return None;
        }
        let mut learner = Checkpoint::new();
        self.agent.save(self.agent.network().parameters(), &mut learner);
        self.ppo.save(self.ppo.moments().map(<[f32]>::to_vec), self.ppo.returns(), &mut learner);
        Some(Before { learner, memory: self.collector.rollout().memory.clone() })
    }

    /// Takes back what an interrupted update has changed.
    pub(super) fn take_back(&mut self, before: Before) -> Result<(), AlgorithmError> {
        self.agent.restore(&before.learner)?;
        self.ppo.restore(&self.agent, &before.learner, 0..self.share.rows)?;
        self.collector.parts_mut().1.memory = before.memory;
        self.half_changed = false;
        Ok(())
    }

    /// Makes all ranks begin with what rank 0 has: these parameters of the whole network, and statistics.
    fn share_start(&mut self, parameters: Vec<f32>) -> Result<(), AlgorithmError> {
        if self.grid.all.is_alone() {
            return Ok(());
        }
        let mut learner = Checkpoint::new();
        // No step was taken.
        let moments = [vec![0.0; parameters.len()], vec![0.0; parameters.len()]];
        self.agent.save(parameters, &mut learner);
        self.ppo.save(moments, self.ppo.returns(), &mut learner);
        let mut bytes = learner.to_bytes();
        self.grid.all.broadcast(&mut bytes)?;
        let damaged = |reason| AlgorithmError::Settings(format!("rank 0 sent a state that {reason}"));
        let learner = Checkpoint::from_bytes(&bytes).map_err(damaged)?;
        self.agent.restore(&learner)?;
        self.ppo.restore(&self.agent, &learner, 0..self.share.rows)
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
