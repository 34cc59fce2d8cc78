//! One environment being used and watched.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::observation::{Excess, bad_mask, fault, fill};
use super::record::{Record, RecordField};
use super::report::Severity::{self, Error, Note, Warning};
use crate::batch::panic_message;
use crate::{
    BatchError, Block, Elements, Env, EnvError, Episode, Field, Frame, Generator, Layout, generator,
};

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
    /// One row and step, whose times 0 and 1 are used in turn; or why there can be none.
    pub block: Result<Block, BatchError>,
    filling: u8,
    generator: Generator,
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
        // What is impossible is reported before any of these is used.
        let (observation, action) = (env.observation_space().clone(), env.action_space().clone());
        let block = Layout::new(1, 1, observation, action).map(Block::local);
        Self {
            env,
            steps: 0,
            episodes: 0,
            frame: None,
            drawn: false,
            findings: Vec::new(),
            excess: None,
            block,
            filling: FILLINGS[0],
            generator: generator(0),
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
            parts: self.fields().iter().map(RecordField::of).collect(),
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
        let Ok(block) = &mut self.block else { return None };
        let illegal =
            |(option, first): (&i64, usize)| !block.observation_row(1, 0).is_legal(first + *option as usize);
        let components = block.layout().action_space.components();
        let firsts = components.iter().scan(0, |next, n| Some(std::mem::replace(next, *next + n)));
        if choices.iter().zip(firsts).any(illegal) {
            return None;
        }
        block.choices_mut(0, 0..1).copy_from_slice(choices);
        block.numbers_mut(0, 0..1).copy_from_slice(numbers);
        let mut view = block.step_view(0, 0..1);
        let (env, action) = (&mut self.env, view.action(0));
        let failure = guard(|| env.step(action, view.observation(0))).err()?;
        Some(format!("action {action} lies in the action space, but: {failure}"))
    }

    fn reset(&mut self, seed: Option<u64>) -> Option<()> {
        self.begin("reset");
        self.episodes += 1;
        let Self { env, block: Ok(block), filling, .. } = self else { return None };
        fill(block, *filling);
        match guard(|| env.reset(seed, block.observation_row_mut(1, 0))) {
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
        self.steps += 1;
        let Self { env, block: Ok(block), generator, filling, .. } = self else { return None };
        block.carry_over(1);
        block.sample_action(0, 0, generator);
        fill(block, *filling);
        let mut view = block.step_view(0, 0..1);
        let action = view.action(0);
        let (outcome, action) = (guard(|| env.step(action, view.observation(0))), action.to_string());
        match outcome {
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

    /// Fields of the observation; none when there can be no block.
    fn fields(&self) -> &[Field] {
        self.block.as_ref().map_or(&[], |block| block.layout().fields())
    }

    /// The observation as bits: of floats those of f32, of bytes their value.
    fn bits(&self) -> Vec<u32> {
        let Ok(block) = &self.block else { return vec![] };
        let fields = (0..self.fields().len()).map(|field| block.observation_field(field, 1..2).row(0));
        let bits = |x: Elements<'_>| match x {
            Elements::U8(x) => x.iter().map(|&x| x.into()).collect::<Vec<_>>(),
            floats => (0..floats.len()).map(|i| floats.number(i).to_bits()).collect(),
        };
        fields.flat_map(bits).collect()
    }

    fn check_observation(&mut self, episode: Episode) {
        let Ok(block) = &self.block else { return };
        let (mut wrong, mut excess) = (None, self.excess.take());
        for (i, field) in block.layout().fields().iter().enumerate() {
            let shown = block.observation_field(i, 1..2).row(0);
            wrong = wrong.or_else(|| fault(field, shown, episode, self.place, &mut excess));
        }
        if wrong.is_none() && !episode.is_over() {
            wrong = bad_mask(block);
        }
        self.excess = excess;
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
