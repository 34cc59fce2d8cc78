//! What a worker does: makes its rows, then waits for orders and carries them out until it is closed.

use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::{RefCell, RefMut};
use std::collections::VecDeque;
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use ipc_channel::IpcError;
use nix::unistd::Pid;

use super::backoff::Backoff;
use super::message::{Command, Event, Job};
use super::share::SLICES;
use super::shared::{Board, Region};
use crate::batch::panic_message;
use crate::os;
use crate::{
    BatchError, Block, EnvError, EnvSpec, Infos, Phase, Place, Progress, Registry, Rows, generator, making,
};

/// Exit code after a panic or the death of an environment, as Rust's own after a panic.
const PANICKED: i32 = 101;

thread_local! {
    /// Where the last panic of this thread happened, and its backtrace.
    static PANIC: RefCell<Option<(String, String)>> = const { RefCell::new(None) };
}

/// Runs a worker that `zygote` has forked; returns its exit code.
pub fn run(job: Job, registry: &Registry, zygote: Pid) -> i32 {
    if os::follow_parent(zygote).is_err() {
        return 0;
    }
    os::print_to_standard_error();
    os::name_process(&format!("phalanx-row-{}", job.share.slices()[0].start));
    keep_panics();
    Worker::new(job, zygote).run(registry)
}

struct Worker {
    job: Job,
    zygote: Pid,
    board: Rc<Board>,
    /// What the learner attaches before its first order.
    block: RefCell<Option<Block>>,
}

/// Why a worker stops.
struct Stop(i32);

impl Worker {
    fn new(job: Job, zygote: Pid) -> Self {
        let board = Rc::new(Board::open(job.board.clone(), job.workers));
        Self { job, zygote, board, block: RefCell::new(None) }
    }

    fn run(mut self, registry: &Registry) -> i32 {
        let last_steps = self.board.orders(self.job.worker).last_steps();
        let mut rows = match self.construct(registry) {
            Ok(rows) => ManuallyDrop::new(rows),
            Err(event) => {
                let _ = self.job.events.send(event);
                return PANICKED;
            }
        };
        let Stop(code) = self.serve(&mut rows, last_steps);
        if code == 0 {
            let close = || rows.iter_mut().map(Rows::close).fold(Ok(()), Result::and);
            if let Err(event) = self.guard(0, close) {
                let panicked = matches!(event, Event::Lost(_));
                let _ = self.job.events.send(event);
                if panicked {
                    // An environment is in no state to be dropped.
                    return code;
                }
            }
            let _ = catch_unwind(AssertUnwindSafe(|| drop(ManuallyDrop::into_inner(rows))));
        }
        code
    }

    /// Makes the environments.
    fn construct(&self, registry: &Registry) -> Result<Vec<Rows>, Event> {
        let (board, worker) = (Rc::clone(&self.board), self.job.worker);
        making::listen(move |phase| board.slot(worker).set_phase(phase));
        let rows = self.guard(0, || {
            let spec: EnvSpec = serde_json::from_str(&self.job.spec).map_err(BatchError::message)?;
            let mut episodes = &self.job.episodes[..];
            let slice = |rows: &Range<usize>| {
                let (board, worker) = (Rc::clone(&self.board), self.job.worker);
                let watch: Box<dyn FnMut(Place)> = Box::new(move |place| board.slot(worker).set_place(place));
                let (own, rest) = episodes.split_at(rows.len());
                episodes = rest;
                Rows::new(registry, &spec, rows.start, self.job.seeds, own, watch)
            };
            let slices = self.job.share.slices().iter().map(slice).collect::<Result<Vec<_>, _>>();
            let (row, first) =
                (self.board.slot(self.job.worker).place().row, self.job.share.slices()[0].start);
            let slices = slices.map_err(|e| BatchError::of_constructor(e, row, first))?;
            let spaces = Rows::common_spaces(&slices)?;
            Ok((slices, spaces))
        });
        let (rows, (observation_space, action_space)) = rows?;
        self.board.slot(self.job.worker).set_idle();
        let _ = self.job.events.send(Event::Ready { observation_space, action_space });
        Ok(rows)
    }

