//! `phalanx bench`: how fast environments and trainings are on this machine.

mod envs;
mod train;

use std::io::Write;

use clap::Subcommand;
use phalanx_envs::{Registry, Zygote};

use super::{Usage, eprint_line};
use crate::bench::Speed;
use crate::plot::Labels;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Measure the steps per second of an environment with random actions.
    Envs(envs::Arguments),
    /// Measure the steps per second of whole training iterations: rollouts, updates and metrics.
    Train(train::Arguments),
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("expected a number of seconds, a day at most".to_owned()),
    }
}

pub(super) fn run(
    command: Command,
    registry: &Registry,
    zygote: &Zygote,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    match command {
        Command::Envs(arguments) => envs::run(arguments, registry, zygote, out),
        Command::Train(arguments) => train::run(&arguments, registry, zygote, out),
    }
}

fn text(speed: &Speed) -> String {
    format!("{:.0} ({:.0} to {:.0} in {} slices)", speed.median, speed.min, speed.max, speed.slices)
}

/// Steps a second over what was varied.
fn labels<'a>(title: &'a str, across: &'a str) -> Labels<'a> {
    Labels { title, across, up: "steps/s", logarithmic: true }
}
