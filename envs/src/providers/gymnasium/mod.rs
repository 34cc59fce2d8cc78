//! Environments of Python's Gymnasium, of the provider `gymnasium:`.
//!
//! `gymnasium:CartPole-v1`, `gymnasium:ALE/Breakout-v5` (needs `ale-py`) or, as Gymnasium itself writes it when a module
//! has to be imported first, `gymnasium:mypackage:MyEnv-v0`. Modules are also found in the current folder. The parameters
//! go to `gymnasium.make` as they are: the environment's own, and `max_episode_steps`, `render_mode`, `disable_env_checker` and
//! the like. Only an environment that will be drawn is made with `render_mode="rgb_array"`; one that opens a window by default
//! is made with `render_mode=None`. Those of `Settings` are ours; docs/environments.md has a table of them. Where the actions have
//! choices and there is no method `action_masks()`, the first environment of a process is reset, which shows whether its info has a mask.
//!
//! Each process that has rows of this kind starts one interpreter, which hosts them all: `host.rs` is our side of it,
//! the Python files are what it runs, one after another. Every row has a piece of memory that both sides see, so a step is four bytes
//! in a pipe each way for all rows of a slice together; the next slice's may wait in the pipe, so that the interpreter need not:
//!
//! ```text
//! 0 seed u32 │ 4 reward f32 │ 8 command u8 │ 9 episode u8 │ 10 informs u8 │ 11 bell u8 │ 12 lives u32 │ 16 choices [D] i64 │ numbers [C] f32 │ … observation
//! ```
//!
//! # Spaces
//! | Gymnasium | observation | action |
//! |---|---|---|
//! | `Box` | a box of the same shape: u8 and float64 stay, all else is f32 | a box of f32, rounded when the dtype is an integer's |
//! | `Discrete`, `MultiDiscrete` | the same, choices from 0; `start` is subtracted | choices from 0; `start` is added |
//! | `MultiBinary` | bits | bits |
//! | `Dict`, `Tuple` | the same of its parts, in the order of `gymnasium.spaces.flatten`; a part that is the only one as it is | the same of its parts |
//!
//! A part `action_mask` of a Dict is a mask ([`Role::Mask`](crate::Role)). Where the environment has a method `action_masks()`, or its info an
//! `action_mask`, an observation is a Dict of `observation` and `action_mask`; each part of a Dict or Tuple keeps its path below `observation`.
//!
//! An observation of another dtype than its space's is taken where its values fit; one that does not (a fraction or 300 for `uint8`) is an
//! error, as is a key that the space has and the observation lacks, or the other way round. At most 2²⁰ choices are possible.
//!
//! # Seeds
//! Many environments hand their seed to libraries that take a signed number of 32 bits. So a seed below 2³¹ is given as it is, and a
//! longer one is folded into 31 bits: all groups of 31 bits, combined by xor. With one, ALE loads its ROM again: its
//! resets take 100 to 200 ms, ten times what they take without. Its games without sticky actions
//! (`repeat_action_probability: 0`) draw nothing, so that `seed_resets: false` is for them.
//!
//! # Not here
//! - Vector environments, and Gymnasium's own autoreset: rows and resets are the batch's.
//! - Deadlines: those of the workers hold, and the interpreter ends with its worker. With `workers: 0` an endless
//!   loop of the environment is one of the learner, too.
//! - Replacing an interpreter that ended, or an environment that called `sys.exit`: that is the death of the row, which a batch
//!   takes for the loss of its worker.

mod host;
mod message;
mod notes;
mod settings;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use self::host::Host;
use self::message::{Added, Request};
use self::notes::Notes;
use self::settings::{Settings, usual_interpreter};
use crate::os::Mapping;
use crate::wrappers::Flatten;
use crate::{
    Action, Coming, Env, EnvError, Episode, Frame, Label, Labels, Params, Phase, Provider, Registry, Row,
    Space, Step, making,
};

/// Places in the memory of a row.
const SEED: usize = 0;
const REWARD: usize = 4;
const COMMAND: usize = 8;
const EPISODE: usize = 9;
const INFORMS: usize = 10;
const BELL: usize = 11;
const LIVES: usize = 12;
const ACTION: usize = 16;

/// In place of lives, where there are none.
const UNCOUNTED: u32 = u32::MAX;

/// What a row is to do; it notes `Rest` when that went well, and 1 when it did not.
#[derive(Clone, Copy, PartialEq)]
#[repr(u8)]
enum Command {
    Rest = 0,
    Step = 2,
    Reset = 3,
    ResetSeeded = 4,
}

