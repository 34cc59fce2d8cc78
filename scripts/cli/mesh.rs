//! `phalanx mesh`: layouts and scaling of trainings on several ranks, without running them.

use std::io::Write;
use std::path::PathBuf;

use clap::Subcommand;
use phalanx_envs::Registry;

use super::config::Overrides;
use crate::config;
use crate::mesh::{Pieces, Scaling, is_automatic, plan, scaling};

/// The mesh of a training, laid over the configuration's.
#[derive(Debug, clap::Args)]
pub(super) struct MeshOverrides {
    /// Axes of the mesh and the ranks along each, as in `rows:2,cols:2` [default: `mesh.shape` of the configuration, or all ranks along `rows`].
    #[arg(long, value_name = "AXIS:N,…")]
    mesh: Option<String>,
    /// What is divided along which axis, as in `env:rows,h1:cols`; `auto` chooses [default: `mesh.layout` of the configuration, or `env:rows`].
    #[arg(long, value_name = "DIMENSION:AXIS,…|auto")]
    layout: Option<String>,
}

impl MeshOverrides {
    /// As settings.
    pub fn sets(&self) -> impl Iterator<Item = String> {
        let set = |name: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!("mesh.{name}='{}'", value.replace('\'', "")))
        };
        [set("shape", &self.mesh), set("layout", &self.layout)].into_iter().flatten()
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print what each rank has, computes and sends, without running a training.
    ///
    /// A line for each tensor has its shape, the shape of the part of each rank and what divides it. The bytes are those that the metric
    /// `communication_bytes` counts.
    Plan {
        /// Configuration file (YAML).
        #[arg(value_name = "CONFIG")]
        file: PathBuf,
        #[command(flatten)]
        mesh: MeshOverrides,
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Simulate how a training scales when each rank has the rows of the configuration, from pieces measured on this machine.
    ///
    /// The times of environment steps, arithmetic on one core and sums over TCP between two ranks here are measured; iterations of more and
    /// more ranks are put together of them, each as long as its slowest rank.
    Scaling {
        /// Configuration file (YAML).
        #[arg(value_name = "CONFIG")]
        file: PathBuf,
        /// Ranks up to which it is simulated.
        #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=65_536))]
        ranks: u32,
        #[command(flatten)]
        overrides: Overrides,
    },
}

pub(super) fn run(command: Command, registry: &Registry, out: &mut impl Write) -> anyhow::Result<()> {
    match command {
        Command::Plan { file, mesh, overrides } => {
            let sets: Vec<String> = overrides.sets.into_iter().chain(mesh.sets()).collect();
            let config = config::load(&file, &sets, registry)?;
            if is_automatic(&config) {
                return Err(super::Usage(
                    "mesh.layout is auto, which the ranks choose by a measurement when they train: name a layout to see its plan".into(),
                )
                .into());
            }
            writeln!(out, "{}", plan(&config, registry)?)?;
        }
        Command::Scaling { file, ranks, overrides } => {
            let config = config::load(&file, &overrides.sets, registry)?;
            let pieces = Pieces::over_tcp(&config, registry)?;
            let Pieces { flops, step, latency, byte, .. } = pieces;
            writeln!(
                out,
                "measured: {:.2} µs a step, {:.1} Gflop/s, sums over TCP {:.0} µs and {:.2} GB/s",
                1e6 * step,
                flops / 1e9,
                1e6 * latency,
                1e-9 / byte
            )?;
            writeln!(
                out,
                "{:>6}  {:>13}  {:>10}  {:>8}  {:>6}",
                "ranks", "steps/s", "efficiency", "waiting", "sums"
            )?;
            for scaling in scaling(&config, registry, &pieces, ranks as usize)? {
                let Scaling { ranks, steps_per_second, efficiency, waiting, sums } = scaling;
                let [efficiency, waiting, sums] = [efficiency, waiting, sums].map(|share| 100.0 * share);
                writeln!(
                    out,
                    "{ranks:>6}  {steps_per_second:>13.0}  {efficiency:>8.1} %  {waiting:>6.1} %  {sums:>4.1} %"
                )?;
            }
        }
    }
    Ok(())
}
