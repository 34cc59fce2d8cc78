//! `phalanx export`: the policy of a run as a file that acts without libtorch.

use std::io::Write;
use std::path::PathBuf;

use bytesize::ByteSize;
use phalanx_agents::ACTION;
use phalanx_algorithms::{Which, checkpoint_step};
use phalanx_envs::{Registry, Workers};
use phalanx_micro::Policy;

use super::Usage;
use crate::config::Config;
use crate::export::{self, About};
use crate::run::RunFolder;
use crate::setup;

/// Largest difference of an output of the network, as a part of the largest one.
const TOLERANCE: f32 = 1e-6;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Folder of the run, as printed by `phalanx train`.
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Checkpoint whose policy is written: the newest, the one with the best evaluation, or the one of a step.
    #[arg(long, default_value = "latest", value_name = "latest|best|STEP")]
    checkpoint: Which,
    /// File that is written.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Number of steps whose observations and actions are recorded in the file.
    #[arg(long, default_value_t = 256, value_name = "N")]
    records: usize,
    /// Most bytes of the file, as in 32KiB, or 32K for 32,000; a larger one is not written.
    #[arg(long, value_name = "SIZE")]
    max_flash: Option<ByteSize>,
    /// Most bytes of memory that the policy may need while it acts; one that needs more is not written.
    #[arg(long, value_name = "SIZE")]
    max_ram: Option<ByteSize>,
}

impl Arguments {
    /// See [`super::enter_working_directory`].
    pub fn enter_working_directory(&mut self) -> anyhow::Result<()> {
        super::enter_working_directory(&mut self.run, Some(&mut self.out))
    }
}

pub(super) fn run(arguments: &Arguments, registry: &Registry, out: &mut impl Write) -> anyhow::Result<()> {
    let run = RunFolder::open(&arguments.run).map_err(|error| Usage(error.to_string()))?;
    let config = Config { workers: Workers::Count(0), ..run.config(&[], registry)? };
    let found = run.checkpoints(config.checkpoint.keep).load(arguments.checkpoint)?;
    let device = setup::device(&config)?;
    let env = config.evaluation_env();
    let shape = (1, 1, setup::trial_seed(config.seed));
    let mut batch = setup::batch(&config, env, registry, None, shape)?.batch;
    let mut agent = setup::agent(&config, batch.block().layout(), device, &found.checkpoint)?;
    let (records, outputs) = export::record(&mut agent, &mut *batch, arguments.records)?;
    let about = About::new(env, batch.block().layout(), checkpoint_step(&found.checkpoint)?);
    let bytes = export::bytes(&agent, batch.block().layout(), &about, &records)?;
    export::compare(&agent, batch.block().layout(), &bytes, (&records, &outputs), TOLERANCE)?;
    batch.close()?;

    let mut memory = Vec::new();
    let ram = 4 * Policy::arena(phalanx_export::aligned(&bytes, &mut memory))?;
    for (what, size, most) in
        [("file", bytes.len(), arguments.max_flash), ("memory while it acts", ram, arguments.max_ram)]
    {
        if let Some(most) = most.filter(|most| size as u64 > most.as_u64()) {
            let message = format!(
                "the {what} takes {size} bytes, more than {} bytes; nothing was written",
                most.as_u64()
            );
            return Err(Usage(message).into());
        }
    }
    export::save(&arguments.out, &bytes)?;
    let graph = agent.network().graph();
    let actor = graph.output(ACTION).map(|action| graph.order(&[action])).unwrap_or_default();
    let multiplications: usize = actor.iter().map(|&i| graph.nodes[i].multiplications()).sum();
    let (file, steps) = (arguments.out.display(), about.steps);
    writeln!(
        out,
        "{file}: the policy of {} after {steps} steps, {} bytes with {} recorded steps",
        about.env.name,
        bytes.len(),
        records.len()
    )?;
    writeln!(
        out,
        "  {ram} bytes of memory while it acts, {multiplications} multiplications with weights a step"
    )?;
    writeln!(out, "to evaluate it: phalanx evaluate --policy {file}")?;
    Ok(())
}
