//! A batch of environments on several ranks that have parts of one network: the first one steps them, and the others have copies of what they
//! bring.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use phalanx_envs::{BatchEnv, BatchError, Block, Frame, Infos, Layout, Replayed, RunningEpisode, Space};
use phalanx_mesh::{Grid, MeshError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::AlgorithmError;

/// The environments of this rank's rows: those of `make`, which only the first of the ranks with the same rows calls.
///
/// # Errors
/// Those of `make`; [`AlgorithmError::Mesh`].
pub fn mirrored(
    grid: &Arc<Grid>,
    make: impl FnOnce() -> Result<Box<dyn BatchEnv>, BatchError>,
) -> Result<Box<dyn BatchEnv>, AlgorithmError> {
    if !grid.parts.is_divided() {
        return Ok(make()?);
    }
    let leads = grid.parts.all.rank() == 0;
    let batch = if leads { Some(make()?) } else { None };
    let shape = batch.as_ref().map(|batch| (batch.block().layout().clone(), batch.groups().to_vec()));
    let (layout, groups): (Layout, Vec<Range<usize>>) = tell(grid, shape)?;
    let begun = vec![None; groups.len()];
    let steps = match batch {
        Some(batch) => Steps::Here(batch),
        None => Steps::There(Box::new(Block::local(layout)), groups),
    };
    Ok(Box::new(Mirror { steps, begun, grid: grid.clone(), bytes: Vec::new() }))
}

/// Where environments are stepped.
enum Steps {
    Here(Box<dyn BatchEnv>),
    /// On another rank; this one has a copy of the block, and its groups of rows.
    There(Box<Block>, Vec<Range<usize>>),
}

struct Mirror {
    steps: Steps,
    /// The time of the step that each group has begun.
    begun: Vec<Option<usize>>,
    grid: Arc<Grid>,
    /// What is sent, to be used again.
    bytes: Vec<u8>,
}

/// Replaces `value`, which the first rank has, by that one on all.
fn tell<T: Serialize + DeserializeOwned>(grid: &Grid, value: Option<T>) -> Result<T, MeshError> {
    let damaged = |e: postcard::Error| MeshError::Failed { what: "copying a batch", reason: e.to_string() };
    let mut bytes = value.map_or(Ok(Vec::new()), |value| postcard::to_allocvec(&value)).map_err(damaged)?;
    grid.parts.all.broadcast(&mut bytes)?;
    postcard::from_bytes(&bytes).map_err(damaged)
}

impl Mirror {
    /// Fails for what only environments can do that are stepped here.
    fn here(&mut self) -> Result<&mut Box<dyn BatchEnv>, BatchError> {
        match &mut self.steps {
            Steps::Here(batch) => Ok(batch),
            Steps::There(..) => Err(BatchError::Elsewhere("these rows are stepped by another rank".into())),
        }
    }

    fn lost(&self, error: MeshError) -> BatchError {
        let reason = error.to_string();
        self.grid.parts.fail(error);
        BatchError::Elsewhere(reason)
    }

    /// Sends what the steps of these groups brought, or receives it; returns which they are.
    fn share_steps(&mut self, finished: &[usize]) -> Result<Vec<usize>, BatchError> {
        let Self { steps, begun, grid, bytes } = self;
        bytes.clear();
        if let Steps::Here(batch) = steps {
            for &group in finished {
                bytes.extend_from_slice(&(group as u32).to_ne_bytes());
                let rows = batch.groups()[group].clone();
                if let Some(t) = begun[group] {
                    batch.block().outcomes(t, rows, bytes);
                }
            }
        }
        let sent = grid.parts.all.broadcast(bytes);
        if let Err(error) = sent {
            return Err(self.lost(error));
        }
        let mut groups = finished.to_vec();
        if let Steps::There(block, all) = steps {
            let mut rest = &bytes[..];
            groups.clear();
            while let Some((group, outcomes)) = rest.split_first_chunk() {
                let group = u32::from_ne_bytes(*group) as usize;
                rest = outcomes;
                if let Some(t) = begun[group] {
                    rest = block.set_outcomes(t, all[group].clone(), rest);
                }
                groups.push(group);
            }
        }
        for &group in &groups {
            self.begun[group] = None;
        }
        Ok(groups)
    }

    /// Sends the observations of time 0, or receives them.
    fn share_observations(&mut self) -> Result<(), BatchError> {
        let Self { steps, grid, bytes, .. } = self;
        bytes.clear();
        if let Steps::Here(batch) = steps {
            batch.block().first_observations(bytes);
        }
        if let Err(error) = grid.parts.all.broadcast(bytes) {
            return Err(self.lost(error));
        }
        if let Steps::There(block, _) = steps {
            block.set_first_observations(bytes);
        }
        Ok(())
    }
}

impl BatchEnv for Mirror {
    fn observation_space(&self) -> &Space {
        &self.block().layout().observation_space
    }

    fn action_space(&self) -> &Space {
        &self.block().layout().action_space
    }

    fn block(&self) -> &Block {
        match &self.steps {
            Steps::Here(batch) => batch.block(),
            Steps::There(block, _) => block,
        }
    }

    fn block_mut(&mut self) -> &mut Block {
        match &mut self.steps {
            Steps::Here(batch) => batch.block_mut(),
            Steps::There(block, _) => block,
        }
    }

    fn reset(&mut self, rows: Option<&[usize]>) -> Result<(), BatchError> {
        if let Steps::Here(batch) = &mut self.steps {
            batch.reset(rows)?;
        }
        self.share_observations()
    }

    fn groups(&self) -> &[Range<usize>] {
        match &self.steps {
            Steps::Here(batch) => batch.groups(),
            Steps::There(_, groups) => groups,
        }
    }

    fn begin(&mut self, group: usize, t: usize) -> Result<(), BatchError> {
        self.begun[group] = Some(t);
        match &mut self.steps {
            Steps::Here(batch) => batch.begin(group, t),
            Steps::There(..) => Ok(()),
        }
    }

    fn finish(&mut self, group: usize) -> Result<(), BatchError> {
        if let Steps::Here(batch) = &mut self.steps {
            batch.finish(group)?;
        }
        self.share_steps(&[group]).map(|_| ())
    }

    fn finish_some(&mut self, finished: &mut Vec<usize>) -> Result<(), BatchError> {
        let before = finished.len();
        if let Steps::Here(batch) = &mut self.steps {
            batch.finish_some(finished)?;
        }
        let new = self.share_steps(&finished.split_off(before))?;
        finished.extend(new);
        Ok(())
    }

    fn replay(
        &mut self,
        running: &[RunningEpisode],
        limit: Duration,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Replayed>, BatchError> {
        let replayed = match &mut self.steps {
            Steps::Here(batch) => Some(batch.replay(running, limit, progress)?),
            Steps::There(..) => None,
        };
        let replayed = tell(&self.grid, replayed).map_err(|error| self.lost(error))?;
        self.share_observations()?;
        Ok(replayed)
    }

    fn call(&mut self, row: usize, name: &str, arguments: &Value) -> Result<Value, BatchError> {
        self.here()?.call(row, name, arguments)
    }

    fn take_infos(&mut self) -> Result<Infos, BatchError> {
        match &mut self.steps {
            Steps::Here(batch) => batch.take_infos(),
            Steps::There(..) => Ok(Infos::default()),
        }
    }

    fn render(&mut self, row: usize) -> Result<Frame, BatchError> {
        self.here()?.render(row)
    }

    fn losses(&self) -> &[String] {
        match &self.steps {
            Steps::Here(batch) => batch.losses(),
            Steps::There(..) => &[],
        }
    }

    fn close(&mut self) -> Result<(), BatchError> {
        match &mut self.steps {
            Steps::Here(batch) => batch.close(),
            Steps::There(..) => Ok(()),
        }
    }
}
