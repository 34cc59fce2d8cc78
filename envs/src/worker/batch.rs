//! A batch whose rows are stepped by worker processes.

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ipc_channel::ipc::IpcSharedMemory;
use serde_json::Value;

use super::backoff::Backoff;
use super::bell::SpinPolicy;
use super::message::{Command, Event};
use super::options::Limit;
use super::parts::{Part, parts};
use super::pool::{Member, WorkerError, WorkerPool};
use super::share::Share;
use super::shared::{Board, Region};
use super::stepping::parts_of;
use super::{OnWorkerLoss, WorkerOptions, Zygote};
use crate::batch::check_rows;
use crate::os;
use crate::{
    ActionScaling, BatchEnv, BatchError, Block, EnvSpec, Frame, Infos, Layout, Replayed, RunningEpisode,
    Seeds, Space, SpaceError,
};

/// Looks at a word before sleeping, about 50 µs, where there are cores to spare: waking a sleeper costs as much.
const SPINS: u32 = 1000;

/// Looks where there are none, with the core left to others in between: as long, when nobody takes it.
const YIELDS: u32 = 200;

/// N environments stepped by forked workers, each of which owns a contiguous slice of the rows.
///
/// An environment's error, a worker's death and a worker that does not answer become errors that name the row, after which the
/// batch can only be closed; or the worker is replaced, by [`OnWorkerLoss`].
///
/// Each slice of a worker's rows is a group of its own in a pipelined batch, so that no worker waits for another one; all rows are
/// one group otherwise.
pub struct WorkerBatch {
    pub(super) pool: WorkerPool,
    pub(super) block: Block,
    /// The block's memory, to be handed to workers.
    pub(super) memory: IpcSharedMemory,
    pub(super) on_loss: OnWorkerLoss,
    pub(super) parts: Vec<Part>,
    /// Rows of each part, or of all.
    pub(super) groups: Vec<Range<usize>>,
    /// Number of each row's next episode.
    pub(super) next: Vec<u64>,
    pub(super) losses: Vec<String>,
    ended: Option<String>,
}

impl WorkerBatch {
    /// Makes `rows` environments in `workers` workers, over a block of `steps` steps.
    ///
    /// # Errors
    /// [`BatchError::Registry`], [`BatchError::Beside`], [`BatchError::Space`], [`BatchError::Size`], [`BatchError::Memory`],
    /// [`BatchError::Lost`], [`BatchError::Zygote`], and [`BatchError::Workers`] unless there are between one and `rows` workers.
    pub fn new(
        zygote: &Zygote,
        spec: &EnvSpec,
        rows: usize,
        steps: usize,
        seeds: impl Into<Seeds>,
        workers: usize,
        options: &WorkerOptions,
    ) -> Result<Self, BatchError> {
        if workers == 0 || workers > rows {
            return Err(BatchError::Workers(format!("{workers} workers cannot share {rows} rows")));
        }
        let pipelined = options.pipelined == Some(true);
        let shares: Vec<_> =
            (0..workers).map(|worker| Share::new(rows, pipelined, worker, workers)).collect();
        let parts = parts(&shares);
        let groups = if pipelined {
            parts.iter().map(|part| part.rows.clone()).collect()
        } else {
            std::iter::once(0..rows).collect()
        };
        // A descriptor for the process, one for each channel, one for a message on its way.
        os::allow_descriptors(4 * workers as u64).map_err(|e| BatchError::Workers(e.to_string()))?;
        let cores = options.cores();
        let unborn = || BatchError::Ended("it has not begun".to_owned());
        let mut pool = WorkerPool {
            zygote: zygote.clone(),
            spec: serde_json::to_string(spec).map_err(BatchError::message)?,
            seeds: seeds.into(),
            deadlines: options.deadlines()?,
            replaces: matches!(options.on_worker_loss, OnWorkerLoss::Respawn { .. }),
            spin: if workers < cores { SpinPolicy::Spin(SPINS) } else { SpinPolicy::Yield(YIELDS) },
            backoff: Backoff::default(),
            board: Board::new(workers),
            members: shares.into_iter().map(|share| Member::Lost(share, unborn())).collect(),
            last_check: Instant::now(),
            clock: Duration::ZERO,
        };
        let (block, memory) = match Self::assemble(&mut pool, rows, steps, options.action_scaling) {
            Ok(shared) => shared,
            Err(e) => {
                // The first error is the one to report.
                let _ = pool.close();
                return Err(e);
            }
        };
        let (next, losses) = (vec![0; rows], Vec::new());
        let on_loss = options.on_worker_loss;
        Ok(Self { pool, block, memory, on_loss, parts, groups, next, losses, ended: None })
    }