    fn serve(&mut self, rows: &mut [Rows], mut last_steps: [u32; SLICES]) -> Stop {
        let board = Rc::clone(&self.board);
        let orders = board.orders(self.job.worker);
        let (mut obeyed, mut turn, mut backoff) = (0, 0, Backoff::default());
        // Slices whose steps have begun, in the order in which their results come.
        let mut begun: VecDeque<usize> = VecDeque::with_capacity(SLICES);
        loop {
            let rung = orders.bell.get();
            let outcome = if let Some(slice) = next_slice(orders.last_steps(), last_steps, turn) {
                last_steps[slice] = last_steps[slice].wrapping_add(1);
                turn = slice + 1;
                let begin = |block: &mut Block, t| rows[slice].begin(block, t).map(|()| Progress::Going);
                self.take_part(slice, last_steps[slice], begin).map(|progress| Some((slice, progress)))
            } else if let Some(slice) = begun.pop_front() {
                let poll = |block: &mut Block, t| {
                    let progress = rows[slice].poll(block, t)?;
                    if rows[slice].has_infos() {
                        board.slot(self.job.worker).informed.store(1, Ordering::Relaxed);
                    }
                    Ok(progress)
                };
                self.take_part(slice, last_steps[slice], poll).map(|progress| Some((slice, progress)))
            } else if orders.commands() == obeyed {
                let since = Instant::now();
                let woken = orders.bell.wait(rung, backoff.policy(self.job.spin), Duration::from_secs(1));
                backoff.record(since);
                if woken || os::follow_parent(self.zygote).is_ok() { Ok(None) } else { Err(Stop(0)) }
            } else {
                obeyed = obeyed.wrapping_add(1);
                self.obey(rows).map(|()| None)
            };
            match outcome {
                Ok(Some((slice, Progress::Waiting))) => {
                    begun.push_front(slice);
                    thread::yield_now();
                }
                Ok(Some((slice, Progress::Going))) => begun.push_back(slice),
                Ok(Some((_, Progress::Over)) | None) => {}
                Err(stop) => return stop,
            }
        }
    }

    /// Does a part of the step number `step` of a slice, and signals the learner when it was the last one or failed. A failure is marked
    /// before its event is sent: a long event is not sent until the learner reads.
    fn take_part(
        &self,
        slice: usize,
        step: u32,
        part: impl FnOnce(&mut Block, usize) -> Result<Progress, BatchError>,
    ) -> Result<Progress, Stop> {
        let (slot, answers) = (self.board.slot(self.job.worker), self.board.answers());
        let t = self.board.orders(self.job.worker).time(slice);
        let failure = match self.guard(t, || part(&mut self.block(), t)) {
            Ok(Progress::Over) => None,
            Ok(progress) => return Ok(progress),
            Err(event) => Some(event),
        };
        if failure.is_some() {
            answers.failures.report(&slot.failed);
        }
        slot.set_idle();
        slot.finished[slice].store(step, Ordering::Release);
        answers.bell.ring();
        let Some(event) = failure else { return Ok(Progress::Over) };
        let lost = matches!(event, Event::Lost(_));
        let _ = self.job.events.send(event);
        if lost { Err(Stop(PANICKED)) } else { Ok(Progress::Over) }
    }

