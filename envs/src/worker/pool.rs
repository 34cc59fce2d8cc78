//! The workers of a batch: spawning them, ordering a step or a command, and waiting for answers.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ipc_channel::ipc;

use super::backoff::Backoff;
use super::bell::SpinPolicy;
use super::link::{EXIT_TIMEOUT, Link};
use super::message::{Command, Event, Job};
use super::options::{Deadlines, Limit};
use super::parts::{Begun, Part};
use super::share::Share;
use super::shared::Board;
use super::{ReceiveError, Zygote};
use crate::os::{POLL_INTERVAL, Process};
use crate::{BatchError, Block, Seeds, Space};

/// Workers, each with its rows.
pub struct WorkerPool {
    pub zygote: Zygote,
    pub spec: String,
    pub seeds: Seeds,
    pub deadlines: Deadlines,
    /// Whether a worker whose environment returns an error in a step or a reset counts as lost, as it will be replaced.
    pub replaces: bool,
    /// How a word is looked at before sleeping.
    pub spin: SpinPolicy,
    /// How long the learner's waits take.
    pub backoff: Backoff,
    pub board: Board,
    pub members: Vec<Member>,
    /// When the learner last looked whether they are alive and in time.
    pub last_check: Instant,
    /// How long it has waited for them, all in all. It advances while the learner checks them: time in which the whole
    /// program is stopped is not counted.
    pub clock: Duration,
}

/// A worker's place in the pool.
pub enum Member {
    Alive(Link),
    /// Gone for this reason, or not spawned yet.
    Lost(Share, BatchError),
}

impl Member {
    /// Rows of this place.
    pub fn share(&self) -> &Share {
        match self {
            Self::Alive(link) => &link.share,
            Self::Lost(share, _) => share,
        }
    }
}

/// What makes an order fail.
pub enum WorkerError {
    /// An environment returned an error, or no worker can be had.
    Failed(BatchError),
    /// The worker is gone.
    Lost(BatchError),
}

impl WorkerError {
    /// The error alone.
    pub fn into_error(self) -> BatchError {
        match self {
            Self::Failed(e) | Self::Lost(e) => e,
        }
    }
}

impl WorkerPool {
    /// Has a worker forked for the place `worker`, which nobody holds; its rows begin with these episodes.
    pub fn spawn(&mut self, worker: usize, episodes: Vec<u64>) -> Result<(), BatchError> {
        let failed = |e: std::io::Error| BatchError::Workers(format!("cannot reach a new worker: {e}"));
        let share = self.members[worker].share().clone();
        self.board.clear(worker);
        let (commands, inbox) = ipc::channel().map_err(failed)?;
        let (outbox, events) = ipc::channel().map_err(failed)?;
        // The job takes the worker's ends along; the learner keeps no copy, or it would never see them close.
        let pid = self.zygote.spawn(Job {
            spec: self.spec.clone(),
            share: share.clone(),
            episodes,
            seeds: self.seeds,
            board: self.board.share(),
            workers: self.members.len(),
            worker,
            spin: self.spin,
            commands: inbox,
            events: outbox,
        })?;
        let process = Process::open(pid).map_err(failed)?;
        self.members[worker] = Member::Alive(Link::new(process, share, commands, events));
        Ok(())
    }

    /// Waits for a new worker's environments; their spaces: observation, action.
    pub fn await_ready(&mut self, worker: usize) -> Result<(Space, Space), WorkerError> {
        let limit = self.deadlines.construct;
        match self.answer(worker, Instant::now() + limit.time, limit) {
            Ok(Event::Ready { observation_space, action_space }) => Ok((observation_space, action_space)),
            Ok(_) => unreachable!("a worker's first event says that it is ready, or why not"),
            Err(WorkerError::Failed(e)) => {
                self.dismiss(worker, e.clone());
                Err(WorkerError::Failed(e))
            }
            Err(lost) => Err(lost),
        }
    }

    /// Sends at most one command to each worker, then waits for all answers.
    pub fn command(
        &mut self,
        commands: Vec<(usize, Command)>,
    ) -> impl Iterator<Item = (usize, Result<Event, WorkerError>)> {
        self.command_within(self.deadlines.command, commands)
    }

