//! What is measured: the settings of all suites.

use std::fmt;

/// A kind of measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    /// Environment steps a second of PPO, updates included.
    Train,
    /// Environment steps a second under random actions.
    Envs,
    /// The same of Gymnasium's own environments, in several processes of Python.
    Gymnasium,
}

impl Suite {
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Envs => "envs",
            Self::Gymnasium => "gymnasium",
        }
    }

    /// Length of one run after its warm-up, in seconds.
    pub fn seconds(self) -> &'static str {
        match self {
            Self::Train => "5",
            Self::Envs | Self::Gymnasium => "3",
        }
    }
}

/// The policy that is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// A perceptron.
    Plain,
    /// One with memory.
    Recurrent,
    /// One of which some choices are illegal at times.
    Masked,
}

/// One table of the page. For the train suite, `configs/bench/NAME.yaml` is the same for Phalanx.
pub struct Setting {
    pub suite: Suite,
    pub name: &'static str,
    pub env: &'static str,
    /// Environments that are stepped together.
    pub rows: u32,
    /// Steps of every row between two updates, epochs of an update and minibatches of an epoch; zeros where nothing is learned.
    pub update: (u32, u32, u32),
    pub policy: Policy,
}

pub const SETTINGS: [Setting; 15] = [
    train("cartpole8", CARTPOLE, 8, (128, 4, 4)),
    train("cartpole64", CARTPOLE, 64, (128, 4, 4)),
    train("pendulum64", PENDULUM, 64, (200, 4, 4)),
    train("cheetah1", HALF_CHEETAH, 1, (2048, 10, 32)),
    train("cheetah64", HALF_CHEETAH, 64, (64, 4, 4)),
    Setting { policy: Policy::Recurrent, ..train("recurrent64", CARTPOLE, 64, (128, 4, 4)) },
    Setting { policy: Policy::Masked, ..train("masked64", MASKED_CARTPOLE, 64, (128, 4, 4)) },
    envs("cartpole8", CARTPOLE, 8),
    envs("cartpole64", CARTPOLE, 64),
    envs("cartpole256", CARTPOLE, 256),
    envs("cartpole1024", CARTPOLE, 1024),
    envs("pendulum64", PENDULUM, 64),
    gymnasium("cartpole32", CARTPOLE, 32),
    gymnasium("cheetah16", HALF_CHEETAH, 16),
    gymnasium("breakout16", "ale_py:ALE/Breakout-v5", 16),
];

pub const CARTPOLE: &str = "CartPole-v1";
/// Of `scripts/peers/masked_cartpole.py`.
const MASKED_CARTPOLE: &str = "masked_cartpole:MaskedCartPole-v0";
const PENDULUM: &str = "Pendulum-v1";
pub const HALF_CHEETAH: &str = "HalfCheetah-v5";

const fn train(name: &'static str, env: &'static str, rows: u32, update: (u32, u32, u32)) -> Setting {
    Setting { suite: Suite::Train, name, env, rows, update, policy: Policy::Plain }
}

const fn envs(name: &'static str, env: &'static str, rows: u32) -> Setting {
    Setting { suite: Suite::Envs, ..train(name, env, rows, (0, 0, 0)) }
}

const fn gymnasium(name: &'static str, env: &'static str, rows: u32) -> Setting {
    Setting { suite: Suite::Gymnasium, ..envs(name, env, rows) }
}

impl Setting {
    /// In words, as the heading of its table.
    pub fn words(&self) -> String {
        let Self { env, rows, update: (steps, epochs, minibatches), .. } = self;
        match self.suite {
            Suite::Train => {
                format!("{env}, {rows} rows × {steps} steps, {epochs} epochs, {minibatches} minibatches")
            }
            Suite::Envs | Suite::Gymnasium => format!("{env}, {rows} rows"),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.suite.name(), self.name)
    }
}
