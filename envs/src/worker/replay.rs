//! Running episodes of an earlier batch, restored in workers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::batch::{WorkerBatch, first_line};
use super::message::{Command, Event};
use super::options::Limit;
use super::pool::WorkerError;
use crate::batch::{check_running, shortest_first};
use crate::{BatchError, Replayed, RunningEpisode};

impl WorkerBatch {
    /// Replays row by row, in all workers at once: messages stay short.
    ///
    /// A worker that is lost over a row is replaced under every policy: this row begins its next episode, and what the worker had
    /// restored is replayed again.
    pub(super) fn try_replay(
        &mut self,
        running: &[RunningEpisode],
        limit: Duration,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Replayed>, BatchError> {
        check_running(running, self.next.len())?;
        let started = Instant::now();
        let mut replayed = vec![Replayed::Restored; running.len()];
        let members = self.pool.members.iter();
        let mut queues: Vec<_> =
            members.map(|member| shortest_first(member.share().rows(), running)).collect();
        while let Some(most) = queues.iter().map(VecDeque::len).max().filter(|&most| most > 0) {
            let share = limit.saturating_sub(started.elapsed()) / most as u32;
            let command = |(worker, queue): (usize, &VecDeque<usize>)| {
                let row = *queue.front()?;
                let running = running[row].clone();
                Some((worker, Command::Replay { row, running, seconds: share.as_secs_f64() }))
            };
            let commands = queues.iter().enumerate().filter_map(command).collect();
            let command = self.pool.deadlines.command;
            let within = Limit { time: command.time + share, ..command };
            for (worker, outcome) in self.pool.command_within(within, commands).collect::<Vec<_>>() {
                let row = queues[worker].pop_front().expect("the row that was replayed");
                match outcome {
                    Ok(Event::Replayed(outcome)) => replayed[row] = outcome,
                    Ok(_) => unreachable!("a replay is answered by where it ended"),
                    Err(error) => {
                        let reason = self.reason_of_loss(worker, error)?;
                        replayed[row] = Replayed::BeganAnew(reason);
                        queues[worker] = self.begin_again(worker, running, &replayed)?;
                    }
                }
            }
            progress(running.len() - queues.iter().map(VecDeque::len).sum::<usize>());
        }
        for ((next, running), replayed) in self.next.iter_mut().zip(running).zip(&replayed) {
            *next = running.episode + if *replayed == Replayed::Restored { 1 } else { 2 };
        }
        Ok(replayed)
    }

    /// Why a replay failed, after which its worker is gone.
    fn reason_of_loss(&mut self, worker: usize, error: WorkerError) -> Result<String, BatchError> {
        match self.pool.count_as_loss(worker, error) {
            WorkerError::Lost(loss) => Ok(format!("its replay failed: {}", first_line(&loss))),
            WorkerError::Failed(e) => Err(e),
        }
    }

    /// Replaces a lost worker, whose rows that begin anew are reset; its other rows are to be replayed.
    fn begin_again(
        &mut self,
        worker: usize,
        running: &[RunningEpisode],
        replayed: &[Replayed],
    ) -> Result<VecDeque<usize>, BatchError> {
        let rows: Vec<usize> = self.pool.members[worker].share().rows().collect();
        let begins_anew = |row: &usize| replayed[*row] != Replayed::Restored;
        let episodes = rows.iter().map(|&row| running[row].episode + u64::from(begins_anew(&row))).collect();
        let (anew, again): (Vec<_>, Vec<_>) = rows.into_iter().partition(begins_anew);
        self.start_again(worker, episodes, &[(0, anew)]).map_err(WorkerError::into_error)?;
        Ok(shortest_first(again.into_iter(), running))
    }
}
