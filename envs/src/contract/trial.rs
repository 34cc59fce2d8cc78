//! One environment being used and watched.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::record::Record;
use super::report::Severity::{self, Error, Note, Warning};
use crate::batch::panic_message;
use crate::{Action, Dtype, Env, EnvError, Episode, Frame, Generator, Row, Space, generator};

/// Bits that no computation brings about: not a number, with a payload.
const UNWRITTEN: u32 = 0x7FC0_DEAD;
/// What bytes are filled with before one record and the next.
const FILLINGS: [u8; 2] = [0x5A, 0xA5];

/// Episodes of a record that are drawn: the second may differ from the first, and drawing takes time.
const DRAWN: usize = 2;

/// An environment with its row, and what was found about it.
pub(super) struct Trial<'a> {
    pub env: Box<dyn Env>,
    pub steps: u64,
    pub episodes: u64,
    pub frame: Option<(u32, u32)>,
    /// Whether it is drawn, which needs one that was made for that.
    pub drawn: bool,
    /// The first finding of each kind.
    pub findings: Vec<(&'static str, Severity, String)>,
    excess: Option<Excess>,
    floats: Vec<f32>,
    bytes: Vec<u8>,
    filling: u8,
    generator: Generator,
    action_space: Space,
    choices: Vec<i64>,
    numbers: Vec<f32>,
    place: Position,
    /// Called before every use.
    progress: &'a dyn Fn(String),
}

/// Where a trial is, for messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Position {
    seed: u64,
    episode: usize,
    step: u64,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "seed {}, episode {}, step {}", self.seed, self.episode, self.step)
    }
}

/// The observation farthest outside its bounds.
struct Excess {
    by: f64,
    message: String,
}

/// Runs environment code and turns its panic into an error.
pub(super) fn guard<T, E: From<EnvError>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let panic = panic_message(&*panic);
        Err(EnvError::failed(format!("panicked: {panic}: an environment must return an error instead"))
            .into())
    })
}

/// Whether a time, if there is one, has come.
pub(super) fn is_past(until: Option<Instant>) -> bool {
    until.is_some_and(|until| Instant::now() >= until)
}

impl<'a> Trial<'a> {
    pub fn new(env: Box<dyn Env>, progress: &'a dyn Fn(String)) -> Self {
        let (observation, action) = (env.observation_space(), env.action_space());
        // An impossible space is reported before any of these is used.
        let len = if observation.check().is_ok() { observation.len() } else { 0 };
        let actions = action.check().is_ok();
        let (choices, numbers) = if actions { (action.choices_len(), action.numbers_len()) } else { (0, 0) };
        let (floats, bytes) = match observation {
            Space::Box { dtype: Dtype::U8, .. } => (Vec::new(), vec![0; len]),
            _ => (vec![0.0; len], Vec::new()),
        };
        Self {
            action_space: action.clone(),
            env,
            steps: 0,
            episodes: 0,
            frame: None,
            drawn: false,
            findings: Vec::new(),
            excess: None,
            floats,
            bytes,
            filling: FILLINGS[0],
            generator: generator(0),
            choices: vec![0; choices],
            numbers: vec![0.0; numbers],
            place: Position::default(),
            progress,
        }
    }

    /// Reports what the environment is about to be used for.
    pub fn begin(&self, what: &str) {
        (self.progress)(format!("{}: {what}", self.place));
    }