    /// Receives one command and answers it.
    fn obey(&mut self, rows: &mut [Rows]) -> Result<(), Stop> {
        let command = loop {
            match self.job.commands.recv() {
                Ok(command) => break command,
                Err(IpcError::Io(e)) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Stop(0)),
            }
        };
        let answer = match command {
            Command::Close => return Err(Stop(0)),
            Command::Attach { layout, memory } => {
                *self.block.borrow_mut() = Some(Block::shared(*layout, Box::new(Region::open(memory))));
                Ok(Event::Done)
            }
            command => self.guard(0, || self.answer(rows, command)),
        };
        self.board.slot(self.job.worker).set_idle();
        let event = answer.unwrap_or_else(|failure| failure);
        let lost = matches!(event, Event::Lost(_));
        if self.job.events.send(event).is_err() {
            return Err(Stop(0));
        }
        if lost { Err(Stop(PANICKED)) } else { Ok(()) }
    }

    fn answer(&self, rows: &mut [Rows], command: Command) -> Result<Event, BatchError> {
        match command {
            Command::Reset { t, rows: chosen } => {
                let mut block = self.block();
                chosen.iter().try_for_each(|&row| slice_of(rows, row).reset(&mut block, t, row))?;
            }
            Command::Replay { row, running, seconds } => {
                let deadline = Instant::now() + Duration::from_secs_f64(seconds);
                return slice_of(rows, row)
                    .replay(&mut self.block(), row, &running, deadline)
                    .map(Event::Replayed);
            }
            Command::Call { row, name, arguments } => {
                let arguments = serde_json::from_str(&arguments).map_err(BatchError::message)?;
                return Ok(Event::Value(slice_of(rows, row).call(row, &name, &arguments)?.to_string()));
            }
            Command::TakeInfos => {
                self.board.slot(self.job.worker).informed.store(0, Ordering::Relaxed);
                let mut infos = Infos::default();
                for slice in rows {
                    infos.merge(slice.take_infos());
                }
                return Ok(Event::Infos(infos));
            }
            Command::Render { row } => {
                let frame = slice_of(rows, row).render(row)?;
                return Ok(Event::Picture { width: frame.width, height: frame.height, pixels: frame.pixels });
            }
            Command::Time { seconds } => {
                return time(&mut rows[0], &mut self.block(), Duration::from_secs_f64(seconds))
                    .map(Event::Seconds);
            }
            Command::Attach { .. } | Command::Close => unreachable!("not for the environments"),
        }
        Ok(Event::Done)
    }

    fn block(&self) -> RefMut<'_, Block> {
        RefMut::map(self.block.borrow_mut(), |block| {
            block.as_mut().expect("the learner attaches the block first")
        })
    }

    /// Runs environment code, with the actions of time `t`, and turns its error or panic into an event.
    fn guard<T>(&self, t: usize, work: impl FnOnce() -> Result<T, BatchError>) -> Result<T, Event> {
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(outcome) => outcome.map_err(|e| if e.is_death() { Event::Lost(e) } else { Event::Failed(e) }),
            Err(panic) => Err(Event::Lost(self.panicked(t, &*panic))),
        }
    }

    fn panicked(&self, t: usize, panic: &(dyn Any + Send)) -> BatchError {
        let Place { row, phase, episode, step } = self.board.slot(self.job.worker).place();
        let (at, backtrace) = PANIC.take().unwrap_or_default();
        BatchError::Row {
            row,
            phase: phase.to_string(),
            step,
            episode,
            seed: self.job.seeds.episode(row, episode),
            action: match phase {
                Phase::Step => self.block().action(t, row).to_string(),
                _ => String::new(),
            },
            cause: EnvError::Failed(format!("panicked{at}: {}", panic_message(panic))),
            backtrace,
        }
    }
}

/// The slice whose step was asked for and not taken yet; when there are several, the one whose turn it is.
fn next_slice(asked: [u32; SLICES], taken: [u32; SLICES], turn: usize) -> Option<usize> {
    (turn..turn + SLICES).map(|slice| slice % SLICES).find(|&slice| asked[slice] != taken[slice])
}

/// The slice that `row` is in.
fn slice_of(rows: &mut [Rows], row: usize) -> &mut Rows {
    rows.iter_mut().find(|slice| slice.range().contains(&row)).expect("the learner knows whose row it is")
}

/// Keeps the place and backtrace of this thread's panics for the learner, instead of printing them; other threads' panics are printed.
fn keep_panics() {
    let main = thread::current().id();
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if thread::current().id() == main {
            let at = info.location().map_or_else(String::new, |at| format!(" at {at}"));
            PANIC.set(Some((at, own_frames(&Backtrace::force_capture().to_string()))));
        } else {
            print(info);
        }
    }));
}

/// The frames between the panic machinery and the worker's: those of the environment. All of them when in doubt.
fn own_frames(backtrace: &str) -> String {
    let lines: Vec<&str> = backtrace.lines().collect();
    let machinery = |line: &&str| line.contains("rust_begin_unwind") || line.contains("core::panicking::");
    let start = lines.iter().rposition(machinery).map_or(0, |i| i + 1);
    // A frame's place in the source stands in a line of its own.
    let frames = lines[start..].iter().skip_while(|line| line.trim_start().starts_with("at "));
    let own: Vec<&str> = frames.copied().take_while(|line| !line.contains("do_call")).collect();
    own.join("\n")
}

/// Seconds that one step of one row takes with random actions, resets included. The rows have been reset.
fn time(rows: &mut Rows, block: &mut Block, length: Duration) -> Result<f64, BatchError> {
    let mut generator = generator(0);
    let start = Instant::now();
    let mut steps = 0;
    while steps == 0 || start.elapsed() < length {
        for row in rows.range() {
            block.sample_action(0, row, &mut generator);
        }
        rows.step(block, 0)?;
        if block.layout().has_mask() {
            block.carry_over_rows(1, rows.range());
        }
        steps += rows.range().len();
    }
    let seconds = start.elapsed().as_secs_f64();
    // Nobody has played these episodes.
    rows.take_infos();
    Ok(seconds / steps as f64)
}
