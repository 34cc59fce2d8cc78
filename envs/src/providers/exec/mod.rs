//! `exec:./simulator --flag` and `tcp:host:port`: a program in any language, spoken to in the protocol of `docs/protocol.md`.
//!
//! Every row has a simulator of its own: a process, or a connection to one that listens. The simulators of all rows
//! compute their steps at the same time. The parameters of [`Settings`] are read here, all others are the simulator's.

mod channel;
mod protocol;
mod settings;
mod simulator;

use std::time::Duration;

use serde_json::{Value, json};

use self::channel::Fault;
use self::protocol::{Hello, Kind, OUTCOME};
use self::settings::Settings;
use self::simulator::{Origin, Simulator};
use super::episode;
use crate::{Action, Coming, Env, EnvError, Frame, Params, Provider, Row, Space, Step};

/// The longest answer to a create message: bounds of a few million elements.
const LONGEST_HELLO: usize = 1 << 26;
/// The longest answer to a call.
const LONGEST_ANSWER: usize = 1 << 26;
/// The longest picture: 8 million pixels and its size.
const LONGEST_PICTURE: usize = 3 * (1 << 23) + 8;

/// The provider of programs that are started.
pub(super) fn exec() -> Provider {
    Provider::new(
        "a program in any language, one for each row: exec:./simulator --flag",
        |command, params| {
            let words = shlex::split(command).filter(|words| !words.is_empty());
            let words = words.ok_or_else(|| {
                EnvError::failed(format!(
                    "exec: a program and its words are expected, quoted as in a shell: {command}"
                ))
            })?;
            open(Origin::Command(words), params).map_err(|e| named(command, e))
        },
    )
}

/// The provider of programs that listen.
pub(super) fn tcp() -> Provider {
    Provider::new(
        "a program that listens, one connection for each row: tcp:127.0.0.1:5555",
        |address, params| open(Origin::Address(address.to_owned()), params).map_err(|e| named(address, e)),
    )
}

/// What keeps an environment from being made, with the simulator's name.
fn named(simulator: &str, error: EnvError) -> EnvError {
    match error {
        EnvError::Failed(what) => EnvError::Failed(format!("{simulator}: {what}")),
        error => error,
    }
}

fn open(origin: Origin, params: &Params) -> Result<Box<dyn Env>, EnvError> {
    Ok(Box::new(Remote::open(origin, params)?))
}

/// An environment that a simulator computes.
struct Remote {
    origin: Origin,
    settings: Settings,
    /// The simulator's own, as JSON.
    params: String,
    simulator: Simulator,
    hello: Hello,
    /// What has been sent and whose answer has not been received.
    pending: Option<Coming>,
    /// Whether the last step ended its episode.
    over: bool,
}

impl Remote {
    fn open(origin: Origin, params: &Params) -> Result<Self, EnvError> {
        let (settings, params) = Settings::take(params)?;
        let (simulator, hello) = start(&origin, &params, settings.start_deadline)?;
        Ok(Self { origin, settings, params, simulator, hello, pending: None, over: false })
    }

    /// Puts another simulator in the place of one that has ended.
    fn restart(&mut self) -> Result<(), EnvError> {
        let (simulator, hello) = start(&self.origin, &self.params, self.settings.start_deadline)?;
        self.simulator = simulator;
        if hello != self.hello {
            return Err(EnvError::failed("the simulator was started again and has other spaces now"));
        }
        Ok(())
    }

    /// Receives the answer to what was sent last, unless it has been received.
    fn catch_up(&mut self) -> Result<(), Fault> {
        match self.pending.map(|coming| self.receive(coming).map(drop)) {
            Some(Err(fault @ (Fault::Ended | Fault::Torn | Fault::Broken(_)))) => Err(fault),
            // Its outcome was not collected, and neither is its error.
            _ => Ok(()),
        }
    }

    /// The answer to what was sent last.
    fn receive(&mut self, coming: Coming) -> Result<&[u8], Fault> {
        self.pending = None;
        let observation = self.hello.observation_bytes;
        let (kind, bytes, deadline) = match coming {
            Coming::Step => (Kind::Step, OUTCOME + observation, self.settings.step_deadline),
            Coming::Reset(_) => (Kind::Reset, observation, self.settings.start_deadline),
        };
        self.simulator.channel()?.receive(kind, bytes..=bytes, deadline)
    }

    fn try_prepare_reset(&mut self, seed: Option<u64>) -> Result<(), Fault> {
        self.catch_up()?;
        self.simulator.send(self.settings.start_deadline, |out| protocol::reset(out, seed))?;
        self.pending = Some(Coming::Reset(seed));
        Ok(())
    }

