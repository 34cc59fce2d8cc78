//! Steps and resets of a batch of workers: finishing what has begun, and replacing workers that were lost in it.

use std::ops::Range;

use super::batch::WorkerBatch;
use super::message::Command;
use super::parts::Part;
use super::pool::{Member, WorkerError, WorkerPool};
use crate::BatchError;
use crate::batch::check_rows;

impl WorkerBatch {
    pub(super) fn try_finish(&mut self, group: usize) -> Result<(), BatchError> {
        let Self { pool, block, parts, groups, .. } = self;
        let own = parts_of(group, groups, parts);
        if parts[own.start].begun.is_some() {
            pool.wait(parts, block, |pool| parts[own.clone()].iter().all(|part| pool.is_over(part)))?;
            self.settle(group)?;
        }
        Ok(())
    }

    pub(super) fn try_finish_some(&mut self, finished: &mut Vec<usize>) -> Result<(), BatchError> {
        if self.parts.iter().all(|part| part.begun.is_none()) {
            return Ok(());
        }
        let Self { pool, block, parts, groups, .. } = self;
        let over = |pool: &WorkerPool, group| {
            parts[parts_of(group, groups, parts)].iter().all(|part| pool.is_over(part))
        };
        pool.wait(parts, block, |pool| (0..groups.len()).any(|group| over(pool, group)))?;
        let before = finished.len();
        finished.extend((0..groups.len()).filter(|&group| over(pool, group)));
        finished[before..].iter().try_for_each(|&group| self.settle(group))
    }

    /// Ends the step of a group for which it is over.
    fn settle(&mut self, group: usize) -> Result<(), BatchError> {
        for i in parts_of(group, &self.groups, &self.parts) {
            let worker = self.parts[i].worker;
            if let Member::Lost(_, loss) = &self.pool.members[worker] {
                let loss = loss.clone();
                self.replace(worker, loss)?;
            }
            let Part { begun, t, rows, .. } = &mut self.parts[i];
            *begun = None;
            for row in rows.clone() {
                if self.block.active(row) && self.block.episode(*t, row).is_over() {
                    self.next[row] += 1;
                }
            }
        }
        Ok(())
    }

    pub(super) fn try_reset(&mut self, chosen: &[usize]) -> Result<(), BatchError> {
        check_rows(&self.block, chosen)?;
        let mut commands = Vec::new();
        for (worker, member) in self.pool.members.iter().enumerate() {
            let own = member.share();
            let rows: Vec<usize> = chosen.iter().copied().filter(|&row| own.contains(row)).collect();
            if !rows.is_empty() {
                commands.push((worker, Command::Reset { t: 0, rows }));
            }
        }
        let mut lost = Vec::new();
        let mut failed = None;
        for (worker, outcome) in self.pool.command(commands).collect::<Vec<_>>() {
            match outcome.map_err(|error| self.pool.judge(worker, error)) {
                Ok(_) => {}
                Err(WorkerError::Failed(e)) => failed = failed.or(Some(e)),
                Err(WorkerError::Lost(e)) => lost.push((worker, e)),
            }
        }
        failed.map_or(Ok(()), Err)?;
        for (worker, loss) in lost {
            let rows: Vec<usize> = self.pool.members[worker].share().rows().collect();
            if !rows.iter().all(|row| chosen.contains(row)) {
                // Its other rows' episodes would end where no step can report it.
                return Err(loss);
            }
            let episodes: Vec<u64> = rows.iter().map(|&row| self.next[row]).collect();
            self.respawn(worker, loss, &episodes, &[(0, rows)])?;
        }
        for &row in chosen {
            self.next[row] += 1;
        }
        Ok(())
    }
}

/// The places of a group's parts: there is one for each group, or one group of all.
pub(super) fn parts_of(group: usize, groups: &[Range<usize>], parts: &[Part]) -> Range<usize> {
    if groups.len() == parts.len() { group..group + 1 } else { 0..parts.len() }
}
