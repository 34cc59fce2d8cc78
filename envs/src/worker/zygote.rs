//! The zygote: a process forked while this one still had a single thread, from which every worker is forked.
//!
//! By the time a worker is needed the learner has threads, libtorch's among them, and can no longer fork safely.
//! This file holds both sides: the handle that the learner keeps, and the loop that the zygote runs.

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ipc_channel::IpcError;
use ipc_channel::ipc::{self, IpcReceiver, IpcSender};
use nix::unistd::{Pid, getpid};

use super::message::{Answer, Job, Order};
use super::{body, receive};
use crate::os::{self, Fork, Process};
use crate::{BatchError, Registry};

/// How long the zygote may take to answer: it only forks and reaps.
const PATIENCE: Duration = Duration::from_secs(30);

/// The process that all workers are forked from; clones are handles of the same one.
///
/// It ends, and its workers with it, when the last handle is dropped, at [`Self::close`], or when this process ends
/// in whatever way.
#[derive(Clone)]
pub struct Zygote(Arc<Mutex<Handle>>);

struct Handle {
    process: Process,
    orders: IpcSender<Order>,
    answers: IpcReceiver<Answer>,
    ended: Option<String>,
}

impl Zygote {
    /// Forks the zygote. Call this as the first statement of `main`, before anything starts a thread.
    ///
    /// # Errors
    /// [`BatchError::Zygote`] when this process has more than one thread, or cannot fork.
    pub fn start(registry: &Registry) -> Result<Self, BatchError> {
        let failed = |e: &dyn Display| BatchError::Zygote(format!("did not start: {e}"));
        let threads = os::threads().map_err(|e| failed(&e))?;
        if threads != 1 {
            return Err(BatchError::Zygote(format!(
                "did not start: a process can be forked safely while it has one thread, and this one has {threads}; \
                 call Zygote::start as the first statement of main"
            )));
        }
        let (orders, inbox) = ipc::channel().map_err(|e| failed(&e))?;
        let (outbox, answers) = ipc::channel().map_err(|e| failed(&e))?;
        let learner = getpid();
        match os::fork().map_err(|e| failed(&e))? {
            Fork::Parent(pid) => {
                drop((inbox, outbox));
                let process = Process::open(pid.as_raw()).map_err(|e| failed(&e))?;
                Ok(Self(Arc::new(Mutex::new(Handle { process, orders, answers, ended: None }))))
            }
            Fork::Child => {
                drop((orders, answers));
                os::exit(run(inbox, outbox, registry, learner));
            }
        }
    }

    /// Process number.
    pub fn pid(&self) -> i32 {
        self.with(|handle| handle.process.pid())
    }

    /// Ends the zygote and all workers of all batches; the second time does nothing.
    pub fn close(&self) {
        self.with(|handle| handle.end("was closed"));
    }

    /// Has a worker forked; its process number.
    pub(super) fn spawn(&self, job: Job) -> Result<i32, BatchError> {
        match self.with(|handle| handle.request(Order::Spawn(job)))? {
            Answer::Spawned(pid) => Ok(pid),
            Answer::NotSpawned(why) | Answer::Reaped(why) => {
                Err(BatchError::Zygote(format!("cannot fork a worker: {why}")))
            }
        }
    }

    /// Has a worker reaped that has ended; how it ended.
    pub(super) fn reap(&self, pid: i32) -> Result<String, BatchError> {
        match self.with(|handle| handle.request(Order::Reap(pid)))? {
            Answer::Reaped(how) => Ok(how),
            Answer::Spawned(_) | Answer::NotSpawned(_) => unreachable!("orders are answered in turn"),
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Handle) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Handle {
    fn check(&mut self) -> Result<(), BatchError> {
        if self.ended.is_none() && self.process.ended_within(Duration::ZERO) {
            self.lost();
        }
        match &self.ended {
            Some(how) => Err(BatchError::Zygote(how.clone())),
            None => Ok(()),
        }
    }

    fn request(&mut self, order: Order) -> Result<Answer, BatchError> {
        self.check()?;
        let sent = self.orders.send(order);
        let answer = sent.ok().and_then(|()| receive(&self.answers, PATIENCE).ok());
        answer.ok_or_else(|| {
            // An answer that comes late would be taken for the next order's: end it.
            self.lost();
            BatchError::Zygote(self.ended.clone().unwrap_or_default())
        })
    }

    /// Ends what does not answer any more and notes how it ended.
    fn lost(&mut self) {
        let pid = self.process.pid();
        let silent = !self.process.ended_within(Duration::from_secs(1));
        if silent {
            self.process.kill();
            self.process.ended_within(PATIENCE);
        }
        let how = os::reap(pid);
        self.ended = Some(if silent {
            format!("did not answer within {PATIENCE:?} and was killed (process {pid})")
        } else {
            format!("died (process {pid}, {how})")
        });
    }

    fn end(&mut self, why: &str) {
        if self.ended.is_some() {
            return;
        }
        let asked = self.orders.send(Order::Close).is_ok();
        if !asked || !self.process.ended_within(Duration::from_secs(5)) {
            self.process.kill();
            self.process.ended_within(PATIENCE);
        }
        os::reap(self.process.pid());
        self.ended = Some(why.to_owned());
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.end("was closed");
    }
}

/// The zygote's life, and that of every worker: a worker is the zygote after a fork. Returns the exit code.
fn run(inbox: IpcReceiver<Order>, outbox: IpcSender<Answer>, registry: &Registry, learner: Pid) -> i32 {
    if os::follow_parent(learner).is_err() {
        return 0;
    }
    os::ignore_signals();
    os::forget_children();
    os::name_process("phalanx-zygote");
    let zygote = getpid();
    let job = serve(&inbox, &outbox);
    // Kept open by a worker, these would not close, and the learner would not notice, when the zygote ends.
    drop((inbox, outbox));
    match job {
        Some(job) => body::run(job, registry, zygote),
        None => 0,
    }
}

/// Obeys orders until the end; in a worker it returns the worker's job.
fn serve(inbox: &IpcReceiver<Order>, outbox: &IpcSender<Answer>) -> Option<Job> {
    let mut children: Vec<Process> = Vec::new();
    loop {
        let answer = match inbox.recv() {
            Ok(Order::Spawn(job)) => match os::fork() {
                Ok(Fork::Child) => return Some(job),
                // The worker's ends are dropped here with the job: the zygote must not keep them open.
                Ok(Fork::Parent(pid)) => match Process::open(pid.as_raw()) {
                    Ok(process) => {
                        children.push(process);
                        Answer::Spawned(pid.as_raw())
                    }
                    Err(e) => Answer::NotSpawned(e.to_string()),
                },
                Err(e) => Answer::NotSpawned(e.to_string()),
            },
            Ok(Order::Reap(pid)) => {
                children.retain(|child| child.pid() != pid);
                Answer::Reaped(os::reap(pid))
            }
            Err(IpcError::Io(e)) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(IpcError::SerializationError(e)) => Answer::NotSpawned(e.to_string()),
            Ok(Order::Close) | Err(_) => break,
        };
        if outbox.send(answer).is_err() {
            break;
        }
    }
    for child in children {
        child.kill();
        os::reap(child.pid());
    }
    None
}
