//! Workers that fail or are lost: noticing it, and ending what is left of them.

use std::time::{Duration, Instant};

use super::ReceiveError;
use super::link::EXIT_TIMEOUT;
use super::message::{Command, Event};
use super::options::Limit;
use super::parts::Part;
use super::pool::{Member, WorkerError, WorkerPool};
use crate::{BatchError, Block, Phase};

impl WorkerPool {
    /// Reaps workers that died in a step or are too late.
    pub(super) fn check_health(&mut self, parts: &[Part], block: &Block) -> Result<(), BatchError> {
        let limit = self.deadlines.step;
        for part in parts {
            let (Member::Alive(link), Some(begun)) = (&self.members[part.worker], &part.begun) else {
                continue;
            };
            let dead = link.process.ended_within(Duration::ZERO);
            if self.is_over(part) || !dead && self.clock < begun.at + limit.time {
                continue;
            }
            // The last message has more than the death.
            let last = if dead { link.receive(Instant::now()) } else { Err(ReceiveError::TimedOut) };
            let action = |row| {
                let t = parts.iter().find(|part| part.rows.contains(&row)).map_or(0, |part| part.t);
                block.action(t, row).to_string()
            };
            let outcome = match last {
                Ok(event) => self.accept(part.worker, event).map(drop),
                Err(error) => Err(self.lose(part.worker, error, limit, &action)),
            };
            if let Err(error) = outcome
                && let WorkerError::Failed(e) = self.judge(part.worker, error)
            {
                return Err(e);
            }
        }
        Ok(())
    }

    /// Receives the errors of workers whose step failed. Some are gone afterwards.
    pub(super) fn ask_failures(&mut self) -> Result<(), BatchError> {
        self.board.answers().failures.collect();
        let mut first = None;
        for worker in 0..self.members.len() {
            if !self.board.slot(worker).failed.take() || matches!(self.members[worker], Member::Lost(..)) {
                continue;
            }
            match self.answer(worker, Instant::now() + EXIT_TIMEOUT, Limit::EXIT) {
                Ok(_) => unreachable!("the event of a failure"),
                Err(error) => {
                    if let WorkerError::Failed(e) = self.judge(worker, error) {
                        first = first.or(Some(e));
                    }
                }
            }
        }
        first.map_or(Ok(()), Err)
    }

    /// An environment's error in a step or a reset is the loss of its worker, where lost workers are replaced.
    pub(super) fn judge(&mut self, worker: usize, error: WorkerError) -> WorkerError {
        if self.replaces { self.count_as_loss(worker, error) } else { error }
    }

    /// Makes an environment's error the loss of its worker, which ends.
    pub(super) fn count_as_loss(&mut self, worker: usize, error: WorkerError) -> WorkerError {
        match error {
            WorkerError::Failed(e @ BatchError::Row { .. }) => {
                self.end(worker, e.clone());
                WorkerError::Lost(e)
            }
            error => error,
        }
    }

    /// Ends a worker that cannot continue for this reason.
    fn end(&mut self, worker: usize, why: BatchError) {
        if let Member::Alive(link) = &self.members[worker] {
            self.board.orders(worker).announce();
            link.send(Command::Close);
        }
        self.dismiss(worker, why);
    }

    /// Takes in an event of a worker; one that reports why it ends is gone afterwards.
    pub(super) fn accept(&mut self, worker: usize, event: Event) -> Result<Event, WorkerError> {
        match event {
            Event::Failed(e) => Err(WorkerError::Failed(e)),
            Event::Lost(e) => {
                self.dismiss(worker, e.clone());
                Err(WorkerError::Lost(e))
            }
            event => Ok(event),
        }
    }

    /// Reaps a worker that ends by itself for a reason that is known already.
    pub(super) fn dismiss(&mut self, worker: usize, why: BatchError) {
        if let Member::Alive(link) = &self.members[worker] {
            let _ = link.reap(&self.zygote, ReceiveError::Closed, EXIT_TIMEOUT);
        }
        self.members[worker] = Member::Lost(self.members[worker].share().clone(), why);
    }

    /// Reaps a worker that is dead or too late, and returns all that is known about it.
    pub(super) fn lose(
        &mut self,
        worker: usize,
        error: ReceiveError,
        limit: Limit,
        action: &dyn Fn(usize) -> String,
    ) -> WorkerError {
        let Member::Alive(link) = &self.members[worker] else { unreachable!("it was alive a moment ago") };
        let (share, pid) = (link.share.clone(), link.process.pid());
        // Read before the place is given to another worker.
        let place = self.board.slot(worker).place();
        let remedy = match (&error, limit.setting) {
            (ReceiveError::TimedOut, Some(setting)) => {
                format!("; `faults.{setting}` allows it more time")
            }
            _ => String::new(),
        };
        let error = match link.reap(&self.zygote, error, limit.time) {
            Ok(how) => WorkerError::Lost(BatchError::Lost {
                share: share.clone(),
                pid,
                how,
                place,
                seed: self.seeds.episode(place.row, place.episode),
                action: if place.phase == Phase::Step { action(place.row) } else { String::new() },
                remedy,
            }),
            Err(zygote) => WorkerError::Failed(zygote),
        };
        let (WorkerError::Lost(e) | WorkerError::Failed(e)) = &error;
        self.members[worker] = Member::Lost(share, e.clone());
        error
    }
}