/// One environment of Gymnasium.
pub struct GymnasiumEnv {
    host: Rc<RefCell<Host>>,
    row: u32,
    memory: Mapping,
    /// Where the observation stands in the memory.
    observation_at: usize,
    observation_space: Space,
    action_space: Space,
    labels: Labels,
    /// Whether episodes have seeds.
    seed_resets: bool,
    frames_per_second: f64,
    /// The step or reset that has been prepared.
    prepared: Option<Coming>,
    /// Number of the bell at which it obeys, or did last.
    bell: u64,
    closed: bool,
}

impl GymnasiumEnv {
    /// Makes the environment that `gymnasium.make(name, **params)` makes; one that will be `drawn` has the render mode
    /// `rgb_array` if it can draw so, unless the parameters name another.
    ///
    /// # Errors
    /// [`EnvError::Failed`] with Python's exception in the first line and its traceback beneath, or with what is wrong with the interpreter.
    fn new(
        name: &str,
        settings: &Settings,
        params: &Map<String, Value>,
        drawn: bool,
        notes: &Notes,
    ) -> Result<Self, EnvError> {
        let Settings { python, keys, drop, reward_weights, seed_resets, .. } = settings;
        let (keys, reward_weights, masks) = (keys.as_deref(), reward_weights.as_deref(), settings.masks());
        let host = Host::shared(python, notes)?;
        host.borrow_mut().request::<()>(&Request::Make { name, params, drawn })?;
        making::begin(Phase::MaskReset);
        let added: Added = host.borrow_mut().request(&Request::Add { keys, drop, reward_weights, masks })?;
        let memory = host.borrow().map(added.offset, added.length)?;
        let label = |start: Vec<i64>| {
            let start = if start.iter().all(|&start| start == 0) { Vec::new() } else { start };
            Label { start, ..Label::default() }
        };
        let [observation, action] = added.starts.map(|starts| starts.into_iter().map(label).collect());
        Ok(Self {
            row: added.row,
            memory,
            observation_at: added.observation_at,
            observation_space: added.observation.into(),
            action_space: added.action.into(),
            labels: Labels { observation, action },
            frames_per_second: added.frames_per_second,
            seed_resets: *seed_resets,
            prepared: None,
            bell: 0,
            closed: false,
            host,
        })
    }

    /// Has the row obey at the next bell.
    fn schedule(&mut self, coming: Coming, command: Command) {
        self.bell = self.host.borrow_mut().next_bell();
        self.memory.write(COMMAND, &[command as u8]);
        self.memory.write(BELL, &[self.bell as u8]);
        self.prepared = Some(coming);
    }

    /// Waits until the row has obeyed, and reads its observation.
    fn finish(&mut self, observation: Row<'_>) -> Result<(), EnvError> {
        self.prepared = None;
        self.host.borrow_mut().await_bell(self.bell);
        if self.memory.read_one::<u8>(COMMAND) != Command::Rest as u8 {
            self.memory.write(COMMAND, &[Command::Rest as u8]);
            return Err(self.host.borrow_mut().failure(self.row));
        }
        match observation {
            Row::F32(row) => self.memory.read(self.observation_at, row),
            Row::F64(row) => self.memory.read(self.observation_at, row),
            Row::U8(row) | Row::Fields { bytes: row, .. } => self.memory.read(self.observation_at, row),
        }
        Ok(())
    }
}

/// `seed` in 31 bits.
fn fold(seed: u64) -> u32 {
    ((seed ^ (seed >> 31) ^ (seed >> 62)) & 0x7FFF_FFFF) as u32
}

impl Env for GymnasiumEnv {
    fn observation_space(&self) -> &Space {
        &self.observation_space
    }

    fn action_space(&self) -> &Space {
        &self.action_space
    }

    fn reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        if self.prepared != Some(Coming::Reset(seed)) {
            self.prepare_reset(seed)?;
        }
        self.finish(observation)
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn is_ready(&mut self) -> bool {
        self.host.borrow_mut().is_ready(self.bell)
    }

    fn prepare(&mut self, action: Action<'_>) -> Result<(), EnvError> {
        let mut choice = 0;
        let (choices, numbers) = action.split(&mut choice);
        self.memory.write(ACTION, choices);
        self.memory.write(ACTION + size_of_val(choices), numbers);
        self.schedule(Coming::Step, Command::Step);
        Ok(())
    }