    fn try_reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), Fault> {
        let coming = Coming::Reset(seed);
        if self.pending != Some(coming) {
            self.try_prepare_reset(seed)?;
        }
        protocol::read_observation(self.receive(coming)?, observation);
        Ok(())
    }

    fn try_prepare(&mut self, action: Action<'_>) -> Result<(), Fault> {
        self.catch_up()?;
        self.simulator.send(self.settings.step_deadline, |out| protocol::step(out, action))?;
        self.pending = Some(Coming::Step);
        Ok(())
    }

    fn try_step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, Fault> {
        if self.pending != Some(Coming::Step) {
            self.try_prepare(action)?;
        }
        let body = self.receive(Coming::Step)?;
        let (reward, status, shown) = protocol::read_step(body).map_err(Fault::Broken)?;
        protocol::read_observation(shown, observation);
        let episode = episode(status.into()).map_err(Fault::Broken)?;
        self.over = episode.is_over();
        Ok(Step { reward, episode })
    }

    /// The answer to a call; `None` when there is nothing of this name.
    fn try_call(&mut self, name: &str, arguments: &Value) -> Result<Option<Value>, Fault> {
        self.catch_up()?;
        let deadline = self.settings.step_deadline;
        self.simulator.send(deadline, |out| protocol::call(out, name, arguments))?;
        let body = self.simulator.channel()?.receive(Kind::Call, 0..=LONGEST_ANSWER, deadline)?;
        if body.is_empty() {
            return Ok(None);
        }
        serde_json::from_slice(body).map(Some).map_err(|e| {
            Fault::Broken(format!("the simulator's answer to the call of {name:?} is no JSON: {e}"))
        })
    }

    fn try_render(&mut self) -> Result<Frame, Fault> {
        let deadline = self.settings.step_deadline;
        self.simulator.send(deadline, |out| protocol::plain(out, Kind::Render))?;
        let body = self.simulator.channel()?.receive(Kind::Render, 0..=LONGEST_PICTURE, deadline)?;
        protocol::read_picture(body).map_err(Fault::Broken)
    }
}

/// A simulator that has been sent create.
fn start(origin: &Origin, params: &str, deadline: Duration) -> Result<(Simulator, Hello), EnvError> {
    let mut simulator = origin.open(deadline)?;
    match handshake(&mut simulator, params, deadline) {
        Ok(hello) => {
            simulator.reserve(OUTCOME + hello.observation_bytes);
            Ok((simulator, hello))
        }
        Err(fault) => Err(simulator.fail(fault)),
    }
}

fn handshake(simulator: &mut Simulator, params: &str, deadline: Duration) -> Result<Hello, Fault> {
    simulator.send(deadline, |out| protocol::create(out, params))?;
    let body = simulator.channel()?.receive(Kind::Create, 0..=LONGEST_HELLO, deadline)?;
    protocol::read_hello(body).map_err(Fault::Broken)
}

impl Env for Remote {
    fn observation_space(&self) -> &Space {
        &self.hello.observation_space
    }

    fn action_space(&self) -> &Space {
        &self.hello.action_space
    }

    fn reset(&mut self, seed: Option<u64>, mut observation: Row<'_>) -> Result<(), EnvError> {
        let mut outcome = self.try_reset(seed, observation.again());
        if matches!(outcome, Err(Fault::Ended)) && self.settings.restart {
            self.restart()?;
            outcome = self.try_reset(seed, observation);
        }
        outcome.map_err(|fault| self.simulator.fail(fault))
    }

    fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        self.try_step(action, observation).map_err(|fault| self.simulator.fail(fault))
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn prepare(&mut self, action: Action<'_>) -> Result<(), EnvError> {
        self.try_prepare(action).map_err(|fault| self.simulator.fail(fault))
    }

    fn prepare_reset(&mut self, seed: Option<u64>) -> Result<(), EnvError> {
        match self.try_prepare_reset(seed) {
            // The reset reports a simulator that has ended, or starts another one.
            Ok(()) | Err(Fault::Ended) => Ok(()),
            Err(fault) => Err(self.simulator.fail(fault)),
        }
    }

    fn prepare_drop(&mut self) {
        self.simulator.part();
    }

    fn render(&mut self) -> Result<Frame, EnvError> {
        if !self.hello.draws {
            return Err(EnvError::NoRender("the simulator announces none in its hello".to_owned()));
        }
        self.try_render().map_err(|fault| self.simulator.fail(fault))
    }

    fn call(&mut self, name: &str, arguments: &Value) -> Result<Value, EnvError> {
        let no_method = || EnvError::NoMethod(name.to_owned());
        if !self.hello.answers_calls {
            return Err(no_method());
        }
        match self.try_call(name, arguments) {
            Ok(answer) => answer.ok_or_else(no_method),
            // One that ends with its episode has no info.
            Err(Fault::Ended) if self.settings.restart && self.over && name == "info" => Ok(json!({})),
            Err(fault) => Err(self.simulator.fail(fault)),
        }
    }
}