    /// Spawns all workers, compares their spaces and lays out the block.
    fn assemble(
        pool: &mut WorkerPool,
        rows: usize,
        steps: usize,
        scaling: ActionScaling,
    ) -> Result<(Block, IpcSharedMemory), BatchError> {
        let workers = 0..pool.members.len();
        for worker in workers.clone() {
            pool.spawn(worker, vec![0; pool.members[worker].share().len()])?;
        }
        let mut spaces = None;
        for worker in workers.clone() {
            let found = pool.await_ready(worker).map_err(WorkerError::into_error)?;
            same_spaces(&pool.members[worker], spaces.get_or_insert_with(|| found.clone()), &found)?;
        }
        let (observation_space, action_space) = spaces.expect("there is at least one worker");
        let layout =
            Layout::new(rows, steps, observation_space, action_space)?.with_action_scaling(scaling)?;
        let region = Region::new(layout.bytes());
        let memory = region.share();
        let attach =
            |worker| (worker, Command::Attach { layout: Box::new(layout.clone()), memory: memory.clone() });
        for (_, outcome) in pool.command(workers.map(attach).collect()) {
            outcome.map_err(WorkerError::into_error)?;
        }
        let mut block = Block::shared(layout, Box::new(region));
        block.activate_all();
        Ok((block, memory))
    }

    /// Seconds that a step of one row takes with random actions. Episodes begin anew afterwards.
    pub(super) fn time(&mut self, seconds: f64) -> Result<f64, BatchError> {
        self.ask(0, Command::Reset { t: 0, rows: vec![0] })?;
        match self.ask_within(self.pool.deadlines.step, 0, Command::Time { seconds })? {
            Event::Seconds(seconds) => Ok(seconds),
            _ => unreachable!("time is answered in seconds"),
        }
    }

    /// One command to the worker of `row`. An environment's own error leaves the batch as it was.
    fn ask(&mut self, row: usize, command: Command) -> Result<Event, BatchError> {
        self.ask_within(self.pool.deadlines.command, row, command)
    }

    fn ask_within(&mut self, limit: Limit, row: usize, command: Command) -> Result<Event, BatchError> {
        self.usable()?;
        check_rows(&self.block, &[row])?;
        let worker = self.worker_of(row);
        let (_, outcome) =
            self.pool.command_within(limit, vec![(worker, command)]).next().expect("one command, one answer");
        outcome.map_err(|error| match error {
            WorkerError::Failed(e) => e,
            WorkerError::Lost(e) => {
                // With respawning the next step finds the worker gone and replaces it.
                if self.on_loss == OnWorkerLoss::Fail {
                    self.ended = Some(first_line(&e));
                }
                e
            }
        })
    }

    fn worker_of(&self, row: usize) -> usize {
        let members = &self.pool.members;
        members.iter().position(|member| member.share().contains(row)).expect("every row has a worker")
    }

    fn usable(&self) -> Result<(), BatchError> {
        match &self.ended {
            Some(why) => Err(BatchError::Ended(why.clone())),
            None => Ok(()),
        }
    }

    /// Does something that leaves the batch unusable when it fails.
    fn vital<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, BatchError>) -> Result<T, BatchError> {
        self.usable()?;
        let outcome = work(self);
        if let Err(e) = &outcome {
            self.ended = Some(first_line(e));
        }
        outcome
    }
}