    fn prepare_reset(&mut self, seed: Option<u64>) -> Result<(), EnvError> {
        self.memory.write(SEED, &[fold(seed.unwrap_or_default())]);
        let seeded = self.seed_resets && seed.is_some();
        self.schedule(Coming::Reset(seed), if seeded { Command::ResetSeeded } else { Command::Reset });
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        if self.prepared != Some(Coming::Step) {
            self.prepare(action)?;
        }
        self.finish(observation)?;
        let episode = Episode::from_byte(self.memory.read_one(EPISODE));
        Ok(Step { reward: self.memory.read_one(REWARD), episode })
    }

    /// A whole number that its info has as `lives`, without asking for the info: this is done at every step of a game.
    fn lives(&mut self) -> Result<Option<u64>, EnvError> {
        let lives = Some(self.memory.read_one::<u32>(LIVES));
        Ok(lives.filter(|&lives| lives != UNCOUNTED).map(u64::from))
    }

    fn labels(&mut self) -> Result<Labels, EnvError> {
        Ok(self.labels.clone())
    }

    /// `env.render()` of environments that were made with the render mode `rgb_array`.
    fn render(&mut self) -> Result<Frame, EnvError> {
        self.host.borrow_mut().picture(self.row)
    }

    fn frames_per_second(&self) -> f64 {
        self.frames_per_second
    }

    fn close(&mut self) -> Result<(), EnvError> {
        if std::mem::replace(&mut self.closed, true) {
            return Ok(());
        }
        self.host.borrow_mut().close(self.row)
    }

    /// `info`: the numbers and arrays of at most 100 numbers in the info of the latest reset or step. Any other name is a method or
    /// attribute of the environment or of a wrapper around it; the arguments of a method are a list, or a map of names.
    fn call(&mut self, name: &str, arguments: &Value) -> Result<Value, EnvError> {
        if name == "info" && self.memory.read_one::<u8>(INFORMS) == 0 {
            return Ok(json!({}));
        }
        self.host.borrow_mut().request(&Request::Call { row: self.row, name, arguments })
    }
}

impl Drop for GymnasiumEnv {
    fn drop(&mut self) {
        let _ = self.close();
    }
}

/// `env` with observations and actions of one field.
fn flat(env: Box<GymnasiumEnv>) -> Result<Box<dyn Env>, EnvError> {
    if !Flatten::changes(&*env) {
        return Ok(env);
    }
    let flat = Flatten::new(env);
    let action = flat.action_space();
    if action.is_composite() {
        let message = format!(
            "{action} asks for choices and numbers at once: wrap it into one that asks for either, or leave out `flatten: true`"
        );
        return Err(EnvError::Failed(message));
    }
    Ok(Box::new(flat))
}

/// Adds the provider.
pub(crate) fn register(registry: Registry) -> Registry {
    // Made before any process is forked from this one, so that all of them have it.
    let notes = Arc::new(Notes::new());
    let open = |drawn: bool| {
        let notes = Arc::clone(&notes);
        move |name: &str, params: &Params| -> Result<Box<dyn Env>, EnvError> {
            let (settings, rest) = Settings::take(params)?;
            let env = Box::new(GymnasiumEnv::new(name, &settings, &rest, drawn, &notes)?);
            if settings.flatten { flat(env) } else { Ok(env) }
        }
    };
    let provider =
        Provider::new("environments of Python's Gymnasium, for example gymnasium:CartPole-v1", open(false));
    let provider = provider.drawn(open(true)).params(Settings::complete);
    let provider = provider.needs(|| host::remedy(&usual_interpreter())).limits_itself(|params, limit| {
        // Gymnasium's own limit would hold beside another one; -1 is its word for none.
        let steps = if limit == 0 { -1 } else { i64::from(limit) };
        if params.0.insert("max_episode_steps".to_owned(), steps.into()).is_none() {
            return Ok(());
        }
        let message = "`max_episode_steps` and `time_limit` are one and the same: leave one of them out";
        Err(EnvError::Params { name: String::new(), message: message.to_owned() })
    });
    registry.with_provider("gymnasium", provider)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_seed_stays_and_a_long_one_is_folded() {
        assert_eq!(fold(0), 0);
        assert_eq!(fold(0x7FFF_FFFF), 0x7FFF_FFFF);
        // 3 + 2³¹: 3 xor 1 = 2; 2⁶³: its highest bit is the second of the third group.
        assert_eq!(fold(0x8000_0003), 2);
        assert_eq!(fold(1 << 63), 2);
        assert!(fold(u64::MAX) < 1 << 31);
    }
}