    /// Runs episodes of random actions for `steps` steps, fewer when it is `until` then; `None` when the environment failed.
    pub fn record(&mut self, seed: u64, steps: u64, until: Option<Instant>) -> Option<Record> {
        self.filling = if self.filling == FILLINGS[0] { FILLINGS[1] } else { FILLINGS[0] };
        self.generator = generator(0);
        let mut record = Record {
            places: Vec::new(),
            shown: Vec::new(),
            rewards: Vec::new(),
            filling: self.filling,
            bytes: !self.bytes.is_empty(),
            starts: Vec::new(),
            ends: 0,
        };
        let mut over = true;
        for step in 0..steps {
            if step > 0 && is_past(until) {
                break;
            }
            if over {
                let first = record.starts.is_empty();
                self.place = Position { seed, episode: record.starts.len(), step: 0 };
                self.reset(first.then_some(seed))?;
                self.note(&mut record, None);
                record.starts.push(self.bits());
                self.render();
            }
            self.place.step += 1;
            let (reward, episode) = self.step()?;
            self.note(&mut record, Some((reward.to_bits(), episode)));
            over = episode.is_over();
            record.ends += u64::from(over);
            if over || self.place.step == 1 {
                self.render();
            }
        }
        Some(record)
    }

    fn note(&self, record: &mut Record, outcome: Option<(u32, Episode)>) {
        record.places.push(self.place);
        record.shown.push(self.bits());
        record.rewards.push(outcome);
    }

    /// Steps of an episode that continues after `most` steps or when it is `until`; `None` when it ends before.
    pub fn outlasts(&mut self, seed: u64, most: u64, until: Option<Instant>) -> Option<u64> {
        self.place = Position { seed, episode: 0, step: 0 };
        self.reset(Some(seed))?;
        for step in 1..=most {
            self.place.step = step;
            if self.step()?.1.is_over() {
                return None;
            }
            if is_past(until) {
                return Some(step);
            }
        }
        Some(most)
    }

    /// Takes one step from a reset with this action; returns what went wrong, if anything did.
    pub fn try_action(&mut self, choices: &[i64], numbers: &[f32]) -> Option<String> {
        self.place = Position { seed: 1, episode: 0, step: 0 };
        self.reset(Some(1))?;
        self.steps += 1;
        self.begin("a step with an action at the edge of the action space");
        let action = Action::of(&self.action_space, choices, numbers);
        let (floats, bytes) = (&mut self.floats, &mut self.bytes);
        let row = if bytes.is_empty() { Row::F32(floats) } else { Row::U8(bytes) };
        let env = &mut self.env;
        let failure = guard(|| env.step(action, row)).err()?;
        Some(format!("action {action} lies in the action space, but: {failure}"))
    }

    fn reset(&mut self, seed: Option<u64>) -> Option<()> {
        self.begin("reset");
        self.fill();
        self.episodes += 1;
        let Self { env, floats, bytes, .. } = self;
        let row = if bytes.is_empty() { Row::F32(floats) } else { Row::U8(bytes) };
        match guard(|| env.reset(seed, row)) {
            Ok(()) => self.check_observation(Episode::Running),
            Err(e) => {
                self.find("reset", Error, &format!("reset failed: {e}"));
                return None;
            }
        }
        Some(())
    }

    fn step(&mut self) -> Option<(f32, Episode)> {
        self.begin("step");
        self.fill();
        self.steps += 1;
        let Self { env, floats, bytes, generator, action_space, choices, numbers, .. } = self;
        action_space.sample(generator, choices, numbers);
        let action = Action::of(action_space, choices, numbers);
        let row = if bytes.is_empty() { Row::F32(floats) } else { Row::U8(bytes) };
        match guard(|| env.step(action, row)) {
            Ok(step) => {
                if !step.reward.is_finite() {
                    self.find(
                        "reward",
                        Error,
                        &format!("the reward is {}: not a finite number", step.reward),
                    );
                }
                self.check_observation(step.episode);
                if step.episode.is_over() {
                    self.check_info();
                }
                Some((step.reward, step.episode))
            }
            Err(e) => {
                let message = format!("step failed with action {action}: {e}");
                self.find("step", Error, &message);
                None
            }
        }
    }

    /// Calls what batches call after each episode.
    fn check_info(&mut self) {
        self.begin("call(\"info\") after the episode");
        let env = &mut self.env;
        match guard(|| env.call("info", &serde_json::Value::Null)) {
            Ok(_) | Err(EnvError::NoMethod(_)) => {}
            Err(e) => self.find("info", Error, &format!("call(\"info\") after the episode failed: {e}")),
        }
    }