    /// As [`Self::command`], for commands that have another limit.
    pub fn command_within(
        &mut self,
        limit: Limit,
        commands: Vec<(usize, Command)>,
    ) -> impl Iterator<Item = (usize, Result<Event, WorkerError>)> {
        let deadline = Instant::now() + limit.time;
        // Announced first, so that the worker is reading when a long command is sent.
        for (worker, _) in &commands {
            self.board.orders(*worker).announce();
        }
        let mut asked = Vec::new();
        for (worker, command) in commands {
            if let Member::Alive(link) = &self.members[worker] {
                link.send(command);
            }
            asked.push(worker);
        }
        asked.into_iter().map(move |worker| (worker, self.answer(worker, deadline, limit)))
    }

    /// Has a part take the step of time `t`.
    pub fn begin(&self, part: &mut Part, t: usize) {
        let number = self.board.orders(part.worker).ask_for_step(part.slice, t);
        (part.t, part.begun) = (t, Some(Begun { number, at: self.clock }));
    }

    /// Whether the step that a part has begun is over: it was taken, or the worker is gone. False for one that has begun none.
    pub fn is_over(&self, part: &Part) -> bool {
        part.begun.as_ref().is_some_and(|begun| {
            matches!(self.members[part.worker], Member::Lost(..))
                || self.board.slot(part.worker).finished[part.slice].load(Ordering::Acquire) == begun.number
        })
    }

    /// Waits until `enough` of the steps that `parts` have begun are over, looking out for workers that died or are too late.
    pub fn wait(
        &mut self,
        parts: &[Part],
        block: &Block,
        enough: impl Fn(&Self) -> bool,
    ) -> Result<(), BatchError> {
        loop {
            let pause = self.last_check.elapsed();
            if pause >= POLL_INTERVAL {
                self.clock += pause.min(2 * POLL_INTERVAL);
                self.check_health(parts, block)?;
                self.last_check = Instant::now();
            }
            let rung = self.board.answers().bell.get();
            if enough(self) {
                break;
            }
            let begun = Instant::now();
            self.board.answers().bell.wait(rung, self.backoff.policy(self.spin), POLL_INTERVAL);
            self.backoff.record(begun);
        }
        if self.board.answers().failures.any() { self.ask_failures() } else { Ok(()) }
    }

    /// Waits for a worker's next event; a worker that fails to send one is gone afterwards.
    pub(super) fn answer(
        &mut self,
        worker: usize,
        deadline: Instant,
        limit: Limit,
    ) -> Result<Event, WorkerError> {
        let link = match &self.members[worker] {
            Member::Alive(link) => link,
            Member::Lost(_, e) => return Err(WorkerError::Lost(e.clone())),
        };
        match link.receive(deadline) {
            Ok(event) => self.accept(worker, event),
            Err(error) => Err(self.lose(worker, error, limit, &|_| String::new())),
        }
    }

    /// Ends all workers, in order where they obey; the first error.
    pub fn close(&mut self) -> Result<(), BatchError> {
        let mut outcome = Ok(());
        for (worker, member) in self.members.iter().enumerate() {
            if let Member::Alive(link) = member {
                self.board.orders(worker).announce();
                link.send(Command::Close);
            }
        }
        let deadline = Instant::now() + EXIT_TIMEOUT;
        for worker in 0..self.members.len() {
            let Member::Alive(link) = &self.members[worker] else { continue };
            let left = deadline.saturating_duration_since(Instant::now());
            if link.process.ended_within(left) {
                // It sends an event when an environment did not close in order.
                if let Ok(Event::Failed(e) | Event::Lost(e)) = link.receive(Instant::now()) {
                    outcome = outcome.and(Err(e));
                }
                self.dismiss(worker, BatchError::Ended("it was closed".to_owned()));
            } else {
                let error = self.lose(worker, ReceiveError::TimedOut, Limit::EXIT, &|_| String::new());
                outcome = outcome.and(Err(error.into_error()));
            }
        }
        outcome
    }
}