impl BatchEnv for WorkerBatch {
    fn observation_space(&self) -> &Space {
        &self.block.layout().observation_space
    }

    fn action_space(&self) -> &Space {
        &self.block.layout().action_space
    }

    fn block(&self) -> &Block {
        &self.block
    }

    fn block_mut(&mut self) -> &mut Block {
        &mut self.block
    }

    fn reset(&mut self, rows: Option<&[usize]>) -> Result<(), BatchError> {
        self.vital(|batch| match rows {
            Some(rows) => batch.try_reset(rows),
            None => batch.try_reset(&(0..batch.next.len()).collect::<Vec<_>>()),
        })
    }

    fn groups(&self) -> &[Range<usize>] {
        &self.groups
    }

    fn begin(&mut self, group: usize, t: usize) -> Result<(), BatchError> {
        self.usable()?;
        for i in parts_of(group, &self.groups, &self.parts) {
            self.pool.begin(&mut self.parts[i], t);
        }
        Ok(())
    }

    fn finish(&mut self, group: usize) -> Result<(), BatchError> {
        self.vital(|batch| batch.try_finish(group))
    }

    fn finish_some(&mut self, finished: &mut Vec<usize>) -> Result<(), BatchError> {
        self.vital(|batch| batch.try_finish_some(finished))
    }

    fn replay(
        &mut self,
        running: &[RunningEpisode],
        limit: Duration,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Replayed>, BatchError> {
        self.vital(|batch| batch.try_replay(running, limit, progress))
    }

    fn call(&mut self, row: usize, name: &str, arguments: &Value) -> Result<Value, BatchError> {
        let command = Command::Call { row, name: name.to_owned(), arguments: arguments.to_string() };
        match self.ask(row, command)? {
            Event::Value(text) => serde_json::from_str(&text).map_err(BatchError::message),
            _ => unreachable!("a call is answered by a value"),
        }
    }

    fn take_infos(&mut self) -> Result<Infos, BatchError> {
        self.usable()?;
        let informed = |worker: &usize| self.pool.board.slot(*worker).informed.load(Ordering::Relaxed) != 0;
        let workers = (0..self.pool.members.len()).filter(informed);
        let commands = workers.map(|worker| (worker, Command::TakeInfos)).collect();
        let mut infos = Infos::default();
        for (_, outcome) in self.pool.command(commands) {
            match outcome {
                Ok(Event::Infos(own)) => infos.merge(own),
                Ok(_) => unreachable!("infos are answered by infos"),
                // The next step finds the worker gone.
                Err(_) => {}
            }
        }
        Ok(infos)
    }

    fn render(&mut self, row: usize) -> Result<Frame, BatchError> {
        match self.ask(row, Command::Render { row })? {
            Event::Picture { width, height, pixels } => Ok(Frame { width, height, pixels }),
            _ => unreachable!("a drawing is answered by a picture"),
        }
    }

    fn losses(&self) -> &[String] {
        &self.losses
    }

    fn close(&mut self) -> Result<(), BatchError> {
        if self.ended.is_none() {
            self.ended = Some("it was closed".to_owned());
        }
        self.pool.close()
    }
}

impl Drop for WorkerBatch {
    fn drop(&mut self) {
        // There is no one to return an error to; the workers are ended anyway.
        let _ = self.close();
    }
}

/// An error without the backtrace, which has been shown once.
pub(super) fn first_line(error: &BatchError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// Fails when a worker's spaces are not those of the rest.
pub(super) fn same_spaces(
    member: &Member,
    all: &(Space, Space),
    found: &(Space, Space),
) -> Result<(), BatchError> {
    if all == found {
        return Ok(());
    }
    let what = format!("the worker of {}", member.share());
    let space = format!("{} and {}", found.0, found.1);
    Err(SpaceError::new(what, space, format!("the others have {} and {}", all.0, all.1)).into())
}