    fn fill(&mut self) {
        self.floats.fill(f32::from_bits(UNWRITTEN));
        self.bytes.fill(self.filling);
    }

    fn bits(&self) -> Vec<u32> {
        let bytes = self.bytes.iter().map(|&b| u32::from(b));
        self.floats.iter().map(|x| x.to_bits()).chain(bytes).collect()
    }

    fn check_observation(&mut self, episode: Episode) {
        let Space::Box { low, high, .. } = self.env.observation_space() else { return };
        let numbers = self.floats.iter().copied().chain(self.bytes.iter().map(|&b| f32::from(b)));
        let mut wrong = None;
        for (i, ((x, &low), &high)) in numbers.zip(low).zip(high).enumerate() {
            if x.to_bits() == UNWRITTEN {
                wrong = Some(("unwritten", Error, format!("observation[{i}] was not written")));
            } else if !x.is_finite() && episode == Episode::Terminated {
                let message = format!(
                    "observation[{i}] is {x} after the last step of a terminated episode: nothing is learned from it, so training \
                     goes on; clear it in the environment if it is not meant"
                );
                wrong = Some(("last", Warning, message));
            } else if !x.is_finite() {
                wrong = Some(("finite", Error, format!("observation[{i}] is {x}: not a finite number")));
            } else if x < low || x > high {
                let by = f64::from(low - x).max(f64::from(x - high));
                if self.excess.as_ref().is_none_or(|known| by > known.by) {
                    let place = self.place;
                    let message = format!(
                        "observation[{i}] is {x} at {place}, outside its bounds {low}..{high} by {by:.1e}"
                    );
                    self.excess = Some(Excess { by, message });
                }
                continue;
            } else {
                continue;
            }
            break;
        }
        if let Some((kind, severity, message)) = wrong {
            self.find(kind, severity, &message);
        }
    }

    /// Adds the finding that is known only when everything has been seen.
    pub fn finish(&mut self) {
        if let Some(Excess { message, .. }) = self.excess.take() {
            let message = format!(
                "observations leave their bounds, the farthest one: {message}. Observations are not clipped; the bounds are used by the \
                 wrapper `range_normalize`, which then returns values outside -1..1: widen the bounds in the environment, or \
                 use `normalize.observation` instead"
            );
            self.findings.push(("bounds", Warning, message));
        }
    }

    /// Draws, and compares the picture's size with those before.
    fn render(&mut self) {
        if !self.drawn || self.place.episode >= DRAWN {
            return;
        }
        self.begin("render");
        let env = &mut self.env;
        let frame = match guard(|| env.render()) {
            Ok(frame) => frame,
            Err(EnvError::NoRender(_)) => return,
            Err(EnvError::NoPicture) => {
                if self.frame.is_some() {
                    self.find(
                        "picture",
                        Note,
                        "it drew nothing, but drew before: `phalanx visualize` needs a picture of every step",
                    );
                }
                return;
            }
            Err(e) => {
                let message = format!("render failed, and `phalanx visualize` cannot show it: {e}");
                return self.find("picture", Note, &message);
            }
        };
        if let Err(e) = frame.check() {
            self.find("picture", Note, &e.to_string());
        }
        let Frame { width, height, .. } = frame;
        let known = *self.frame.get_or_insert((width, height));
        if known != (width, height) {
            let message = format!(
                "a picture of {width}×{height} after one of {}×{}: a video needs one size",
                known.0, known.1
            );
            self.find("picture", Note, &message);
        }
    }

    /// Reports a kind of finding the first time, with its place.
    fn find(&mut self, kind: &'static str, severity: Severity, message: &str) {
        if self.findings.iter().all(|(known, ..)| *known != kind) {
            self.findings.push((kind, severity, format!("{}: {message}", self.place)));
        }
    }
}
